from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import webdataset as wds

from cgan_dist.data import writer
from cgan_dist.data.shards import ShardSet
from cgan_dist.data.source import InMemory, Source
from cgan_dist.data.storage import Storage
from cgan_dist.data.writer import Plan, fit, write_shards
from cgan_dist.errors import UserError
from cgan_dist.labels import AttributeLabels, ClassLabels, ContinuousLabels, NoLabels
from tests.conftest import pixels_of, striped_images

LABELS = {
    "classes": (np.arange(20) % 3, ClassLabels(names=["a", "b", "c"])),
    "attributes": (np.array([[i % 2, i % 3 == 0] for i in range(20)], np.uint8), AttributeLabels(names=["x", "y"])),
    "continuous": (
        np.linspace(0, 1, 20, dtype=np.float32)[:, None],
        ContinuousLabels(names=["age"], ranges=[(0.0, 1.0)]),
    ),
    "none": (np.zeros((20, 0), np.uint8), NoLabels()),
}


def labelled(kind: str, size: int = 8, channels: int = 3) -> Source:
    labels, schema = LABELS[kind]
    images = np.random.default_rng(0).integers(0, 256, (20, size, size, channels), dtype=np.uint8)
    return Source(labels=labels, schema=schema, read=InMemory(images), description="made up")


def test_plain_webdataset_reads_raw_shards(tmp_path: Path, stripes: Source) -> None:
    manifest = write_shards(stripes, tmp_path / "out", Plan(shards=4))
    urls = [str(tmp_path / "out" / shard.name) for shard in manifest.shards]
    samples = list(wds.WebDataset(urls, shardshuffle=False).decode())
    images = np.concatenate([sample["images.npy"] for sample in samples])
    labels = np.concatenate([sample["labels.npy"] for sample in samples])
    pairs = sorted((image.tobytes(), int(label)) for image, label in zip(images, labels, strict=True))
    assert pairs == sorted((i.tobytes(), int(n)) for i, n in zip(pixels_of(stripes), stripes.labels, strict=True))
    assert labels.tolist() != stripes.labels.tolist()  # shuffled


@pytest.mark.parametrize("kind", LABELS)
def test_plain_webdataset_reads_encoded_shards_with_their_labels(tmp_path: Path, kind: str) -> None:
    source = labelled(kind)
    write_shards(source, tmp_path / "out", Plan(shards=1, encoding="png"))
    samples = list(wds.WebDataset(str(tmp_path / "out" / "shard-00000.tar"), shardshuffle=False).decode("rgb8"))
    expected = {image.tobytes(): label.tolist() for image, label in zip(pixels_of(source), source.labels, strict=True)}
    assert len(samples) == 20
    for sample in samples:
        assert sample.get("json", []) == expected[np.asarray(sample["png"]).tobytes()]


@pytest.mark.parametrize("kind", LABELS)
@pytest.mark.parametrize("encoding", ["raw", "png"])
@pytest.mark.parametrize("channels", [1, 3])
def test_what_is_written_is_read_back(tmp_path: Path, kind: str, encoding: str, channels: int) -> None:
    source = labelled(kind, channels=channels)
    write_shards(source, tmp_path / "out", Plan(shards=3, encoding=encoding))  # type: ignore[arg-type]
    shards = ShardSet(Storage(tmp_path / "out"))
    shards.verify()
    images, labels = shards.load_all()
    assert shards.manifest.labels == source.schema
    found = sorted((i.tobytes(), n.tolist()) for i, n in zip(images, labels, strict=True))
    assert found == sorted((i.tobytes(), n.tolist()) for i, n in zip(pixels_of(source), source.labels, strict=True))


@pytest.mark.parametrize("encoding", ["jpeg", "webp"])
@pytest.mark.parametrize("channels", [1, 3])
def test_lossy_encodings_come_close(tmp_path: Path, encoding: str, channels: int) -> None:
    smooth = np.linspace(0, 255, 32, dtype=np.uint8)[:, None, None].repeat(32, 1).repeat(channels, 2)
    source = Source(
        labels=np.zeros((1, 0), np.uint8), schema=NoLabels(), read=InMemory(smooth[None]), description="ramp"
    )
    write_shards(source, tmp_path / "out", Plan(shards=1, encoding=encoding))  # type: ignore[arg-type]
    image = ShardSet(Storage(tmp_path / "out")).load_all().images[0]
    assert np.abs(image.astype(int) - smooth).max() <= 6


def test_the_manifest_says_exactly_what_is_there(tmp_path: Path, stripes: Source) -> None:
    write_shards(stripes, tmp_path / "out", Plan(shards=4, seed=7, encoding="png"))
    manifest = Storage(tmp_path / "out").manifest()
    assert [shard.count for shard in manifest.shards] == [51, 51, 51, 50]
    for shard in manifest.shards:
        assert shard.index is not None
        for file in (shard, shard.index):
            content = (tmp_path / "out" / file.name).read_bytes()
            assert (len(content), hashlib.sha256(content).hexdigest()) == (file.bytes, file.sha256)
    assert (manifest.count, manifest.seed, manifest.source) == (203, 7, "stripes")
    assert (manifest.image.height, manifest.image.width, manifest.image.channels) == (8, 8, 1)
    assert manifest.labels.names == ["rows", "columns", "flat"]
    assert list(manifest.histogram.values()) == np.bincount(stripes.labels).tolist()


@pytest.mark.parametrize(("size", "encoding"), [(64, "raw"), (65, "jpeg")])
def test_small_images_are_packed_and_large_ones_encoded(tmp_path: Path, size: int, encoding: str) -> None:
    manifest = write_shards(striped_images(4, size=size), tmp_path / "out", Plan(shards=1))
    assert manifest.image.encoding == encoding


@pytest.mark.parametrize("encoding", ["raw", "png", "jpeg"])
def test_the_same_seed_gives_the_same_bytes(tmp_path: Path, stripes: Source, encoding: str) -> None:
    plan = Plan(shards=2, encoding=encoding)  # type: ignore[arg-type]
    first, again, other = (
        write_shards(stripes, tmp_path / name, replace(plan, seed=seed))
        for name, seed in [("a", 0), ("b", 0), ("c", 1)]
    )
    assert first == again
    assert first.fingerprint == again.fingerprint != other.fingerprint


def test_several_processes_write_the_same_bytes(tmp_path: Path, stripes: Source) -> None:
    plan = Plan(shards=3, encoding="png")
    assert write_shards(stripes, tmp_path / "a", plan, 1) == write_shards(stripes, tmp_path / "b", plan, 2)


def test_a_pack_never_grows_beyond_its_bound(tmp_path: Path) -> None:
    write_shards(striped_images(600), tmp_path / "out", Plan(shards=1))
    samples = wds.WebDataset(str(tmp_path / "out" / "shard-00000.tar"), shardshuffle=False).decode()
    assert [len(sample["labels.npy"]) for sample in samples] == [256, 256, 88]


class Interrupted:
    """Reads images until it has been asked too often."""

    def __init__(self, images: np.ndarray, reads: int) -> None:
        self.images, self.reads, self.seen = images, reads, 0

    def __call__(self, index: int) -> np.ndarray:
        self.seen += 1
        if self.seen > self.reads:
            raise KeyboardInterrupt
        return self.images[index]


def test_an_interrupted_run_goes_on_and_ends_the_same(tmp_path: Path, stripes: Source) -> None:
    plan, images = Plan(shards=4), pixels_of(stripes)
    reader = Interrupted(images, 120)
    with pytest.raises(KeyboardInterrupt):
        write_shards(replace(stripes, read=reader), tmp_path / "out", plan, 1)
    assert not (tmp_path / "out").exists()
    again = Interrupted(images, 10**6)
    resumed = write_shards(replace(stripes, read=again), tmp_path / "out", plan, 1)
    assert again.seen == 1 + 203 - 2 * 51  # one to find the format, and the two shards that were finished stay
    assert resumed == write_shards(stripes, tmp_path / "straight", plan)
    assert not (tmp_path / "out.partial").exists()


def test_another_plan_does_not_go_on_with_leftovers(tmp_path: Path, stripes: Source) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_shards(replace(stripes, read=Interrupted(pixels_of(stripes), 120)), tmp_path / "out", Plan(shards=4), 1)
    other = write_shards(stripes, tmp_path / "out", Plan(shards=4, seed=1))
    assert other == write_shards(stripes, tmp_path / "straight", Plan(shards=4, seed=1))


def test_a_folder_in_use_is_left_alone(tmp_path: Path, stripes: Source) -> None:
    precious = tmp_path / "out" / "precious.txt"
    precious.parent.mkdir()
    precious.write_text("keep")
    with pytest.raises(UserError, match="not an empty folder"):
        write_shards(stripes, tmp_path / "out", Plan(shards=2))
    assert precious.read_text() == "keep"


@pytest.mark.parametrize("shards", [0, -1, 204])
def test_an_impossible_number_of_shards_is_refused(tmp_path: Path, stripes: Source, shards: int) -> None:
    with pytest.raises(UserError, match=r"--shards .*expected 1 to 203"):
        write_shards(stripes, tmp_path / "out", Plan(shards=shards))


def test_images_of_different_sizes_need_a_size(tmp_path: Path) -> None:
    class Growing:
        def __call__(self, index: int) -> np.ndarray:
            return np.zeros((8 + index, 10, 1), np.uint8)

    source = Source(labels=np.zeros((3, 0), np.uint8), schema=NoLabels(), read=Growing(), description="growing")
    with pytest.raises(UserError, match=r"growing: image [12] is 10x(9|10), the first is 10x8; give --size"):
        write_shards(source, tmp_path / "out", Plan(shards=1), 1)
    manifest = write_shards(source, tmp_path / "out", Plan(shards=1, size=6), 1)
    assert (manifest.image.height, manifest.image.width) == (6, 6)


def test_resizing_takes_the_centre_square() -> None:
    image = np.zeros((10, 30, 1), np.uint8)
    image[:, 10:20] = 200
    assert (fit(image, Plan(size=5)) == 200).all()
    assert fit(image.transpose(1, 0, 2), Plan(size=10)).mean() == 200


def test_channels_are_brought_to_the_plan() -> None:
    grey, colour = np.full((4, 4, 1), 9, np.uint8), np.zeros((4, 4, 3), np.uint8)
    assert (fit(grey, Plan(channels=3)) == 9).all()
    assert fit(grey, Plan(channels=3)).shape == (4, 4, 3)
    assert fit(colour, Plan(channels=1)).shape == (4, 4, 1)


def test_mixed_channels_need_a_decision(tmp_path: Path) -> None:
    class Mixed:
        def __call__(self, index: int) -> np.ndarray:
            return np.zeros((4, 4, 1 if index == 0 else 3), np.uint8)

    source = Source(labels=np.zeros((2, 0), np.uint8), schema=NoLabels(), read=Mixed(), description="mixed")
    with pytest.raises(UserError, match="image 1 has 3 channels, the first has 1; give --channels"):
        write_shards(source, tmp_path / "out", Plan(shards=1), 1)


def test_labels_that_contradict_the_schema_are_refused() -> None:
    for labels in (np.array([0, 3]), np.array([0, -1])):
        with pytest.raises(UserError, match=r"made up: image 1 has label (3|-1); expected 0..2"):
            replace(labelled("classes"), labels=labels)
    with pytest.raises(UserError, match="no images"):
        replace(labelled("classes"), labels=np.zeros(0, np.int64))


def test_a_plan_is_written_down_as_json(tmp_path: Path, stripes: Source) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_shards(replace(stripes, read=Interrupted(pixels_of(stripes), 60)), tmp_path / "out", Plan(shards=4), 1)
    assert json.loads((tmp_path / "out.partial" / "plan.json").read_text())["shards"] == 4


def test_a_full_disk_is_a_clear_error_and_keeps_what_is_done(
    tmp_path: Path, stripes: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = writer.write_shard, []

    def full_after_two(*arguments: object) -> object:
        calls.append(1)
        if len(calls) > 2:
            raise OSError(28, "No space left on device")
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(writer, "write_shard", full_after_two)
    with pytest.raises(UserError, match=r"out.partial: cannot write: No space left on device. What is done is kept"):
        write_shards(stripes, tmp_path / "out", Plan(shards=4))
    assert len(list((tmp_path / "out.partial").glob("*.tar"))) == 2
