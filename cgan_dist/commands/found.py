"""What the commands that draw from found z share: the option, and what a file of them is held against."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cgan_dist.bounds import GRID_PICTURES
from cgan_dist.commands.drawing import Drawing
from cgan_dist.commands.place import LocalPath
from cgan_dist.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

SUFFIX = ".safetensors"

logger = logging.getLogger(__name__)


class ZSource(LocalPath):
    """Where z comes from: one of several words, or a file of found ones.

    Args:
        words: to choose among.
    """

    name = "z"

    def __init__(self, *words: str) -> None:
        super().__init__()
        self.words = words

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """As the help shows it."""
        return "|".join((*self.words, "FILE"))

    def convert(  # type: ignore[override]
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Path | str:
        """Reads what was typed."""
        if value in self.words:
            return str(value)
        path = super().convert(value, param, ctx)
        if path.suffix.lower() != SUFFIX:
            words = ", ".join((*self.words, ""))
            self.fail(f"found '{value}'; expected {words}or a file that ends in {SUFFIX}.", param, ctx)
        return path


FOUND_Z = click.option(
    "--z", type=ZSource(), help="File of z that `invert` has found, in the place of those that are drawn."
)


def found_z(asked: Drawing, path: Path, columns: int, **given: object) -> Tensor:
    """Reads z that were found, (P, Z), for a generator that is to draw them.

    Args:
        asked: with the generator.
        path: of the file.
        columns: images that are drawn of each z.
        given: by the name of an option that the z decide on, its value; null where it was not given.

    Raises:
        UserError: if they do not fit the generator, or an option contradicts them.
    """
    from cgan_dist.inversion.found_file import read_found
    from cgan_dist.sampling.truncation import has_style

    if asked.truncation is not None and not has_style(asked.sampler.generator):
        given = {"truncation": asked.truncation} | given
    for name, value in given.items():
        if value is not None:
            raise UserError(
                f"--{name}: found {value}, but with --z {path} the z are those that were found; leave it out."
            )
    file = read_found(path)
    file.facts.check_z(asked.sampler, f"--z {path}")
    GRID_PICTURES.check(len(file) * columns, f"--z {path}")
    warn_of_others(asked, file.facts.checkpoint_sha256, file.facts.checkpoint, path)
    return file.z


def warn_of_others(asked: Drawing, sha256: str, checkpoint: str, path: Path) -> None:
    """Warns where z were found in another generator: there they draw other pictures."""
    from cgan_dist.assembly.inverting import sha256_of

    if sha256_of(asked.checkpoint) != sha256:
        logger.warning(
            "%s: found in %s, which is another generator than that of %s: the same z draw other pictures there.",
            path,
            checkpoint or "another one",
            asked.checkpoint.folder,
        )
