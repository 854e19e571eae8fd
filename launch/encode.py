"""`cgan-dist encode` as a script."""

from cgan_dist.commands.encode import encode

if __name__ == "__main__":
    encode()
