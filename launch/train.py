"""`cgan-dist train` as a script, for `accelerate launch` and `torchrun`."""

from cgan_dist.cli import train

if __name__ == "__main__":
    train()
