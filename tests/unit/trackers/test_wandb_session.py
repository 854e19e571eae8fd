from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import wandb

from cgan_dist.trackers.wandb_session import BLOCK, PREAMBLE, Row, history, last_row, mend, sessions

RUN_ID = "abc123"
ROWS = 120


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of several blocks, written by W&B itself."""
    folder = tmp_path_factory.mktemp("run")
    run = wandb.init(mode="offline", project="p", id=RUN_ID, dir=str(folder))
    for number in range(ROWS):
        run.log({"images": 10 * number, "loss/d": number / 7} | {f"loss/part_{part}": 0.1 * part for part in range(20)})
    run.finish()
    wandb.teardown()
    [path] = sessions(folder / "wandb", RUN_ID)
    assert path.stat().st_size > 3 * BLOCK
    return path


@pytest.fixture
def copy(session: Path, tmp_path: Path) -> Path:
    shutil.copytree(session.parent, tmp_path / "wandb" / session.parent.name)
    [path] = sessions(tmp_path / "wandb", RUN_ID)
    return path


def images(path: Path) -> list[int]:
    return [row["images"] for row in history(path)]


def test_rows_are_read_back(session: Path) -> None:
    rows = list(history(session))
    assert [row["images"] for row in rows] == [10 * number for number in range(ROWS)]
    assert [row["loss/d"] for row in rows] == [number / 7 for number in range(ROWS)]


@pytest.mark.parametrize(
    "size",
    [PREAMBLE.size + 100, BLOCK - 3, BLOCK, BLOCK + 1, BLOCK + 7, 2 * BLOCK - 6, 2 * BLOCK, 2 * BLOCK + 5_000],
)
def test_what_a_kill_leaves_is_the_beginning_and_is_mended(copy: Path, size: int) -> None:
    copy.write_bytes(copy.read_bytes()[:size])
    kept = images(copy)
    assert kept == [10 * number for number in range(len(kept))]
    assert len(kept) < ROWS
    mend(copy)
    if not kept and not copy.exists():  # not even the first record had been written
        assert size < BLOCK
        return
    end = copy.stat().st_size
    assert end <= size
    assert images(copy) == kept
    mend(copy)
    assert copy.stat().st_size == end


def test_a_whole_file_is_left_as_it_is(copy: Path) -> None:
    before = copy.read_bytes()
    mend(copy)
    assert copy.read_bytes() == before


@pytest.mark.parametrize("size", [0, 3, PREAMBLE.size])
def test_a_session_without_a_record_is_removed(copy: Path, size: int) -> None:
    copy.write_bytes(copy.read_bytes()[:size])
    mend(copy)
    assert not copy.parent.exists()


def test_reading_stops_at_damage(copy: Path) -> None:
    raw = bytearray(copy.read_bytes())
    raw[BLOCK + 500] ^= 1
    copy.write_bytes(raw)
    kept = images(copy)
    assert 0 < len(kept) < ROWS
    assert kept == [10 * number for number in range(len(kept))]


def test_another_format_is_refused(copy: Path) -> None:
    copy.write_bytes(b"other" + copy.read_bytes())
    with pytest.raises(ValueError, match="not a file of W&B"):
        mend(copy)


def test_the_end_of_a_long_file_is_found_without_reading_it_all(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cgan_dist.trackers.wandb_session.TAIL", BLOCK)
    raw = bytearray(copy.read_bytes())
    raw[BLOCK + 500] ^= 1  # where only a reader of all would come by
    copy.write_bytes(raw)
    assert images(copy)[-1] < 10 * (ROWS - 1)
    assert last_row(tmp_path / "wandb", RUN_ID) == Row(step=ROWS - 1, images_seen=10 * (ROWS - 1))


def test_the_last_row_is_that_of_all_sessions(copy: Path, tmp_path: Path) -> None:
    folder = tmp_path / "wandb"
    assert last_row(folder, RUN_ID) == Row(step=ROWS - 1, images_seen=10 * (ROWS - 1))
    later = folder / f"offline-run-20990101_000000-{RUN_ID}" / copy.name  # began later, and was killed earlier
    later.parent.mkdir()
    later.write_bytes(copy.read_bytes()[: 2 * BLOCK])
    assert last_row(folder, RUN_ID) == Row(step=ROWS - 1, images_seen=10 * (ROWS - 1))
    copy.unlink()
    killed = last_row(folder, RUN_ID)
    assert killed is not None
    assert 0 < killed.step < ROWS - 1
    assert last_row(folder, "another") is None
