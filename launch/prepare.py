"""`cgan-dist prepare` as a script."""

from cgan_dist.commands.data import prepare

if __name__ == "__main__":
    prepare()
