"""What happens to runs at night, each once: it goes on exactly, or ends with one sentence and the last good state."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from uuid import UUID

import psutil
import pytest
import torch
from click.testing import Result

from cgan_dist.checkpoints.store import find_checkpoint
from cgan_dist.files import whole
from tests.integration.conftest import Cli
from tests.integration.test_chaos import ranks_of
from tests.integration.test_kill import images_logged, states
from tests.launching import BIN, ROOT, can_mount, command, environment, launch, run
from tests.night import limit, night

TRAIN = ROOT / "launch" / "train.py"
needs_mounts = pytest.mark.skipif(not can_mount(), reason="no mount namespaces here")
Training = Callable[..., Result]
RARELY = ("sample.interval_images=10000000", "checkpoint.interval_images=160")


@pytest.fixture
def training(cli: Cli, config_file: Path) -> Training:
    """The same command, with what is added to it."""
    return lambda *overrides: cli("train", "--config", config_file, *overrides)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "runs" / "test"


@pytest.fixture
def half(small_run: Path, folder: Path) -> Path:
    """A run that has a checkpoint at 32 images of 64, and lines up to the end."""
    shutil.copytree(small_run, folder)
    shutil.rmtree(folder / "checkpoints" / "step-000000000064")
    return folder


@pytest.fixture
def file_limit() -> Iterator[None]:
    """Gives back what a test takes away of the size of files."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


def assert_one_sentence(done: Result, *words: str) -> None:
    assert done.exit_code == 2, done.output
    assert "Traceback" not in done.output
    for word in words:
        assert word in done.output


def assert_ends_like(folder: Path, straight: Path) -> None:
    ours, theirs = states(find_checkpoint(folder)), states(find_checkpoint(straight))
    assert ours.keys() == theirs.keys()
    assert [name for name in theirs if not torch.equal(ours[name], theirs[name])] == []
    assert images_logged(folder) == images_logged(straight)


@pytest.mark.usefixtures("file_limit")
def test_disk_full_at_the_config(training: Training, folder: Path, small_run: Path) -> None:
    limit(1000)
    assert_one_sentence(training(), f"{folder}/config.yaml: cannot be written (File too large). Make room")
    assert not list(folder.glob("config*"))
    limit(resource.RLIM_INFINITY)
    assert training().exit_code == 0
    assert_ends_like(folder, small_run)


def test_disk_full_at_the_first_grids(
    training: Training, folder: Path, small_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(whole, "uuid", SimpleNamespace(uuid4=lambda: UUID(int=0)))  # so that the name is known
    (folder / "samples").mkdir(parents=True)
    (folder / "samples" / "fixed_z-000000000000.png.000000000000.partial").symlink_to("/dev/full")
    assert training().exit_code == 0
    said = "samples/fixed_z-000000000000.png: the grid is not kept (No space left on device)."
    assert said in (folder / "log.txt").read_text()
    lost = {path.name for path in (small_run / "samples").iterdir()} - {p.name for p in (folder / "samples").iterdir()}
    assert lost == {"fixed_z-000000000000.png"}
    assert not list((folder / "samples").glob("*.partial"))
    assert_ends_like(folder, small_run)


@pytest.mark.usefixtures("file_limit")
@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("no room for checkpoints", "cannot write the checkpoint: File too large. Earlier checkpoints are untouched"),
        ("no room for lines", "metrics.jsonl: cannot be written (File too large)"),
    ],
)
def test_disk_full_later_on(training: Training, folder: Path, small_run: Path, what: str, said: str) -> None:
    assert_one_sentence(training(night(what, at=48)), said)
    limit(resource.RLIM_INFINITY)
    assert find_checkpoint(folder).images_seen == 32
    assert training().exit_code == 0
    assert_ends_like(folder, small_run)


def test_disk_full_at_a_file_of_wandb(config_file: Path, folder: Path, small_run: Path) -> None:
    launch(1, TRAIN, "--config", str(config_file), night("no room for W&B", at=16, others=", wandb"))
    assert_ends_like(folder, small_run)
    launch(1, TRAIN, "--config", str(config_file), "tracking.trackers=[wandb]", "train.total_images=80")
    assert "W&B gets 5 rows of this run that it had not kept" in (folder / "log.txt").read_text()


@pytest.mark.parametrize(("files", "code"), [(64, 0), (40, 2), (24, 2)])
def test_few_file_descriptors_with_workers(config_file: Path, files: int, code: int) -> None:
    typed = command(1, TRAIN, "--config", str(config_file), "data.workers=2", "data.streams=8")
    done = run(["prlimit", f"--nofile={files}", *typed])
    assert done.returncode == code, done.stderr
    assert code == 0 or "Error: data.workers: found too many open files" in done.stderr
    assert code == 0 or "ulimit -n 4096" in done.stderr


@needs_mounts
def test_a_user_id_without_an_entry_in_passwd(config_file: Path, folder: Path, small_run: Path) -> None:
    typed = command(1, TRAIN, "--config", str(config_file), "tracking.trackers=[wandb, tensorboard]")
    nobody = ["env", "-u", "HOME", "-u", "USER", "-u", "LOGNAME", "-u", "LNAME", "-u", "USERNAME", *typed]
    done = run(["unshare", "--user", "--map-user=54321", "--map-group=54321", *nobody])
    assert done.returncode == 0, done.stderr
    assert "failed" not in (folder / "log.txt").read_text()
    assert not (ROOT / "~").exists()
    assert_ends_like(folder, small_run)


@needs_mounts
def test_a_read_only_run_is_evaluated(small_run: Path, tmp_path: Path) -> None:
    kept = shutil.copytree(small_run, tmp_path / "kept")
    read_only = f"mount --bind {kept} {kept} && mount -o remount,bind,ro {kept}"
    line = f"{read_only} && {BIN}/cgan-dist evaluate {kept} --count 60"
    done = run(["unshare", "--map-root-user", "--mount", "sh", "-c", line])
    assert done.returncode == 0, done.stderr
    assert "label_accuracy" in done.stdout
    assert f"not kept: {kept} cannot be written" in done.stderr
    assert not (kept / "evaluation.json").exists()


@pytest.mark.parametrize("at", [32, 48], ids=["before a checkpoint", "before the end"])
@pytest.mark.parametrize("what", ["moved", "replaced"])
def test_the_run_folder_is_moved_while_it_trains(
    training: Training, folder: Path, small_run: Path, what: str, at: int
) -> None:
    elsewhere = folder.with_name("elsewhere")
    done = training(night(what, at))
    assert_one_sentence(done, f"run.dir: the run folder {folder} was moved or removed", f"; it is {elsewhere} now.")
    assert not folder.exists() if what == "moved" else list(folder.iterdir()) == []
    shutil.rmtree(folder, ignore_errors=True)
    elsewhere.rename(folder)
    assert [path.name[-2:] for path in (folder / "checkpoints").glob("step-*")] == ["32"] * (at == 48)
    assert training().exit_code == 0
    assert_ends_like(folder, small_run)


def test_the_run_folder_is_removed_while_it_trains(training: Training, folder: Path) -> None:
    assert_one_sentence(training(night("removed", at=48)), f"the run folder {folder} was moved or removed while")
    assert not folder.exists()


def test_the_lock_is_removed_while_it_trains(training: Training, folder: Path, small_run: Path) -> None:
    assert training(night("lock removed", at=16)).exit_code == 0
    assert "lock was removed; it is made anew" in (folder / "log.txt").read_text()
    assert (folder / "lock").read_text().startswith(f"pid {os.getpid()} on ")
    assert_ends_like(folder, small_run)


@pytest.mark.parametrize("name", ["log.txt", "STOP", "lock", "metrics.jsonl", "config.yaml", "samples", "checkpoints"])
def test_something_of_the_wrong_kind_in_the_run_folder(training: Training, folder: Path, name: str) -> None:
    folder.mkdir(parents=True)
    expected, found = ("a file", "a folder") if name not in ("samples", "checkpoints") else ("a folder", "a file")
    (folder / name).mkdir() if found == "a folder" else (folder / name).touch()
    assert_one_sentence(training(), f"{folder / name}: found {found}; expected {expected}", f"mv {folder / name} ")
    (folder / name).rename(folder / f"{name}.aside")
    assert training("train.total_images=8").exit_code == 0


@pytest.mark.parametrize("name", ["log.txt", "STOP", "lock", "metrics.jsonl", "config.yaml"])
def test_a_pipe_in_the_place_of_a_file_hangs_nothing(training: Training, folder: Path, name: str) -> None:
    folder.mkdir(parents=True)
    os.mkfifo(folder / name)
    assert_one_sentence(training(), f"{folder / name}: found a pipe; expected a file")


def test_stop_is_a_folder_that_is_made_while_it_trains(
    training: Training, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cgan_dist.resilience.preemption.LOOK_SECONDS", 0.0)
    assert training(night("STOP is a folder", at=16)).exit_code == 0
    assert find_checkpoint(folder).images_seen == 24
    assert "there is a file" in (folder / "STOPPED").read_text()
    assert_one_sentence(training(), f"{folder}/STOP: found a folder; expected a file")


def test_samples_becomes_a_file_while_it_trains(training: Training, folder: Path, small_run: Path) -> None:
    assert training(night("samples is a file", at=16)).exit_code == 0
    assert "the grid is not kept (" in (folder / "log.txt").read_text()
    assert_ends_like(folder, small_run)
    assert_one_sentence(training(), f"{folder}/samples: found a file; expected a folder")


@pytest.mark.parametrize("garbage", [b"garbage\n", b"\xff\xfe\x00\n"])
def test_a_line_in_the_metrics_that_no_run_wrote(
    training: Training, half: Path, small_run: Path, garbage: bytes
) -> None:
    path = half / "metrics.jsonl"
    first, rest = path.read_bytes().split(b"\n", 1)
    path.write_bytes(first + b"\n" + garbage + rest)
    done = training()
    assert_one_sentence(done, f"{path}, line 2: found b'", f"sed -i 2d {path}", f"mv {path} {path}.aside")
    assert path.read_bytes() == first + b"\n" + garbage + rest
    subprocess.run(["sed", "-i", "2d", path], check=True)
    assert training().exit_code == 0
    assert_ends_like(half, small_run)


@pytest.mark.parametrize("content", [b"", b"\0" * 100, b"run: {name: "])
def test_a_config_in_the_run_folder_that_a_crash_has_emptied(
    training: Training, half: Path, small_run: Path, content: bytes
) -> None:
    path = half / "config.yaml"
    path.write_bytes(content)
    assert_one_sentence(training(), str(path), "the config that the run folder keeps", f"mv {path} {path}.aside")
    path.rename(f"{path}.aside")
    assert training().exit_code == 0
    assert_ends_like(half, small_run)


def test_a_tilde_is_the_home_folder_wherever_a_path_is_typed(
    cli: Cli, config_file: Path, small_run: Path, tmp_path: Path, shards_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    shutil.copytree(shards_folder, home / "data")
    shutil.copy(config_file, home / "mine.yaml")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.chdir(tmp_path)
    typed = ("--config", "~/mine.yaml", "run.dir=~/runs", "data.path=~/data", "data.cache_dir=~/cache")
    assert cli("train", *typed).exit_code == 0
    assert_ends_like(home / "runs" / "test", small_run)
    assert cli("sample", "~/runs/test", "--out", "~/grid.png").exit_code == 0
    assert cli("evaluate", "~/runs/test", "--count", 60, "--data", "~/data", "--real", "~/data").exit_code == 0
    for command_line in (("verify", "~/data"), ("inspect", "~/data"), ("status", "~/runs/test")):
        assert cli(*command_line).exit_code == 0
    assert cli("export", "~/runs/test", "--out", "~/model").exit_code == 0
    assert {path.name for path in home.iterdir()} >= {"data", "mine.yaml", "runs", "grid.png", "model"}
    assert not (tmp_path / "~").exists()
    unknown = cli("train", "--config", config_file, "run.dir=~nobody-of-that-name/runs")
    assert_one_sentence(unknown, "run.dir: ", "no home folder for '~nobody-of-that-name'")


def two(config_file: Path, *overrides: str) -> subprocess.Popen[bytes]:
    typed = command(2, TRAIN, "--config", str(config_file), *overrides)
    return subprocess.Popen(typed, cwd=ROOT, env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def stopped_rank(process: subprocess.Popen[bytes], folder: Path) -> psutil.Process:
    """The second rank, stopped in the midst of training."""
    deadline = time.monotonic() + 900
    while not (folder / "checkpoints" / "latest").exists():
        assert time.monotonic() < deadline, "the run does not get on"
        assert process.poll() is None, "the run has ended"
        time.sleep(0.01)
    rank = ranks_of(psutil.Process(process.pid))[-1]
    rank.send_signal(signal.SIGSTOP)
    return rank


@pytest.mark.long
def test_one_rank_is_stopped_for_a_while_and_training_goes_on_exactly(
    config_file: Path, folder: Path, tmp_path: Path
) -> None:
    launch(2, TRAIN, "--config", str(config_file), "run.name=straight", "train.total_images=3200", *RARELY)
    process = two(config_file, "train.total_images=3200", *RARELY)
    rank = stopped_rank(process, folder)
    before = images_logged(folder)
    while (now := images_logged(folder)) != before:  # until the other one waits for it
        before = now
        time.sleep(1)
    rank.send_signal(signal.SIGCONT)
    assert process.wait(900) == 0
    assert before[-1] < 3200
    assert_ends_like(folder, tmp_path / "runs" / "straight")


@pytest.mark.long
def test_one_rank_is_stopped_for_longer_than_allowed_and_the_last_checkpoint_stays(
    config_file: Path, folder: Path
) -> None:
    process = two(config_file, "train.total_images=10000000", "guard.stuck_minutes=0.05", *RARELY)
    stopped_rank(process, folder)
    assert process.wait(900) != 0
    assert "no iteration for 3 s" in (folder / "stuck-rank-0.txt").read_text()
    at = find_checkpoint(folder).images_seen
    launch(2, TRAIN, "--config", str(config_file), f"train.total_images={at + 32}")
    assert find_checkpoint(folder).images_seen == at + 32
    assert images_logged(folder) == [*range(16, at + 32, 16), at + 32]
