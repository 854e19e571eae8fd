"""The file of found pictures: z and labels as safetensors, with where they were found as JSON in its header."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field, TypeAdapter, ValidationError
from torch import Tensor

from cgan_dist.bounds import FOUND_BYTES, FOUND_PICTURES, IMAGE_SIDE
from cgan_dist.errors import UserError, shown
from cgan_dist.files.described import read_described, write_described
from cgan_dist.inversion.inverter import Found
from cgan_dist.labels import LabelSchema
from cgan_dist.sampling.sampler import Sampler
from cgan_dist.sampling.z_facts import ZFacts

EXPECTED = "expected a file as `cgan-dist invert` writes it."
NUMBERS = ("pixels", "features", "distance", "random", "next_distance")
LONGEST = 8.0
"""Of an entry of a normal z: nobody has drawn one so far from 0."""


class FoundFacts(ZFacts):
    """Where z and labels were found, and how.

    Attributes:
        format: of the file.
        label_schema: form and meaning of the labels.
        settings: of the search, for a person.
    """

    format: Literal["cgan_dist found 1"] = "cgan_dist found 1"
    label_schema: dict[str, Any]
    settings: dict[str, str | int | Annotated[float, Field(allow_inf_nan=False)] | bool | None]


class FoundFile:
    """Found pictures with all that is known of them.

    Args:
        facts: of the search.
        pictures: (P, C, H, W) uint8, what was looked for.
        found: of each of them; `curve` is not kept.
    """

    def __init__(self, facts: FoundFacts, pictures: Tensor, found: Found) -> None:
        self.facts, self.pictures, self.found = facts, pictures, found

    def __len__(self) -> int:
        return len(self.pictures)

    @property
    def z(self) -> Tensor:
        """(P, Z) float32."""
        return self.found.z

    @property
    def labels(self) -> Tensor:
        """(P,) or (P, W), in the form of the space."""
        return self.found.labels

    def write(self, path: Path) -> None:
        """Writes the file, whole or not at all.

        Raises:
            UserError: if the disk refuses.
        """
        tensors = {"z": self.z, "labels": self.labels, "next_labels": self.found.next_labels, "pictures": self.pictures}
        tensors |= {name: getattr(self.found, name) for name in NUMBERS}
        write_described(path, tensors, self.facts)

    def check_labels(self, sampler: Sampler, where: str) -> None:
        """Holds the labels against a generator that is to draw them.

        Raises:
            UserError: beginning with `where`, if they are labels of another space.
        """
        there, here = self.facts.label_schema, sampler.label_space.schema.model_dump(mode="json")
        if there != here:
            raise UserError(
                f"{where}: its labels are {shown(there)}, those of this generator are {shown(here)}. They were found "
                f"in {self.facts.checkpoint or 'another one'}."
            )


def read_found(path: Path) -> FoundFile:
    """Reads a file that anybody may have written.

    Raises:
        UserError: if it is missing or larger than it may be, or anything in it is not as `invert` writes it.
    """
    tensors, facts = read_described(path, FOUND_BYTES, FoundFacts, EXPECTED)
    FOUND_PICTURES.check(len(facts.names), path)
    _check_tensors(tensors, facts, path)
    return FoundFile(facts, tensors.pop("pictures"), Found(**tensors, curve=torch.empty(len(facts.names), 0)))


def _check_tensors(tensors: Mapping[str, Tensor], facts: FoundFacts, path: Path) -> None:
    count = len(facts.names)
    schema = _schema(facts, path)
    labels = torch.empty((count,) if schema.width is None else (count, schema.width)).shape
    kind = {"int64": torch.int64, "uint8": torch.uint8, "float32": torch.float32}[schema.dtype.name]
    forms = {"z": ((count, facts.latent_dim), torch.float32), **dict.fromkeys(NUMBERS, ((count,), torch.float32))}
    forms |= dict.fromkeys(("labels", "next_labels"), (tuple(labels), kind))
    if tensors.keys() != {*forms, "pictures"} or not count:
        raise UserError(f"{path}: found {shown(sorted(tensors))} of {count} pictures; {EXPECTED}")
    for name, (shape, dtype) in forms.items():
        tensor = tensors[name]
        if (tuple(tensor.shape), tensor.dtype) != (shape, dtype):
            raise UserError(
                f"{path}: {name} is {tuple(tensor.shape)} {tensor.dtype}, expected {shape} {dtype}; {EXPECTED}"
            )
        if name in ("labels", "next_labels"):
            schema.check(tensor.numpy(), f"{path}: {name}")
    pictures = tensors["pictures"]
    if pictures.dtype != torch.uint8 or pictures.ndim != 4 or len(pictures) != count or pictures.shape[1] not in (1, 3):
        raise UserError(f"{path}: pictures is {tuple(pictures.shape)} {pictures.dtype}; {EXPECTED}")
    if not all(0 < side <= IMAGE_SIDE.limit for side in pictures.shape[2:]):
        raise UserError(f"{path}: pictures is {tuple(pictures.shape)}; {EXPECTED}")
    _check_numbers(tensors, 1.0 if facts.latent == "uniform" else LONGEST * math.sqrt(facts.latent_dim), path)


def _check_numbers(tensors: Mapping[str, Tensor], largest: float, path: Path) -> None:
    z = tensors["z"]
    if not bool(z.isfinite().all()) or float(z.abs().max()) > largest:
        raise UserError(f"{path}: z has entries that are no numbers or beyond {largest:g}; {EXPECTED}")
    for name in NUMBERS:
        found = tensors[name]
        if bool(found.isnan().any()) or float(found.min()) < 0:
            raise UserError(f"{path}: {name} has entries that are no numbers or below 0; {EXPECTED}")


def _schema(facts: FoundFacts, path: Path) -> LabelSchema:
    try:
        schema: LabelSchema = TypeAdapter(LabelSchema).validate_python(facts.label_schema)
        return schema
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{path}: its header, label_schema: {first['msg']}; {EXPECTED}") from error
