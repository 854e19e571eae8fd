"""The ways of starting that the README names."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.launching import BIN, ROOT, run

START = {
    "accelerate launch": [str(BIN / "accelerate"), "launch", "launch/train.py"],
    "python": [sys.executable, "launch/train.py"],
    "torchrun": [str(BIN / "torchrun"), "--standalone", "--nproc-per-node", "2", "launch/train.py"],
    "python -m": [sys.executable, "-m", "cgan_dist", "train"],
    "cgan-dist": [str(BIN / "cgan-dist"), "train"],
    "launch/local.sh": ["bash", "launch/local.sh"],
}
PROCESSES = {"torchrun": 2, "launch/local.sh": 2}


@pytest.mark.parametrize("way", START)
def test_every_way_of_starting_trains(way: str, config_file: Path, tmp_path: Path) -> None:
    done = run([*START[way], "--config", str(config_file)])
    assert done.returncode == 0, done.stdout + done.stderr
    log = (tmp_path / "runs" / "test" / "log.txt").read_text()
    assert f"{PROCESSES.get(way, 1)} process" in log
    assert (tmp_path / "runs" / "test" / "checkpoints" / "latest").read_text() == "step-000000000064"


def test_a_plug_in_beside_the_user_is_found_by_every_script(config_file: Path, tmp_path: Path) -> None:
    (tmp_path / "my_nets.py").write_text("from cgan_dist.models.dcgan import Generator as Mine\n")
    done = run(
        [
            sys.executable,
            str(ROOT / "launch" / "train.py"),
            "--config",
            str(config_file),
            "generator.name=my_nets:Mine",
        ],
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stdout + done.stderr
