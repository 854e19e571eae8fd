from __future__ import annotations

import errno
import logging
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cgan_dist.config.document import Config
from cgan_dist.config.yaml_text import dump_yaml, read_yaml
from cgan_dist.errors import PassingError, UserError
from cgan_dist.runs.claim import Claim
from cgan_dist.runs.folder import check_config_unchanged, save_config, start_logging

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


def test_a_folder_of_a_revision_with_fewer_keys_goes_on(make_config: ConfigMaker) -> None:
    save_config(make_config())
    path = make_config().run.folder / "config.yaml"
    values = read_yaml(path)
    assert values["train"].pop("deterministic") is False
    path.write_text(dump_yaml(values))
    check_config_unchanged(make_config())
    with pytest.raises(UserError, match=r"train.deterministic: False there, True now"):
        check_config_unchanged(make_config("train.deterministic=true"))


def test_a_second_writer_is_refused_until_the_first_is_gone(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from cgan_dist.runs.claim import Claim; "
        f"lock = Claim(Path({str(tmp_path)!r})); print('locked', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "locked\n"
    with pytest.raises(PassingError, match=rf"is being trained by another process \(pid {other.pid} on "):
        Claim(tmp_path)
    other.kill()
    other.communicate()
    Claim(tmp_path).close()


def test_a_file_system_without_locks_is_no_other_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.lockf", no_locks)
    with caplog.at_level("WARNING"):
        Claim(tmp_path).close()
    assert "this file system has no locks" in caplog.text


def test_an_impossible_folder_is_a_clear_error() -> None:
    with pytest.raises(UserError, match=r"run.dir: cannot write in /proc/nope"):
        Claim(Path("/proc/nope"))


@pytest.mark.parametrize("name", ["log.txt", "lock", "metrics.jsonl", "alerts.jsonl"])
def test_nothing_is_appended_through_a_link(tmp_path: Path, make_config: ConfigMaker, name: str) -> None:
    config = make_config(f"run.dir={tmp_path}", "run.name=linked")
    save_config(config)
    (config.run.folder / name).symlink_to(tmp_path / "profile")
    with pytest.raises(UserError, match=f"{name}: a link to .*profile, which would be written to"):
        check_config_unchanged(config)
    if name == "lock":
        with pytest.raises(UserError, match="lock: a link to"):
            Claim(config.run.folder)
    assert not (tmp_path / "profile").exists()


def test_the_config_is_written_through_no_link(tmp_path: Path, make_config: ConfigMaker) -> None:
    config = make_config(f"run.dir={tmp_path}", "run.name=linked")
    config.run.folder.mkdir()
    for name in ("config.yaml", "config.yaml.tmp", "config.yaml.partial"):
        (config.run.folder / name).symlink_to(tmp_path / "profile")
    save_config(config)
    assert not (tmp_path / "profile").exists()
    assert (config.run.folder / "config.yaml").read_text() == config.to_yaml()


def test_log_and_terminal_show_names_of_others_as_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start_logging(tmp_path)
    logging.getLogger("cgan_dist.test").warning("%s", "\x1b[2J http://ada:secret@host/")
    start_logging(None)
    for text in ((tmp_path / "log.txt").read_text(), capsys.readouterr().err):
        assert text.endswith("\\x1b[2J http://***@host/\n")
