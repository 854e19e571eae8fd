"""One checkpoint folder: a manifest with the size and sha256 of every file, and nothing that can run code."""

from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load
from torch import Tensor

from cgan_dist.bounds import RECORD_BYTES, Refused, read_bytes, regular
from cgan_dist.checkpoints.state import problem_of
from cgan_dist.config import score
from cgan_dist.errors import UserError, shown

FILES_MANIFEST = "files.json"
STATE = "state.json"
NAME = re.compile(r"(?:step|kept)-(\d+)(?:\.old)?", re.ASCII)
"""`step-IMAGES`; `kept-` is the best of a stretch that was trained anew, `.old` one that is just being replaced."""


class DamagedCheckpoint(UserError):
    """A checkpoint folder whose content is not what was written.

    Attributes:
        folder: the checkpoint's.
        what: the damage, naming the file.
    """

    def __init__(self, folder: Path, what: str) -> None:
        super().__init__(f"{folder}: damaged checkpoint: {what}. Take another one, or bring back a copy of this one.")
        self.folder = folder
        self.what = what


class Facts(NamedTuple):
    """What the manifest says of a file: its size in bytes, and its sha256 in hexadecimal."""

    size: int
    sha256: str

    @classmethod
    def of(cls, content: bytes) -> Facts:
        """Those of a file with this content."""
        return cls(len(content), hashlib.sha256(content).hexdigest())


class Checkpoint:
    """One verified checkpoint folder. What it loads is hashed once more, so nothing else than what was verified.

    Args:
        folder: `RUN/checkpoints/step-IMAGES`, or a copy under another name.

    Raises:
        DamagedCheckpoint: if a file is missing, has another size or another sha256, or the folder has another number.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._files = _read_manifest(folder)
        self.state = _parse_state(folder, self._read(STATE))
        for name in self._files.keys() - {STATE}:
            self._verify(name)

    @property
    def images_seen(self) -> int:
        """The clock at which it was saved."""
        return int(self.state["images_seen"])

    @property
    def scores(self) -> dict[str, float]:
        """What evaluation said at that point of the clock, without `eval/`; empty if there was none."""
        return score.from_state(self.state)

    @property
    def size(self) -> int:
        """Bytes on disk, the manifest apart."""
        return sum(facts.size for facts in self._files.values())

    def tensors(self, name: str) -> dict[str, Tensor]:
        """Loads a network's state dict by the name it was saved under.

        Raises:
            UserError: if there is none, or it is no longer what was verified, or it is no safetensors file.
        """
        file = self._named(f"{name}.safetensors", "networks")
        content = self._read(file)
        try:
            return load(content)
        except Exception as error:  # whatever the parser makes of bytes that no safetensors writer wrote
            raise DamagedCheckpoint(self.folder, f"{file} is no safetensors file: {_first_line(error)}") from error

    def optimizer(self, name: str) -> dict[str, Any]:
        """Loads an optimizer's state dict by the name it was saved under.

        Raises:
            UserError: if there is none, or it is no longer what was verified, or it holds more than plain tensors.
        """
        file = self._named(f"{name}.pt", "optim.tables, or other labels")
        content = self._read(file)
        try:
            _refuse_compressed(content)
            values = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        except Exception as error:  # torch raises a dozen kinds; whatever it is, this file was not written by `save`
            raise DamagedCheckpoint(self.folder, f"{file} cannot be loaded: {_first_line(error)}") from error
        if not isinstance(values, dict) or not isinstance(values.get("state"), dict) or "param_groups" not in values:
            raise DamagedCheckpoint(self.folder, f"{file} holds no optimizer's state")
        return values

    def _named(self, file: str, what: str) -> str:
        if file not in self._files:
            raise UserError(
                f"{self.folder}: no {file} in it, but {', '.join(sorted(self._files))}; that run had other {what}."
            )
        return file

    def _read(self, name: str) -> bytes:
        """The file's content, if it is the one that the manifest means."""
        content = _read_file(self.folder, name)
        self._compare(name, Facts.of(content))
        return content

    def _verify(self, name: str) -> None:
        """As `_read`, but holding little of a large file in memory, and refusing one of another size unread."""
        try:
            with _regular(self.folder, name).open("rb") as file:
                size = file.seek(0, io.SEEK_END)
                file.seek(0)
                same_size = size == self._files[name].size
                digest = hashlib.file_digest(file, "sha256").hexdigest() if same_size else ""
        except OSError as error:
            raise DamagedCheckpoint(self.folder, f"{name} cannot be read: {error.strerror or error}") from error
        self._compare(name, Facts(size, digest))

    def _compare(self, name: str, found: Facts) -> None:
        expected = self._files[name]
        if found.size != expected.size:
            raise DamagedCheckpoint(self.folder, f"{name} has {found.size} bytes, expected {expected.size}")
        if found.sha256 != expected.sha256:
            raise DamagedCheckpoint(self.folder, f"{name} has another sha256 than when it was written")


def _refuse_compressed(content: bytes) -> None:
    """`torch.save` stores; what it unpacks would become a thousand times as much."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        for member in archive.infolist():
            if member.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"{shown(member.filename)} in it is compressed, which torch.save never does")


def images_of(folder: Path) -> int:
    """The number in a checkpoint folder's name, which matches `NAME`."""
    match = NAME.fullmatch(folder.name)
    assert match is not None, folder
    return int(match[1])


def read_state(folder: Path) -> dict[str, Any]:
    """Reads `state.json` and verifies it alone; cheap, where the tensors are not needed.

    Raises:
        DamagedCheckpoint: if it, or the manifest, is not what was written.
    """
    files, content = _read_manifest(folder), _read_file(folder, STATE)
    if Facts.of(content) != files[STATE]:
        raise DamagedCheckpoint(folder, f"{STATE} is not what was written")
    return _parse_state(folder, content)


def manifest_of(files: Mapping[str, Facts]) -> bytes:
    """Returns the manifest's content, which vouches for itself too."""
    listed = {name: {"bytes": facts.size, "sha256": facts.sha256} for name, facts in files.items()}
    return json.dumps({"files": listed, "sha256": _digest(listed)}, indent=1).encode()


def _digest(listed: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(listed, sort_keys=True).encode()).hexdigest()


def _read_manifest(folder: Path) -> dict[str, Facts]:
    content = _read_file(folder, FILES_MANIFEST)
    try:
        manifest = json.loads(content)
        listed, digest = manifest.pop("files"), manifest.pop("sha256")
        files = {name: Facts(facts["bytes"], facts["sha256"]) for name, facts in listed.items()}
        if manifest or digest != _digest(listed):
            raise ValueError("it is not what was written")
        if STATE not in files:
            raise ValueError(f"it does not list {STATE}")
        if nonsense := [name for name in files if not re.fullmatch(r"\w[\w.-]*", name, re.ASCII)]:
            raise ValueError(f"it lists {nonsense[0]!r}, which `save` does not write")
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        what = f"it has no {error}" if isinstance(error, KeyError) else _first_line(error)
        raise DamagedCheckpoint(folder, f"{FILES_MANIFEST} cannot be used: {what}") from error
    return files


def _parse_state(folder: Path, content: bytes) -> dict[str, Any]:
    try:
        state = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DamagedCheckpoint(folder, f"{STATE} cannot be used: {_first_line(error)}") from error
    if (problem := problem_of(state, f"{folder / STATE}")) is not None:
        raise DamagedCheckpoint(folder, f"{STATE}: {problem}")
    images = state["images_seen"]
    named = NAME.fullmatch(folder.name) or NAME.fullmatch(folder.resolve().name)  # else a copy, of any name
    if named and int(named[1]) != images:
        raise DamagedCheckpoint(folder, f"{STATE} is of {images} images; the folder was renamed")
    return state  # type: ignore[no-any-return]


def _read_file(folder: Path, name: str) -> bytes:
    try:
        path = _regular(folder, name)
        return read_bytes(path, RECORD_BYTES) if name.endswith(".json") else path.read_bytes()
    except OSError as error:
        raise DamagedCheckpoint(folder, f"{name} cannot be read: {error.strerror or error}") from error


def _regular(folder: Path, name: str) -> Path:
    """The file's path, if there is a file: opening a pipe in its place would wait for ever."""
    path = folder / name
    if not folder.is_dir():
        raise DamagedCheckpoint(
            folder, "there is a file in its place" if folder.exists() else "there is no such folder"
        )
    try:
        return regular(path)
    except FileNotFoundError as error:
        raise DamagedCheckpoint(folder, f"{name} is missing") from error
    except (Refused, IsADirectoryError) as error:
        raise DamagedCheckpoint(folder, f"{name} is not a file that can be read: {error.strerror}") from error


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), type(error).__name__).rstrip(". ")
