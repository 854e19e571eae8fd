"""`cgan-dist train` as a script, for `accelerate launch` and `torchrun`."""

from cgan_dist.commands.train import train

if __name__ == "__main__":
    train()
