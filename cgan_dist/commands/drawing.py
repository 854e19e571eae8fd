"""What the commands that draw from a run's generator share: their options, and what these ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cgan_dist.commands.base import RUN
from cgan_dist.commands.code import AUTOENCODER_OPTION, TRUST_OPTION
from cgan_dist.commands.out import OutFile
from cgan_dist.pictures.picture_file import FILMS, PICTURES

if TYPE_CHECKING:
    from torch import Tensor

    from cgan_dist.checkpoints.store import Checkpoint
    from cgan_dist.sampling.sampler import Sampler

Decorator = Callable[[Callable[..., None]], Callable[..., None]]

PICTURE_STEPS, FILM_STEPS = 9, 25


def labels_option(left_out: str) -> Decorator:
    """`--labels`; `left_out` says what is done without it."""
    return click.option(
        "--labels",
        help="Classes '0,3,sneaker', attributes 'Smiling=1,Male=0; Smiling', values 'azimuth=30; azimuth=60', or "
        "several kinds 'sneaker,Smiling=1; 3'. A number is a class's, from 0; a name that is one stands in quotes, "
        f"'\"3\"'. {left_out}",
    )


LABELS = labels_option("Default: some that show what there is.")
TRUNCATION = click.option(
    "--truncation",
    type=float,
    help="Keep every entry of z at most this far from 0, e.g. 0.7: clearer and less varied samples. Of a transformer: "
    "the share that is left of the style's distance from the mean of its label.",
)
SEED = click.option("--seed", default=0, show_default=True, help="Another one draws other samples.")
STEPS = click.option(
    "--steps",
    type=click.IntRange(2),
    help=f"Images from one stop to the next, both included. Default: {PICTURE_STEPS}, of a film {FILM_STEPS}.",
)
FPS = click.option(
    "--fps", default=12.0, show_default=True, type=click.FloatRange(1, 50), help="Frames per second of a film."
)
PICTURE = click.option(
    "--out",
    required=True,
    type=OutFile("the picture", PICTURES),
    help="Picture to write: .png, .jpg or .webp.",
)
PICTURE_OR_FILM = click.option(
    "--out",
    required=True,
    type=OutFile("the picture or film", [*PICTURES, *FILMS]),
    help="Picture to write, .png, .jpg or .webp, or film, .gif or .mp4.",
)


def composed(*parts: Decorator) -> Decorator:
    """One decorator for several; `--help` shows their options in this order."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        for part in reversed(parts):
            command = part(command)
        return command

    return decorate


drawing_options = composed(RUN, LABELS, TRUNCATION, SEED, AUTOENCODER_OPTION, TRUST_OPTION)
"""For a command that takes them as `**drawing`, and makes a `Drawing` of them."""
moving_options = composed(drawing_options, STEPS, FPS, PICTURE_OR_FILM)
"""For one that moves from stop to stop, in a picture or in a film."""


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """What is asked for by `drawing_options`; what it takes is loaded when it is first needed."""

    run: Path
    labels: str | None
    truncation: float | None
    seed: int
    trust_code: bool
    autoencoder: Path | None = None

    @cached_property
    def checkpoint(self) -> Checkpoint:
        """Of the generator."""
        from cgan_dist.checkpoints.store import find_checkpoint

        return find_checkpoint(self.run)

    @cached_property
    def sampler(self) -> Sampler:
        """Of the EMA generator, on this process's device."""
        from cgan_dist.assembly.saved import load_sampler
        from cgan_dist.distributed.launch import local_device

        sampler = load_sampler(self.checkpoint, self.seed, local_device(), self.trust_code, self.autoencoder)
        sampler.truncate(self.truncation)
        return sampler

    def choose(self, columns: int) -> Tensor:
        """The labels that were named, or at most `columns` that show what there is: (N,) or (N, W)."""
        space = self.sampler.label_space
        return space.grid(columns) if self.labels is None else space.parse(self.labels)
