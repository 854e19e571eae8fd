"""Checkpoints: a directory that is either whole or absent, and nothing in it that can run code.

Written to `step-….tmp`, each file flushed to disk, a manifest with sizes and sha256 last, then renamed; `latest` is
replaced after that, and old ones are pruned. Loading verifies the manifest and falls back to the one before.
"""

from __future__ import annotations

import hashlib
import io
import json
import logging
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save
from torch import Tensor

from cgan_dist.errors import UserError

FILES_MANIFEST = "files.json"
STATE = "state.json"
LATEST = "latest"

logger = logging.getLogger(__name__)


class DamagedCheckpoint(Exception):
    """A checkpoint folder whose content is not what its manifest says; the text says what."""


class Checkpoint:
    """One verified checkpoint folder.

    Args:
        folder: `…/checkpoints/step-…`.

    Raises:
        DamagedCheckpoint: if a file is missing, has another size or another sha256.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._verify()
        self.state: dict[str, Any] = json.loads((folder / STATE).read_bytes())

    @property
    def images_seen(self) -> int:
        """The clock at which it was saved."""
        return int(self.state["images_seen"])

    def tensors(self, name: str) -> dict[str, Tensor]:
        """Loads a network's state dict by the name it was saved under."""
        return load_file(self.folder / f"{name}.safetensors")

    def optimizer(self, name: str) -> dict[str, Any]:
        """Loads an optimizer's state dict by the name it was saved under.

        Raises:
            UserError: if there is none: the run was trained with another optim.tables.
        """
        if not (self.folder / f"{name}.pt").exists():
            raise UserError(f"{self.folder}: no {name} in it; that run had another optim.tables, or other labels.")
        return torch.load(  # type: ignore[no-any-return]
            self.folder / f"{name}.pt", map_location="cpu", weights_only=True
        )

    def _verify(self) -> None:
        try:
            listed = json.loads((self.folder / FILES_MANIFEST).read_bytes())["files"]
            for name, facts in listed.items():
                content = (self.folder / name).read_bytes()
                if len(content) != facts["bytes"]:
                    raise DamagedCheckpoint(f"{name} has {len(content)} bytes, expected {facts['bytes']}")
                if hashlib.sha256(content).hexdigest() != facts["sha256"]:
                    raise DamagedCheckpoint(f"{name} has another sha256 than when it was written")
        except FileNotFoundError as error:
            raise DamagedCheckpoint(f"{Path(error.filename).name} is missing") from error
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise DamagedCheckpoint(f"{FILES_MANIFEST} cannot be read: {error}") from error
        if STATE not in listed:
            raise DamagedCheckpoint(f"{FILES_MANIFEST} does not list {STATE}")


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: `RUN/checkpoints`; made by the first `save`.
        keep_last: how many of the newest stay.
        keep_every_images: those at multiples of this stay for ever; null for none.
    """

    def __init__(self, folder: Path, keep_last: int = 2, keep_every_images: int | None = None) -> None:
        self.folder = folder
        self.keep_last = keep_last
        self.keep_every_images = keep_every_images

    def save(
        self,
        images_seen: int,
        networks: Mapping[str, Mapping[str, Tensor]],
        optimizers: Mapping[str, Mapping[str, Any]],
        state: Mapping[str, Any],
    ) -> Path:
        """Writes one checkpoint; only the main process calls it.

        Args:
            images_seen: the clock, and the folder's name.
            networks: name to state dict.
            optimizers: name to state dict.
            state: JSON-ready values; `images_seen` is added.

        Raises:
            UserError: if the disk refuses; what was saved before stays.
        """
        final = self.folder / f"step-{images_seen:012d}"
        fresh = final.with_suffix(".tmp")
        try:
            shutil.rmtree(fresh, ignore_errors=True)
            fresh.mkdir(parents=True)
            contents = {f"{name}.safetensors": save(_contiguous(tensors)) for name, tensors in networks.items()}
            contents |= {f"{name}.pt": _torch_bytes(values) for name, values in optimizers.items()}
            contents[STATE] = json.dumps(dict(state) | {"images_seen": images_seen}, indent=1).encode()
            files = {name: {"bytes": len(c), "sha256": hashlib.sha256(c).hexdigest()} for name, c in contents.items()}
            contents[FILES_MANIFEST] = json.dumps({"files": files}, indent=1).encode()
            for name, content in contents.items():
                _write(fresh / name, content)
            shutil.rmtree(final, ignore_errors=True)
            fresh.rename(final)
            _sync_folder(self.folder)
            _write(self.folder / (LATEST + ".tmp"), final.name.encode())
            (self.folder / (LATEST + ".tmp")).replace(self.folder / LATEST)
        except OSError as error:
            raise UserError(
                f"{fresh}: cannot write the checkpoint: {error.strerror or error}. Earlier checkpoints are "
                "untouched; free space or mend the folder, then give the same command again."
            ) from error
        self._prune(images_seen)
        return final

    def newest(self) -> Checkpoint | None:
        """Returns the newest whole checkpoint, or None, and says what is wrong with newer ones."""
        for folder in reversed(self._saved()):
            try:
                return Checkpoint(folder)
            except DamagedCheckpoint as damage:
                logger.warning("%s is damaged (%s); trying the one before.", folder, damage)
        return None

    def _saved(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return sorted(path for path in self.folder.iterdir() if re.fullmatch(r"step-\d+", path.name))

    def _prune(self, images_seen: int) -> None:
        for folder in self._saved():
            if int(folder.name.removeprefix("step-")) > images_seen:  # damaged, or of a future that is being redone
                shutil.rmtree(folder, ignore_errors=True)
        for folder in self._saved()[: -self.keep_last]:
            images = int(folder.name.removeprefix("step-"))
            if not self.keep_every_images or images % self.keep_every_images:
                shutil.rmtree(folder, ignore_errors=True)


def find_checkpoint(path: Path) -> Checkpoint:
    """Opens the checkpoint that `path` names: a run folder (its newest whole one) or one `step-…` folder.

    Raises:
        UserError: if there is none, or the one named is damaged.
    """
    if (path / FILES_MANIFEST).exists() or re.fullmatch(r"step-\d+", path.name):
        try:
            return Checkpoint(path)
        except DamagedCheckpoint as damage:
            raise UserError(f"{path}: damaged checkpoint: {damage}.") from damage
    found = Checkpoints(path / "checkpoints").newest()
    if found is None:
        what = "no whole checkpoint in it" if path.is_dir() else "no such folder"
        raise UserError(f"{path}: {what}; expected a run folder such as runs/demo, or one of its checkpoints/step-….")
    return found


def _contiguous(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}


def _torch_bytes(values: Mapping[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.save(values, buffer)
    return buffer.getvalue()


def _write(path: Path, content: bytes) -> None:
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
