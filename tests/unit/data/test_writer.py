from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import webdataset as wds

from cgan_dist.data.labelled import LabelledImages
from cgan_dist.data.manifest import read_manifest
from cgan_dist.data.shards import ShardSet
from cgan_dist.data.writer import write_shards
from cgan_dist.errors import UserError


def test_plain_webdataset_reads_every_image_with_its_label(tmp_path: Path, stripes: LabelledImages) -> None:
    manifest = write_shards(stripes, tmp_path / "out", 4, seed=0)
    urls = [str(tmp_path / "out" / shard.name) for shard in manifest.shards]
    samples = list(wds.WebDataset(urls, shardshuffle=False).decode())
    images = np.concatenate([sample["images.npy"] for sample in samples])
    labels = np.concatenate([sample["labels.npy"] for sample in samples])
    pairs = sorted((image.tobytes(), int(label)) for image, label in zip(images, labels, strict=True))
    expected = sorted((i.tobytes(), int(l)) for i, l in zip(stripes.images, stripes.labels, strict=True))
    assert pairs == expected
    assert labels.tolist() != stripes.labels.tolist()  # shuffled


def test_the_manifest_says_exactly_what_is_there(tmp_path: Path, stripes: LabelledImages) -> None:
    write_shards(stripes, tmp_path / "out", 4, seed=7)
    manifest = read_manifest(tmp_path / "out")
    assert [shard.count for shard in manifest.shards] == [51, 51, 51, 50]
    for shard in manifest.shards:
        content = (tmp_path / "out" / shard.name).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (shard.bytes, shard.sha256)
    assert (manifest.count, manifest.seed, manifest.source) == (203, 7, "stripes")
    assert (manifest.image.height, manifest.image.width, manifest.image.channels) == (8, 8, 1)
    assert manifest.labels.names == ["rows", "columns", "flat"]
    assert manifest.labels.histogram == np.bincount(stripes.labels).tolist()


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path, stripes: LabelledImages) -> None:
    first, again, other = (write_shards(stripes, tmp_path / name, 2, seed) for name, seed in
                           [("a", 0), ("b", 0), ("c", 1)])
    assert first == again
    assert first.fingerprint == again.fingerprint != other.fingerprint


def test_a_pack_never_grows_beyond_its_bound(tmp_path: Path) -> None:
    many = LabelledImages(images=np.zeros((600, 2, 2, 3), np.uint8), labels=np.zeros(600, np.int64), class_names=("a",),
                          source="zeros")
    write_shards(many, tmp_path / "out", 1, seed=0)
    sizes = [len(sample["labels.npy"]) for sample in
             wds.WebDataset(str(tmp_path / "out" / "shard-00000.tar"), shardshuffle=False).decode()]
    assert sizes == [256, 256, 88]
    folder = tmp_path / "out"
    assert ShardSet(folder, read_manifest(folder)).load_all().images.shape == (600, 3, 2, 2)


def test_a_folder_in_use_is_left_alone(tmp_path: Path, stripes: LabelledImages) -> None:
    precious = tmp_path / "out" / "precious.txt"
    precious.parent.mkdir()
    precious.write_text("keep")
    with pytest.raises(UserError, match="not an empty folder"):
        write_shards(stripes, tmp_path / "out", 2, seed=0)
    assert precious.read_text() == "keep"


@pytest.mark.parametrize("shards", [0, -1, 204])
def test_an_impossible_number_of_shards_is_refused(tmp_path: Path, stripes: LabelledImages, shards: int) -> None:
    with pytest.raises(UserError, match=r"--shards .*expected 1 to 203"):
        write_shards(stripes, tmp_path / "out", shards, seed=0)


def test_a_failure_in_the_middle_leaves_nothing_at_the_target(
    tmp_path: Path, stripes: LabelledImages, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("cgan_dist.data.writer._npy", fail)
    with pytest.raises(KeyboardInterrupt):
        write_shards(stripes, tmp_path / "out", 2, seed=0)
    assert not (tmp_path / "out").exists()
    monkeypatch.undo()
    write_shards(stripes, tmp_path / "out", 2, seed=0)


@pytest.mark.parametrize("label", [3, -1])
def test_a_label_outside_the_classes_is_refused(label: int) -> None:
    with pytest.raises(UserError, match=rf"image 1 has label {label}; expected 0..2"):
        LabelledImages(images=np.zeros((2, 2, 2, 1), np.uint8), labels=np.array([0, label]), class_names=("a", "b", "c"),
                       source="made up")
