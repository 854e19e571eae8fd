"""Commands `prepare`, `inspect` and `verify`: shards of a labelled image set."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cgan_dist.command import UserCommand
from cgan_dist.errors import UserError

if TYPE_CHECKING:
    from cgan_dist.data.shards import ShardSet

SHEET = "contact-sheet.png"
HISTOGRAM_COLUMNS, HISTOGRAM_ROWS = 40, 200


@click.command(cls=UserCommand)
@click.argument("source")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to make.")
@click.option("--source", "folder", type=click.Path(path_type=Path), help="Folder with the files to read.")
@click.option("--split", default="train", show_default=True, help="train, valid, test or all, where the source has it.")
@click.option("--shards", default=8, show_default=True, help="How many; a multiple of data.streams mixes best.")
@click.option("--seed", default=0, show_default=True, help="Of the global shuffle.")
@click.option("--size", type=click.IntRange(1), help="Crop the centre square and resize it to this side.")
@click.option("--channels", type=click.Choice(["1", "3"]), help="Turn colour to grey, or repeat grey.")
@click.option(
    "--encoding", type=click.Choice(["raw", "jpeg", "png", "webp"]), help="Default: raw up to 64 px, else jpeg."
)
@click.option("--quality", default=95, show_default=True, type=click.IntRange(1, 100), help="Of jpeg and webp.")
@click.option("--processes", type=click.IntRange(1), help="Default: one per core.")
@click.option(
    "--option", "options", multiple=True, metavar="KEY=VALUE", help="Of the source, e.g. attributes=[Smiling]."
)
def prepare(
    source: str,
    out: Path,
    folder: Path | None,
    split: str,
    options: tuple[str, ...],
    processes: int | None,
    channels: str | None,
    **plan: Any,
) -> None:
    """Pack a labelled image set into WebDataset shards, with a manifest and a contact sheet.

    SOURCE is mnist5k, mnist, fashion_mnist, cifar10, celeba, folder, csv, jsonl, idx, npz, or package.module:function.
    """
    from cgan_dist.data import SOURCES
    from cgan_dist.data.shards import ShardSet
    from cgan_dist.data.storage import Storage
    from cgan_dist.data.writer import Plan, write_shards
    from cgan_dist.yaml_text import set_dotted

    values: dict[str, Any] = {}
    for option in options:
        set_dotted(values, option)
    found = SOURCES.build(source, "SOURCE", values, folder=folder, split=split)
    write_shards(found, out, Plan(channels=int(channels) if channels else None, **plan), processes)
    _describe(ShardSet(Storage(out)), out / SHEET)


@click.command(cls=UserCommand)
@click.argument("folder")
@click.option(
    "--sheet", type=click.Path(path_type=Path), help="Where to draw the contact sheet; default: in the folder."
)
def inspect(folder: str, sheet: Path | None) -> None:
    """Print what a folder (or URL) of shards holds and draw its contact sheet."""
    from cgan_dist.data.shards import ShardSet
    from cgan_dist.data.storage import Storage

    shards = ShardSet(Storage(folder))
    _describe(shards, sheet or (Path(SHEET) if shards.storage.is_remote else Path(folder) / SHEET))


@click.command(cls=UserCommand)
@click.argument("folder")
def verify(folder: str) -> None:
    """Read every shard of a folder (or URL) and hold it against the manifest: sha256, every image, every label."""
    from cgan_dist.data.shards import ShardSet
    from cgan_dist.data.storage import Storage

    shards = ShardSet(Storage(folder), cache="none")
    shards.verify()
    click.echo(f"{folder}: {shards.manifest.count:,} images in {len(shards.manifest.shards)} shards, all as prepared.")


def _describe(shards: ShardSet, sheet: Path) -> None:
    from cgan_dist.data.sheet import contact_sheet

    manifest, image = shards.manifest, shards.manifest.image
    size = sum(shard.bytes for shard in manifest.shards) / 1e6
    click.echo(
        f"{shards.storage.location}: {manifest.count:,} images of {image.height}x{image.width}x{image.channels} "
        f"({image.encoding}) in {len(manifest.shards)} shards, {size:.1f} MB\nsource: {manifest.source}\n"
        f"labels: {manifest.labels.kind}"
    )
    widest = max(manifest.histogram.values(), default=0) or 1
    for name, count in islice(manifest.histogram.items(), HISTOGRAM_ROWS):
        click.echo(f"  {name:24} {count:>9,} {'#' * round(HISTOGRAM_COLUMNS * count / widest)}")
    if (more := len(manifest.histogram) - HISTOGRAM_ROWS) > 0:
        click.echo(f"  and {more:,} more, in {shards.storage.location}'s manifest")
    try:
        contact_sheet(shards).save(sheet, format="PNG")
    except OSError as error:
        raise UserError(f"{sheet}: cannot write the contact sheet: {error.strerror or error}.") from error
    click.echo(f"contact sheet: {sheet}")
