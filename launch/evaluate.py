"""`cgan-dist evaluate` as a script."""

from cgan_dist.commands.evaluate import evaluate

if __name__ == "__main__":
    evaluate()
