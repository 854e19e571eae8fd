"""Command `invert`: pictures found again in a run's generator."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from cgan_dist.commands.base import RUN, UserCommand
from cgan_dist.commands.code import AUTOENCODER_OPTION, TRUST_OPTION
from cgan_dist.commands.drawing import Drawing, labels_option
from cgan_dist.commands.out import OutFolder, make_folder
from cgan_dist.commands.place import LocalPath, Place
from cgan_dist.commands.say import say
from cgan_dist.errors import UserError
from cgan_dist.files.whole import whole_file
from cgan_dist.pictures.picture_file import write_picture

if TYPE_CHECKING:
    from torch import Tensor

    from cgan_dist.inversion.found_file import FoundFile
    from cgan_dist.sampling.sampler import Sampler

FOUND, SHEET, CURVE, CURVE_LINES = "found.safetensors", "pictures.png", "curve.png", "curve.jsonl"


@click.command(cls=UserCommand)
@RUN
@click.argument("pictures", nargs=-1, required=True, type=LocalPath())
@click.option("--out", required=True, type=OutFolder(), help="Folder to write to; made if it is not there.")
@labels_option("One for all pictures, or one for each. Default: they are searched for too.")
@click.option(
    "--features",
    type=click.Choice(["discriminator", "classifier", "none"]),
    help="What is compared beside pixels: the features of the run's discriminator, or of the classifier of its data. "
    "Default: discriminator; of a run on latents none.",
)
@click.option("--feature-weight", default=0.5, show_default=True, help="Of the features, 0 to 1; pixels have the rest.")
@click.option("--steps", default=200, show_default=True, help="Of the search, for the labels that go on.")
@click.option("--starts", default=4, show_default=True, help="Places where each search begins; the best is taken.")
@click.option(
    "--encoder", is_flag=True, help="Learn first to guess z, from samples: a better start, worth it for many pictures."
)
@click.option(
    "--encoder-images", default=100_000, show_default=True, type=click.IntRange(1), help="Samples that it sees."
)
@click.option(
    "--fit",
    type=click.Choice(["crop", "pad", "stretch"]),
    default="crop",
    show_default=True,
    help="How pictures get the size of the data's, as --fit of prepare.",
)
@click.option("--fill", type=click.Choice(["white", "black"]), help="With --fit pad: colour of the sides.")
@click.option("--data", type=Place(), help="Shards, a folder or a URL, for the classifier. Default: those of training.")
@click.option("--seed", default=0, show_default=True, help="Another one starts at other places.")
@AUTOENCODER_OPTION
@TRUST_OPTION
def invert(
    run: Path,
    pictures: tuple[Path, ...],
    out: Path,
    labels: str | None,
    features: Literal["discriminator", "classifier", "none"] | None,
    feature_weight: float,
    steps: int,
    starts: int,
    encoder: bool,
    encoder_images: int,
    fit: Literal["crop", "pad", "stretch"],
    fill: Literal["white", "black"] | None,
    data: Path | str | None,
    **drawing: Any,
) -> None:
    """Find pictures in a generator: the z and the label whose images are nearest to them.

    RUN is a run folder or a checkpoint; its averaged generator (EMA) draws. PICTURES are files, or folders of them.
    Without --labels the label is searched for too; with it there is one for all pictures, or one for each.
    """
    from cgan_dist.assembly.inverting import request_search
    from cgan_dist.inversion.plan import Plan
    from cgan_dist.inversion.targets import read_targets

    if fill and fit != "pad":
        raise UserError(f"--fill: found {fill}, but nothing is filled without --fit pad; add that, or leave it out.")
    asked = Drawing(run=run, labels=labels, truncation=None, **drawing)
    plan = Plan(steps=steps, starts=starts, screen_steps=max(1, steps // 4))
    learned = encoder_images if encoder else 0
    search = request_search(
        asked.checkpoint, asked.sampler, plan, features, feature_weight, data, learned, labels is None, asked.trust_code
    )
    targets = read_targets(pictures, search.shape, fit, fill or "white")
    given = None if labels is None else for_each(asked.sampler.label_space.parse(labels), len(targets.names))
    with progress(len(targets.names)) as go_on:
        found = search.find(targets, given, go_on)
    _write(found, asked.sampler, out)
    _tell(found, asked.sampler, out)


def for_each(labels: Tensor, count: int) -> Tensor:
    """One label for all of `count` pictures, or one for each -> one for each."""
    if len(labels) not in (1, count):
        raise UserError(f"--labels: found {len(labels)} for {count} pictures; expected one for all, or one for each.")
    return labels.expand(count, *labels.shape[1:]).contiguous()


@contextlib.contextmanager
def progress(pictures: int) -> Iterator[Callable[[int, int], bool]]:
    """A bar of the steps of a search; what it gives always goes on."""
    from tqdm import tqdm

    with tqdm(desc=f"{pictures} pictures", unit="step", leave=False) as bar:

        def go_on(done: int, total: int) -> bool:
            bar.total = total
            bar.update(done - bar.n)
            return True

        yield go_on


def _write(file: FoundFile, sampler: Sampler, out: Path) -> None:
    from cgan_dist.inversion.sheet import curve_lines, draw_curve, draw_sheet

    make_folder(out)
    file.write(out / FOUND)
    made = sampler.images(file.z, file.labels)
    write_picture(draw_sheet(file.pictures, made, sampler.label_space.describe(file.labels)), out / SHEET)
    write_picture(draw_curve(file.found.curve), out / CURVE)
    with whole_file(out / CURVE_LINES) as partial:
        partial.write_text(curve_lines(file.facts.names, file.found.curve), encoding="utf-8")


def _tell(file: FoundFile, sampler: Sampler, out: Path) -> None:
    """A line for each picture, and one for all."""
    found, describe = file.found, sampler.label_space.describe
    labels, others = describe(found.labels), describe(found.next_labels)
    for number, name in enumerate(file.facts.names):
        distance, random, other = (part[number].item() for part in (found.distance, found.random, found.next_distance))
        label = f"{labels[number]}, " if labels[number] else ""
        rival = (
            f"; next best {others[number]}, {other / max(distance, 1e-9):.2f} times as far" if other < math.inf else ""
        )
        say(f"{name}: {label}distance {distance:.3f}, a random sample of it {random:.3f}{rival}")
    means = [part.mean().item() for part in (found.pixels, found.features, found.distance, found.random)]
    say(
        f"{out / FOUND}: {len(file)} pictures, mean distance {means[2]:.3f} (pixels {means[0]:.3f}, features "
        f"{means[1]:.3f}), of a random sample {means[3]:.3f}; two random samples are 1 apart"
    )
