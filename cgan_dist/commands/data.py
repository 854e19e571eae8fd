"""Commands `prepare`, `inspect` and `verify`: shards of a labelled image set."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from cgan_dist.commands.base import UserCommand
from cgan_dist.commands.code import naming_code
from cgan_dist.commands.out import OutFile, OutFolder
from cgan_dist.commands.pair import PART, SIZE
from cgan_dist.commands.place import LocalPath, Place
from cgan_dist.commands.say import say
from cgan_dist.errors import UserError
from cgan_dist.pictures.picture_file import PICTURES, write_picture

if TYPE_CHECKING:
    from cgan_dist.data.manifest import Manifest
    from cgan_dist.data.shards import ShardSet
    from cgan_dist.latents.latent_range import LatentRange

SHEET = "contact-sheet.png"
CHANNELS: dict[str | None, Literal[1, 3, "same"] | None] = {"1": 1, "3": 3, "same": "same", None: None}
HISTOGRAM_COLUMNS, HISTOGRAM_ROWS = 40, 200
SPREAD_IMAGES = 1_000
UNEQUAL = 5
"""So many times the images of the smallest class, and the largest one is worth a word."""
FROM_URLS = ("webdataset",)
"""Sources that read more than a folder of this machine."""
OPTIONS = click.option(
    "--option",
    "options",
    multiple=True,
    metavar="KEY=VALUE",
    help="Option of the source, e.g. attributes=[Smiling]; may be given many times.",
)


def on_error_option(skipped: str) -> Callable[..., Any]:
    """`--on-error` of a command that reads pictures; `skipped` says what else it may do with broken ones."""
    return click.option(
        "--on-error",
        type=click.Choice(["stop", "skip"]),
        default="stop",
        show_default=True,
        help=f"Pictures that cannot be read: name them all and stop, or {skipped}.",
    )


@click.command(cls=UserCommand)
@click.argument("source", callback=naming_code)
@click.option("--out", required=True, type=OutFolder(), help="Folder to make.")
@click.option("--source", "folder", type=Place(), help="Folder with the files to read; webdataset takes URLs too.")
@click.option("--split", default="train", show_default=True, help="train, valid, test or all, where the source has it.")
@click.option("--shards", default=8, show_default=True, help="Shards to make; a multiple of data.streams mixes best.")
@click.option("--seed", default=0, show_default=True, help="Another one shuffles the images otherwise.")
@click.option("--size", type=SIZE, help="Bring every image to this size, e.g. 64 or 96x64. Default: as it is.")
@click.option(
    "--fit",
    type=click.Choice(["crop", "pad", "stretch"]),
    help="With --size: take the middle that has its shape, fill the sides, or stretch. Default: crop.",
)
@click.option(
    "--fill", type=click.Choice(["white", "black"]), help="With --fit pad: colour of the sides. Default: white."
)
@click.option(
    "--channels",
    type=click.Choice(["1", "3", "same"]),
    help="Turn colour to grey, repeat grey, or refuse a set that has both. Default: repeat grey if any is in colour.",
)
@click.option(
    "--encoding",
    type=click.Choice(["raw", "jpeg", "png", "webp"]),
    help="How images are kept. Default: raw up to 64 pixels a side, else jpeg.",
)
@click.option("--quality", default=95, show_default=True, type=click.IntRange(1, 100), help="Quality of jpeg and webp.")
@click.option(
    "--processes", type=click.IntRange(1), help="Processes that read and encode. Default: one per usable core."
)
@click.option(
    "--part",
    type=PART,
    help="Write part I of N of the shards, the others elsewhere; when all are written, give the command without it.",
)
@on_error_option("leave them out and list them in broken.txt")
@OPTIONS
def prepare(
    source: str,
    out: Path,
    folder: Path | str | None,
    split: str,
    options: tuple[str, ...],
    processes: int | None,
    part: tuple[int, int] | None,
    channels: str | None,
    fit: str | None,
    fill: str | None,
    on_error: Literal["stop", "skip"],
    **plan: Any,
) -> None:
    """Pack labelled images into shards to train on.

    They are WebDataset's, with a manifest and a contact sheet beside them. SOURCE is mnist5k, mnist, fashion_mnist,
    kmnist, emnist, medmnist, cifar10, cifar100, celeba, celeba_hq, folder, csv, jsonl, json, stylegan, huggingface,
    idx, npz, webdataset, or package.module:function.
    """
    from cgan_dist.data import SOURCES
    from cgan_dist.data.shards import ShardSet
    from cgan_dist.data.storage import Storage
    from cgan_dist.data.writer import Part, Plan, write_part, write_shards

    if isinstance(folder, str) and source in SOURCES.table and source not in FROM_URLS:
        raise UserError(f"--source {folder}: a URL, which {source} does not read, but only {', '.join(FROM_URLS)}.")
    if fit and plan["size"] is None:
        raise UserError(f"--fit: found {fit}, but no --size to fit to; add one, e.g. --size 64 or --size 96x64.")
    if fill and fit != "pad":
        raise UserError(f"--fill: found {fill}, but nothing is filled without --fit pad; add that, or leave it out.")
    form: dict[str, Any] = {name: value for name, value in (("fit", fit), ("fill", fill)) if value}
    found = SOURCES.build(source, "SOURCE", read_options(options), folder=folder, split=split)
    planned = Plan(channels=CHANNELS[channels], **form, **plan)
    if part is not None:
        folder_so_far = write_part(found, out, planned, Part(*part), processes)
        say(f"Part {Part(*part)} is in {folder_so_far}. When all parts are, give this command once without --part.")
        return
    write_shards(found, out, planned, processes, on_error)
    describe(ShardSet(Storage(out)), out / SHEET)


@click.command(cls=UserCommand)
@click.argument("folder", type=Place())
@click.option(
    "--sheet",
    type=OutFile("the contact sheet", PICTURES),
    help="Contact sheet to write, .png, .jpg or .webp. Default: in the folder, or here for a URL.",
)
@click.option("--autoencoder", type=LocalPath(), help="Of latents: folder of the autoencoder that decodes them.")
def inspect(folder: Path | str, sheet: Path | None, autoencoder: Path | None) -> None:
    """Print what a set of shards holds, and draw its contact sheet.

    FOLDER may be a URL.
    """
    from cgan_dist.data.shards import ShardSet
    from cgan_dist.data.storage import Storage

    shards = ShardSet(Storage(folder))
    if autoencoder is not None:
        shards.decoder = _decoder(shards, autoencoder)
    describe(shards, sheet or (Path(SHEET) if shards.storage.is_remote else Path(folder) / SHEET))


@click.command(cls=UserCommand)
@click.argument("folder", type=Place())
def verify(folder: Path | str) -> None:
    """Read a whole set of shards, and hold it against its manifest.

    FOLDER may be a URL. The sha256 of every shard, every image and every label are checked.
    """
    from cgan_dist.data.shards import ShardSet
    from cgan_dist.data.storage import Storage

    shards = ShardSet(Storage(folder), cache="none")
    shards.verify()
    say(f"{folder}: {shards.manifest.count:,} images in {len(shards.manifest.shards)} shards, all as prepared.")


def _decoder(shards: ShardSet, autoencoder: Path) -> LatentRange:
    from cgan_dist.assembly.decoding import OPTION, latent_range

    latents = shards.manifest.image.latents
    if latents is None:
        raise UserError(f"{OPTION}: found {autoencoder}, but {shards.storage.location} holds pictures. Leave it out.")
    return latent_range(latents, autoencoder, OPTION)


def read_options(options: Sequence[str]) -> dict[str, Any]:
    """Values of `--option KEY=VALUE`, as YAML reads them."""
    from cgan_dist.config.yaml_text import set_dotted

    values: dict[str, Any] = {}
    for option in options:
        set_dotted(values, option)
    return values


def describe(shards: ShardSet, sheet: Path) -> None:
    """Prints what a set holds, and draws its contact sheet."""
    import numpy as np

    from cgan_dist.data.balance import class_groups
    from cgan_dist.data.sources.files import shortened
    from cgan_dist.latents.latent_range import spread
    from cgan_dist.pictures.contact_sheet import contact_sheet

    manifest = shards.manifest
    tars = f" of {len(manifest.tars):,} adopted tars" if manifest.tars else ""
    say(
        f"{shards.storage.location}: {manifest.count:,} images of {_form(manifest)} in "
        f"{len(manifest.shards)} shards{tars}, {manifest.stored_bytes / 1e6:.1f} MB\n"
        f"source: {manifest.source}\n"
        f"labels: {manifest.labels.kind}"
    )
    widest = max(manifest.histogram.values(), default=0) or 1
    for name, count in islice(manifest.histogram.items(), HISTOGRAM_ROWS):
        say(f"  {name:24} {count:>9,} {'#' * round(HISTOGRAM_COLUMNS * count / widest)}")
    if (more := len(manifest.histogram) - HISTOGRAM_ROWS) > 0:
        say(f"  and {more:,} more, in {shards.storage.location}'s manifest")
    if empty := manifest.empty_classes:
        say(f"without any image, so that nothing can be learned of them: {shortened(empty)}")
    for group, _ in class_groups(manifest.labels):
        _describe_unequal({name: images for name in group.names if (images := manifest.histogram.get(name))})
    if manifest.image.latents is not None:
        some = shards.take(shards.open(0), np.arange(min(SPREAD_IMAGES, manifest.shards[0].count))).images
        mean, deviation = spread(some, manifest.image.latents)
        say(f"as networks see them: mean {mean:.3g}, standard deviation {deviation:.3g}; about 0 and 1 are meant")
        if shards.decoder is None:
            say("no contact sheet: give --autoencoder DIR, and it shows what the latents are decoded to")
            return
    write_picture(contact_sheet(shards), sheet)
    say(f"contact sheet: {sheet}")


def _form(manifest: Manifest) -> str:
    """What an image is, for a person."""
    image, latents = manifest.image, manifest.image.latents
    if latents is None:
        return f"{image.height}x{image.width}x{image.channels} ({image.encoding})"
    picture, made_by = latents.picture, latents.autoencoder
    return (
        f"{picture.height}x{picture.width}x{picture.channels} as latents of {image.height}x{image.width}x"
        f"{latents.channels} ({'moments' if latents.moments else 'means'} of the autoencoder '{made_by.name}', weights "
        f"{made_by.weights_sha256[:16]}..., scaled by {made_by.scaling_factor:g} from {made_by.shift_factor:g})"
    )


def _describe_unequal(counts: dict[str, int]) -> None:
    most, least = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
    if counts[most] >= UNEQUAL * counts[least]:
        say(
            f"unequal classes: {counts[most] / counts[least]:.0f} times as many images of {most} as of {least}; "
            "data.balance: sqrt, or uniform, shows the rare ones more often in training"
        )
