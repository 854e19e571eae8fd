"""`python -m cgan_dist`, the same as the command `cgan-dist`."""

from cgan_dist.cli import main

main()
