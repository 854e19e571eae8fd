"""What the playground tells of a run's scores and pictures."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
from PIL import Image

from cgan_dist.errors import UserError
from cgan_dist.playground.progress import Progress
from cgan_dist.playground.results import Results, Score
from cgan_dist.playground.results_tab import scores_table
from tests.unit.sharing.test_scores import checkpoint_in, entry


@pytest.fixture
def results(tmp_path: Path) -> Results:
    run = tmp_path / "<b>own"
    return Results(checkpoint_in(run), Progress(run))


def write(results: Results, entries: object) -> None:
    (results.progress.folder / "evaluation.json").write_text(json.dumps(entries))


def test_scores_stand_beside_those_of_real_images(results: Results) -> None:
    parts = {"label_accuracy/class_3": 0.1, "label_accuracy/real_held_out/class_3": 0.2}
    write(
        results,
        [
            entry({"label_accuracy": 0.5}),
            entry({"label_accuracy": 0.9, "label_accuracy/real_held_out": 0.95} | parts, count=7),
            entry({"precision@classifier": 0.8, "fid": 2.0}),
            entry({"precision@classifier": 0.9, "label_accuracy": 0.99}, images="real"),
            entry({"fid": 1.0}, checkpoint="step-000000000032", images="real"),
        ],
    )
    label, precision, fid = results.scores()
    assert (label, precision) == (Score("label_accuracy", 0.9, 0.95), Score("precision@classifier", 0.8, 0.9))
    assert fid[:2] == ("fid", 2.0)
    assert math.isnan(fid.of_reals)
    assert [line.split(",")[0] for line in results.protocols()] == ["count 100", "count 7"]
    table = scores_table(results, "runs/own")
    assert "<td>fid</td><td>2</td><td></td>" in table


def test_where_nothing_was_measured_the_command_is_told(results: Results) -> None:
    assert results.scores() == []
    assert "cgan-dist evaluate runs/&lt;b&gt;own" in scores_table(results, "runs/<b>own")
    assert results.neighbours() is None
    assert results.film() is None


def test_pictures_are_those_of_the_run_folder_and_no_others(results: Results, tmp_path: Path) -> None:
    folder = results.progress.folder
    Image.new("RGB", (4, 4), "red").save(folder / "neighbours.png")
    Image.new("RGB", (4, 4)).save(folder / "film.gif")
    picture = results.neighbours()
    assert picture is not None
    assert picture.getpixel((0, 0)) == (255, 0, 0)
    assert results.film() == (folder / "film.gif").read_bytes()
    for name, found in (("neighbours.png", results.neighbours), ("film.gif", results.film)):
        (folder / name).write_bytes(b"<svg onload='alert(1)'/>")
        with pytest.raises(UserError, match=name):
            found()
        (tmp_path / name).write_bytes(b"GIF89a")
        (folder / name).unlink()
        (folder / name).symlink_to(tmp_path / name)
        with pytest.raises(UserError, match="outside of the run folder"):
            found()


@pytest.mark.parametrize("damage", [{"scores": 3}, {"protocol": []}, {"protocol": {"scored": "real"}}])
def test_entries_of_another_form_are_refused(results: Results, damage: dict[str, object]) -> None:
    write(results, [entry({"fid": 1.0}) | damage])
    with pytest.raises(UserError, match="expected a list of entries as"):
        results.scores()
