from __future__ import annotations

import hashlib
import io
import pickle
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cgan_dist.data.sources import cifar, cifar10
from cgan_dist.errors import UserError
from cgan_dist.labels import ClassLabels

NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
PER_FILE = 4


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The published layout with 4 images a file; image i of file f has label (f + i) % 10."""
    inside = tmp_path / "cifar" / "cifar-10-batches-bin"
    inside.mkdir(parents=True)
    generator = np.random.default_rng(0)
    for number, name in enumerate([*(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"]):
        records = generator.integers(0, 256, (PER_FILE, 3073), dtype=np.uint8)
        records[:, 0] = (number + np.arange(PER_FILE)) % 10
        (inside / name).write_bytes(records.tobytes())
    (inside / "batches.meta.txt").write_text("\n".join(NAMES) + "\n\n")
    return tmp_path / "cifar"


def error(folder: Path | None, split: str = "train") -> str:
    with pytest.raises(UserError) as caught:
        cifar10.load(folder, split)
    return str(caught.value)


def archive(tmp_path: Path, members: dict[str, bytes], links: dict[str, str] | None = None) -> Path:
    path = tmp_path / "cifar-10-binary.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
        for name, target in (links or {}).items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, target
            tar.addfile(info)
    return path


def publish(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    monkeypatch.setattr(cifar10, "RELEASE", replace(cifar10.RELEASE, url=path.as_uri(), md5=md5))


def published_members(folder: Path) -> dict[str, bytes]:
    return {f"cifar-10-batches-bin/{p.name}": p.read_bytes() for p in (folder / "cifar-10-batches-bin").iterdir()}


@pytest.mark.parametrize(
    ("split", "labels"),
    [
        ("train", [f + i for f in range(5) for i in range(4)]),
        ("test", [5, 6, 7, 8]),
        ("all", [f + i for f in range(6) for i in range(4)]),
    ],
)
def test_a_split_is_its_files_in_order(folder: Path, split: str, labels: list[int]) -> None:
    source = cifar10.load(folder, split)
    assert source.labels.tolist() == labels
    assert isinstance(source.schema, ClassLabels)
    assert source.schema.names == NAMES
    assert source.description == f"CIFAR-10 from {folder} ({split})"


def test_planes_become_pixels(folder: Path) -> None:
    record = (folder / "cifar-10-batches-bin" / "data_batch_2.bin").read_bytes()[3073:6146]
    pixels = cifar10.load(folder, "train").read(PER_FILE + 1)
    assert (pixels.shape, pixels.dtype) == ((32, 32, 3), np.uint8)
    for y, x in [(0, 0), (0, 31), (5, 9), (31, 0)]:
        assert pixels[y, x].tolist() == [record[1 + plane * 1024 + y * 32 + x] for plane in range(3)]


def test_the_inner_folder_may_be_named_itself(folder: Path) -> None:
    assert len(cifar10.load(folder / "cifar-10-batches-bin", "train")) == 20


def test_the_source_survives_pickling(folder: Path) -> None:
    source = cifar10.load(folder, "test")
    assert np.array_equal(pickle.loads(pickle.dumps(source)).read(2), source.read(2))


@pytest.mark.parametrize("inside", [True, False])
def test_the_pickled_version_is_refused_with_the_reason(tmp_path: Path, inside: bool) -> None:
    pickled = tmp_path / "cifar-10-batches-py"
    pickled.mkdir()
    (pickled / "data_batch_1").write_bytes(pickle.dumps({}))
    message = error(pickled if inside else tmp_path)
    assert "version for Python, which is pickled, and reading a pickle runs whatever code is in it" in message
    assert "Get the binary version: https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz" in message


def test_a_folder_without_the_files_says_what_to_unpack(tmp_path: Path) -> None:
    assert f"{tmp_path}: neither data_batch_1.bin nor cifar-10-batches-bin/data_batch_1.bin is there" in error(tmp_path)
    assert "no such folder" in error(tmp_path / "absent")


def test_a_missing_file_is_named(folder: Path) -> None:
    (folder / "cifar-10-batches-bin" / "data_batch_3.bin").unlink()
    assert "data_batch_3.bin: cannot read: No such file or directory; unpack" in error(folder)
    (folder / "cifar-10-batches-bin" / "batches.meta.txt").unlink()
    assert "batches.meta.txt: cannot read: No such file or directory" in error(folder)


@pytest.mark.parametrize("kept", [0, 1, 3072, 4 * 3073 - 1])
def test_a_truncated_file_is_named(folder: Path, kept: int) -> None:
    path = folder / "cifar-10-batches-bin" / "data_batch_4.bin"
    path.write_bytes(path.read_bytes()[:kept])
    assert f"data_batch_4.bin: truncated or damaged: {kept:,} bytes, expected a multiple of 3,073" in error(folder)


def test_a_label_above_nine_is_named(folder: Path) -> None:
    path = folder / "cifar-10-batches-bin" / "data_batch_5.bin"
    content = bytearray(path.read_bytes())
    content[2 * 3073] = 10
    path.write_bytes(content)
    assert "data_batch_5.bin: image 2 has label 10; expected 0..9" in error(folder)


def test_a_wrong_number_of_class_names_is_refused(folder: Path) -> None:
    (folder / "cifar-10-batches-bin" / "batches.meta.txt").write_text("airplane\n")
    assert "batches.meta.txt: 1 class names, expected 10" in error(folder)


def test_an_unknown_split_is_refused_with_the_close_match(folder: Path) -> None:
    assert error(folder, "tests") == "split 'tests': expected one of train, test, all. Did you mean 'test'?"


def test_the_published_archive_is_downloaded_and_unpacked(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(archive(tmp_path, published_members(folder)), monkeypatch)
    source, local = cifar10.load(None, "all"), cifar10.load(folder, "all")
    assert source.labels.tolist() == local.labels.tolist()
    assert all(np.array_equal(source.read(index), local.read(index)) for index in range(len(local)))
    assert source.description == f"CIFAR-10 from {cifar10.RELEASE.url} (all)"


def test_another_archive_than_the_published_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(archive(tmp_path, published_members(folder)), monkeypatch)
    monkeypatch.setattr(cifar10, "RELEASE", replace(cifar10.RELEASE, md5="0" * 32))
    message = error(None)
    assert f"expected {'0' * 32}: not the published file. --source FOLDER reads files you have" in message
    assert ": md5 is " in message


def test_nothing_but_the_expected_files_is_unpacked(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stray = {"../outside.bin": b"x", "/tmp/absolute-cifar10-test.bin": b"x", "cifar-10-batches-bin/readme.html": b"x"}
    path = archive(tmp_path, published_members(folder) | stray)
    target = tmp_path / "unpack" / "here"
    target.mkdir(parents=True)
    cifar.extract(cifar10.RELEASE, path, target)
    assert sorted(p.name for p in target.parent.rglob("*") if p.is_file()) == sorted(
        ["batches.meta.txt", *(f"data_batch_{n}.bin" for n in range(1, 6)), "test_batch.bin"]
    )
    assert not Path("/tmp/absolute-cifar10-test.bin").exists()


def test_a_link_in_place_of_a_file_is_refused(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    members = published_members(folder)
    del members["cifar-10-batches-bin/test_batch.bin"]
    publish(archive(tmp_path, members, {"cifar-10-batches-bin/test_batch.bin": "data_batch_1.bin"}), monkeypatch)
    assert "cifar-10-batches-bin/test_batch.bin is not a regular file. --source FOLDER" in error(None)


def test_an_archive_without_a_file_or_cut_off_is_refused(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    members = published_members(folder)
    whole = archive(tmp_path, members).read_bytes()
    del members["cifar-10-batches-bin/data_batch_5.bin"]
    path = archive(tmp_path, members)
    publish(path, monkeypatch)
    assert "filename 'cifar-10-batches-bin/data_batch_5.bin' not found. --source FOLDER" in error(None)
    for damaged in (whole[: len(whole) // 2], b"no archive"):
        path.write_bytes(damaged)
        publish(path, monkeypatch)
        assert "cannot unpack: " in error(None)
