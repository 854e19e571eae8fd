"""What `cgan-dist` can be asked to do; a file for each family of commands.

`base`, `out` and `drawing` are what they share.
"""
