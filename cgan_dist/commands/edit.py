"""Command `edit`: pictures that were found, under other labels."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from cgan_dist.commands.base import UserCommand
from cgan_dist.commands.code import AUTOENCODER_OPTION, TRUST_OPTION
from cgan_dist.commands.drawing import FPS, PICTURE_OR_FILM, STEPS, Drawing, labels_option
from cgan_dist.commands.found import warn_of_others
from cgan_dist.commands.place import LocalPath, Place
from cgan_dist.commands.sample import is_film_name, steps_of
from cgan_dist.commands.say import say
from cgan_dist.errors import UserError
from cgan_dist.pictures.picture_file import write_picture

if TYPE_CHECKING:
    from torch import Tensor

    from cgan_dist.inversion.found_file import FoundFile

MAX_ROWS = 64


@click.command(cls=UserCommand)
@click.argument("found", type=LocalPath())
@labels_option("All pictures are drawn under each.")
@click.option(
    "--set",
    "change",
    help="What to change of each picture's own label, e.g. 'Smiling=1' or 'Smiling=1; Male=1,Smiling=0'; what is not "
    "named stays.",
)
@click.option("--run", type=LocalPath(), help="Run folder or checkpoint. Default: where the pictures were found.")
@click.option("--data", type=Place(), help="Shards, a folder or a URL, for the classifier. Default: those of training.")
@click.option("--slider", is_flag=True, help="Also what lies between the labels, in a picture; a film always has it.")
@STEPS
@FPS
@AUTOENCODER_OPTION
@TRUST_OPTION
@PICTURE_OR_FILM
def edit(
    found: Path,
    labels: str | None,
    change: str | None,
    run: Path | None,
    data: Path | str | None,
    slider: bool,
    steps: int | None,
    fps: float,
    autoencoder: Path | None,
    trust_code: bool,
    out: Path,
) -> None:
    """Draw pictures that `invert` has found, under other labels.

    FOUND is the file that it wrote. Each row has the z of one picture: the picture, what was found, and what the same
    z draws under each label. How much else changed is read by the classifier of the run's data, where that is there.
    """
    from cgan_dist.inversion.found_file import read_found
    from cgan_dist.pictures.edits import draw_edits, draw_ways

    film = is_film_name(out)
    if (labels is None) == (change is None):
        raise UserError("edit: expected one of --labels and --set, which say what the labels are to be.")
    file = read_found(found)
    asked = _drawing(file, found, run, autoencoder, trust_code)
    space = asked.sampler.label_space
    stops, names = _stops(file, asked, labels, change)
    z, own = file.z[:MAX_ROWS], [stop[:MAX_ROWS] for stop in stops]
    if film or slider or steps:
        ways = draw_ways(asked.sampler, z, own, ["found", *names], steps_of(steps, film), closed=film)
        ways.film(fps).write(out) if film else write_picture(ways.picture(), out)
    else:
        write_picture(draw_edits(asked.sampler, z, own, ["found", *names], file.pictures[:MAX_ROWS]), out)
    _tell(file, asked, stops, names, data)
    more = f", of which {MAX_ROWS} are drawn" if len(file) > MAX_ROWS else ""
    say(f"{out}: {len(file)} pictures{more}, {len(names)} changes of {space.schema.kind}")


def _drawing(file: FoundFile, path: Path, run: Path | None, autoencoder: Path | None, trust_code: bool) -> Drawing:
    """The generator that was named, or the one that the file names if it still is that one."""
    from cgan_dist.assembly.inverting import sha256_of

    facts = file.facts
    asked = Drawing(
        run=run or Path(facts.checkpoint),
        labels=None,
        truncation=None,
        seed=0,
        trust_code=trust_code,
        autoencoder=autoencoder,
    )
    if run is not None:
        warn_of_others(asked, facts.checkpoint_sha256, facts.checkpoint, path)
    elif not _is_there(asked.run) or sha256_of(asked.checkpoint) != facts.checkpoint_sha256:
        raise UserError(
            f"{path}: found in {facts.checkpoint or 'a generator without a name'}, which is not there any more, or is "
            "another one now. Say with --run which generator is to draw."
        )
    file.facts.check_z(asked.sampler, str(path))
    file.check_labels(asked.sampler, str(path))
    return asked


def _is_there(folder: Path) -> bool:
    """Whether a file, which may be a stranger's, names a folder of this machine by its whole path."""
    return folder.is_absolute() and not str(folder).startswith(("//", "\\\\")) and folder.is_dir()


def _stops(file: FoundFile, asked: Drawing, labels: str | None, change: str | None) -> tuple[list[Tensor], list[str]]:
    """The labels that were found, then those of each change, (P,) or (P, W) each; and the names of the changes."""
    from cgan_dist.conditioning.spaces.assignments import split_labels
    from cgan_dist.conditioning.spaces.changes import changed

    space = asked.sampler.label_space
    if not space.layout.width:
        raise UserError("labels: this generator has no labels (conditioning.labels is none), so none can be changed.")
    if change is not None:
        return [file.labels, *changed(space, file.labels, change)], [", ".join(words) for words in split_labels(change)]
    chosen = space.parse(labels or "")
    each = [label.expand(len(file), *label.shape).contiguous() for label in chosen]
    return [file.labels, *each], space.describe(chosen)


def _tell(file: FoundFile, asked: Drawing, stops: list[Tensor], names: list[str], data: Path | str | None) -> None:
    """A line for each change: whether it is seen, and what changed besides."""
    from cgan_dist.assembly.inverting import find_classifier
    from cgan_dist.inversion.effects import effect_of

    sampler = asked.sampler
    classifier = find_classifier(asked.checkpoint, sampler, data, asked.trust_code)
    before = sampler.images(file.z, stops[0])
    for name, labels in zip(names, stops[1:], strict=True):
        after = sampler.images(file.z, labels)
        gap = ((after.float() - before.float()) / 255).square().mean().sqrt().item()
        told = f"{name}: root mean square difference {gap:.3f} of white"
        if classifier is not None:
            effect = effect_of(classifier, sampler.label_space, (before, after), (stops[0], labels))
            parts = (
                ("read as asked {:.1%}", effect.asked),
                ("other attributes and classes read as before {:.1%}", effect.kept),
                ("other values moved by {:.1%} of their range", effect.moved),
            )
            told = "; ".join([told, *(text.format(share) for text, share in parts if share is not None)])
        say(told)
