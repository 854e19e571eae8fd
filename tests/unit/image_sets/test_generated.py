from __future__ import annotations

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from cgan_dist.errors import UserError
from cgan_dist.image_sets import SET_FORMS
from cgan_dist.image_sets.base import SetForm
from cgan_dist.image_sets.draws import CHUNK, Draws
from cgan_dist.image_sets.generated import GeneratedSet
from tests.unit.image_sets.sets import facts_of, files_of
from tests.unit.image_sets.test_record import RECORD
from tests.unit.samplers import sampler_of

COUNT = 2 * CHUNK + 30


class Counting(Draws):
    """Notes which chunks are drawn, and fails at one of them as a kill would."""

    fails_at: int | None = None
    drawn: list[int]

    def images(self, chunk: int) -> np.ndarray:
        if chunk == self.fails_at:
            raise KeyboardInterrupt
        self.drawn = [*getattr(self, "drawn", []), chunk]
        return super().images(chunk)


def the_set(out: Path, form: str = "npz", seed: int = 3, count: int = COUNT) -> GeneratedSet:
    draws = Counting(sampler_of("classes", seed), count, None, as_data=False)
    facts = facts_of(draws.sampler.label_space.schema, draws.labels(), (4, 4, 1))

    def build(folder: Path) -> SetForm:
        return partial(SET_FORMS.build, form, "--format", {})(folder=folder, facts=facts)  # type: ignore[no-any-return]

    return GeneratedSet(out, draws, replace(RECORD, form=form, count=count, seed=seed), build)


def make(out: Path, form: str = "npz", **options: int) -> GeneratedSet:
    made = the_set(out, form, **options)
    assert made.open()
    made.draw()
    made.finish()
    return made


def content_of(out: Path) -> dict[str, bytes]:
    if out.is_dir():
        return files_of(out)
    return {name: out.with_name(out.name + name).read_bytes() for name in ("", ".json")}


@pytest.fixture(params=["folder", "npz", "shards"])
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_set_is_whole_and_nothing_else_is_left(form: str, tmp_path: Path) -> None:
    make(tmp_path / "set", form)
    assert {path.name for path in tmp_path.iterdir()} == {"set", *(["set.json"] if form == "npz" else [])}
    record = json.loads((tmp_path / ("set.json" if form == "npz" else "set/generated.json")).read_text())
    assert (record["count"], record["form"], len(record["sha256"])) == (COUNT, form, 64)


def test_what_was_cut_off_goes_on_and_ends_with_the_same_bytes(form: str, tmp_path: Path) -> None:
    make(tmp_path / "whole" / "set", form)
    cut = the_set(tmp_path / "cut" / "set", form)
    assert cut.open()
    cut.draws.fails_at = 2  # type: ignore[attr-defined]
    with pytest.raises(KeyboardInterrupt):
        cut.draw()
    assert not (tmp_path / "cut" / "set").exists()
    again = the_set(tmp_path / "cut" / "set", form)
    assert again.open()
    again.draw()
    assert again.draws.drawn == [2], "what was done is not drawn again"  # type: ignore[attr-defined]
    again.finish()
    assert content_of(tmp_path / "cut" / "set") == content_of(tmp_path / "whole" / "set")


def test_ranks_share_the_chunks_and_make_the_same_set(form: str, tmp_path: Path) -> None:
    make(tmp_path / "one" / "set", form)
    ranks = [the_set(tmp_path / "two" / "set", form) for _ in range(2)]
    assert ranks[0].open()
    for rank, part in enumerate(ranks):
        part.draw(rank, 2)
    assert [part.draws.drawn for part in ranks] == [[0, 2], [1]]  # type: ignore[attr-defined]
    ranks[0].finish()
    assert content_of(tmp_path / "two" / "set") == content_of(tmp_path / "one" / "set")


def test_a_set_that_is_not_whole_is_not_finished(tmp_path: Path) -> None:
    part = the_set(tmp_path / "set")
    part.open()
    part.draw(0, 2)
    with pytest.raises(UserError, match=r"1 of 3 chunks are missing, first the images from number 256 on"):
        part.finish()
    assert not (tmp_path / "set").exists()


def test_what_was_damaged_since_is_drawn_again(form: str, tmp_path: Path) -> None:
    make(tmp_path / "whole" / "set", form)
    part = the_set(tmp_path / "set", form)
    part.open()
    part.draw()
    place = next(path for path in sorted((tmp_path / "set.partial").rglob("*.[np][pn][yg]")))
    content = bytearray(place.read_bytes())
    content[-1] ^= 1
    place.write_bytes(content)
    again = the_set(tmp_path / "set", form)
    assert again.open()
    again.draw()
    assert len(again.draws.drawn) == 1  # type: ignore[attr-defined]
    again.finish()
    assert content_of(tmp_path / "set") == content_of(tmp_path / "whole" / "set")


def test_a_set_that_is_there_already_is_left_alone(form: str, tmp_path: Path) -> None:
    make(tmp_path / "set", form)
    before = content_of(tmp_path / "set")
    (tmp_path / "set.partial").mkdir()  # a kill after the last rename leaves it
    assert not the_set(tmp_path / "set", form).open()
    assert content_of(tmp_path / "set") == before
    assert not (tmp_path / "set.partial").exists()


def test_a_set_that_lacks_something_says_what(tmp_path: Path) -> None:
    make(tmp_path / "set", "folder")
    for number in (20, 30):
        (tmp_path / "set" / "0" / f"{number:06d}.png").unlink()
    with pytest.raises(UserError, match=r"2 of its files are missing or cut off: 0/000020.png, 0/000030.png. Remove"):
        the_set(tmp_path / "set", "folder").open()


def test_another_set_in_the_same_place_is_refused(form: str, tmp_path: Path) -> None:
    make(tmp_path / "set", form)
    with pytest.raises(UserError, match=r"already exists, and is not this set:\n  seed: 3 there, 4 now"):
        the_set(tmp_path / "set", form, seed=4).open()
    part = the_set(tmp_path / "part", form)
    part.open()
    with pytest.raises(UserError, match=r"part.partial: there is the beginning of another set:\n  count: 542 there, 9"):
        the_set(tmp_path / "part", form, count=900).open()


def test_what_is_no_set_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    assert the_set(tmp_path / "set", "folder").open(), "an empty folder is no obstacle"
    (tmp_path / "set" / "thesis.txt").write_text("the only copy")
    with pytest.raises(UserError, match="no record of a generated set"):
        the_set(tmp_path / "set", "folder").open()
    (tmp_path / "other.partial").mkdir()
    (tmp_path / "other.partial" / "thesis.txt").write_text("the only copy")
    with pytest.raises(UserError, match=r"other.partial: in the way of --out"):
        the_set(tmp_path / "other").open()
    assert (tmp_path / "other.partial" / "thesis.txt").read_text() == "the only copy"


def test_a_disk_that_refuses_is_an_error_for_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = the_set(tmp_path / "set")
    part.open()

    def full(first: int, images: np.ndarray) -> str:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(part.form, "write", full)
    with pytest.raises(UserError, match=r"cannot write: No space left on device. What is done is kept"):
        part.draw()
