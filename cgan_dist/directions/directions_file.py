"""The file of directions: unit vectors as safetensors, with their names and their generator as JSON in its header."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from cgan_dist.bounds import DIRECTIONS, RECORD_BYTES
from cgan_dist.directions.found_directions import Directions
from cgan_dist.errors import UserError
from cgan_dist.files.described import read_described, write_described
from cgan_dist.sampling.z_facts import ZFacts

LENGTH_TOLERANCE = 1e-3
EXPECTED = "expected a file as `cgan-dist directions` writes it."


class DirectionFacts(ZFacts):
    """Of which generator the directions are; `made_with` says how they were found too.

    Attributes:
        format: of the file.
    """

    format: Literal["cgan_dist directions 1"] = "cgan_dist directions 1"


def write_directions(directions: Directions, facts: DirectionFacts, path: Path) -> None:
    """Writes the file, whole or not at all.

    Raises:
        UserError: if the disk refuses.
    """
    write_described(path, {"vectors": directions.vectors, "strengths": directions.strengths}, facts)


def read_directions_file(path: Path) -> tuple[Directions, DirectionFacts]:
    """Reads a file that anybody may have written.

    Raises:
        UserError: if it is missing or larger than it may be, or anything in it is not as `directions` writes it.
    """
    tensors, facts = read_described(path, RECORD_BYTES, DirectionFacts, EXPECTED)
    DIRECTIONS.check(len(facts.names), path)
    _check(tensors, facts, path)
    return Directions(names=list(facts.names), **tensors), facts


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
