"""How commands say something: whatever names and sources of others are in it, a terminal obeys none of it."""

from __future__ import annotations

import click

from cgan_dist.errors import printable


def say(text: object = "", err: bool = False, nl: bool = True) -> None:
    """Prints a text, on stderr if `err`, with a line end if `nl`."""
    click.echo(printable(str(text)), err=err, nl=nl)
