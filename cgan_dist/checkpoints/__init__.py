"""A run's state on disk: whole or absent, hashed, written by a thread, kept by rules.

Nothing is plugged in. `store` is what training and commands use; `folder` is one checkpoint, `writer` puts files on
disk so that a kill cannot halve them, `snapshot` is what is to be written, `retention` says which ones stay.
"""
