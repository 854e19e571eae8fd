"""What the playground reads of a run folder, and that it reads nothing else."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from cgan_dist.errors import UserError
from cgan_dist.playground.progress import MAX_ALERTS, MAX_KEYS, POINTS, Progress


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = tmp_path / "runs" / "own"
    (folder / "samples").mkdir(parents=True)
    lines: list[dict[str, float | None]] = [{"images": 8 * n, "loss/d": n / 10} for n in range(9)]
    for line in lines[::2]:
        line["fid"] = None if line["images"] == 16 else 5.0  # what is not finite is null
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines) + '{"images": 72, "lo')
    for images in (0, 32, 64):
        Image.new("RGB", (4, 4), (images, 0, 0)).save(folder / "samples" / f"fixed_z-{images:012}.png")
    Image.new("RGB", (4, 4)).save(folder / "samples" / "real-000000000000.png")
    (tmp_path / "secret.png").write_bytes((folder / "samples" / "real-000000000000.png").read_bytes())
    (tmp_path / "secret.jsonl").write_text('{"images": 1, "password": 1}\n')
    return folder


def test_curves_of_any_keys(run: Path) -> None:
    progress = Progress(run)
    assert progress.keys() == ["fid", "loss/d"]
    assert [tuple(point) for point in progress.curves(["fid"])] == [(n, 5.0, "fid") for n in (0, 32, 48, 64)]
    assert len(progress.curves(["loss/d", "fid"])) == 9 + 4
    assert progress.curves([]) == []


def test_a_run_can_be_watched_while_it_trains(run: Path) -> None:
    progress = Progress(run)
    before = len(progress.curves(["loss/d"]))
    with (run / "metrics.jsonl").open("a") as file:
        file.write('ss/d": 1.0}\n')
    assert len(progress.curves(["loss/d"])) == before + 1


def test_long_curves_are_thinned_and_keep_their_end(run: Path) -> None:
    lines = [json.dumps({"images": n, "loss/d": 1.0}) for n in range(1, 5002)]
    (run / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    points = Progress(run).curves(["loss/d"])
    assert POINTS / 2 < len(points) <= POINTS
    assert points[-1].images_seen == 5001


def test_unknown_and_too_many_curves_are_refused(run: Path) -> None:
    with pytest.raises(UserError, match="Did you mean 'loss/d'"):
        Progress(run).curves(["loss/dd"])
    with pytest.raises(UserError, match="at most"):
        Progress(run).curves(["fid"] * (MAX_KEYS + 1))


@pytest.mark.parametrize("line", ["not json", "[1]", '{"loss": 1}', '"text"'])
def test_a_damaged_line_is_an_error_for_a_person(run: Path, line: str) -> None:
    (run / "metrics.jsonl").write_text(line + "\n")
    with pytest.raises(UserError, match=r"metrics\.jsonl"):
        Progress(run).keys()


def test_the_nearest_grid_is_shown(run: Path) -> None:
    progress = Progress(run)
    assert progress.grids() == {"fixed_z": [0, 32, 64], "real": [0]}
    for asked, images in ((0, 0), (20, 32), (40.5, 32), (10**9, 64)):
        found = progress.grid("fixed_z", asked)
        assert found.images_seen == images
        assert found.picture.getpixel((0, 0)) == (images, 0, 0)


def test_a_damaged_grid_is_an_error_for_a_person(run: Path) -> None:
    (run / "samples" / "fixed_z-000000000064.png").write_bytes(b"\x89PNG")
    with pytest.raises(UserError, match="damaged"):
        Progress(run).grid("fixed_z", 64)


@pytest.mark.parametrize("kind", ["fixed", "../samples/fixed_z", "/etc/passwd", "../../secret", "fixed_z\0", ""])
def test_a_kind_of_grid_is_no_path(run: Path, kind: str) -> None:
    with pytest.raises(UserError, match="expected one of fixed_z, real"):
        Progress(run).grid(kind, 0)


@pytest.mark.parametrize(
    "path",
    [
        "..",
        "../own/config.yaml",
        "samples/../../../secret.png",
        "/etc/passwd",
        "samples/../samples/x",
        "a\0b",
        "../own2",
    ],
)
def test_a_path_outside_is_refused(run: Path, path: str) -> None:
    with pytest.raises(UserError, match="outside of the run folder"):
        Progress(run).inside(path)


def test_an_absolute_path_is_refused_even_into_the_folder(run: Path) -> None:
    with pytest.raises(UserError, match="outside"):
        Progress(run).inside(str(run / "metrics.jsonl"))


def test_a_folder_beside_it_with_a_longer_name_is_outside(run: Path) -> None:
    (run / "link").symlink_to(run.with_name("own2"))
    with pytest.raises(UserError, match="outside"):
        Progress(run).inside("link/metrics.jsonl")


@pytest.mark.parametrize("name", ["metrics.jsonl", "alerts.jsonl", "samples"])
def test_a_link_out_of_the_folder_is_refused(run: Path, tmp_path: Path, name: str) -> None:
    place = run / name
    if name == "samples":
        place.rename(tmp_path / "elsewhere")
        place.symlink_to(tmp_path / "elsewhere")
    else:
        place.unlink(missing_ok=True)
        place.symlink_to(tmp_path / "secret.jsonl")
    progress = Progress(run)
    reader = {"metrics.jsonl": progress.keys, "alerts.jsonl": progress.alerts, "samples": progress.grids}[name]
    with pytest.raises(UserError, match="outside of the run folder"):
        reader()


def test_a_grid_that_is_a_link_out_of_the_folder_is_refused(run: Path, tmp_path: Path) -> None:
    (run / "samples" / "fixed_z-000000000096.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(UserError, match="outside of the run folder"):
        Progress(run).grid("fixed_z", 96)


def test_a_run_folder_may_itself_be_a_link(run: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(run)
    assert Progress(tmp_path / "link").keys() == ["fid", "loss/d"]


def test_alerts_are_newest_first_and_damaged_ones_passed_over(run: Path) -> None:
    assert Progress(run).alerts() == []
    lines = [json.dumps({"images": n, "alert": "Divergence", "text": f"<b>{n}</b>"}) for n in range(MAX_ALERTS + 5)]
    (run / "alerts.jsonl").write_text("\n".join([*lines, "{", '{"images": "x"}', "3"]) + "\n")
    alerts = Progress(run).alerts()
    assert len(alerts) == MAX_ALERTS
    assert alerts[0] == {"images": MAX_ALERTS + 4, "alert": "Divergence", "text": f"<b>{MAX_ALERTS + 4}</b>"}


def test_an_empty_run_has_nothing_to_tell(tmp_path: Path) -> None:
    progress = Progress(tmp_path)
    assert (progress.keys(), progress.grids(), progress.alerts(), progress.curves([])) == ([], {}, [], [])
