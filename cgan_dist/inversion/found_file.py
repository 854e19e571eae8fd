"""The file of found pictures: z and labels as safetensors, with where they were found as JSON in its header."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from cgan_dist.bounds import FOUND_BYTES, FOUND_PICTURES, IMAGE_SIDE, regular
from cgan_dist.errors import UserError, has_control, shown
from cgan_dist.files.whole import whole_file
from cgan_dist.inversion.inverter import Found
from cgan_dist.labels import LabelSchema
from cgan_dist.randomness import Latent
from cgan_dist.sampling.sampler import Sampler

HEADER = "cgan_dist"
"""Key of the facts in the header of the file."""
NUMBERS = ("pixels", "features", "distance", "random", "next_distance")
LONGEST = 8.0
"""Of an entry of a normal z: nobody has drawn one so far from 0."""
Name = Annotated[str, Field(max_length=1_000)]


class FoundFacts(BaseModel):
    """Where z and labels were found, and how.

    Attributes:
        format: of the file.
        names: of the pictures, in order.
        checkpoint: folder of it, absolute; empty for a generator that has none.
        checkpoint_sha256: of its manifest, which has the hash of every file in it.
        images_seen: by the generator, in training.
        latent: the distribution of z.
        latent_dim: Z.
        label_schema: form and meaning of the labels.
        settings: of the search, for a person.
        made_with: versions, and the device.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    format: Literal["cgan_dist found 1"] = "cgan_dist found 1"
    names: list[Name]
    checkpoint: Name
    checkpoint_sha256: Annotated[str, Field(pattern=r"^([0-9a-f]{64})?$")]
    images_seen: Annotated[int, Field(ge=0)]
    latent: Latent
    latent_dim: Annotated[int, Field(gt=0)]
    label_schema: dict[str, Any]
    settings: dict[str, str | int | float | bool | None]
    made_with: dict[str, str]


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
        content = save(
            {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()},
            metadata={HEADER: self.facts.model_dump_json()},
        )
        with whole_file(path) as partial:
            partial.write_bytes(content)

    def check_z(self, sampler: Sampler, where: str) -> None:
        """Holds the z against a generator that is to draw them.

        Raises:
            UserError: beginning with `where`, if they are not such as it takes.
        """
        there, here = (self.facts.latent_dim, self.facts.latent), (sampler.latent_dim, sampler.latent)
        if there != here:
            raise UserError(
                f"{where}: its z have {there[0]} entries, {there[1]}; this generator takes {here[0]}, {here[1]}. They "
                f"were found in {self.facts.checkpoint or 'another one'}."
            )

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
    try:
        FOUND_BYTES.check(regular(path).stat().st_size, path)
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in sorted(file.keys())}
            header = file.metadata() or {}
    except OSError as error:
        raise UserError(f"{path}: cannot read: {error.strerror or error}.") from error
    except UserError:
        raise
    except (SafetensorError, ValueError, KeyError, RuntimeError, MemoryError, OverflowError) as error:
        raise UserError(f"{path}: no safetensors file: {error}; {_expected()}") from error
    facts = _facts(header, path)
    _check_tensors(tensors, facts, path)
    return FoundFile(facts, tensors.pop("pictures"), Found(**tensors, curve=torch.empty(len(facts.names), 0)))


def _facts(header: Mapping[str, str], path: Path) -> FoundFacts:
    try:
        facts = FoundFacts.model_validate_json(header.get(HEADER, ""))
        json.dumps(facts.settings, allow_nan=False)
    except (ValidationError, ValueError, RecursionError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": str(error)}
        place = ".".join(map(str, first["loc"]))
        raise UserError(f"{path}: its header{f', {place}' if place else ''}: {first['msg']}; {_expected()}") from error
    FOUND_PICTURES.check(len(facts.names), path)
    texts = (*facts.names, facts.checkpoint, *map(str, facts.made_with.values()))
    if any(map(has_control, texts)):
        raise UserError(f"{path}: found a control character in a name; expected plain text.")
    return facts


def _check_tensors(tensors: Mapping[str, Tensor], facts: FoundFacts, path: Path) -> None:
    count = len(facts.names)
    schema = _schema(facts, path)
    labels = torch.empty((count,) if schema.width is None else (count, schema.width)).shape
    kind = {"int64": torch.int64, "uint8": torch.uint8, "float32": torch.float32}[schema.dtype.name]
    forms = {"z": ((count, facts.latent_dim), torch.float32), **dict.fromkeys(NUMBERS, ((count,), torch.float32))}
    forms |= dict.fromkeys(("labels", "next_labels"), (tuple(labels), kind))
    if tensors.keys() != {*forms, "pictures"} or not count:
        raise UserError(f"{path}: found {shown(sorted(tensors))} of {count} pictures; {_expected()}")
    for name, (shape, dtype) in forms.items():
        tensor = tensors[name]
        if (tuple(tensor.shape), tensor.dtype) != (shape, dtype):
            raise UserError(
                f"{path}: {name} is {tuple(tensor.shape)} {tensor.dtype}, expected {shape} {dtype}; {_expected()}"
            )
        if name in ("labels", "next_labels"):
            schema.check(tensor.numpy(), f"{path}: {name}")
    pictures = tensors["pictures"]
    if pictures.dtype != torch.uint8 or pictures.ndim != 4 or len(pictures) != count or pictures.shape[1] not in (1, 3):
        raise UserError(f"{path}: pictures is {tuple(pictures.shape)} {pictures.dtype}; {_expected()}")
    if not all(0 < side <= IMAGE_SIDE.limit for side in pictures.shape[2:]):
        raise UserError(f"{path}: pictures is {tuple(pictures.shape)}; {_expected()}")
    _check_numbers(tensors, 1.0 if facts.latent == "uniform" else LONGEST * math.sqrt(facts.latent_dim), path)


def _check_numbers(tensors: Mapping[str, Tensor], largest: float, path: Path) -> None:
    z = tensors["z"]
    if not bool(z.isfinite().all()) or float(z.abs().max()) > largest:
        raise UserError(f"{path}: z has entries that are no numbers or beyond {largest:g}; {_expected()}")
    for name in NUMBERS:
        found = tensors[name]
        if bool(found.isnan().any()) or float(found.min()) < 0:
            raise UserError(f"{path}: {name} has entries that are no numbers or below 0; {_expected()}")


def _schema(facts: FoundFacts, path: Path) -> LabelSchema:
    try:
        schema: LabelSchema = TypeAdapter(LabelSchema).validate_python(facts.label_schema)
        return schema
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{path}: its header, label_schema: {first['msg']}; {_expected()}") from error


def _expected() -> str:
    return "expected a file as `cgan-dist invert` writes it."
