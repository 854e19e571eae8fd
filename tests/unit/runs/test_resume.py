from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cgan_dist.checkpoints.store import Checkpoints
from cgan_dist.config.document import Config
from cgan_dist.errors import UserError
from cgan_dist.resilience.preemption import Stop, leave_mark
from cgan_dist.runs.folder import save_config
from cgan_dist.runs.resume import describe_run
from tests.unit.checkpoint_samples import DATA, content, save

ConfigMaker = Callable[..., Config]


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cgan_dist.checkpoints.writer.os.fsync", lambda _: None)


@pytest.fixture
def run(make_config: ConfigMaker) -> Path:
    """A run of 64 images that was stopped at 48; three checkpoints, the one at 16 the best."""
    config = make_config("checkpoint.keep_every_images=32")
    save_config(config)
    folder = config.run.folder
    checkpoints = Checkpoints(folder / "checkpoints", keep_last=9, keep_best="label_accuracy")
    for images, accuracy in {16: 0.9, 32: 0.5, 48: 0.7}.items():
        networks, optimizers, _ = content(images)
        state = {"config": config.model_dump(), "data": DATA, "meter": {}, "world_size": 2}
        checkpoints.save(images, networks, optimizers, state, {"label_accuracy": accuracy}, wait=True)
    (folder / "wandb_id").write_text("0123456789ab")
    (folder / "metrics.jsonl").write_text('{"images": 32, "loss/d": 1.5}\n{"images": 48, "loss/d": 1.25}\n{"images": 6')
    return folder


def line(text: str, name: str) -> str:
    (found,) = [line for line in text.splitlines() if line.startswith(f"{name:16}")]
    return found.removeprefix(f"{name:16}")


def rows(text: str) -> dict[str, str]:
    return {row.split()[0]: " ".join(row.split()[1:]) for row in text.splitlines() if row.startswith("  ")}


def test_everything_that_a_run_holds(run: Path) -> None:
    text = describe_run(run)
    assert line(text, "run folder") == str(run)
    assert line(text, "config") == "test: labels auto (data: classes), generator dcgan, discriminator dcgan"
    assert line(text, "progress") == "48 of 64 images (75.0%)"
    assert line(text, "next start") == "goes on from step-000000000048"
    assert line(text, "lock") == "free"
    assert line(text, "written by") == "2 process(es)"
    assert line(text, "W&B id") == "0123456789ab"
    assert line(text, "marks") == "none"
    assert line(text, "last metrics") == "at 48 images: loss/d 1.25"
    assert line(text, "checkpoints") == "3"
    found = rows(text)
    assert list(found) == ["step-000000000048", "step-000000000032", "step-000000000016"]
    assert found["step-000000000048"].startswith("48 images 2")
    assert " ago) 0.0 MB whole [next start, latest]" in found["step-000000000048"]
    assert found["step-000000000032"].endswith("whole [kept for ever]")
    assert found["step-000000000016"].endswith("whole [best]")


def test_when_it_was_written(run: Path) -> None:
    for images, age, told in ((16, 5, "5 s ago"), (32, 7300, "2 h ago"), (48, 250_000, "3 d ago")):
        manifest = run / "checkpoints" / f"step-{images:012d}" / "files.json"
        written = manifest.stat().st_mtime - age
        os.utime(manifest, (written, written))
        assert told in rows(describe_run(run))[manifest.parent.name]


def test_damage_is_told_and_what_the_next_start_makes_of_it(run: Path) -> None:
    newest = run / "checkpoints" / "step-000000000048"
    (newest / "d.safetensors").unlink()
    shutil.copytree(newest, newest.with_name("step-000000000064.tmp"))
    (run / "checkpoints" / "latest").write_text("step-000000000064")
    text = describe_run(run)
    assert line(text, "next start") == "goes on from step-000000000032"
    assert line(text, "progress") == "32 of 64 images (50.0%)"
    assert rows(text)[newest.name].endswith("damaged: d.safetensors is missing")
    assert "  latest names step-000000000064, which is not there" in text
    assert rows(text)["step-000000000064.tmp"] == "being written, or left by a kill; the next save removes it"
    for images in (16, 32):
        (run / "checkpoints" / f"step-{images:012d}" / "state.json").write_text("{}")
    text = describe_run(run)
    assert line(text, "next start") == "is refused: every checkpoint is damaged"
    assert line(text, "written by") == "not recorded"
    assert line(text, "progress") == "0 of 64 images (0.0%)"


def test_one_that_no_run_goes_on_from(run: Path) -> None:
    checkpoints = Checkpoints(run / "checkpoints", keep_best="label_accuracy")
    save(checkpoints, 64, scores={"label_accuracy": 1.0})
    checkpoints.go_back(48)
    text = describe_run(run)
    assert line(text, "next start") == "goes on from step-000000000048"
    assert rows(text)["kept-000000000064"].endswith("whole [best]")


def test_marks(run: Path) -> None:
    leave_mark(run, Stop.FOR_NOW, 48, "received SIGTERM")
    (run / "STOP").touch()
    (run / "guard.json").write_text(json.dumps({"rollbacks": [{"images_seen": 40}, {"images_seen": 41}]}))
    marks = line(describe_run(run), "marks")
    assert marks == 'STOP, REQUEUE ({"images": 48, "reason": "received SIGTERM"}), 2 roll-back(s)'
    for nonsense in ("", "[]", "3", '{"rollbacks": 3}', "[" * 10**5):
        (run / "guard.json").write_text(nonsense)
        assert line(describe_run(run), "marks").endswith("guard.json, which cannot be read")


def test_whether_a_process_holds_the_run_without_taking_it(run: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from cgan_dist.runs.claim import Claim; "
        f"lock = Claim(Path({str(run)!r})); print('locked', flush=True); sys.stdin.read()"
    )
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert other.stdout is not None
    assert other.stdout.readline() == "locked\n"
    assert line(describe_run(run), "lock").startswith(f"held by pid {other.pid} on ")
    other.kill()
    other.communicate()
    assert line(describe_run(run), "lock") == "free"
    (run / "lock").unlink()
    (run / "lock").mkdir()
    assert line(describe_run(run), "lock") == "cannot be told: Is a directory"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "none"),
        (b'{"images": 1', "none"),
        (b"x\n", "metrics.jsonl does not end with a whole line"),
        (b"[]\n", "metrics.jsonl does not end with a whole line"),
        (b'{"images": 16, "loss/d": "x"}\n', "metrics.jsonl does not end with a whole line"),
        (b"\xff\xfe\n\xff\n", "metrics.jsonl does not end with a whole line"),
        (b'{"images": 16, "loss/d": NaN}\n', "at 16 images: loss/d nan"),
        (b"x" * 10**6 + b'\n{"images": 16}\n', "at 16 images: "),
        (
            json.dumps({"images": 16} | {f"m{i}": i for i in range(11)}).encode() + b"\n",
            "at 16 images: " + ", ".join(f"m{i} {i}" for i in range(8)) + ", and 3 more",
        ),
    ],
)
def test_the_end_of_the_metrics_in_any_state(run: Path, content: bytes, told: str) -> None:
    (run / "metrics.jsonl").write_bytes(content)
    assert line(describe_run(run), "last metrics") == told


@pytest.mark.parametrize("content", ["", "3", "{", "run: [1]\ntrain: 3\ncheckpoint: {keep_every_images: x}", "\x00"])
def test_a_config_in_any_state(run: Path, content: str) -> None:
    (run / "config.yaml").write_text(content)
    text = describe_run(run)
    assert line(text, "next start") == "goes on from step-000000000048"
    (run / "config.yaml").unlink()
    text = describe_run(run)
    assert "config.yaml: cannot read the config: No such file" in line(text, "config")
    assert line(text, "progress") == "48 of 64 images (75.0%)"  # as its checkpoint says


def test_a_run_that_has_not_saved_yet(make_config: ConfigMaker) -> None:
    config = make_config()
    save_config(config)
    text = describe_run(config.run.folder)
    assert line(text, "next start") == "begins anew: there is no checkpoint"
    assert (line(text, "checkpoints"), line(text, "last metrics")) == ("none", "none")


def test_what_is_no_run_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"absent: no such folder; expected a run folder such as runs/demo"):
        describe_run(tmp_path / "absent")
    with pytest.raises(UserError, match=r"neither config.yaml nor checkpoints/ in it"):
        describe_run(tmp_path)
