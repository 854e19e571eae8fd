"""Damaging shards on purpose, for tests."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

from cgan_dist.data.shards import ShardSet
from cgan_dist.data.storage import Storage

Members = dict[str, bytes]
Change = Callable[[Members], Members]


def open_set(folder: Path, cache: str = "none", on_error: str = "stop", max_bad_share: float = 0.5) -> ShardSet:
    return ShardSet(Storage(folder), cache, on_error, max_bad_share)  # type: ignore[arg-type]


def verify(folder: Path) -> None:
    open_set(folder).verify()


def rewrite(folder: Path, change: Change, name: str = "shard-00001.tar") -> None:
    """Changes a shard's members and makes the manifest agree in bytes and sha256, as a careless tool would."""
    path = folder / name
    with tarfile.open(path) as tar:
        members = {m.name: tar.extractfile(m).read() for m in tar.getmembers()}  # type: ignore[union-attr]
    with tarfile.open(path, "w") as tar:
        for member, content in change(members).items():
            info = tarfile.TarInfo(member)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    trust(folder, name)


def trust(folder: Path, name: str) -> None:
    """Makes the manifest agree with what a file now is."""
    content = (folder / name).read_bytes()
    facts = {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    manifest = json.loads((folder / "manifest.json").read_text())
    for shard in manifest["shards"]:
        for file in (shard, shard["index"]):
            if file is not None and file["name"] == name:
                file |= facts
    (folder / "manifest.json").write_text(json.dumps(manifest))


def npy(array: np.ndarray, allow_pickle: bool = False) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=allow_pickle)
    return buffer.getvalue()


def with_labels(labels: np.ndarray, allow_pickle: bool = False) -> Change:
    return lambda members: {
        name: npy(labels, allow_pickle) if name.endswith("labels.npy") else content for name, content in members.items()
    }
