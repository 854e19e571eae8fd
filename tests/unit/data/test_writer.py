from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import starmap
from pathlib import Path

import numpy as np
import pytest
import webdataset as wds

from cgan_dist.data import shard_task, writer
from cgan_dist.data.shards import ShardSet
from cgan_dist.data.source import InMemory, Source
from cgan_dist.data.storage import Storage
from cgan_dist.data.writer import Part, Plan, write_part, write_shards
from cgan_dist.errors import UserError
from cgan_dist.labels import AttributeLabels, ClassLabels, ContinuousLabels, NoLabels, ProductLabels
from cgan_dist.randomness import numpy_generator
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


def test_by_default_there_are_as_many_processes_as_cores_that_may_be_used(
    tmp_path: Path, stripes: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def run(work: shard_task.ShardTask, tasks: list[writer.Task], processes: int) -> Iterator[shard_task.Written]:
        asked.append(processes)
        return starmap(work, tasks)

    monkeypatch.setattr(writer, "usable_cores", lambda: 3)
    monkeypatch.setattr(writer, "_run", run)
    write_shards(stripes, tmp_path / "in memory", Plan(shards=2))
    write_shards(replace(stripes, read=lambda index: stripes.read(index)), tmp_path / "read", Plan(shards=2))
    assert asked == [1, 3]


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
    with pytest.raises(
        UserError, match=r"growing: image [12] is 10x(9|10), the first is 10x8. Bring .* --size 10x8 or"
    ):
        write_shards(source, tmp_path / "out", Plan(shards=1), 1)
    manifest = write_shards(source, tmp_path / "out", Plan(shards=1, size=(6, 6)), 1)
    assert (manifest.image.height, manifest.image.width) == (6, 6)


class Mixed:
    """Grey images, and some in colour; may be interrupted."""

    def __init__(self, colour: set[int], reads: float = math.inf) -> None:
        self.colour, self.reads = colour, reads

    def __call__(self, index: int) -> np.ndarray:
        self.reads -= 1
        if self.reads < 0:
            raise KeyboardInterrupt
        return np.full((4, 4, 3 if index in self.colour else 1), index, np.uint8)


def mixed(*colour: int, reads: float = math.inf) -> Source:
    read = Mixed(set(colour), reads)
    return Source(labels=np.zeros((40, 0), np.uint8), schema=NoLabels(), read=read, description="mixed")


@pytest.mark.parametrize(("colour", "processes"), [({0}, 1), ({39}, 1), ({0, 5}, 1), ({39}, 2)])
def test_grey_images_among_colour_get_three_channels(tmp_path: Path, colour: set[int], processes: int) -> None:
    manifest = write_shards(mixed(*colour), tmp_path / "out", Plan(shards=4), processes)
    assert manifest.image.channels == 3
    assert manifest == write_shards(mixed(*range(40)), tmp_path / "all", Plan(shards=4), 1)


def test_grey_images_alone_stay_grey(tmp_path: Path) -> None:
    assert write_shards(mixed(), tmp_path / "out", Plan(shards=4), 1).image.channels == 1


def test_what_was_written_in_colour_stays_done(tmp_path: Path) -> None:
    last = int(np.array_split(numpy_generator(0, "prepare").permutation(40), 4)[3][-1])  # all is written in grey first
    assert last != 0
    with pytest.raises(KeyboardInterrupt):
        write_shards(mixed(last, reads=1 + 40 + 25), tmp_path / "out", Plan(shards=4), 1)
    assert len(list((tmp_path / "out.partial").glob("shard-*.json"))) == 2
    again = mixed(last, reads=1 + 20)
    manifest = write_shards(again, tmp_path / "out", Plan(shards=4), 1)
    assert manifest == write_shards(mixed(*range(40)), tmp_path / "all", Plan(shards=4), 1)


@pytest.mark.parametrize(("colour", "found"), [(set(range(1, 40)), 3), ({0}, 1)])
def test_mixed_channels_are_refused_where_that_is_said(tmp_path: Path, colour: set[int], found: int) -> None:
    with pytest.raises(UserError, match=f"image [0-9]+ has {found} channels, the first has {4 - found}; give --chann"):
        write_shards(mixed(*colour), tmp_path / "out", Plan(shards=1, channels="same"), 1)


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
    real, calls = shard_task.write_shard, []

    def full_after_two(*arguments: object) -> object:
        calls.append(1)
        if len(calls) > 2:
            raise OSError(28, "No space left on device")
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(shard_task, "write_shard", full_after_two)
    with pytest.raises(UserError, match=r"out.partial: cannot write: No space left on device. What is done is kept"):
        write_shards(stripes, tmp_path / "out", Plan(shards=4))
    assert len(list((tmp_path / "out.partial").glob("*.tar"))) == 2


class Broken:
    """Images of which some cannot be read; counts what is asked of it."""

    def __init__(self, images: np.ndarray, broken: set[int]) -> None:
        self.images, self.broken, self.asked = images, broken, 0

    def __call__(self, index: int) -> np.ndarray:
        self.asked += 1
        if index in self.broken:
            raise UserError(f"{index}.jpg: truncated")
        return self.images[index]


@pytest.mark.parametrize("processes", [1, 2])
def test_all_broken_images_are_named_at_once(tmp_path: Path, stripes: Source, processes: int) -> None:
    source = replace(stripes, read=Broken(pixels_of(stripes), {0, 77, 150}))
    with pytest.raises(UserError) as caught:
        write_shards(source, tmp_path / "out", Plan(shards=4), processes)
    message = str(caught.value)
    assert message.startswith(
        "stripes: 3 of 203 images cannot be read:\n  0.jpg: truncated\n  77.jpg: truncated\n  150"
    )
    assert "mend these files and give the same command again, or leave them out with --on-error skip" in message
    assert not (tmp_path / "out").exists()
    listed = (tmp_path / "out.partial" / "broken.txt").read_text()
    assert listed == "image 0: 0.jpg: truncated\nimage 77: 77.jpg: truncated\nimage 150: 150.jpg: truncated\n"


def test_of_many_broken_images_the_first_are_named_and_all_listed(tmp_path: Path, stripes: Source) -> None:
    source = replace(stripes, read=Broken(pixels_of(stripes), set(range(30))))
    with pytest.raises(UserError, match=r"19.jpg: truncated\n  and 10 more, all in .*out.partial.broken.txt"):
        write_shards(source, tmp_path / "out", Plan(shards=4), 1)
    assert len((tmp_path / "out.partial" / "broken.txt").read_text().splitlines()) == 30


@pytest.mark.parametrize("encoding", ["raw", "png"])
def test_broken_images_are_left_out_where_that_is_said(
    tmp_path: Path, stripes: Source, encoding: str, caplog: pytest.LogCaptureFixture
) -> None:
    plan, pixels = Plan(shards=4, encoding=encoding), pixels_of(stripes)  # type: ignore[arg-type]
    source = replace(stripes, read=Broken(pixels, {0, 77, 150}))
    manifest = write_shards(source, tmp_path / "out", plan, 1, on_error="skip")
    assert manifest == write_shards(source, tmp_path / "again", plan, 2, on_error="skip")
    good = np.delete(np.arange(203), [0, 77, 150])
    assert manifest.count == 200
    assert list(manifest.histogram.values()) == np.bincount(stripes.labels[good]).tolist()
    shards = ShardSet(Storage(tmp_path / "out"))
    shards.verify()
    images, labels = shards.load_all()
    found = sorted((i.tobytes(), int(n)) for i, n in zip(images, labels, strict=True))
    assert found == sorted((pixels[i].tobytes(), int(stripes.labels[i])) for i in good)
    assert len((tmp_path / "out" / "broken.txt").read_text().splitlines()) == 3
    assert caplog.messages[0] == f"{tmp_path / 'out'}: 3 images could not be read and are left out: " + str(
        tmp_path / "out" / "broken.txt"
    )


def test_what_was_done_stays_done_when_images_were_broken(tmp_path: Path, stripes: Source) -> None:
    plan, pixels = Plan(shards=4), pixels_of(stripes)
    broken = {0, 77, 150}
    with pytest.raises(UserError, match="3 of 203"):
        write_shards(replace(stripes, read=Broken(pixels, broken)), tmp_path / "out", plan, 1)
    reader = Broken(pixels, broken)
    skipped = write_shards(replace(stripes, read=reader), tmp_path / "out", plan, 1, on_error="skip")
    assert reader.asked == 2 + 3  # the first two for the format, and once more what was broken
    assert skipped == write_shards(replace(stripes, read=reader), tmp_path / "straight", plan, 1, on_error="skip")


def test_what_was_mended_is_taken_and_the_rest_stays_done(tmp_path: Path, stripes: Source) -> None:
    plan, pixels = Plan(shards=4), pixels_of(stripes)
    with pytest.raises(UserError, match="1 of 203"):
        write_shards(replace(stripes, read=Broken(pixels, {77})), tmp_path / "out", plan, 1)
    mended = Broken(pixels, set())
    manifest = write_shards(replace(stripes, read=mended), tmp_path / "out", plan, 1)
    assert mended.asked in (1 + 1 + 50, 1 + 1 + 51)  # the format, what was broken, and its shard
    assert manifest == write_shards(stripes, tmp_path / "straight", plan, 1)
    assert not (tmp_path / "out" / "broken.txt").exists()


def test_a_shard_of_broken_images_alone_is_left_out(tmp_path: Path, stripes: Source) -> None:
    few = replace(stripes, labels=stripes.labels[:4], read=Broken(pixels_of(stripes), {0, 2}))
    manifest = write_shards(few, tmp_path / "out", Plan(shards=4), 1, on_error="skip")
    assert [shard.count for shard in manifest.shards] == [1, 1]
    ShardSet(Storage(tmp_path / "out")).verify()


def test_images_none_of_which_can_be_read_are_no_set(tmp_path: Path, stripes: Source) -> None:
    source = replace(stripes, read=Broken(pixels_of(stripes), set(range(203))))
    with pytest.raises(UserError, match="stripes: none of 203 images can be read. The last: 202.jpg: truncated"):
        write_shards(source, tmp_path / "out", Plan(shards=4), 1, on_error="skip")


def test_classes_without_an_image_are_told(tmp_path: Path) -> None:
    classes, bits = ClassLabels(names=["a", "b", "c", "d"]), AttributeLabels(names=["hat"])
    labels, images = np.array([2, 0, 2]), np.zeros((3, 4, 4, 1), np.uint8)
    product = ProductLabels(parts=[bits, classes])
    for kind, schema, own in [
        ("classes", classes, labels),
        ("product", product, product.join([np.zeros((3, 1), np.uint8), labels])),
    ]:
        source = Source(labels=own, schema=schema, read=InMemory(images), description=kind)
        assert write_shards(source, tmp_path / kind, Plan(shards=1)).empty_classes == ["b", "d"]
    assert write_shards(labelled("classes"), tmp_path / "full", Plan(shards=1)).empty_classes == []


@pytest.mark.parametrize("encoding", ["raw", "png"])
def test_parts_make_the_bytes_of_a_set_in_one_piece(tmp_path: Path, stripes: Source, encoding: str) -> None:
    plan = Plan(shards=7, encoding=encoding)  # type: ignore[arg-type]
    whole = write_shards(stripes, tmp_path / "whole", plan)
    for number in (3, 1, 2, 2):  # in any order, and one again
        fresh = write_part(stripes, tmp_path / "out", plan, Part(number, 3), processes=1)
        assert fresh == tmp_path / "out.partial"
        assert not (tmp_path / "out").exists()
    written = {path: path.stat().st_mtime_ns for path in fresh.glob("*.tar")}
    assert len(written) == 7
    assert write_shards(stripes, tmp_path / "out", plan) == whole
    for path in sorted((tmp_path / "whole").iterdir()):
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes()
    assert {fresh / path.name: path.stat().st_mtime_ns for path in (tmp_path / "out").glob("*.tar")} == written


def test_the_end_writes_what_a_part_left_out(tmp_path: Path, stripes: Source) -> None:
    plan = Plan(shards=6)
    write_part(stripes, tmp_path / "out", plan, Part(1, 2))
    assert write_shards(stripes, tmp_path / "out", plan) == write_shards(stripes, tmp_path / "whole", plan)


def test_parts_that_begin_at_once_write_to_one_folder(tmp_path: Path, stripes: Source) -> None:
    plan = Plan(shards=8)
    with ThreadPoolExecutor(8) as pool:
        parts = [pool.submit(write_part, stripes, tmp_path / "out", plan, Part(number, 8), 1) for number in range(1, 9)]
        assert {part.result() for part in parts} == {tmp_path / "out.partial"}
    assert [path.name for path in tmp_path.iterdir()] == ["out.partial"]
    assert len(list((tmp_path / "out.partial").glob("*.tar"))) == 8


def test_a_part_of_another_plan_is_refused_and_removes_nothing(tmp_path: Path, stripes: Source) -> None:
    write_part(stripes, tmp_path / "out", Plan(shards=4), Part(1, 2))
    before = sorted(path.name for path in (tmp_path / "out.partial").iterdir())
    with pytest.raises(UserError, match=r"begun with another plan than this command's \(shards\)"):
        write_part(stripes, tmp_path / "out", Plan(shards=8), Part(2, 2))
    assert sorted(path.name for path in (tmp_path / "out.partial").iterdir()) == before
    for part in (Part(0, 2), Part(3, 2), Part(1, 5)):
        with pytest.raises(UserError, match=f"--part {part}: expected I/N"):
            write_part(stripes, tmp_path / "out", Plan(shards=4), part)


def test_the_end_with_another_option_removes_no_part(tmp_path: Path, stripes: Source) -> None:
    plan = Plan(shards=4, size=(8, 8), fit="pad")
    for number in (1, 2):
        fresh = write_part(stripes, tmp_path / "out", plan, Part(number, 2), 1)
    before = {path: path.read_bytes() for path in fresh.iterdir()}
    with pytest.raises(UserError, match=r"begun with another plan than this command's \(fit\)\. Give all parts"):
        write_shards(stripes, tmp_path / "out", replace(plan, fit="crop"))
    assert {path: path.read_bytes() for path in fresh.iterdir()} == before
    write_shards(stripes, tmp_path / "out", plan)


def test_a_set_begun_in_one_piece_may_go_on_in_parts(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        write_shards(mixed(reads=25), tmp_path / "out", Plan(shards=4, channels=3), 1)
    write_part(mixed(), tmp_path / "out", Plan(shards=4, channels=3), Part(1, 2), 1)
    with pytest.raises(UserError, match=r"\(seed\)"):
        write_shards(mixed(), tmp_path / "out", Plan(shards=4, channels=3, seed=1))


def test_a_part_that_meets_colour_among_grey_says_what_to_give(tmp_path: Path) -> None:
    source = Source(labels=np.zeros((8, 0), np.uint8), schema=NoLabels(), read=Mixed({5}), description="mixed")
    with pytest.raises(UserError, match="give --channels 3"):
        write_part(source, tmp_path / "out", Plan(shards=4), Part(1, 1), 1)
    for number in (1, 2):
        write_part(source, tmp_path / "other", Plan(shards=4, channels=3), Part(number, 2), 1)
    assert write_shards(source, tmp_path / "other", Plan(shards=4, channels=3)).image.channels == 3
