"""`cgan-dist sample` as a script."""

from cgan_dist.commands.sample import sample

if __name__ == "__main__":
    sample()
