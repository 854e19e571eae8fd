"""Training whose output nobody reads any more: a pipe that ends, a closed terminal, streams that were never there."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import signal
import subprocess
import termios
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from cgan_dist.checkpoints.store import find_checkpoint
from tests.integration.test_kill import images_logged
from tests.launching import ROOT, command, environment

TRAIN = ROOT / "launch" / "train.py"
ENDLESS = "train.total_images=10000000"
SHORT = 1600


def line(config_file: Path, *options: str, processes: int = 1) -> list[str]:
    return command(processes, TRAIN, "--config", str(config_file), "checkpoint.interval_images=10000000", *options)


def wait_for(what: Callable[[], object], process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 900
    while not what():
        assert time.monotonic() < deadline, "the run does not get on"
        assert process.poll() is None, "the run has ended"
        time.sleep(0.01)


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.long)])
def test_a_pipe_whose_reader_leaves_ends_no_training(config_file: Path, tmp_path: Path, processes: int) -> None:
    """As in `cgan-dist train ... | head -1`; W&B takes what is printed too."""
    typed = line(config_file, f"train.total_images={SHORT}", "tracking.trackers=[wandb]", processes=processes)
    pipe = subprocess.PIPE
    with subprocess.Popen(typed, cwd=ROOT, env=environment(), stdout=pipe, stderr=subprocess.STDOUT) as process:
        assert process.stdout is not None
        assert process.stdout.readline()
        process.stdout.close()
        assert process.wait(900) == 0
    run = tmp_path / "runs" / "test"
    assert find_checkpoint(run).images_seen == SHORT
    assert images_logged(run) == list(range(16, SHORT + 1, 16))
    log = (run / "log.txt").read_text()
    assert "Finished at 1,600 images" in log
    assert "failed" not in log


@pytest.mark.parametrize("redirections", ["2>&-", "0<&- 1>&- 2>&-", "> /dev/full 2>&1"])
def test_streams_that_are_closed_or_full_from_the_start_end_no_training(
    config_file: Path, tmp_path: Path, redirections: str
) -> None:
    typed = ["sh", "-c", f'exec "$@" {redirections}', "sh", *line(config_file, "data.workers=2")]
    assert subprocess.run(typed, cwd=ROOT, env=environment(), timeout=900, check=False).returncode == 0
    run = tmp_path / "runs" / "test"
    assert find_checkpoint(run).images_seen == 64
    assert images_logged(run) == [16, 32, 48, 64]
    assert "Finished at 64 images" in (run / "log.txt").read_text()


class Terminal:
    """A terminal with a training in it, which gets SIGHUP when it is closed and cannot write any more."""

    def __init__(self, typed: list[str], nohup: bool = False) -> None:
        self.ours, theirs = pty.openpty()

        def begin() -> None:
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)
            if nohup:
                signal.signal(signal.SIGHUP, signal.SIG_IGN)

        self.process = subprocess.Popen(
            typed, cwd=ROOT, env=environment(), stdin=theirs, stdout=theirs, stderr=theirs,
            start_new_session=True, preexec_fn=begin,
        )  # fmt: skip
        os.close(theirs)
        os.set_blocking(self.ours, False)

    def read(self) -> None:
        with contextlib.suppress(OSError):
            while os.read(self.ours, 1 << 16):
                pass

    def close(self) -> None:
        os.close(self.ours)


@pytest.mark.parametrize("processes", [1, pytest.param(2, marks=pytest.mark.long)])
def test_a_terminal_that_is_closed_stops_training_with_a_checkpoint(
    config_file: Path, tmp_path: Path, processes: int
) -> None:
    run = tmp_path / "runs" / "test"
    terminal = Terminal(line(config_file, ENDLESS, "data.workers=2", processes=processes))
    wait_for(lambda: (terminal.read(), images_logged(run))[1], terminal.process)
    terminal.close()
    code = terminal.process.wait(900)
    assert code == 0 if processes == 1 else code != 0  # a launcher has codes of its own
    assert "received SIGHUP" in (run / "REQUEUE").read_text()
    stopped_at = find_checkpoint(run).images_seen
    assert images_logged(run)[-1] <= stopped_at
    done = subprocess.run(line(config_file, f"train.total_images={stopped_at + 16}"), cwd=ROOT, env=environment())
    assert done.returncode == 0
    assert images_logged(run) == [*range(16, stopped_at + 16, 16), stopped_at + 16]


def test_under_nohup_a_closed_terminal_changes_nothing(config_file: Path, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "test"
    terminal = Terminal(line(config_file, f"train.total_images={2 * SHORT}", "data.workers=2"), nohup=True)
    wait_for(lambda: (terminal.read(), images_logged(run))[1], terminal.process)
    terminal.close()
    assert terminal.process.wait(900) == 0
    assert find_checkpoint(run).images_seen == 2 * SHORT
    assert not (run / "REQUEUE").exists()


def has_begun_to_import(process: subprocess.Popen[bytes]) -> bool:
    with contextlib.suppress(psutil.Error):
        return any("libtorch" in region.path for region in psutil.Process(process.pid).memory_maps())
    return False


@pytest.mark.parametrize("moment", ["imports", "is built", "begins"])
def test_ctrl_c_in_the_first_second_is_no_traceback_and_spoils_nothing(
    config_file: Path, tmp_path: Path, moment: str
) -> None:
    run, out = tmp_path / "runs" / "test", tmp_path / "out"
    with out.open("wb") as stream:
        process = subprocess.Popen(
            line(config_file, ENDLESS), cwd=ROOT, env=environment(), stdout=stream, stderr=stream
        )
    reached = {
        "imports": lambda: has_begun_to_import(process),
        "is built": lambda: (run / "lock").exists(),
        "begins": lambda: (run / "config.yaml").exists(),
    }
    wait_for(reached[moment], process)
    process.send_signal(signal.SIGINT)
    code, said = process.wait(900), out.read_text()
    assert "Traceback" not in said
    assert (code, "Stopped by Ctrl-C" in said) == (130, True) or (code, "received SIGINT" in said) == (0, True), said
    done = subprocess.run(line(config_file), cwd=ROOT, env=environment(), capture_output=True, check=False)
    assert done.returncode == 0 or b"so it is finished" in done.stderr, done.stderr
    assert images_logged(run)[:4] == [16, 32, 48, 64]
