"""A picture found again in a generator: the z and the label whose image is nearest to it; nothing is plugged in.

`distance` says how near, `descent` moves z, `inverter` tries labels and starts, `encoder` makes a start, `found_file`
keeps what was found, `effects` says what a change of the label changed besides.
"""
