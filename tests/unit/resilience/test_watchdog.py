from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from cgan_dist.resilience.watchdog import Watchdog

ROOT = Path(__file__).parents[3]
SECONDS = 0.4
PROGRAM = """
import logging, sys, threading, time
from pathlib import Path
from cgan_dist.resilience.watchdog import Watchdog
logging.basicConfig(format="%(message)s")

def stuck_here():
    {body}

with Watchdog({seconds} / 60, Path(sys.argv[1]), rank=3) as watchdog:
    watchdog.beat(640)
    stuck_here()
print("done")
"""


def run(folder: Path, body: str, seconds: float = SECONDS) -> tuple[subprocess.CompletedProcess[str], float]:
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(body=body, seconds=seconds), str(folder)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    return done, time.monotonic() - started


@pytest.mark.parametrize(
    "body", ["time.sleep(60)", "lock = threading.Lock(); lock.acquire(); lock.acquire()"], ids=["sleep", "lock"]
)
def test_a_process_that_hangs_says_where_and_ends(tmp_path: Path, body: str) -> None:
    done, seconds = run(tmp_path, body)
    assert (done.returncode, "done" in done.stdout) == (70, False), done.stderr
    assert 2 * SECONDS <= seconds < 30
    stacks = (tmp_path / "stuck-rank-3.txt").read_text()
    assert "at 640 images" in stacks.splitlines()[0]
    assert "in stuck_here" in stacks
    assert "_watch" in stacks, "all threads, not only the main one"
    assert "No iteration for 0.0 minutes, at 640 images" in done.stderr
    assert "stuck-rank-3.txt" in done.stderr
    assert "exit code 70" in done.stderr


def test_a_log_that_hangs_too_does_not_save_the_process(tmp_path: Path) -> None:
    done, seconds = run(tmp_path, "logging.getLogger().handlers[0].acquire(); time.sleep(60)", seconds=0.2)
    assert (done.returncode, "done" in done.stdout) == (70, False), done.stderr
    assert "in stuck_here" in (tmp_path / "stuck-rank-3.txt").read_text()


def test_a_folder_that_cannot_be_written_sends_the_stacks_to_stderr(tmp_path: Path) -> None:
    done, _ = run(tmp_path / "missing", "time.sleep(60)", seconds=0.2)
    assert done.returncode == 70
    assert "in stuck_here" in done.stderr
    assert "All stacks are in stderr" in done.stderr


def test_a_link_in_the_place_of_the_stacks_sends_them_to_stderr(tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("theirs")
    (tmp_path / "stuck-rank-3.txt").symlink_to(tmp_path / "theirs")
    done, _ = run(tmp_path, "time.sleep(60)")
    assert done.returncode == 70
    assert "in stuck_here" in done.stderr
    assert (tmp_path / "theirs").read_text() == "theirs"


def test_beats_and_pauses_keep_it_quiet_and_it_goes_on_after_a_standstill(tmp_path: Path) -> None:
    body = f"""
    told = []
    log = logging.getLogger("cgan_dist.resilience.watchdog")
    log.addFilter(lambda record: told.append(record.getMessage()) or True)
    for _ in range(10):
        time.sleep({SECONDS} / 4)
        watchdog.beat(641)
    with watchdog.pause(), watchdog.pause():
        time.sleep({2.5 * SECONDS})
    print("quiet", not told)
    while not told:
        time.sleep(0.01)
    watchdog.beat(642)
    while len(told) < 2:
        time.sleep(0.01)
    """
    done, _ = run(tmp_path, body.strip())
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["quiet", "True", "done"]
    assert "Going on at 642 images after a standstill." in done.stderr
    assert (tmp_path / "stuck-rank-3.txt").read_text().count("no iteration for") == 1


def test_time_in_which_the_process_was_stopped_does_not_count(tmp_path: Path) -> None:
    body = f"""
    import os, subprocess
    subprocess.Popen(["sh", "-c", f"sleep {6 * SECONDS}; kill -CONT {{os.getpid()}}"])
    os.kill(os.getpid(), 19)
    """
    done, seconds = run(tmp_path, body.strip())
    assert done.returncode == 0, done.stderr
    assert seconds > 6 * SECONDS
    assert not (tmp_path / "stuck-rank-3.txt").exists()


def test_null_minutes_watch_nothing(tmp_path: Path) -> None:
    with Watchdog(None, tmp_path, 0) as watchdog:
        watchdog.beat(1)
        with watchdog.pause():
            pass
        assert watchdog._thread is None


def test_the_thread_ends_with_the_block(tmp_path: Path) -> None:
    with Watchdog(10.0, tmp_path, 0) as watchdog:
        thread = watchdog._thread
        assert thread is not None
        assert (thread.daemon, thread.is_alive()) == (True, True)
    assert not thread.is_alive()
