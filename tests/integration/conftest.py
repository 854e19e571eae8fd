"""The command line, and pictures to prepare, as fixtures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from cgan_dist.cli import main

Cli = Callable[..., Result]


@pytest.fixture
def cli() -> Cli:
    """Runs `cgan-dist` in this process: `cli("train", "--config", path)`."""

    def invoke(*args: object) -> Result:
        return CliRunner().invoke(main, [str(arg) for arg in args], catch_exceptions=False)

    return invoke


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two classes of four 12x10 pictures: class ant is dark, class bee bright."""
    folder = tmp_path / "pictures"
    for name, base in (("ant", 0), ("bee", 200)):
        (folder / name).mkdir(parents=True)
        for number in range(4):
            Image.new("RGB", (12, 10), (base + 10 * number, base, base)).save(folder / name / f"{number}.png")
    return folder
