"""Small checkpoints whose whole content follows from the clock."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch

from cgan_dist.checkpoints.folder import Facts, manifest_of
from cgan_dist.checkpoints.store import Checkpoint, Checkpoints

DATA = {
    **{"channels": 1, "height": 8, "width": 8, "count": 9, "fingerprint": "ab"},
    "labels": {"kind": "classes", "names": ["a", "b"]},
}


def content(images_seen: int, size: int = 64) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Networks, optimizers and state of a moment."""
    generator = torch.Generator().manual_seed(images_seen)
    networks = {
        net: {"weight": torch.randn(size, generator=generator), "steps": torch.tensor(images_seen)} for net in "gd"
    }
    moments = {"step": torch.tensor(float(images_seen)), "exp_avg": torch.randn(size, generator=generator)}
    optimizers = {"optimizer": {"state": {0: moments}, "param_groups": [{"lr": 1e-3, "params": [0]}]}}
    state = {"config": {"run": {"name": "x"}}, "data": DATA, "meter": {}, "clock": images_seen}
    return networks, optimizers, state


def save(checkpoints: Checkpoints, images_seen: int, size: int = 64, **options: Any) -> Path:
    """Saves it and waits until it is on disk."""
    return checkpoints.save(images_seen, *content(images_seen, size), wait=True, **options)


def assert_is_of(checkpoint: Checkpoint, images_seen: int, size: int = 64) -> None:
    """Checks every value."""
    networks, optimizers, state = content(images_seen, size)
    assert checkpoint.images_seen == images_seen
    for name, tensors in networks.items():
        loaded = checkpoint.tensors(name)
        assert loaded.keys() == tensors.keys()
        assert all(torch.equal(loaded[key], value) for key, value in tensors.items())
    loaded = checkpoint.optimizer("optimizer")
    assert loaded["param_groups"] == optimizers["optimizer"]["param_groups"]
    moments = optimizers["optimizer"]["state"][0]
    assert all(torch.equal(loaded["state"][0][key], value) for key, value in moments.items())
    assert state.items() <= checkpoint.state.items()


def forge(folder: Path, name: str, new: bytes | None) -> None:
    """Replaces a file (null: leaves it out), and the manifest so that it agrees."""
    listed = json.loads((folder / "files.json").read_text())["files"]
    files = {key: Facts(facts["bytes"], facts["sha256"]) for key, facts in listed.items()}
    if new is None:
        del files[name]
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(new)
        files[name] = Facts(len(new), hashlib.sha256(new).hexdigest())
    (folder / "files.json").write_bytes(manifest_of(files))
