"""Run by one process of a group of one: a command that ends in an error while the group's threads live."""

from __future__ import annotations

import atexit
import sys

import click
import torch.distributed as dist

from cgan_dist.commands.base import UserCommand
from cgan_dist.errors import UserError


class TakenApart:
    """Says that Python is being taken apart, which is when a thread of the group that wakes aborts the process."""

    def __init__(self, write=sys.stdout.write) -> None:
        self.write = write

    def __del__(self) -> None:
        self.write("taken apart\n")


@click.command(cls=UserCommand)
@click.argument("how")
def main(how: str) -> None:
    """Ends in four ways."""
    store = dist.HashStore()
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    sys.kept = TakenApart()  # type: ignore[attr-defined]
    atexit.register(print, "cleaned up")
    if how == "refuses":
        raise UserError("alone: found too few images.")
    if how == "breaks":
        raise ZeroDivisionError("a bug in a plug-in")
    if how == "stops":
        sys.exit(7)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
