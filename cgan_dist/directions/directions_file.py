"""The file of directions: unit vectors as safetensors, with their names and their generator as JSON in its header."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from cgan_dist.bounds import DIRECTIONS, RECORD_BYTES, regular
from cgan_dist.directions.found_directions import Directions
from cgan_dist.errors import UserError, has_control
from cgan_dist.files.whole import whole_file
from cgan_dist.randomness import Latent
from cgan_dist.sampling.sampler import Sampler

HEADER = "cgan_dist"
"""Key of the facts in the header of the file."""
LENGTH_TOLERANCE = 1e-3
EXPECTED = "expected a file as `cgan-dist directions` writes it."
Text = Annotated[str, Field(max_length=1_000)]


class DirectionFacts(BaseModel):
    """Of which generator the directions are.

    Attributes:
        format: of the file.
        names: of the directions, in order.
        checkpoint: folder of it, absolute.
        checkpoint_sha256: of its manifest, which has the hash of every file in it.
        images_seen: by the generator, in training.
        latent: the distribution of z.
        latent_dim: Z.
        made_with: versions, and how they were found.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    format: Literal["cgan_dist directions 1"] = "cgan_dist directions 1"
    names: list[Text]
    checkpoint: Text
    checkpoint_sha256: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    images_seen: Annotated[int, Field(ge=0)]
    latent: Latent
    latent_dim: Annotated[int, Field(gt=0)]
    made_with: dict[str, Text]

    def check_fits(self, sampler: Sampler, where: str) -> None:
        """Raises UserError, beginning with `where`, if a generator takes other z."""
        there, here = (self.latent_dim, self.latent), (sampler.latent_dim, sampler.latent)
        if there != here:
            raise UserError(
                f"{where}: its directions have {there[0]} entries, of {there[1]} z; this generator takes {here[0]}, "
                f"{here[1]}. They are of {self.checkpoint}."
            )


def write_directions(directions: Directions, facts: DirectionFacts, path: Path) -> None:
    """Writes the file, whole or not at all.

    Raises:
        UserError: if the disk refuses.
    """
    tensors = {"vectors": directions.vectors.contiguous(), "strengths": directions.strengths.contiguous()}
    content = save(tensors, metadata={HEADER: facts.model_dump_json()})
    with whole_file(path) as partial:
        partial.write_bytes(content)


def read_directions_file(path: Path) -> tuple[Directions, DirectionFacts]:
    """Reads a file that anybody may have written.

    Raises:
        UserError: if it is missing or larger than it may be, or anything in it is not as `directions` writes it.
    """
    try:
        RECORD_BYTES.check(regular(path).stat().st_size, path)
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in sorted(file.keys())}
            header = file.metadata() or {}
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"{path}: cannot read: {error.strerror or error}.") from error
    except (SafetensorError, ValueError, KeyError, RuntimeError, MemoryError, OverflowError) as error:
        raise UserError(f"{path}: no safetensors file: {error}; {EXPECTED}") from error
    facts = _facts(header, path)
    _check(tensors, facts, path)
    return Directions(names=list(facts.names), **tensors), facts


def _facts(header: Mapping[str, str], path: Path) -> DirectionFacts:
    try:
        facts = DirectionFacts.model_validate_json(header.get(HEADER, ""))
    except (ValidationError, ValueError, RecursionError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": str(error)}
        place = ".".join(map(str, first["loc"]))
        raise UserError(f"{path}: its header{f', {place}' if place else ''}: {first['msg']}; {EXPECTED}") from error
    DIRECTIONS.check(len(facts.names), path)
    if any(map(has_control, (*facts.names, facts.checkpoint, *facts.made_with, *facts.made_with.values()))):
        raise UserError(f"{path}: found a control character in a name; expected plain text.")
    return facts


def _check(tensors: Mapping[str, Tensor], facts: DirectionFacts, path: Path) -> None:
    count = len(facts.names)
    forms = {"strengths": (count,), "vectors": (count, facts.latent_dim)}
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if found != forms or not count or any(tensor.dtype != torch.float32 for tensor in tensors.values()):
        raise UserError(f"{path}: found tensors {found}, expected {forms} in float32 and one direction or more.")
    lengths, strengths = tensors["vectors"].double().norm(dim=1), tensors["strengths"]
    if not bool(((lengths - 1).abs() <= LENGTH_TOLERANCE).all()):  # of what is not finite too
        raise UserError(f"{path}: vectors are not all of length 1; {EXPECTED}")
    if not bool(((strengths >= 0) & (strengths <= 1)).all()):
        raise UserError(f"{path}: strengths are not all in 0..1; {EXPECTED}")
