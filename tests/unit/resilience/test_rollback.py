from __future__ import annotations

import errno
import json
from pathlib import Path
from typing import Any

import pytest

from cgan_dist.config.document import Config, parse_config
from cgan_dist.errors import UserError
from cgan_dist.resilience.rollback import BOOK, RollbackBook


def config(**sections: Any) -> Config:
    return parse_config({"data": {"path": "x"}} | sections, "test")


def test_a_book_survives_the_process_and_counts_draws(tmp_path: Path) -> None:
    book = RollbackBook(tmp_path / BOOK, max_rollbacks=2)
    assert (book.draws, book.allowed(), book.seed(7)) == (0, True, 7)
    book.record(5_000, 4_000, "discriminator")
    again = RollbackBook(tmp_path / BOOK, max_rollbacks=2)
    assert again.rollbacks == [(5_000, 4_000, "discriminator")]
    assert (again.draws, again.allowed(), again.seed(7)) == (1, True, book.seed(7))
    again.record(6_000, 4_000, "generator")
    assert (again.draws, again.allowed()) == (2, False)
    assert len({7, book.seed(7), again.seed(7), again.seed(8)}) == 4
    assert [path.name for path in tmp_path.iterdir()] == [BOOK]


def test_no_roll_back_may_be_the_bound(tmp_path: Path) -> None:
    assert not RollbackBook(tmp_path / BOOK, max_rollbacks=0).allowed()


def test_only_the_main_process_writes_and_the_others_take_its_word(tmp_path: Path) -> None:
    main, other = RollbackBook(tmp_path / BOOK, 3), RollbackBook(tmp_path / "elsewhere" / BOOK, 3)
    main.record(5_000, 4_000, "discriminator")
    other.record(5_000, 4_000, "discriminator", write=False)
    assert not (tmp_path / "elsewhere").exists()
    assert other.rollbacks == main.rollbacks
    late = RollbackBook(tmp_path / "elsewhere" / BOOK, 3)
    late.share(lambda own: main.rollbacks)
    assert late.seed(0) == main.seed(0)


def test_a_write_that_fails_leaves_the_file_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = RollbackBook(tmp_path / BOOK, 3)
    book.record(5_000, 4_000, "discriminator")

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("cgan_dist.resilience.note.os.fsync", full)
    with pytest.raises(UserError, match=r"guard.json: cannot be written \(No space left on device\)"):
        book.record(6_000, 4_000, "discriminator")
    assert RollbackBook(tmp_path / BOOK, 3).draws == 1


@pytest.mark.parametrize("text", ["", "{", "[]", '{"rollbacks": [{"images_seen": 1}]}', '{"rollbacks": 3}'])
def test_a_damaged_book_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / BOOK).write_text(text)
    with pytest.raises(UserError, match=rf"{BOOK}: cannot be read .*Remove it"):
        RollbackBook(tmp_path / BOOK, 3)


@pytest.mark.parametrize(
    ("gone_back_to", "saved", "expected"),
    [
        ([], [100, 200, 300], 300),
        ([300], [100, 200, 300], 200),
        ([300], [300, 400], 400),
        ([300, 200], [100, 200], 100),
        ([300, 200], [200, 300], 200),
        ([], [], None),
    ],
)
def test_a_checkpoint_gets_one_chance(
    tmp_path: Path, gone_back_to: list[int], saved: list[int], expected: int | None
) -> None:
    book = RollbackBook(tmp_path / BOOK, 9)
    for images in gone_back_to:
        book.record(999, images, "discriminator")
    assert book.choose(saved) == expected


def test_the_diagnosis_says_whose_when_what_and_what_to_try(tmp_path: Path) -> None:
    book = RollbackBook(tmp_path / BOOK, 1)
    book.record(48_000, 44_800, "discriminator")
    run = config(
        optim={"lr": 4e-4},
        loss={"penalties": {"r1": {"start": 1, "end": 3, "end_images": 100_000, "shape": "linear"}}},
        run={"name": "demo"},
    )
    last = {"loss/d": 12.5, "logits/real": -3.0, "perf/images_per_second": 77.0}
    text = str(book.diagnosis(run, "discriminator", 50_000, last))
    for part in (
        "Training diverged: 8 or more updates of the discriminator in a row",
        "at 50,000 images",
        "before: 48,000 (discriminator, back to 44,800)",
        "loss/d 12.5, logits/real -3, lr of the generator 0.0004, lr of the discriminator 0.0004",
        "loss.penalties.r1 2",
        "try: optim.lr=0.0002",
        "a higher weight of loss.penalties.r1",
        "train.precision=no instead of auto",
        "data.augment",
        "--from runs/demo",
        "guard.max_rollbacks=2",
    ):
        assert part in text, text
    assert "perf/" not in text
    assert json.loads((tmp_path / BOOK).read_text())["rollbacks"][0]["network"] == "discriminator"


def test_advice_is_of_this_run(tmp_path: Path) -> None:
    run = config(
        optim={"lr": 4e-4, "generator": {"lr": {"start": 1e-3, "end": 1e-4, "end_images": 10}}},
        train={"precision": "no"},
        data={"path": "x", "augment": ["flip"]},
    )
    text = str(RollbackBook(tmp_path / BOOK, 3).diagnosis(run, "generator", 100, {}))
    assert "try: optim.generator.lr lower" in text
    assert "try: loss.penalties.r1, which" in text
    assert "train.precision" not in text
    assert "data.augment" not in text
    assert "There is no checkpoint to go back to: checkpoint.interval_images." in text
    assert "max_rollbacks" not in text
