"""Keys of the environment, of URLs and of the set-up line are in nothing that a run, an export or a job leaves."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hub_server import TOKEN, Hub

KEYS = {
    "WANDB_API_KEY": "5ec2e7" + 34 * "a",
    "HF_TOKEN": TOKEN,
    "HUGGING_FACE_HUB_TOKEN": "hf_5ec2e7cccccccccccccccccccccccccccccccc",
    "AWS_SECRET_ACCESS_KEY": "5ec2e7/dddddddddddddddddddddddddddddddd",
    "CGAN_DIST_DEMO_PASSWORD": "5ec2e7 eeeeee",
}
MARK = "5ec2e7"
SECRET = re.compile(rf"{MARK}|{TOKEN}".encode())
"""In every key that is planted."""


class Person:
    """Types commands with keys in the environment, and keeps all that they print."""

    def __init__(self, folder: Path, hub: str) -> None:
        bin_folder = folder.parent / f"{folder.name}-bin"
        bin_folder.mkdir()
        (bin_folder / "sbatch").write_text("#!/bin/sh\necho 17\n")
        (bin_folder / "sbatch").chmod(0o755)
        self.folder, self.printed = folder, b""
        path = f"{bin_folder}:{Path(sys.executable).parent}:{os.environ['PATH']}"
        cache = {"HOME": str(folder), "TMPDIR": str(folder), "XDG_CACHE_HOME": str(folder / "cache")}
        self.environment = {"PATH": path, "HF_ENDPOINT": hub, "WANDB_MODE": "offline", **cache, **KEYS}

    def types(self, *arguments: object, code: int = 0, **environment: str) -> bytes:
        """Runs `cgan-dist`, and returns what it prints."""
        done = subprocess.run(
            [sys.executable, "-m", "cgan_dist", *map(str, arguments)],
            cwd=self.folder,
            env=self.environment | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=900,
        )
        assert done.returncode == code, done.stdout.decode()
        self.printed += done.stdout
        return done.stdout

    def left(self) -> dict[str, bytes]:
        """All files that there are now."""
        return {str(path): path.read_bytes() for path in self.folder.rglob("*") if path.is_file()}


@pytest.fixture
def hub() -> Iterator[Hub]:
    server = Hub()
    yield server
    server.close()


@pytest.mark.long
def test_no_key_is_in_what_is_left_or_said(config_file: Path, hub: Hub, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    shutil.move(config_file, home / "config.yaml")
    person, run = Person(home, hub.url), home / "runs" / "test"
    typed = ("--config", "config.yaml", f"run.dir={home / 'runs'}")
    person.types("train", *typed, "tracking.trackers=[wandb]", "train.total_images=32")
    assert [*(run / "wandb").glob("offline-run-*/*.wandb")], "W&B has written its files"
    assert [*run.glob("checkpoints/step-*/state.json")]
    person.types("evaluate", run, "--metrics", "label_accuracy", "--count", 64)
    person.types("export", run, "--out", "model")
    person.types("push", "model", "--to", "ada/digits", "--dry-run")
    person.types("push", "model", "--to", "ada/digits")
    person.types("submit", *typed, "run.name=job", CGAN_DIST_SETUP=". ~/.keys")
    assert b"keys" in (home / "runs" / "job" / "slurm" / "train.sbatch").read_bytes()

    said = person.types("submit", *typed, "run.name=b", code=2, CGAN_DIST_SETUP=f"export A_TOKEN={MARK}")
    assert b"sets A_TOKEN" in said
    for place in (f"http://ada:{MARK}@127.0.0.1:9/set", f"http://127.0.0.1:9/set?token={MARK}"):
        assert b"***" in person.types("check", *typed, f"data.path={place}", code=2)
        assert b"***" in person.types("inspect", place, code=2)

    assert not SECRET.search(person.printed)
    assert [path for path, content in person.left().items() if SECRET.search(content)] == []
    (pushed,) = hub.repositories.values()
    assert [name for name, content in pushed.items() if SECRET.search(content)] == []
