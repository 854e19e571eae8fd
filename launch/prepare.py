"""`cgan-dist prepare` as a script."""

from cgan_dist.cli import prepare

if __name__ == "__main__":
    prepare()
