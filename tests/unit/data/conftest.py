"""Shared memory of its own for each test, so that nothing is found there that a killed process left."""

from __future__ import annotations

from pathlib import Path

import pytest

from cgan_dist.data import shared_memory


@pytest.fixture(autouse=True)
def memory(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in the place of /dev/shm; nothing is left to be done at the exit of the test process."""
    folder = tmp_path_factory.mktemp("shm")
    monkeypatch.setattr(shared_memory, "SHARED_MEMORY", folder)
    monkeypatch.setattr(shared_memory.atexit, "register", lambda *_: None)
    return folder
