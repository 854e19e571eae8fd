"""Command `adopt`: WebDataset shards of one's own, used as they are."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import click

from cgan_dist.commands.base import UserCommand
from cgan_dist.commands.data import OPTIONS, SHEET, describe, on_error_option, read_options
from cgan_dist.commands.out import OutFolder
from cgan_dist.commands.place import Place
from cgan_dist.errors import UserError


@click.command("adopt", cls=UserCommand)
@click.argument("source", type=Place())
@click.option("--out", type=OutFolder(), help="Folder for the manifest and links to the tars. Default: beside them.")
@click.option("--split", default="train", show_default=True, help="train, valid, test or all, where there are several.")
@click.option("--shards", type=click.IntRange(1), help="Lists to deal the images to. Default: 8, or more eights.")
@click.option("--seed", default=0, show_default=True, help="Another one shuffles the images otherwise.")
@click.option("--processes", type=click.IntRange(1), help="Processes that read. Default: one per usable core.")
@on_error_option("leave them out")
@OPTIONS
def adopt_command(
    source: Path | str,
    out: Path | None,
    split: str,
    options: tuple[str, ...],
    processes: int | None,
    on_error: Literal["stop", "skip"],
    **deal: Any,
) -> None:
    """Train on WebDataset shards as they are.

    SOURCE is a folder of tars, a tar, or a pattern such as 'train-{000000..000146}.tar', with pictures of one size.
    They are read once, to write a manifest and lists of images beside them; nothing is rewritten. Options are those
    of `cgan-dist prepare webdataset`.
    """
    from cgan_dist.data import SOURCES
    from cgan_dist.data.adoption import Deal, adopt
    from cgan_dist.data.shards import ShardSet
    from cgan_dist.data.storage import Storage

    if isinstance(source, str):
        raise UserError(f"{source}: a URL; fetch the tars first, or pack them: cgan-dist prepare webdataset.")
    found = SOURCES.build("webdataset", "SOURCE", read_options(options), folder=source, split=split)
    home = out or (source if source.is_dir() else Path(os.path.commonpath([tar.parent for tar in found.read.tars])))
    adopt(found, home, Deal(**deal), out is not None, processes, on_error)
    describe(ShardSet(Storage(home)), home / SHEET)
