"""Modules of the libraries' names that lie where one stands, as in a downloaded folder, are never imported."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.launching import BIN, ROOT, environment

LIBRARIES = ("torch", "numpy", "PIL", "safetensors", "accelerate", "tqdm", "pydantic", "yaml", "wandb", "gradio")
EARLY = ("lazy_loader", "click", "__future__", "json", "logging", "multiprocessing", "socket", "selectors", "signal")
"""Imported before a command begins, or by the children that Python starts with `-c`."""
DECOY = "import pathlib\npathlib.Path({marker!r}).touch()\nraise ImportError('a decoy')\n"


@pytest.fixture
def downloaded(tmp_path: Path) -> Path:
    """A folder with modules that leave a mark."""
    folder = tmp_path / "downloaded"
    folder.mkdir()
    for name in (*LIBRARIES, *EARLY):
        (folder / f"{name}.py").write_text(DECOY.format(marker=str(tmp_path / "ran")))
    return folder


def run_in(folder: Path, line: list[str], **more: str) -> None:
    done = subprocess.run(
        line, cwd=folder, env=environment() | more, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert not (folder.parent / "ran").exists()


STARTS = {
    "cgan-dist": [str(BIN / "cgan-dist"), "sample"],
    "python -m": [sys.executable, "-m", "cgan_dist", "sample"],
    "launch": [sys.executable, str(ROOT / "launch" / "sample.py")],
}


@pytest.mark.parametrize("start", STARTS)
def test_a_command_imports_nothing_of_the_working_folder(start: str, downloaded: Path, small_run: Path) -> None:
    run_in(downloaded, [*STARTS[start], str(small_run), "--out", "out.png"])


def test_nor_does_it_for_an_empty_entry_of_pythonpath(downloaded: Path, small_run: Path) -> None:
    for name in EARLY:  # which Python itself or the command's script has imported before a command can do anything
        (downloaded / f"{name}.py").unlink()
    run_in(downloaded, [*STARTS["cgan-dist"], str(small_run), "--out", "out.png"], PYTHONPATH=f"{os.pathsep}{ROOT}")


def test_nor_do_loader_workers(downloaded: Path, config_file: Path) -> None:
    run_in(downloaded, [str(BIN / "cgan-dist"), "train", "--config", str(config_file), "data.workers=1"])


def test_nor_do_processes_that_prepare(downloaded: Path, tmp_path: Path) -> None:
    images = np.zeros((16, 8, 8), dtype=np.uint8)
    np.savez(tmp_path / "data.npz", images=images, labels=np.arange(16) % 2)
    source = ("npz", "--source", str(tmp_path), "--out", str(tmp_path / "shards"), "--processes", "2")
    run_in(downloaded, [str(BIN / "cgan-dist"), "prepare", *source, "--shards", "2"])
