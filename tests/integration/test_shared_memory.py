"""A container's small /dev/shm, and one that is full of what a killed run has left, for real."""

from __future__ import annotations

import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from cgan_dist.data.ram import NAME_LETTERS
from cgan_dist.data.shards import ShardSet
from cgan_dist.data.shared_memory import folder_named
from cgan_dist.data.storage import Storage
from cgan_dist.data.writer import Plan, write_shards
from tests.conftest import striped_images
from tests.integration.test_kill import images_logged
from tests.launching import BIN, ROOT, can_mount, environment, run, with_shared_memory

needs_mounts = pytest.mark.skipif(not can_mount(), reason="no mount namespaces here")
FILLED_LATER = """
import contextlib, sys
from cgan_dist.data.loader import Loader
from cgan_dist.data.shards import ShardSet
from cgan_dist.data.storage import Storage
from cgan_dist.errors import UserError

running = Loader(ShardSet(Storage(sys.argv[1]), cache="none"), batch_size=16, streams=4, seed=0, workers=2).batches(0)
file = open("/dev/shm/another program", "wb", buffering=0)
try:
    for _ in range(10_000):
        next(running)
        with contextlib.suppress(OSError):
            while True:
                file.write(bytes(4096))
except UserError as error:
    print(error)
"""


def train(config_file: Path, *options: str) -> str:
    return shlex.join([str(BIN / "cgan-dist"), "train", "--config", str(config_file), "data.workers=2", *options])


@needs_mounts
def test_too_little_for_the_batches_of_workers_is_said_before_anything_starts(config_file: Path) -> None:
    done = run(with_shared_memory("64k", train(config_file)))
    assert done.returncode == 2
    assert "data.workers: found 0.07 MB of shared memory free; expected 0.14 MB for 5 batches of 8" in done.stderr
    assert "--shm-size" in done.stderr
    assert "data.workers=0" in done.stderr
    assert "Traceback" not in done.stderr
    assert run(with_shared_memory("64k", train(config_file, "data.workers=0"))).returncode == 0


@needs_mounts
def test_enough_for_batches_and_not_for_the_set_trains_without_sharing_it(config_file: Path, tmp_path: Path) -> None:
    write_shards(striped_images(3000), tmp_path / "large", Plan(shards=5))  # 192 kB, so there is room for it alone
    line = train(config_file, f"data.path={tmp_path / 'large'}") + " && ls /dev/shm && df --output=used /dev/shm"
    done = run(with_shared_memory("400k", line))
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.split() == ["Used", "0"]


@needs_mounts
def test_shared_memory_that_another_program_fills_is_an_error_and_no_standstill(
    tmp_path: Path, shards_folder: Path
) -> None:
    (tmp_path / "script.py").write_text(FILLED_LATER)
    line = shlex.join([sys.executable, str(tmp_path / "script.py"), str(shards_folder)])
    done = run(with_shared_memory("400k", line))
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("data.workers: found no room for "), done.stderr
    assert "No space left on device" in done.stdout
    assert "--shm-size" in done.stdout


def test_what_a_killed_run_left_goes_with_the_next_start_of_any_run(
    config_file: Path, tmp_path: Path, shards_folder: Path
) -> None:
    line = shlex.split(train(config_file, "train.total_images=10000000", "data.cache=ram", "data.on_error=skip"))
    process = subprocess.Popen(
        line, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    family: list[psutil.Process] = []
    try:
        deadline = time.monotonic() + 900
        while not images_logged(tmp_path / "runs" / "test"):
            assert time.monotonic() < deadline, "the run does not get on"
            time.sleep(0.02)
        family = psutil.Process(process.pid).children(recursive=True)
    finally:
        for victim in [*family, psutil.Process(process.pid)]:
            victim.send_signal(signal.SIGKILL)
        process.wait()
    left = folder_named(f"skip-{ShardSet(Storage(shards_folder), cache='none').manifest.fingerprint}"[:NAME_LETTERS])
    assert left.is_dir()
    assert run(shlex.split(train(config_file, "run.name=other", "data.cache=none"))).returncode == 0
    assert not left.exists()
