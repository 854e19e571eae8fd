from __future__ import annotations

import contextlib
import json
import logging
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cgan_dist.data.source import Source
from cgan_dist.data.sources.webdataset import load
from cgan_dist.data.tars import pool
from cgan_dist.errors import UserError
from cgan_dist.labels import ClassLabels, NoLabels
from tests.unit.data.tar_files import NAMES, picture, sorted_samples, write_shards, write_tar
from tests.unit.data.test_fuzz import cut, cut_on_a_block, flip, swap_blocks, zero_a_stretch

DAMAGES = [flip, cut, cut_on_a_block, swap_blocks, zero_a_stretch]


def classes(source: Source) -> list[str]:
    assert isinstance(source.schema, ClassLabels)
    return [source.schema.names[label] for label in source.labels]


def names(source: Source) -> list[str]:
    assert isinstance(source.schema, ClassLabels)
    return source.schema.names


def brightest(source: Source) -> list[int]:
    return [int(source.read(index).mean((0, 1)).argmax()) for index in range(len(source))]


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    return write_shards(tmp_path / "mine", sorted_samples())


def test_pictures_keep_their_labels(mine: Path) -> None:
    source = load(mine, "train")
    assert len(source) == 30
    assert names(source) == ["0", "1", "2"]
    assert brightest(source) == source.labels.tolist()
    assert source.read(0).shape == (12, 12, 3)
    assert np.array_equal(pickle.loads(pickle.dumps(source)).read(29), source.read(29))


def test_numbers_get_names_from_a_list_or_a_file(mine: Path, tmp_path: Path) -> None:
    (mine / "names.txt").write_text("\n".join(NAMES))
    for given in (list(NAMES), "names.txt", str(mine / "names.txt")):
        source = load(mine, "train", class_names=given)
        assert [NAMES.index(name) for name in classes(source)] == brightest(source)
    with pytest.raises(UserError, match=r"nothing\.txt: cannot read"):
        load(mine, "train", class_names="nothing.txt")


@pytest.mark.parametrize("key", ["json.label.name", "json.label"])
def test_a_key_of_json(mine: Path, tmp_path: Path, key: str) -> None:
    folder = mine if key == "json.label.name" else tmp_path / "other"
    if folder != mine:
        samples = [{"png": picture(seed, kind="PNG"), "json": {"label": NAMES[seed % 3]}} for seed in range(9)]
        write_shards(folder, samples, per_tar=2)
    source = load(folder, "train", label=key)
    assert names(source) == sorted(NAMES)
    assert [NAMES.index(name) for name in classes(source)] == brightest(source)


def test_class_names_in_txt_and_of_shards_and_folders(tmp_path: Path) -> None:
    for name in ("img10", "img2"):
        for number in range(2):
            members = [
                (f"{n}.{s}", c)
                for n in range(6)
                for s, c in (("WEBP", picture(n, kind="WEBP")), ("txt", name.encode()))
            ]
            write_tar(tmp_path / f"deep-{name}" / f"{name}_{number:04d}.tar", members)
    for label, expected in (("auto", ["img2", "img10"]), ("folder", ["deep-img2", "deep-img10"]), ("none", [])):
        source = load(tmp_path, "train", label=label)
        assert list(source.schema.names) == expected
        assert len(source) == 24
    assert isinstance(source.schema, NoLabels)
    flat = tmp_path / "flat"
    for tar in list(tmp_path.rglob("*.tar")):
        flat.mkdir(exist_ok=True)
        tar.rename(flat / tar.name)
    assert names(load(flat, "train", label="shard")) == ["img2", "img10"]


def img2dataset(folder: Path, captions: list[str]) -> Path:
    """As img2dataset leaves them: captions, and a table and statistics beside each tar."""
    members: list[tuple[str, bytes]] = []
    for number, caption in enumerate(captions):
        facts = {"caption": caption, "url": f"https://x/{number}", "key": f"{number:09d}", "status": "success"}
        facts |= {"kind": NAMES[number % 3], "width": 12, "exif": "{}", "punsafe": None}
        content = {"jpg": picture(number), "json": json.dumps(facts).encode(), "txt": caption.encode()}
        members += [(f"{number:09d}.{suffix}", data) for suffix, data in content.items()]
    write_tar(folder / "00000.tar", members)
    (folder / "00000_stats.json").write_text("{}")
    (folder / "00000.parquet").write_bytes(b"PAR1")
    return folder


def test_captions_are_no_classes(tmp_path: Path) -> None:
    folder = img2dataset(tmp_path, [f"a cat on mat {number}" for number in range(24)])
    with pytest.raises(UserError) as error:
        load(folder, "train")
    assert "24 different texts in 24 samples, such as 'a cat on mat 0': captions, which are no classes" in str(
        error.value
    )
    assert "label=json.KEY (keys: caption, url, key, status, kind, width and 1 more)" in str(error.value)
    assert len(names(load(folder, "train", label="txt"))) == 24
    assert sorted(names(load(folder, "train", label="json.kind"))) == sorted(NAMES)


def test_no_label_says_what_there_is(tmp_path: Path) -> None:
    folder = write_shards(tmp_path, [{"jpg": picture(0), "json": {"a": {"b": 1}, "c": [1]}, "seg.png": b""}])
    with pytest.raises(
        UserError, match=r"samples have jpg, json, seg\.png, none has cls or txt\. Give --option label=json"
    ):
        load(folder, "train")


@pytest.mark.parametrize(
    ("members", "options", "error"),
    [
        ([("0.cls", b"0"), ("1.jpg", b""), ("1.cls", b"0")], {}, r"\.tar, 0: no picture \(jpg, jpeg, png, webp\)"),
        ([("0.jpg", b""), ("1.jpg", b""), ("1.cls", b"0")], {}, r"\.tar, 0: no label \(\.cls\)"),
        ([("0.jpg", b""), ("0.png", b""), ("0.cls", b"0")], {}, r"0: 2 pictures: jpg, png\n.*picture=SUFFIX"),
        ([("0.jpg", b""), ("0.jpg", b""), ("0.cls", b"0")], {}, "0: 2 pictures: jpg, jpg"),
        ([("0.jpg", b""), ("0.cls", b" ")], {}, "0: cls is empty"),
        ([("0.jpg", b""), ("0.cls", b"\xff")], {}, r"0: \.cls is not text in UTF-8"),
        ([("0.jpg", b""), ("0.cls", b"1" * (2 << 20))], {}, "0: a label of 2,097,152 bytes, expected at most"),
        ([("0.jpg", b""), ("0.json", b"{")], {"label": "json.x"}, r"0: \.json is not JSON"),
        ([("0.jpg", b""), ("0.json", b'{"y": 1}')], {"label": "json.x"}, r"0: \.json has no key 'x'"),
        (
            [("0.jpg", b""), ("0.json", b'{"x": 0.5}')],
            {"label": "json.x"},
            r"json\.x is 0\.5, not the name or the number",
        ),
        ([("0.jpg", b""), ("0.json", b"[" * 100_000)], {"label": "json.x"}, r"0: \.json is not JSON"),
        (
            [("0.jpg", b""), ("0.cls", b"1"), ("1.jpg", b""), ("1.cls", b"2")],
            {},
            "labels are 1 to 2, none is 0.*first_label=1",
        ),
        ([("0.jpg", b""), ("0.cls", b"7")], {"class_names": ["a", "b"]}, "7"),
        (
            [("0.jpg", b""), ("0.cls", b"cat")],
            {"class_names": ["a", "b"]},
            "cls is 'cat', not one of the 2 class_names",
        ),
        ([("0.jpg", b""), ("0.cls", b"9" * 5000)], {"class_names": ["a"]}, "not one of the 1 class_names"),
        ([("0.jpg", b""), ("0.cls", b"0")], {"label": "json"}, "json alone is no label"),
        ([("0.jpg", b""), ("0.cls", b"0")], {"incomplete": "jump"}, "incomplete"),
    ],
)
def test_what_a_sample_may_lack(
    tmp_path: Path, members: list[tuple[str, bytes]], options: dict[str, Any], error: str
) -> None:
    write_tar(tmp_path / "a.tar", members)
    with pytest.raises(UserError, match=f"(?s){error}"):
        load(tmp_path, "train", **options)


def test_a_sample_in_two_tars_is_named_and_may_be_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_tar(tmp_path / "a-0.tar", [("0.jpg", picture(0)), ("0.cls", b"0"), ("1.jpg", picture(1))])
    write_tar(tmp_path / "a-1.tar", [("1.cls", b"1"), ("2.jpg", picture(2)), ("2.cls", b"2")])
    with pytest.raises(UserError) as error:
        load(tmp_path, "train")
    assert "2 samples cannot be used" in str(error.value)
    assert "a-0.tar, 1: no label (.cls); its members do not follow each other" in str(error.value)
    assert "a-1.tar, 1: no picture (jpg, jpeg, png, webp); its members do not follow" in str(error.value)
    with caplog.at_level(logging.WARNING):
        source = load(tmp_path, "train", incomplete="skip")
    assert source.labels.tolist() == brightest(source) == [0, 2]
    assert "2 samples cannot be used" in caplog.text


def test_a_damaged_tar_is_read_up_to_the_damage_if_told_so(mine: Path) -> None:
    tar = mine / "mine-000001.tar"
    tar.write_bytes(tar.read_bytes()[:9_000])
    with pytest.raises(UserError, match=r"1 tars are damaged(?s:.*)mine-000001\.tar: not a whole tar file"):
        load(mine, "train")
    source = load(mine, "train", incomplete="skip")
    assert 20 < len(source) < 30
    assert brightest(source) == source.labels.tolist()


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damage_ends_in_a_clear_error_or_is_left_out(mine: Path, damage: Any) -> None:
    """5 damages x 30 seeds: a set that is read, or an error of ours; never a traceback, never too many pictures."""
    tar = mine / "mine-000001.tar"
    whole = tar.read_bytes()
    for seed in range(30):
        tar.write_bytes(damage(bytearray(whole), np.random.default_rng(seed)))
        for incomplete in ("stop", "skip"):
            try:
                source = load(mine, "train", incomplete=incomplete)  # type: ignore[arg-type]
            except UserError:
                continue
            assert len(source) <= 30
            for index in range(len(source)):
                with contextlib.suppress(UserError):
                    assert source.read(index).dtype == np.uint8


def test_another_member_is_the_picture(tmp_path: Path) -> None:
    write_shards(tmp_path, [{"input.jpg": picture(0), "output.png": picture(1, kind="PNG"), "cls": 0}])
    with pytest.raises(UserError, match="no picture"):
        load(tmp_path, "train")
    assert brightest(load(tmp_path, "train", picture="output.png")) == [1]


def test_a_broken_picture_is_named_by_its_key(tmp_path: Path) -> None:
    whole = picture(0)
    write_shards(tmp_path, [{"jpg": whole, "cls": 0}, {"jpg": whole[: len(whole) // 2], "cls": 0}])
    source = load(tmp_path, "train")
    assert source.read(0).shape == (12, 12, 3)
    with pytest.raises(UserError, match=r"mine-000000\.tar, 000001\.jpg: truncated or corrupt"):
        source.read(1)


def test_pickles_in_a_tar_are_never_read(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return Path.touch, (tmp_path / "ran",)

    evil = pickle.dumps(Evil())
    members = [(f"0.{suffix}", evil) for suffix in ("pyd", "pth", "pkl", "pickle")]
    write_tar(tmp_path / "a.tar", [("0.jpg", picture(1)), ("0.cls", b"0"), *members])
    assert brightest(load(tmp_path, "train")) == [1]
    assert not (tmp_path / "ran").exists()


def test_nothing_is_written_beside_the_tars(mine: Path) -> None:
    before = sorted(path.name for path in mine.iterdir())
    load(mine, "train").read(0)
    assert sorted(path.name for path in mine.iterdir()) == before


def test_several_processes_find_the_same(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = load(mine, "train")
    monkeypatch.setattr(pool, "WORTH_BYTES", 0)
    together = load(mine, "train")
    assert np.array_equal(together.labels, alone.labels)
    assert all(np.array_equal(together.read(index), alone.read(index)) for index in range(30))


def test_pictures_are_read_as_those_of_folders_are(tmp_path: Path) -> None:
    """Upright, opaque, of any mode: it is the reader of picture files."""
    exif = Image.Exif()
    exif[0x0112] = 6
    turned = picture(0, size=(20, 10), exif=exif)
    write_shards(tmp_path, [{"jpg": turned, "cls": 0}, {"png": picture(0, kind="PNG", mode="L"), "cls": 0}])
    source = load(tmp_path, "train")
    assert [source.read(index).shape for index in range(2)] == [(20, 10, 3), (12, 12, 1)]


def test_no_place(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="webdataset needs --source"):
        load(None, "train")
