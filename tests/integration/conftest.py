"""The command line, and pictures to prepare, as fixtures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from PIL import Image

from cgan_dist.cli import main
from tests.conftest import CONFIG

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


@pytest.fixture(scope="session")
def small_run(shards_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of a second over the stripes, with three grids of each kind; tests that change it copy it first."""
    folder = tmp_path_factory.mktemp("small")
    (folder / "config.yaml").write_text(CONFIG.format(runs=folder / "runs", data=shards_folder))
    result = CliRunner().invoke(main, ["train", "--config", str(folder / "config.yaml")], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return folder / "runs" / "test"
