from __future__ import annotations

import errno
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cgan_dist.config import Config
from cgan_dist.errors import PassingError, UserError
from cgan_dist.run_folder import check_config_unchanged, lock_run, save_config

ConfigMaker = Callable[..., Config]


def test_the_same_config_and_harmless_changes_go_on(make_config: ConfigMaker) -> None:
    save_config(make_config())
    check_config_unchanged(make_config())
    check_config_unchanged(make_config("train.total_images=640", "tracking.trackers=[tensorboard]", "data.workers=1"))


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("train.batch_size=16", "train.batch_size: 8 there, 16 now"),
        ("optim.lr=1e-3", "optim.lr: 0.0002 there, 0.001 now"),
        ("generator.args.width=8", "generator.args.width: 4 there, 8 now"),
        ("loss.penalties.r1=1", "loss.penalties.r1: None there, 1.0 now"),
        ("run.seed=1", "run.seed: 0 there, 1 now"),
    ],
)
def test_a_folder_of_a_different_config_is_refused(make_config: ConfigMaker, override: str, line: str) -> None:
    save_config(make_config())
    with pytest.raises(UserError, match=r"belongs to a different config") as caught:
        check_config_unchanged(make_config(override))
    assert line in str(caught.value)


def test_a_second_writer_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from cgan_dist.run_folder import lock_run; "
        f"lock = lock_run(Path({str(tmp_path)!r})); print('locked', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "locked\n"
    with pytest.raises(PassingError, match=rf"is being trained by another process \(pid {other.pid} on "):
        lock_run(tmp_path)
    other.kill()
    other.communicate()
    lock_run(tmp_path).close()


def test_a_file_system_without_locks_is_no_other_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("cgan_dist.run_folder.fcntl.lockf", no_locks)
    with caplog.at_level("WARNING"):
        lock_run(tmp_path).close()
    assert "this file system has no locks" in caplog.text


def test_an_impossible_folder_is_a_clear_error() -> None:
    with pytest.raises(UserError, match=r"run.dir: cannot write in /proc/nope"):
        lock_run(Path("/proc/nope"))
