"""Damage of every kind, drawn from seeds: the newest whole checkpoint is taken, never another, never a traceback."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from cgan_dist.checkpoints.store import Checkpoint, Checkpoints, DamagedCheckpoint, find_checkpoint
from cgan_dist.errors import UserError
from cgan_dist.runs.resume import describe_run
from tests.unit.checkpoint_samples import assert_is_of, forge, save

CLOCKS = (64, 128, 192)
FILES = ("g.safetensors", "d.safetensors", "optimizer.pt", "state.json", "files.json")
SEEDS = 210
"""Each kind of damage comes first ten times."""
Damage = Callable[[random.Random, Path], set[Path]]
"""Damages a checkpoint and says which ones are no longer whole."""


def changed(change: Callable[[random.Random, bytes], bytes]) -> Damage:
    def damage(draw: random.Random, folder: Path) -> set[Path]:
        path = folder / draw.choice(FILES)
        path.write_bytes(change(draw, path.read_bytes()))
        return {folder}

    return damage


def flip(draw: random.Random, content: bytes) -> bytes:
    place = draw.randrange(len(content))
    return content[:place] + bytes([content[place] ^ 1 << draw.randrange(8)]) + content[place + 1 :]


def other_folder(draw: random.Random, folder: Path) -> Path | None:
    others = [folder.with_name(f"step-{images:012d}") for images in CLOCKS]
    found = [path for path in others if path != folder and all((path / name).is_file() for name in FILES)]
    return draw.choice(found) if found else None


def missing(draw: random.Random, folder: Path) -> set[Path]:
    (folder / draw.choice(FILES)).unlink()
    return {folder}


def swapped(draw: random.Random, folder: Path) -> set[Path]:
    """Files of one name, between two checkpoints."""
    name, other = draw.choice(FILES), other_folder(draw, folder)
    if other is None:
        return missing(draw, folder)
    ours, theirs = (folder / name).read_bytes(), (other / name).read_bytes()
    (folder / name).write_bytes(theirs)
    (other / name).write_bytes(ours)
    return {folder, other}


def swapped_within(draw: random.Random, folder: Path) -> set[Path]:
    one, other = draw.sample(FILES, 2)
    contents = (folder / one).read_bytes(), (folder / other).read_bytes()
    (folder / one).write_bytes(contents[1])
    (folder / other).write_bytes(contents[0])
    return {folder}


def swapped_folders(draw: random.Random, folder: Path) -> set[Path]:
    """Each is whole, but under the other's name."""
    other, aside = other_folder(draw, folder), folder.parent / "aside"
    if other is None:
        return missing(draw, folder)
    folder.rename(aside)
    other.rename(folder)
    aside.rename(other)
    return {folder, other}


def renamed(draw: random.Random, folder: Path) -> set[Path]:
    """A copy that pretends to be newer than all."""
    newer = folder.with_name(f"step-{draw.randrange(193, 10**6):012d}")
    shutil.copytree(folder, newer)
    return {newer}


def folder_in_place_of_file(draw: random.Random, folder: Path) -> set[Path]:
    path = folder / draw.choice(FILES)
    path.unlink()
    path.mkdir()
    return {folder}


def pipe_in_place_of_file(draw: random.Random, folder: Path) -> set[Path]:
    path = folder / draw.choice(FILES)
    path.unlink()
    os.mkfifo(path)
    return {folder}


def file_in_place_of_folder(draw: random.Random, folder: Path) -> set[Path]:
    shutil.rmtree(folder)
    folder.write_bytes(draw.randbytes(9))
    return {folder}


def emptied_folder(draw: random.Random, folder: Path) -> set[Path]:
    shutil.rmtree(folder)
    folder.mkdir()
    return {folder}


def manifest(draw: random.Random, folder: Path) -> set[Path]:
    listed = json.loads((folder / "files.json").read_text())
    name = draw.choice(FILES[:-1])
    kind = draw.randrange(6)
    if kind == 0:
        del listed["files"][name]
    elif kind == 1:
        listed["files"][name]["bytes"] += draw.choice([-1, 1, 10**6])
    elif kind == 2:
        listed["files"]["../" + name] = listed["files"].pop(name)
    elif kind == 3:
        listed["files"][name] = draw.choice([None, 3, [], {}, "x", {"bytes": "3", "sha256": 4}])
    elif kind == 4:
        del listed["sha256"]
    text = json.dumps(listed)
    nonsense = ["", "{", "[]", "null", "3", '"files"', "[" * 10**5, '{"files": {}}', "\ud800", '{"files": {"a": {}}}']
    text = draw.choice(nonsense) if kind == 5 else text
    (folder / "files.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    return {folder}


def state_of_wrong_types(draw: random.Random, folder: Path) -> set[Path]:
    """With a manifest that vouches for it."""
    values = [None, "x", 3.5, True, [], {}, -64, "64", 10**30]
    state = json.loads((folder / "state.json").read_text())
    good = state["images_seen"]
    state["images_seen"] = draw.choice([value for value in values if value != good])
    states = [state, state, state | {"images_seen": good, draw.choice(["config", "meter", "scores"]): [1]}]
    states += draw.sample(values[:6], 1)
    forge(folder, "state.json", json.dumps(draw.choice(states)).encode())
    return {folder}


def no_state(draw: random.Random, folder: Path) -> set[Path]:
    forge(folder, "state.json", draw.choice([None, b"", b"{", b"\xff", b"[" * 10**5]))
    return {folder}


def pointers(draw: random.Random, folder: Path) -> set[Path]:
    for name in ("latest", "best"):
        content = draw.choice([b"", b"step-999", b"step-000000000064", b"\xff\x00", b"../..", b"x" * 10**5])
        (folder.parent / name).write_bytes(content)
    return set()


def rubbish_beside(draw: random.Random, folder: Path) -> set[Path]:
    (folder / ".nfs0001").write_bytes(draw.randbytes(9))
    (folder.parent / "step-000000000999.tmp").mkdir(exist_ok=True)
    (folder.parent / "notes.txt").write_text("mine")
    return set()


DAMAGES: list[Damage] = [
    changed(flip),
    changed(flip),
    changed(lambda draw, content: content[: draw.randrange(len(content))]),
    changed(lambda draw, content: b""),
    changed(lambda draw, content: content + draw.randbytes(draw.randint(1, 99))),
    changed(lambda draw, content: bytes(len(content))),
    missing,
    swapped,
    swapped_within,
    swapped_folders,
    renamed,
    folder_in_place_of_file,
    pipe_in_place_of_file,
    file_in_place_of_folder,
    emptied_folder,
    manifest,
    manifest,
    state_of_wrong_types,
    no_state,
    pointers,
    rubbish_beside,
]


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cgan_dist.checkpoints.writer.os.fsync", lambda _: None)


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("sound") / "run"
    run.mkdir()
    for images in CLOCKS:
        save(Checkpoints(run / "checkpoints", keep_last=3), images)
    return run


def damaged(draw: random.Random, number: int, run: Path) -> set[Path]:
    """Damages one to three checkpoints, mostly the newest."""
    bad: set[Path] = set()
    for folder in sorted((run / "checkpoints").glob("step-*"), reverse=True)[: draw.choice([1, 1, 2, 2, 3])]:
        if folder not in bad:
            bad |= DAMAGES[number % len(DAMAGES)](draw, folder)
            number = draw.randrange(len(DAMAGES))
    return bad


@pytest.mark.parametrize("seed", range(SEEDS))
def test_the_newest_whole_one_is_taken(
    sound: Path, tmp_path: Path, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    run = shutil.copytree(sound, tmp_path / "run")
    bad = damaged(random.Random(seed), seed, run)
    checkpoints = Checkpoints(run / "checkpoints")
    good = [images for images in CLOCKS if checkpoints.folder / f"step-{images:012d}" not in bad]
    with caplog.at_level("WARNING"):
        if good:
            for found in (checkpoints.newest(), find_checkpoint(run)):
                assert found is not None
                assert_is_of(found, good[-1])
        else:
            with pytest.raises(UserError, match="no whole checkpoint in it:\n  step-"):
                checkpoints.newest()
    for folder in bad:
        with pytest.raises(DamagedCheckpoint) as caught:
            find_checkpoint(folder)
        assert str(caught.value).startswith(f"{folder}: damaged checkpoint: ")
        if not good or int(folder.name[5:]) > good[-1]:
            assert f"{folder} is damaged ({caught.value.what})" in caplog.text
    text = describe_run(run)
    assert text.count("  damaged: ") == len(bad)
    assert text.count("  whole") == len(good)
    assert (f"goes on from step-{good[-1]:012d}" if good else "every checkpoint is damaged") in text
    save(checkpoints, 256)
    assert_is_of(find_checkpoint(run), 256)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("what", ["cut", "flipped", "missing", "emptied"])
def test_a_damaged_newest_is_passed_over_with_a_word(
    sound: Path, tmp_path: Path, name: str, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    run = shutil.copytree(sound, tmp_path / "run")
    path = run / "checkpoints" / "step-000000000192" / name
    content = path.read_bytes()
    if what == "missing":
        path.unlink()
    else:
        path.write_bytes({"cut": content[:-7], "flipped": b"\x01" + content[1:], "emptied": b""}[what])
    with caplog.at_level("WARNING"):
        found = Checkpoints(run / "checkpoints").newest()
    assert found is not None
    assert_is_of(found, 128)
    assert "step-000000000192 is damaged" in caplog.text
    assert name in caplog.text


@pytest.mark.parametrize("content", ["[]", "{}", '{"files": 3}', '{"files": {"g.safetensors": 1}}', '{"files": {}}'])
def test_nonsense_in_the_files_manifest_is_damage(sound: Path, tmp_path: Path, content: str) -> None:
    folder = shutil.copytree(sound / "checkpoints" / "step-000000000064", tmp_path / "copy")
    (folder / "files.json").write_text(content)
    with pytest.raises(DamagedCheckpoint, match=r"files.json cannot be used"):
        Checkpoint(folder)


def test_a_folder_that_cannot_be_looked_into_is_not_an_empty_one(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("cgan_dist.checkpoints.writer.Path.iterdir", refused)
    with pytest.raises(UserError, match="cannot look for checkpoints: Permission denied"):
        Checkpoints(sound / "checkpoints").newest()
