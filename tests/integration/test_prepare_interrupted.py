"""`prepare` that is stopped, crowded out or in somebody's way: nothing is lost, and the same command goes on."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

from tests.integration.conftest import Cli
from tests.launching import ROOT, environment


def test_a_folder_of_the_users_own_is_never_cleared_away(cli: Cli, tmp_path: Path, pictures: Path) -> None:
    precious = tmp_path / "out.partial" / "precious.txt"
    precious.parent.mkdir()
    precious.write_text("keep")
    arguments = ("prepare", "folder", "--source", pictures, "--out", tmp_path / "out", "--shards", 2, "--processes", 1)
    result = cli(*arguments)
    assert result.exit_code == 2
    assert f"{precious}: in the way of --out {tmp_path / 'out'}; remove {precious.parent} or choose" in result.output
    assert precious.read_text() == "keep"
    precious.unlink()
    (precious.parent / "shard-00000.part").write_text("left by a run that was killed")
    assert cli(*arguments).exit_code == 0


def test_a_process_that_vanishes_is_an_error_for_a_person(
    cli: Cli, tmp_path: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the kernel does to one that takes too much memory."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "vanishing.py").write_text(VANISHING)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=":")
    arguments = ("--out", tmp_path / "out", "--shards", 2, "--processes", 2)
    result = cli("prepare", "vanishing:load", "--source", pictures, *arguments)
    assert result.exit_code == 2
    assert "--processes: a process ended without a word, probably for want of memory; give fewer" in result.output
    assert not (tmp_path / "out").exists()


VANISHING = """
import multiprocessing, os, signal
from dataclasses import dataclass, replace
from cgan_dist.data.source import Source
from cgan_dist.data.sources import folder as pictures

@dataclass
class Read:
    read: object
    def __call__(self, index):
        if multiprocessing.parent_process() is not None:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.read(index)

def load(folder, split) -> Source:
    source = pictures.load(folder, split)
    return replace(source, read=Read(source.read))
"""


def slow_pictures(folder: Path, count: int) -> None:
    """Grey noise of 300x300, each of which takes some milliseconds to read and to resize."""
    generator = np.random.default_rng(0)
    for name in ("a", "b"):
        (folder / name).mkdir(parents=True)
    for number in range(count):
        pixels = generator.integers(0, 256, (300, 300), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / "ab"[number % 2] / f"{number:04d}.png", compress_level=0)


@pytest.mark.slow
@pytest.mark.parametrize("whole_group", [True, False], ids=["all processes killed", "only the first killed"])
def test_a_killed_prepare_goes_on_and_ends_the_same(cli: Cli, tmp_path: Path, whole_group: bool) -> None:
    slow_pictures(tmp_path / "in", 300)
    arguments = [
        "prepare", "folder", "--source", str(tmp_path / "in"), "--size", "70", "--encoding", "png", "--shards", "20",
    ]  # fmt: skip
    line = [sys.executable, "-m", "cgan_dist", *arguments, "--processes", "2", "--out", str(tmp_path / "killed")]
    process = subprocess.Popen(line, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    partial = tmp_path / "killed.partial"
    deadline = time.monotonic() + 900
    while len(list(partial.glob("shard-*.json"))) < 3:
        assert time.monotonic() < deadline, "no shard gets done"
        assert process.poll() is None, "it ended before it was killed"
        time.sleep(0.005)
    children = psutil.Process(process.pid).children(recursive=True)
    workers = [child for child in children if "resource_tracker" not in " ".join(child.cmdline())]
    assert len(workers) == 2
    for victim in [*workers, process] if whole_group else [process]:
        victim.kill()
    assert process.wait() == -signal.SIGKILL
    assert psutil.wait_procs(children, timeout=900)[1] == [], "processes are left over"
    assert not (tmp_path / "killed").exists()
    finished = {path.name: path.stat().st_mtime_ns for path in partial.glob("shard-*.json")}
    assert 3 <= len(finished) < 20
    kept = {name.replace(".json", ".tar") for name in finished}
    before = {name: (partial / name).stat().st_mtime_ns for name in kept}

    for out, processes in (("killed", 2), ("straight", 1)):
        done = cli(*arguments, "--processes", processes, "--out", tmp_path / out)
        assert done.exit_code == 0, done.output
    killed, straight = (tmp_path / out / "manifest.json" for out in ("killed", "straight"))
    assert killed.read_text() == straight.read_text()
    assert {name: (tmp_path / "killed" / name).stat().st_mtime_ns for name in kept} == before
    assert {p.name: p.read_bytes() for p in killed.parent.iterdir()} == {
        p.name: p.read_bytes() for p in straight.parent.iterdir()
    }
    assert not partial.exists()
