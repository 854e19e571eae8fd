"""Loader workers: nothing of the trainer is in them, and none of them is left behind."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

import numpy as np
import psutil
import pytest

from cgan_dist.data.batch import Batch
from cgan_dist.data.loader import Loader
from cgan_dist.data.shards import ShardSet
from cgan_dist.data.storage import Storage
from cgan_dist.data.writer import Plan, write_shards
from cgan_dist.errors import PassingError
from tests.conftest import striped_images
from tests.launching import ROOT, environment
from tests.unit.data.test_shards import damage_picture


def batches(folder: Path, **options: str) -> Generator[Batch, None, None]:
    """Batches of two workers."""
    shards = ShardSet(Storage(folder), **options)  # type: ignore[arg-type]
    return Loader(shards, batch_size=16, streams=4, seed=0, workers=2).batches(0)


def workers() -> list[psutil.Process]:
    return [psutil.Process(process.pid) for process in multiprocessing.active_children()]


def test_workers_are_not_forked_from_the_trainer(shards_folder: Path) -> None:
    running = batches(shards_folder)
    next(running)
    found = workers()
    assert len(found) == 2
    assert len({worker.ppid() for worker in found}) == 1
    assert found[0].ppid() != os.getpid()
    running.close()
    assert workers() == []


def test_decoded_images_do_not_travel_to_them(shards_folder: Path, memory: Path) -> None:
    shards = ShardSet(Storage(shards_folder), "ram")
    expected = shards.load_all()
    content = pickle.dumps(shards)
    assert len(content) < expected.images.nbytes
    there: ShardSet = pickle.loads(content)
    assert there._ram is not None
    assert there._ram.private == {}
    assert there._ram.folder == next(memory.iterdir())
    assert np.array_equal(there.load_all().images, expected.images)


def test_private_images_do_not_travel_either(
    tmp_path: Path, shards_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cgan_dist.data.shared_memory.SHARED_MEMORY", tmp_path / "absent")
    shards = ShardSet(Storage(shards_folder), "ram")
    expected = shards.load_all()
    content = pickle.dumps(shards)
    assert len(content) < expected.images.nbytes
    assert np.array_equal(pickle.loads(content).load_all().images, expected.images)


def test_what_a_worker_logs_is_logged_by_the_trainer(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_shards(striped_images(100, size=16, channels=3), tmp_path / "set", Plan(shards=4, encoding="jpeg"))
    damage_picture(tmp_path / "set", "shard-00002", 3)
    running = batches(tmp_path / "set", cache="none", on_error="skip", max_bad_share=0.05)
    list(itertools.islice(running, 100 // 4 + 1))  # every stream has seen every image
    running.close()
    assert "Skipped 1 image(s), 1 so far" in caplog.text
    assert {record.processName for record in caplog.records} != {multiprocessing.current_process().name}


def test_a_worker_that_is_killed_is_an_error_that_ends_the_others_too(shards_folder: Path) -> None:
    running = batches(shards_folder)
    next(running)
    victim, other = workers()
    victim.send_signal(signal.SIGKILL)
    with pytest.raises(
        PassingError, match=r"data.workers: a loader process ended without a word \(exit code -9\)"
    ) as end:
        list(itertools.islice(running, 1000))
    assert end.value.__traceback__ is not None
    assert psutil.wait_procs([other], timeout=900)[1] == []


TRAINER = """
import sys, time
from pathlib import Path
from cgan_dist.data import shared_memory
from cgan_dist.data.loader import Loader
from cgan_dist.data.shards import ShardSet
from cgan_dist.data.storage import Storage

shared_memory.SHARED_MEMORY = Path(sys.argv[2])
running = Loader(ShardSet(Storage(sys.argv[1])), batch_size=16, streams=4, seed=0, workers=2).batches(0)
print(len(next(running).labels), flush=True)
"""


def script(tmp_path: Path, then: str) -> Path:
    path = tmp_path / "script.py"
    path.write_text(TRAINER + then)
    return path


def test_a_script_need_not_ask_whether_it_is_main(tmp_path: Path, shards_folder: Path, memory: Path) -> None:
    line = [sys.executable, str(script(tmp_path, "running.close()")), str(shards_folder), str(memory)]
    done = subprocess.run(line, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=900, check=False)
    assert (done.returncode, done.stdout) == (0, "16\n"), done.stderr


@pytest.mark.parametrize("end", ["killed", "an error", "the end"])
def test_nothing_is_left_when_the_trainer_is_gone(tmp_path: Path, shards_folder: Path, memory: Path, end: str) -> None:
    """Its generator is open, so nobody has told the workers."""
    then = {"killed": "time.sleep(1000)", "an error": "sys.stdin.read(1)\n1 / 0", "the end": "sys.stdin.read(1)"}[end]
    line = [sys.executable, str(script(tmp_path, then)), str(shards_folder), str(memory)]
    streams = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(line, cwd=ROOT, env=environment(), text=True, **streams) as trainer:  # type: ignore[call-overload]
        assert trainer.stdout.readline() == "16\n"
        family = psutil.Process(trainer.pid).children(recursive=True)
        names = [" ".join(process.cmdline()) for process in family]
        assert sum("forkserver" in name for name in names) == 3, names  # the server and its two workers
        if end == "killed":
            trainer.kill()
        trainer.communicate("x" if end != "killed" else None, timeout=900)
    assert trainer.returncode == {"killed": -signal.SIGKILL, "an error": 1, "the end": 0}[end]
    assert psutil.wait_procs(family, timeout=900)[1] == []
    assert end == "killed" or list(memory.iterdir()) == []


def test_signals_to_the_whole_group_end_neither_workers_nor_their_server(
    tmp_path: Path, shards_folder: Path, memory: Path
) -> None:
    then = """
import os, signal
from cgan_dist.resilience.preemption import SIGNALS
for number in SIGNALS:
    signal.signal(number, signal.SIG_IGN)
    os.killpg(0, number)
for _ in range(200):
    next(running)
running.close()
"""
    line = [sys.executable, str(script(tmp_path, then)), str(shards_folder), str(memory)]
    done = subprocess.run(
        line, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=900, check=False,
        start_new_session=True,
    )  # fmt: skip
    said = [line for line in done.stderr.splitlines() if "usable core(s)" not in line]  # on a machine of one
    assert (done.returncode, done.stdout, said) == (0, "16\n", [])
