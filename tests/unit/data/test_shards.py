from __future__ import annotations

import hashlib
import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cgan_dist.data.manifest import read_manifest
from cgan_dist.data.shards import ShardSet
from cgan_dist.errors import UserError

Members = dict[str, bytes]


@pytest.fixture
def folder(shards_folder: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "copy"
    shutil.copytree(shards_folder, copy)
    return copy


def verify(folder: Path) -> None:
    ShardSet(folder, read_manifest(folder)).verify()


def rewrite(folder: Path, change: Callable[[Members], Members], name: str = "shard-00001.tar") -> None:
    """Changes a shard's members and makes the manifest agree in bytes and sha256, as a careless tool would."""
    path = folder / name
    with tarfile.open(path) as tar:
        members = {m.name: tar.extractfile(m).read() for m in tar.getmembers()}  # type: ignore[union-attr]
    with tarfile.open(path, "w") as tar:
        for member, content in change(members).items():
            info = tarfile.TarInfo(member)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    trust(folder, name)


def trust(folder: Path, name: str) -> None:
    content = (folder / name).read_bytes()
    manifest = json.loads((folder / "manifest.json").read_text())
    for shard in manifest["shards"]:
        if shard["name"] == name:
            shard |= {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def npy(array: np.ndarray, allow_pickle: bool = False) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=allow_pickle)
    return buffer.getvalue()


def with_labels(labels: np.ndarray, allow_pickle: bool = False) -> Callable[[Members], Members]:
    return lambda members: {
        name: npy(labels, allow_pickle) if name.endswith("labels.npy") else content for name, content in members.items()
    }


def test_whole_shards_pass(folder: Path) -> None:
    verify(folder)


def test_a_missing_shard_is_named(folder: Path) -> None:
    (folder / "shard-00003.tar").unlink()
    with pytest.raises(UserError, match=r"shard-00003.tar: the manifest lists this shard, but it is missing"):
        ShardSet(folder, read_manifest(folder)).check_files()


def test_a_truncated_shard_is_named(folder: Path) -> None:
    path = folder / "shard-00003.tar"
    path.write_bytes(path.read_bytes()[:-512])
    with pytest.raises(UserError, match=r"shard-00003.tar: .* bytes, the manifest says .*truncated"):
        verify(folder)


def test_a_flipped_byte_is_found(folder: Path) -> None:
    path = folder / "shard-00003.tar"
    content = bytearray(path.read_bytes())
    content[2000] ^= 1
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"shard-00003.tar: sha256 is"):
        verify(folder)


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        (with_labels(np.full(41, 3)), "key shard-00001-000000: image 0 has label 3; expected 0..2"),
        (with_labels(np.full(41, -1)), "image 0 has label -1"),
        (with_labels(np.zeros(40, np.int64)), "images are (41, 8, 8, 1)"),
        (with_labels(np.zeros(41, np.float32)), "labels are (41,) float32"),
        (with_labels(np.array([{}] * 41, dtype=object), allow_pickle=True), "not a plain .npy array"),
        (lambda m: {k: v for k, v in m.items() if k.endswith("images.npy")}, "the member labels.npy is missing"),
        (lambda m: {}, "holds 0 images"),
        (lambda m: {k: b"junk" for k in m}, "not a plain .npy array"),
    ],
)
def test_a_shard_that_was_rewritten_wrongly_is_named_with_key_and_cause(
    folder: Path, change: Callable[[Members], Members], fragment: str
) -> None:
    rewrite(folder, change)
    with pytest.raises(UserError) as caught:
        verify(folder)
    assert "shard-00001.tar" in str(caught.value)
    assert fragment in str(caught.value)


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


def test_examples_have_the_label_of_their_column(shards_folder: Path) -> None:
    shards = ShardSet(shards_folder, read_manifest(shards_folder))
    cells = shards.examples([2, 0], each=5, generator=np.random.default_rng(0))
    assert cells.shape == (5, 2, 1, 8, 8)
    assert (cells[:, 0] >= 190).all()  # class 2 is bright all over
    assert (cells[:, 1, 0, ::2] >= 190).all()  # class 0 in every second row
    assert (cells[:, 1, 0, 1::2] < 60).all()


def test_too_few_examples_leave_white_cells(shards_folder: Path) -> None:
    shards = ShardSet(shards_folder, read_manifest(shards_folder))
    cells = shards.examples([0], each=200, generator=np.random.default_rng(0))
    assert (cells[-1] == 255).all()


@pytest.mark.parametrize(
    ("change", "fragment"),
    [
        (lambda m: m | {"count": 5}, "do not add up"),
        (lambda m: m | {"shards": []}, "shards"),
        (lambda m: m | {"extra": 1}, "extra"),
        (lambda m: {k: v for k, v in m.items() if k != "labels"}, "labels"),
        (lambda m: m | {"shards": [m["shards"][0] | {"name": "../../etc/x.tar"}, *m["shards"][1:]]}, "shards.0.name"),
    ],
)
def test_a_damaged_manifest_is_named_with_the_key(
    folder: Path, change: Callable[[dict[str, list[dict[str, object]]]], object], fragment: str
) -> None:
    path = folder / "manifest.json"
    path.write_text(json.dumps(change(json.loads(path.read_text()))))
    with pytest.raises(UserError, match=r"manifest.json: damaged manifest") as caught:
        read_manifest(folder)
    assert fragment in str(caught.value)


def test_no_manifest_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"data.path: .*does not exist.*cgan-dist prepare"):
        read_manifest(tmp_path / "absent")
    with pytest.raises(UserError, match=r"data.path: .*has no manifest.json"):
        read_manifest(tmp_path)
