"""What each column holds, by the metadata that `datasets` leaves in Parquet and Arrow, else by its type."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cgan_dist.data.arrow.table_files import library, read_schema
from cgan_dist.data.sources.files import shortened
from cgan_dist.data.sources.json_file import read_json
from cgan_dist.errors import UserError, close_match

METADATA = b"huggingface"
INFO = "dataset_info.json"
USUAL_LABELS = ("label", "labels")
Feature = dict[str, Any]


@dataclass(frozen=True)
class Features:
    """The columns of a set.

    Attributes:
        schema: `pyarrow.Schema`, that of the first file.
        described: the description of columns by `datasets`; empty for a set that it did not write.
        place: for errors.
    """

    schema: Any
    described: dict[str, Feature]
    place: str

    def feature(self, column: str) -> Feature:
        """The description of a column, `{"_type": "ClassLabel", "names": [...]}` and the like, or {}."""
        found = self.described.get(column, {})
        if isinstance(found, list) and len(found) == 1:  # a list of something, as old versions say it
            return {"_type": "List", "feature": found[0]}
        return found if isinstance(found, dict) else {}

    def picture(self, asked: str | None) -> str:
        """The column of pictures: the one asked for, or the only one that may be it.

        Raises:
            UserError: if there is none, or several.
        """
        if asked is not None:
            return self._existing(asked, "image")
        for candidates in (
            [name for name in self.schema.names if self.feature(name).get("_type") == "Image"],
            [name for name in self.schema.names if self._has_bytes(name)],
            [name for name in self.schema.names if self.feature(name).get("_type") in ("Array2D", "Array3D")],
        ):
            if len(candidates) == 1:
                return str(candidates[0])
            if candidates:
                raise UserError(
                    f"{self.place}: which column has the pictures, {shortened(candidates)}? Say it: --option "
                    f"image={candidates[0]}."
                )
        raise UserError(
            f"{self.place}: no column of pictures (bytes of files, or arrays) among "
            f"{shortened(self.schema.names)}; --option image=NAME names one."
        )

    def labels(self, asked: Sequence[str] | None) -> list[str]:
        """The columns of labels: those asked for, or the only one that has the names of classes.

        Raises:
            UserError: if it is open which.
        """
        if asked is not None:
            return [self._existing(name, "label") for name in asked]
        names = self.schema.names
        classes = [name for name in names if self.feature(name).get("_type") == "ClassLabel"]
        usual = [name for name in USUAL_LABELS if name in names]
        if len(classes) == 1 or (not classes and len(usual) == 1):
            return classes or usual
        raise UserError(
            f"{self.place}: which column has the labels? It has {shortened(classes or names)}. Say --option "
            "label=NAME, or label=[A,B] for several at once, or unlabelled=true."
        )

    def _existing(self, name: str, option: str) -> str:
        if name not in self.schema.names:
            raise UserError(
                f"{option}: {self.place} has no column '{name}'.{close_match(name, self.schema.names)} It has "
                f"{shortened(self.schema.names)}."
            )
        return name

    def _has_bytes(self, name: str) -> bool:
        kinds = library().types
        kind = self.schema.field(name).type
        if kinds.is_struct(kind):
            return any(kind.field(place).name == "bytes" for place in range(kind.num_fields))
        return bool(kinds.is_binary(kind) or kinds.is_large_binary(kind))


def read_features(files: Sequence[Path], place: str) -> Features:
    """Reads the schema of the files, which must agree in their columns.

    Raises:
        UserError: if they do not, or one is damaged.
    """
    schemas = [read_schema(path) for path in files]
    for path, schema in zip(files, schemas, strict=True):
        if set(schema.names) != set(schemas[0].names):
            raise UserError(
                f"{path}: its columns are {shortened(schema.names)}, those of {files[0].name} are "
                f"{shortened(schemas[0].names)}; expected files of one data set. Name one with --source."
            )
    return Features(schemas[0], _described(schemas[0], files[0].parent), place)


def _described(schema: Any, folder: Path) -> dict[str, Feature]:
    text = (schema.metadata or {}).get(METADATA)
    if text is None:
        found = read_json(folder / INFO) if (folder / INFO).is_file() else {}
    else:
        try:
            found = json.loads(text).get("info")
        except (ValueError, AttributeError, RecursionError):  # of no use, and pictures and labels may do without
            found = {}
    features = found.get("features") if isinstance(found, dict) else None
    return features if isinstance(features, dict) else {}
