"""Written beside the training: no change gets in meanwhile, no refusal is lost, no kill leaves half of one."""

from __future__ import annotations

import errno
import multiprocessing
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from pickle import PicklingError
from typing import Any

import pytest
import torch

from cgan_dist.checkpoints.store import Checkpoint, Checkpoints
from cgan_dist.errors import PassingError, UserError
from tests.launching import ROOT, environment
from tests.unit.checkpoint_samples import assert_is_of, content, save

WRITER = "cgan_dist.checkpoints.writer"
KILLS = 20
KILLED_SIZE = 200_000
WAIT_SECONDS = 600


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "checkpoints", keep_last=2)


class Gate:
    """Holds every flush to disk until it is opened."""

    def __init__(self) -> None:
        self.reached, self.opened = threading.Event(), threading.Event()

    def __call__(self, _: int) -> None:
        self.reached.set()
        assert self.opened.wait(WAIT_SECONDS)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate()
    monkeypatch.setattr(f"{WRITER}.os.fsync", gate)
    yield gate
    gate.opened.set()


def test_training_goes_on_in_place_while_what_was_given_is_written(checkpoints: Checkpoints, gate: Gate) -> None:
    networks, optimizers, state = content(64)
    folder = checkpoints.save(64, networks, optimizers, state)
    assert gate.reached.wait(WAIT_SECONDS)
    assert not folder.exists()
    for tensors in (*networks.values(), optimizers["optimizer"]["state"][0]):
        for tensor in tensors.values():
            tensor.fill_(-1)
    optimizers["optimizer"]["param_groups"][0]["lr"] = 7.0
    state["config"]["run"]["name"] = "changed"
    gate.opened.set()
    checkpoints.wait()
    assert_is_of(Checkpoint(folder), 64)


def test_a_save_waits_for_the_one_before(checkpoints: Checkpoints, gate: Gate) -> None:
    first = checkpoints.save(64, *content(64))
    second: list[Path] = []
    other = threading.Thread(target=lambda: second.append(checkpoints.save(128, *content(128))))
    other.start()
    assert gate.reached.wait(WAIT_SECONDS)
    other.join(0.05)
    assert other.is_alive()
    assert not second
    gate.opened.set()
    other.join(WAIT_SECONDS)
    assert first.exists()
    newest = checkpoints.newest()  # waits for the second
    assert newest is not None
    assert newest.folder == second[0]


def test_leaving_python_does_not_lose_what_is_being_written(tmp_path: Path) -> None:
    program = (
        "import sys, time, os; from pathlib import Path; from cgan_dist.checkpoints.store import Checkpoints\n"
        "import cgan_dist.checkpoints.writer as writer; from tests.unit.checkpoint_samples import content\n"
        "flush = os.fsync; writer.os.fsync = lambda file: (time.sleep(0.1), flush(file))\n"
        f"Checkpoints(Path({str(tmp_path)!r})).save(64, *content(64)); print('left', flush=True)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment(), capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "left\n"), done.stderr
    found = Checkpoints(tmp_path).newest()
    assert found is not None
    assert_is_of(found, 64)


def refuse(number: int) -> Callable[..., Any]:
    def refused(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return refused


def half_written(path: Path, content: bytes) -> None:
    """A disk that is full in the middle of a file."""
    if path.name == "d.safetensors":
        path.write_bytes(content[: len(content) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    path.write_bytes(content)


REFUSALS: dict[str, tuple[str, Callable[..., Any], str]] = {
    "full in the middle": (f"{WRITER}.write_file", half_written, "No space left.*; free space"),
    "full at the flush": (f"{WRITER}.os.fsync", refuse(errno.ENOSPC), "No space left.*; free space"),
    "quota": (f"{WRITER}.write_file", refuse(errno.EDQUOT), "quota exceeded.*; free space, or ask"),
    "read-only": (f"{WRITER}.Path.mkdir", refuse(errno.EROFS), "Read-only.*; make the file system"),
    "forbidden": (
        f"{WRITER}.Path.mkdir",
        refuse(errno.EACCES),
        "denied.*; make the folder writable",
    ),
    "broken": (f"{WRITER}.write_file", refuse(errno.EIO), "Input/output error.*; mend the folder"),
    "no rename": (f"{WRITER}.Path.rename", refuse(errno.EIO), "Input/output error"),
}


@pytest.mark.parametrize("what", REFUSALS)
def test_a_refusal_is_told_and_leaves_the_last_good_one(
    checkpoints: Checkpoints, what: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    save(checkpoints, 64)
    target, refusal, message = REFUSALS[what]
    with monkeypatch.context() as patch, caplog.at_level("WARNING"):
        patch.setattr(target, refusal)
        final = checkpoints.save(128, *content(128))
        with pytest.raises(UserError, match=rf"{final}: cannot write the checkpoint: .*{message}") as caught:
            checkpoints.wait()
        assert isinstance(caught.value, PassingError) == ("Input/output" in message)
        checkpoints.wait()  # told once
        assert "A checkpoint was not written" in caplog.text
        with pytest.raises(UserError, match="Earlier checkpoints are untouched"):
            save(checkpoints, 128)
        checkpoints.save(128, *content(128))
        with pytest.raises(UserError, match="cannot write the checkpoint"):
            checkpoints.save(192, *content(192))
    assert sorted(path.name for path in checkpoints.folder.iterdir()) == ["latest", "step-000000000064"]
    found = checkpoints.newest()
    assert found is not None
    assert_is_of(found, 64)
    assert_is_of(Checkpoint(save(checkpoints, 128)), 128)


def test_the_last_save_is_tried_although_the_one_before_failed(
    checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(f"{WRITER}.write_file", refuse(errno.ENOSPC))
        checkpoints.save(64, *content(64))
        for thread in threading.enumerate():
            if thread.name == "checkpoint writer":
                assert not thread.daemon
                thread.join()
    assert_is_of(Checkpoint(save(checkpoints, 128)), 128)
    checkpoints.wait()


def test_a_folder_that_vanishes_meanwhile_is_told(checkpoints: Checkpoints, gate: Gate) -> None:
    checkpoints.save(64, *content(64))
    assert gate.reached.wait(WAIT_SECONDS)
    shutil.rmtree(checkpoints.folder)
    gate.opened.set()
    with pytest.raises(UserError, match=r"No such file or directory.* do not remove the folder"):
        checkpoints.wait()
    assert_is_of(Checkpoint(save(checkpoints, 128)), 128)


def test_another_error_than_the_disks_is_not_dressed_up(checkpoints: Checkpoints) -> None:
    networks, _, state = content(64)
    checkpoints.save(64, networks, {"optimizer": {"state": lambda: 0}}, state)
    with pytest.raises((AttributeError, PicklingError), match="local object"):  # the latter from Python 3.14 on
        checkpoints.wait()
    assert not list(checkpoints.folder.iterdir())


def test_a_real_write_that_stops_in_the_middle(checkpoints: Checkpoints) -> None:
    """The system's limit on the size of files stands for a full disk."""
    save(checkpoints, 64)
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
        with pytest.raises(UserError, match="cannot write the checkpoint: File too large"):
            save(checkpoints, 128, size=100_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert sorted(path.name for path in checkpoints.folder.iterdir()) == ["latest", "step-000000000064"]


def test_a_file_system_that_cannot_flush_folders_will_do(
    checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    flush = os.fsync

    def files_only(descriptor: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))
        flush(descriptor)

    monkeypatch.setattr(f"{WRITER}.os.fsync", files_only)
    assert_is_of(Checkpoint(save(checkpoints, 64)), 64)


def save_for_ever(folder: Path) -> None:
    """What a killed process does: it saves, and changes everything in place at once."""
    torch.set_num_threads(1)
    checkpoints = Checkpoints(folder, keep_last=2, keep_best="label_accuracy")
    found = checkpoints.newest()
    images = found.images_seen if found else 0
    while True:
        images += 64
        networks, optimizers, state = content(images, KILLED_SIZE)
        checkpoints.save(images, networks, optimizers, state, scores={"label_accuracy": 1 / images})
        networks["g"]["weight"].fill_(0)
        optimizers["optimizer"]["state"][0]["exp_avg"].fill_(0)


def test_sigkill_at_any_moment_leaves_the_newest_whole(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    fork, draw = multiprocessing.get_context("fork"), random.Random(0)
    seen, leftovers = 0, 0
    for _ in range(KILLS):  # a kill may come before `latest` is replaced; what counts is the folder
        child = fork.Process(target=save_for_ever, args=(tmp_path,))
        child.start()
        deadline = time.monotonic() + WAIT_SECONDS
        while max((int(path.name[5:]) for path in tmp_path.glob("step-*[0-9]")), default=0) <= seen:
            assert child.is_alive()
            assert time.monotonic() < deadline
            time.sleep(0.001)
        time.sleep(draw.uniform(0, 0.06))
        child.kill()
        child.join()
        leftovers += bool(list(tmp_path.glob("*.tmp")))
        with caplog.at_level("WARNING"):
            found = Checkpoints(tmp_path).newest()
        assert found is not None
        assert found.images_seen > seen
        assert_is_of(found, found.images_seen, KILLED_SIZE)
        seen = found.images_seen
    assert caplog.text == ""  # nothing damaged was met on the way
    assert leftovers > KILLS / 4  # else the kills came between two saves
    assert (tmp_path / "best").read_text() == "step-000000000064"
    assert_is_of(Checkpoint(tmp_path / "step-000000000064"), 64, KILLED_SIZE)
