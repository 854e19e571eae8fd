"""Where a command reads: a path of this machine, or a URL. A `~` is the home folder, where no shell has seen to it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click


class LocalPath(click.Path):
    """A path. Shells leave `~` alone within a word, as in `--out=~/x`."""

    def __init__(self) -> None:
        super().__init__(path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Reads what was typed."""
        from cgan_dist.config.home import at_home

        try:
            return Path(at_home(os.fsdecode(super().convert(value, param, ctx))))
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Place(LocalPath):
    """A path, or a URL as text: a path would lose one of its slashes."""

    name = "place"

    def convert(  # type: ignore[override]
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path | str:
        """Reads what was typed."""
        from cgan_dist.data.storage import is_remote

        return str(value) if is_remote(str(value)) else super().convert(value, param, ctx)
