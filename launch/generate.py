"""`cgan-dist generate` as a script."""

from cgan_dist.commands.generate import generate

if __name__ == "__main__":
    generate()
