"""A picture found again in a generator: the z and the label whose image is nearest to it; nothing is plugged in.

`targets` reads pictures, `distance` says how near an image is, in pixels and in `views` of features, `descent` moves z,
`candidates` are labels to try, `inverter` tries labels and starts as its `plan` says and keeps their `standing`,
`encoder` makes a start, `found_file` keeps what was found, `sheet` shows it, `effects` says what a change of the label
changed.
"""
