"""The best checkpoint by a score stays, whatever happens around it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import pytest

from cgan_dist.checkpoints.store import Checkpoint, Checkpoints, find_checkpoint
from cgan_dist.config.document import Config
from cgan_dist.errors import UserError
from tests.unit.checkpoint_samples import assert_is_of, forge, save

ConfigMaker = Callable[..., Config]
ACCURACY = {64: 0.5, 128: 0.9, 192: 0.9, 256: math.nan, 320: 0.2, 384: None}

EVALUATED = "evaluate.metrics=[label_accuracy]"


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cgan_dist.checkpoints.writer.os.fsync", lambda _: None)


def by_accuracy(folder: Path, keep_last: int = 1) -> Checkpoints:
    return Checkpoints(folder, keep_last=keep_last, keep_best="label_accuracy")


def save_scored(checkpoints: Checkpoints, images: int, accuracy: float | None) -> Path:
    return save(checkpoints, images, scores={} if accuracy is None else {"eval/label_accuracy": accuracy, "other": 1.0})


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir())


def test_the_best_one_stays_through_restarts_and_the_earlier_of_equals(tmp_path: Path) -> None:
    for images, accuracy in ACCURACY.items():
        folder = save_scored(by_accuracy(tmp_path), images, accuracy)  # a new process each time
        best = min(images, 128)
        assert (tmp_path / "best").read_text() == f"step-{best:012d}"
        assert names(tmp_path) == sorted({f"step-{best:012d}", folder.name})
    best_one = find_checkpoint(tmp_path / "best")
    assert_is_of(best_one, 128)
    assert best_one.scores == {"label_accuracy": 0.9, "other": 1.0}
    save_scored(by_accuracy(tmp_path), 448, 0.91)
    assert names(tmp_path) == ["step-000000000448"]


def test_the_lowest_of_a_distance(tmp_path: Path) -> None:
    for images, distance in {64: 30.0, 128: 10.0, 192: 20.0}.items():
        checkpoints = Checkpoints(tmp_path, keep_last=1, keep_best="frechet_distance")
        save(checkpoints, images, scores={"frechet_distance": distance})
    assert names(tmp_path) == ["step-000000000128", "step-000000000192"]
    upside_down = Checkpoints(tmp_path, keep_last=1, keep_best="frechet_distance", best_is="highest")
    save(upside_down, 256, scores={})
    assert names(tmp_path) == ["step-000000000192", "step-000000000256"]


def test_what_is_not_finite_is_null_in_the_state_and_never_best(tmp_path: Path) -> None:
    folder = save_scored(by_accuracy(tmp_path), 64, math.inf)
    assert json.loads((folder / "state.json").read_text())["scores"] == {"label_accuracy": None, "other": 1.0}
    assert Checkpoint(folder).scores == {"other": 1.0}
    assert not (tmp_path / "best").exists()


def test_without_the_score_nothing_is_best_and_a_typo_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    checkpoints = Checkpoints(tmp_path, keep_best="label_acuracy", best_is="highest")
    save(checkpoints, 64)
    assert caplog.text == ""
    save(checkpoints, 128, scores={"eval/label_accuracy": 0.5})
    assert "keep_best: evaluation gave no 'label_acuracy', but label_accuracy. Did you mean 'label_accuracy'?" in (
        caplog.text
    )
    assert not (tmp_path / "best").exists()


@pytest.mark.parametrize("pointer", [None, "", "step-000000000999", "\x00"])
def test_a_lost_pointer_is_found_again_by_the_scores(tmp_path: Path, pointer: str | None) -> None:
    save_scored(by_accuracy(tmp_path, 3), 64, 0.9)
    save_scored(by_accuracy(tmp_path, 3), 128, 0.1)
    (tmp_path / "best").unlink()
    if pointer is not None:
        (tmp_path / "best").write_text(pointer)
    save_scored(by_accuracy(tmp_path), 192, 0.2)
    assert (tmp_path / "best").read_text() == "step-000000000064"
    assert names(tmp_path) == ["step-000000000064", "step-000000000192"]


def test_a_damaged_best_one_gives_way_to_the_next(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save_scored(by_accuracy(tmp_path, 3), 64, 0.5)
    (save_scored(by_accuracy(tmp_path, 3), 128, 0.9) / "g.safetensors").write_bytes(b"")
    state = save_scored(by_accuracy(tmp_path, 3), 192, 0.1) / "state.json"
    state.write_text(state.read_text().replace("0.1", "9.9"))
    caplog.clear()
    checkpoints = by_accuracy(tmp_path, 2)
    save_scored(checkpoints, 256, 0.2)
    save_scored(checkpoints, 320, 0.2)
    assert (tmp_path / "best").read_text() == "step-000000000064"
    assert caplog.text.count("and cannot be the best") == 1  # a large one is not read again and again


def test_going_back_before_the_best_one_keeps_it_but_no_run_goes_on_from_it(tmp_path: Path) -> None:
    checkpoints = by_accuracy(tmp_path, 3)
    for images, accuracy in {64: 0.1, 128: 0.9, 192: 0.2}.items():
        save_scored(checkpoints, images, accuracy)
    checkpoints.go_back(64)
    assert names(tmp_path) == ["kept-000000000128", "step-000000000064"]
    assert (tmp_path / "best").read_text() == "kept-000000000128"
    assert_is_of(find_checkpoint(tmp_path / "best"), 128)
    newest = by_accuracy(tmp_path).newest()
    assert newest is not None
    assert newest.images_seen == 64
    save_scored(by_accuracy(tmp_path, 1), 128, 0.3)
    assert names(tmp_path) == ["kept-000000000128", "step-000000000128"]
    save_scored(by_accuracy(tmp_path, 1), 192, 0.95)
    assert names(tmp_path) == ["step-000000000192"]


def test_one_that_was_the_best_stays_when_no_best_is_asked_for(tmp_path: Path) -> None:
    save_scored(by_accuracy(tmp_path), 64, 0.9)
    for images in (128, 192):
        save(Checkpoints(tmp_path, keep_last=1), images)
    assert names(tmp_path) == ["step-000000000064", "step-000000000192"]


@pytest.mark.parametrize(
    ("score", "best_is"),
    [
        ("label_accuracy", "highest"),
        ("label_accuracy/class_3", "highest"),
        ("label_error/azimuth", "lowest"),
        ("frechet_distance", "lowest"),
        ("fid", "lowest"),
        ("fid@accuracy_net/class_3", "lowest"),
        ("recall@inception", "highest"),
        ("inception_score", "highest"),
        ("recall", "highest"),
    ],
)
def test_the_config_tells_from_the_name_which_is_best(make_config: ConfigMaker, score: str, best_is: str) -> None:
    config = make_config(f"checkpoint.keep_best={score}", EVALUATED)
    assert config.checkpoint.best_is == best_is
    told = make_config(f"checkpoint.keep_best={score}", EVALUATED, "checkpoint.best_is=highest")
    assert told.checkpoint.best_is == "highest"


@pytest.mark.parametrize("score", ["smile", "accuracy_error", "label_acuracy", ""])
def test_a_name_that_does_not_tell_is_asked_about(make_config: ConfigMaker, score: str) -> None:
    with pytest.raises(UserError, match=r"checkpoint.best_is: found null, but the name .* Expected highest or lowest"):
        make_config(f"checkpoint.keep_best='{score}'", EVALUATED)
    told = make_config(f"checkpoint.keep_best='{score}'", EVALUATED, "checkpoint.best_is=lowest")
    assert told.checkpoint.best_is == "lowest"


def test_a_best_needs_scores(make_config: ConfigMaker) -> None:
    with pytest.raises(UserError, match=r"checkpoint.keep_best needs a metric that is evaluated: set evaluate.metrics"):
        make_config("checkpoint.keep_best=label_accuracy")


def test_the_config_without_a_best_one(make_config: ConfigMaker) -> None:
    assert make_config().checkpoint.best_is is None
    assert make_config("checkpoint.best_is=lowest").checkpoint.keep_best is None
    with pytest.raises(UserError, match=r"checkpoint.best_is: found 'hihgest' .* Did you mean 'highest'"):
        make_config("checkpoint.best_is=hihgest")


def test_one_of_a_version_to_come_is_no_reason_to_stop(tmp_path: Path) -> None:
    """Training would end over it in the middle of a night; it cannot be the best, and that is all."""
    folder = save_scored(by_accuracy(tmp_path, keep_last=3), 64, 0.99)
    values = json.loads((folder / "state.json").read_text()) | {"format": "cgan_dist checkpoint 2"}
    forge(folder, "state.json", json.dumps(values).encode())
    save_scored(by_accuracy(tmp_path, keep_last=3), 128, 0.5)
    assert (tmp_path / "best").read_text() == "step-000000000128"
