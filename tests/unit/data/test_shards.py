from __future__ import annotations

import json
import pickle
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cgan_dist.data import shards as shards_module
from cgan_dist.data.shard_file import Arrays, PackedShard, read_raw
from cgan_dist.data.shards import ShardSet
from cgan_dist.data.storage import Storage
from cgan_dist.data.writer import Plan, write_shards
from cgan_dist.errors import UserError
from tests.conftest import striped_images
from tests.unit.data.damage import Change, npy, open_set, rewrite, trust, verify, with_labels


def take(shards: ShardSet, index: int, chosen: np.ndarray) -> Arrays:
    return shards.take(shards.open(index), chosen)


@pytest.fixture
def folder(shards_folder: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "copy"
    shutil.copytree(shards_folder, copy)
    return copy


@pytest.fixture
def encoded(tmp_path: Path) -> Path:
    write_shards(striped_images(100, size=16, channels=3), tmp_path / "encoded", Plan(shards=4, encoding="jpeg"))
    return tmp_path / "encoded"


def test_whole_shards_pass(folder: Path, encoded: Path) -> None:
    verify(folder)
    verify(encoded)


def test_a_missing_shard_is_named(folder: Path) -> None:
    (folder / "shard-00003.tar").unlink()
    with pytest.raises(UserError, match=r"shard-00003.tar: the manifest lists this shard, but it is missing"):
        open_set(folder).check_files()


def test_a_missing_index_is_named(encoded: Path) -> None:
    (encoded / "shard-00003.index.npy").unlink()
    with pytest.raises(UserError, match=r"shard-00003.index.npy: the manifest lists this shard, but it is missing"):
        open_set(encoded).check_files()


def test_a_truncated_shard_is_named(folder: Path) -> None:
    path = folder / "shard-00003.tar"
    path.write_bytes(path.read_bytes()[:-512])
    with pytest.raises(UserError, match=r"shard-00003.tar: .* bytes, the manifest says .*truncated"):
        verify(folder)


@pytest.mark.parametrize("how", ["verify", "take"])
def test_a_flipped_byte_is_found_when_the_shard_is_opened(folder: Path, how: str) -> None:
    path = folder / "shard-00003.tar"
    content = bytearray(path.read_bytes())
    content[2000] ^= 1
    path.write_bytes(content)
    shards = open_set(folder)
    with pytest.raises(UserError, match=r"shard-00003.tar: sha256 is"):
        shards.verify() if how == "verify" else take(shards, 3, np.arange(2))


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        (with_labels(np.full(41, 3)), "key shard-00001-000000: image 0 has label 3; expected 0..2"),
        (with_labels(np.full(41, -1)), "image 0 has label -1"),
        (with_labels(np.zeros(40, np.int64)), "images are (41, 8, 8, 1)"),
        (with_labels(np.zeros(41, np.float32)), "labels are (41,) float32"),
        (with_labels(np.array([{}] * 41, dtype=object), allow_pickle=True), "not a plain .npy array"),
        (lambda m: {k: v for k, v in m.items() if k.endswith("images.npy")}, "the member labels.npy is missing"),
        (lambda m: m | {"shard-00001-000000.pkl": b"x"}, "unexpected member .pkl"),
        (lambda m: {"shard-00001-000000.pyd": b"x"} | m, "unexpected member .pyd"),
        (lambda m: m | {"../../escape.images.npy": b"x"}, "missing"),
        (lambda m: {}, "holds 0 images"),
        (lambda m: dict.fromkeys(m, b"junk"), "not a plain .npy array"),
    ],
)
def test_a_raw_shard_that_was_rewritten_wrongly_is_named_with_key_and_cause(
    folder: Path, change: Change, fragment: str
) -> None:
    rewrite(folder, change)
    with pytest.raises(UserError) as caught:
        verify(folder)
    assert "shard-00001.tar" in str(caught.value)
    assert fragment in str(caught.value)


def first_picture(members: dict[str, bytes]) -> str:
    return next(name for name in members if name.endswith(".jpg"))


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        (lambda m: m | {first_picture(m): b"\0" * len(m[first_picture(m)])}, "not a readable JPEG image"),
        (lambda m: m | {first_picture(m): m[first_picture(m)] + b"x"}, "not what the shard's index says"),
        (lambda m: {k: v for k, v in m.items() if k != first_picture(m)}, "the member jpg is missing"),
        (lambda m: m | {"shard-00001-000003.pkl": b"x"}, ""),
        (
            lambda m: {k: str(2 - int(v)).encode() if k.endswith(".json") else v for k, v in m.items()},
            "not what the shard's index says",
        ),
        (lambda m: dict(list(m.items())[:-2]), "holds 24 images or more, its index says 25"),
    ],
)
def test_an_encoded_shard_that_was_rewritten_wrongly_is_named(encoded: Path, change: Change, fragment: str) -> None:
    rewrite(encoded, change)
    with pytest.raises(UserError) as caught:
        verify(encoded)
    assert "shard-00001" in str(caught.value)
    assert fragment in str(caught.value)


def damage_picture(folder: Path, shard: str, number: int, content: bytes | None = None) -> None:
    """Overwrites one image in place and makes the manifest agree: a JPEG that was broken before it was packed."""
    index = np.load(folder / f"{shard}.index.npy")
    start, size = int(index["offset"][number]), int(index["size"][number])
    data = bytearray((folder / f"{shard}.tar").read_bytes())
    data[start : start + size] = (content or b"").ljust(size, b"\0")[:size]
    (folder / f"{shard}.tar").write_bytes(data)
    trust(folder, f"{shard}.tar")


def test_a_corrupt_picture_stops_with_its_number(encoded: Path) -> None:
    damage_picture(encoded, "shard-00002", 7)
    with pytest.raises(UserError, match=r"shard-00002.tar, image 7: not a readable JPEG image"):
        take(open_set(encoded), 2, np.array([6, 7]))
    with pytest.raises(UserError, match=r"shard-00002.tar, key shard-00002-000007: not a readable JPEG image"):
        verify(encoded)


def test_a_picture_of_another_size_stops(encoded: Path) -> None:
    from cgan_dist.data.codecs import encode

    damage_picture(encoded, "shard-00002", 0, encode(np.zeros((8, 8, 3), np.uint8), "jpeg", 50))
    with pytest.raises(UserError, match=r"image 0: .* it is \(8, 8, 3\), expected \(16, 16, 3\)"):
        take(open_set(encoded), 2, np.array([0]))


@pytest.mark.parametrize("cache", ["none", "ram"])
def test_skipping_puts_the_next_good_picture_in_its_place_and_counts(
    encoded: Path, cache: str, caplog: pytest.LogCaptureFixture
) -> None:
    whole = take(open_set(encoded), 2, np.arange(25))
    for number in (7, 8, 24):
        damage_picture(encoded, "shard-00002", number)
    shards = open_set(encoded, cache, on_error="skip")
    with caplog.at_level("WARNING"):
        found = take(shards, 2, np.array([6, 7, 8, 9, 24]))
    expected = [6, 9, 9, 9, 0]
    assert (found.images == whole.images[expected]).all()
    assert (found.labels == whole.labels[expected]).all()
    assert sum(shards.bad.values()) == 3
    assert "Skipped 1 image(s), 3 so far" in caplog.text
    again = take(shards, 2, np.array([6, 7, 8, 9, 24]))
    assert (again.images == found.images).all()
    assert sum(shards.bad.values()) == 3


def test_skipping_a_whole_shard_reads_the_next_one(folder: Path) -> None:
    (folder / "shard-00001.tar").write_bytes(b"x" * (folder / "shard-00001.tar").stat().st_size)
    shards = open_set(folder, on_error="skip")
    found, neighbour = take(shards, 1, np.array([0, 40])), take(shards, 2, np.array([0, 40 % 41]))
    assert (found.images == neighbour.images).all()
    assert shards.bad == {(1, None): 41}


def test_too_much_damage_stops_even_when_skipping(encoded: Path) -> None:
    for number in range(6):
        damage_picture(encoded, "shard-00002", number)
    shards = open_set(encoded, on_error="skip", max_bad_share=0.05)
    with pytest.raises(UserError, match=r"data.on_error: 6 of 100 images are damaged, more than data.max_bad_share"):
        take(shards, 2, np.arange(25))
    with pytest.raises(UserError, match="6 of 100 images are damaged"):
        open_set(encoded, on_error="skip", max_bad_share=0.05).verify()
    open_set(encoded, on_error="skip", max_bad_share=0.06).verify()


def test_a_pickle_is_never_opened(folder: Path, tmp_path: Path) -> None:
    trap = tmp_path / "executed"

    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (trap,))

    array = np.empty(41, dtype=object)
    array[:] = [Trap()] * 41
    rewrite(folder, with_labels(array, allow_pickle=True))
    with pytest.raises(UserError):
        verify(folder)
    assert not trap.exists()


def test_something_that_is_no_tar_file_is_named(folder: Path) -> None:
    (folder / "shard-00000.tar").write_bytes(b"not a tar file " * 100)
    trust(folder, "shard-00000.tar")
    with pytest.raises(UserError, match=r"shard-00000.tar: (not a readable tar file|holds 0 images)"):
        verify(folder)


@pytest.mark.parametrize(
    ("index", "fragment"),
    [
        (np.zeros(25, [("offset", "i8"), ("size", "i8"), ("label", "i8")]), ""),
        (np.zeros(3), "not an index of this kind of labels"),
        (np.array([(10**9, 5, 0)] * 25, [("offset", "i8"), ("size", "i8"), ("label", "i8")]), "points outside"),
        (np.array([(-5, 5, 0)] * 25, [("offset", "i8"), ("size", "i8"), ("label", "i8")]), "points outside"),
        (np.array([(0, 5, 9)] * 25, [("offset", "i8"), ("size", "i8"), ("label", "i8")]), "has label 9"),
    ],
)
def test_an_index_that_does_not_fit_is_refused(encoded: Path, index: np.ndarray, fragment: str) -> None:
    (encoded / "shard-00001.index.npy").write_bytes(npy(index))
    trust(encoded, "shard-00001.index.npy")
    with pytest.raises(UserError, match="shard-00001") as caught:
        verify(encoded)
    assert fragment in str(caught.value)


def test_examples_have_the_label_of_their_column(shards_folder: Path) -> None:
    cells = ShardSet(Storage(shards_folder)).examples(
        [lambda labels: labels == 2, lambda labels: labels == 0], each=5, generator=np.random.default_rng(0)
    )
    assert cells.shape == (5, 2, 8, 8, 1)
    assert (cells[:, 0] >= 190).all()  # class 2 is bright all over
    assert (cells[:, 1, ::2] >= 190).all()  # class 0 in every second row
    assert (cells[:, 1, 1::2] < 60).all()


def test_too_few_examples_leave_white_cells(shards_folder: Path) -> None:
    cells = ShardSet(Storage(shards_folder)).examples([lambda labels: labels == 0], 200, np.random.default_rng(0))
    assert (cells[-1] == 255).all()


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        (lambda m: m | {"count": 5}, "do not add up"),
        (lambda m: m | {"histogram": {"rows": 1}}, "do not add up"),
        (lambda m: m | {"shards": []}, "shards"),
        (lambda m: m | {"extra": 1}, "extra"),
        (lambda m: m | {"labels": {"kind": "colours"}}, "labels"),
        (lambda m: {k: v for k, v in m.items() if k != "labels"}, "labels"),
        (lambda m: m | {"shards": [m["shards"][0] | {"name": "../../etc/x.tar"}, *m["shards"][1:]]}, "shards.0.name"),
        (lambda m: m | {"shards": [m["shards"][1], *m["shards"][1:]]}, ""),
        (lambda m: m | {"image": m["image"] | {"encoding": "png"}}, "have an index"),
    ],
)
def test_a_damaged_manifest_is_named_with_the_key(
    folder: Path, change: Callable[[dict[str, list[dict[str, object]]]], object], fragment: str
) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(UserError, match=r"manifest.json: damaged manifest") as caught:
        Storage(folder).manifest()
    assert fragment in str(caught.value)


def test_no_manifest_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data.path: .*does not exist.*cgan-dist prepare"):
        Storage(tmp_path / "absent").manifest()
    with pytest.raises(UserError, match=r"data.path: .*has no manifest.json"):
        Storage(tmp_path).manifest()


def test_what_was_mended_by_skipping_is_not_shared_with_who_stops(encoded: Path) -> None:
    damage_picture(encoded, "shard-00002", 7)
    mended = open_set(encoded, "ram", on_error="skip")
    take(mended, 2, np.arange(25))
    with pytest.raises(UserError, match="image 7: not a readable JPEG image"):
        take(open_set(encoded, "ram"), 2, np.arange(25))


def test_images_of_several_packs_are_read_in_any_order(tmp_path: Path) -> None:
    write_shards(striped_images(600), tmp_path / "packs", Plan(shards=1))
    path, manifest = tmp_path / "packs" / "shard-00000.tar", open_set(tmp_path / "packs").manifest
    whole = read_raw(path, manifest.image, manifest.labels)
    shard = PackedShard(path, manifest.image, manifest.labels)
    assert len(shard.packs) == 3
    assert shard.labels.tolist() == whole.labels.tolist()
    chosen = np.random.default_rng(0).permutation(np.repeat(np.arange(600), 2))
    out = np.empty((1200, 8, 8, 1), np.uint8)
    shard.take(chosen, out)
    assert np.array_equal(out, whole.images[chosen])


@pytest.mark.parametrize(
    ("images", "error"),
    [
        (lambda plain: plain[:-1], "cannot reshape"),
        (lambda plain: b"", "EOF"),
        (lambda plain: plain.replace(b"'fortran_order': False", b"'fortran_order': True "), "rows of plain numbers"),
        (lambda plain: plain.replace(b"|u1", b"|O8"), "rows of plain numbers"),
        (lambda plain: plain[:6] + b"\x02" + plain[7:], "version 1.0 is expected"),
    ],
)
def test_a_pack_that_is_no_plain_array_is_named(folder: Path, images: Callable[[bytes], bytes], error: str) -> None:
    rewrite(folder, lambda members: {k: images(v) if "images" in k else v for k, v in members.items()})
    with pytest.raises(UserError, match=rf"shard-00001\.tar, key shard-00001-000000\.images\.npy: not.*{error}"):
        open_set(folder).open(1)


def test_a_member_twice_is_named(folder: Path) -> None:
    path = folder / "shard-00001.tar"
    with tarfile.open(path, "a") as tar:
        tar.addfile(tarfile.TarInfo("shard-00001-000000.labels.npy"))
    trust(folder, path.name)
    with pytest.raises(UserError, match=r"the member shard-00001-000000\.labels\.npy is there twice"):
        open_set(folder).open(1)


def test_files_stay_open_but_not_too_many(encoded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shards_module, "MOST_OPEN", 2)
    shards = open_set(encoded)
    opened = [shards.open(index).data for index in (0, 1, 1, 2)]
    assert opened[1] is opened[2] is shards.open(1).data
    assert shards.open(0).data is not opened[0]
    assert len(shards._kept_open) == 2
    assert not pickle.loads(pickle.dumps(shards))._kept_open  # a worker opens its own


def test_labels_are_read_without_the_pictures(folder: Path, encoded: Path) -> None:
    for shards in (open_set(folder, "ram"), open_set(encoded, "ram")):
        for index in range(len(shards.manifest.shards)):
            labels = shards.labels_of(index)
            assert labels.dtype == np.int64
            assert labels.tolist() == shards.open(index).data.labels.tolist()


def test_labels_of_a_damaged_shard_are_refused_even_where_damage_is_skipped(folder: Path, encoded: Path) -> None:
    path = folder / "shard-00001.tar"
    path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(UserError, match=r"shard-00001\.tar: not a readable tar file"):
        open_set(folder, on_error="skip").labels_of(1)
    index = encoded / "shard-00001.index.npy"
    index.write_bytes(b"x" * index.stat().st_size)
    with pytest.raises(UserError, match=r"shard-00001\.index\.npy: sha256 is"):
        open_set(encoded, on_error="skip").labels_of(1)


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda members: {}, "holds 0 images"),
        (with_labels(np.full(41, 3)), "image 0 has label 3; expected 0..2"),
        (with_labels(np.zeros(7, np.int64)), r"images are \(41, 8, 8, 1\) uint8, expected \(7, 8, 8, 1\)"),
        (with_labels(np.zeros(41, np.uint8)), r"labels are \(41,\) uint8"),
    ],
)
def test_labels_are_held_against_manifest_and_schema(folder: Path, change: Change, error: str) -> None:
    rewrite(folder, change)
    with pytest.raises(UserError, match=rf"shard-00001\.tar.*{error}"):
        open_set(folder).labels_of(1)
