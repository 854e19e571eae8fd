from __future__ import annotations

import hashlib
import itertools
import threading
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cgan_dist.data.balance import Asked, Balance
from cgan_dist.data.batch import Batch
from cgan_dist.data.loader import Loader, one_step_ahead
from cgan_dist.data.shards import ShardSet
from cgan_dist.data.source import InMemory, Source
from cgan_dist.data.storage import Storage
from cgan_dist.data.writer import Plan, write_shards
from cgan_dist.errors import UserError
from tests.conftest import pixels_of, striped_images

BATCH, STREAMS = 16, 4


def loader(
    folder: Path, rank: int = 0, world_size: int = 1, workers: int = 0, cache: str = "auto", balance: Asked = "none"
) -> Loader:
    shards = ShardSet(Storage(folder), cache)
    return Loader(
        shards,
        batch_size=BATCH,
        streams=STREAMS,
        seed=0,
        rank=rank,
        world_size=world_size,
        workers=workers,
        balance=Balance.of(balance, shards),
    )


def take(folder: Path, images_seen: int, count: int, rank: int = 0, world_size: int = 1, **options: Any) -> list[Batch]:
    return list(itertools.islice(loader(folder, rank, world_size, **options).batches(images_seen), count))


def global_batches(folder: Path, images_seen: int, count: int, world_size: int, **options: Any) -> list[str]:
    """Hashes of the global batches, the ranks' parts joined in rank order."""
    ranks = [take(folder, images_seen, count, rank, world_size, **options) for rank in range(world_size)]
    hashes = []
    for parts in zip(*ranks, strict=True):
        joined = [torch.cat(column).numpy().tobytes() for column in zip(*parts, strict=True)]
        hashes.append(hashlib.sha256(b"".join(joined)).hexdigest())
    return hashes


@pytest.fixture(scope="module")
def unequal() -> Source:
    """160 images of two classes and 12 of the third."""
    source = striped_images(600)
    kept = np.concatenate(
        [np.flatnonzero(source.labels == number)[:most] for number, most in enumerate((160, 12, 160))]
    )
    images = pixels_of(source)[kept]
    return Source(labels=source.labels[kept], schema=source.schema, read=InMemory(images), description="unequal")


@pytest.fixture(scope="module", params=["raw", "png"])
def unequal_folder(request: pytest.FixtureRequest, unequal: Source, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("unequal") / request.param
    write_shards(unequal, folder, Plan(shards=5, encoding=request.param))
    return folder


@pytest.mark.parametrize(("world_size", "workers"), list(itertools.product([1, 2, 4], [0, 1, 3]))[1:])
def test_global_batches_are_the_same_at_any_world_size_and_number_of_workers(
    shards_folder: Path, world_size: int, workers: int
) -> None:
    count = 2 * 203 // BATCH  # two looks at the data
    found = global_batches(shards_folder, 0, count, world_size, workers=workers)
    assert found == global_batches(shards_folder, 0, count, 1)


@pytest.mark.parametrize(("world_size", "workers"), list(itertools.product([1, 2, 4], [0, 1, 3]))[1:])
@pytest.mark.parametrize("balance", ["sqrt", "uniform", {"columns": 4.0, "flat": 0.5}], ids=str)
def test_so_are_balanced_ones(unequal_folder: Path, world_size: int, workers: int, balance: Asked) -> None:
    found = global_batches(unequal_folder, 0, 30, world_size, workers=workers, balance=balance)
    assert found == global_batches(unequal_folder, 0, 30, 1, balance=balance)


@pytest.mark.parametrize("balance", ["none", "sqrt", "uniform"])
def test_resuming_anywhere_continues_the_same_order(unequal_folder: Path, balance: Asked) -> None:
    straight = global_batches(unequal_folder, 0, 80, 1, balance=balance)
    for step in np.random.default_rng(0).integers(0, 70, 20):
        found = global_batches(unequal_folder, int(step) * BATCH, 10, 2, balance=balance)
        assert found == straight[step : step + 10]


@pytest.mark.parametrize("balance", ["sqrt", "uniform", {"columns": 4.0, "flat": 0.5}], ids=str)
def test_a_cycle_of_all_streams_has_the_asked_shares(unequal_folder: Path, balance: Asked) -> None:
    running = loader(unequal_folder, balance=balance)
    assert running.balance is not None
    length, quotas = running.balance.length, running.balance.quotas
    weights = {"sqrt": [160**0.5, 12**0.5, 160**0.5], "uniform": [1, 1, 1]}
    asked = np.array(weights[balance] if isinstance(balance, str) else [160, 48, 80])
    assert np.abs(quotas / length - asked / asked.sum()).max() <= 1 / length
    batches = take(unequal_folder, 0, 3 * STREAMS * length // BATCH, balance=balance)  # images of a cycle: S x length
    labels = np.concatenate([batch.labels.numpy() for batch in batches])[: 3 * STREAMS * length]
    found = np.bincount(labels, minlength=3)
    assert np.abs(found - 3 * STREAMS * quotas).sum() < 2 * BATCH  # the last batch may be in the next cycle


def test_another_seed_is_another_balanced_order(unequal_folder: Path) -> None:
    running = loader(unequal_folder, balance="uniform")
    first = next(running.batches(0))
    running.reseed(1)
    assert not torch.equal(next(running.batches(0)).images, first.images)
    running.reseed(0)
    assert torch.equal(next(running.batches(0)).images, first.images)


def test_equal_classes_are_seen_once_each_in_a_cycle_by_every_rank(shards_folder: Path) -> None:
    """Weights of 1 are no balance at all: every stream sees the whole set."""
    batches = take(shards_folder, 0, 203, rank=3, world_size=4, balance={"rows": 1.0})
    images = [image.numpy().tobytes() for batch in batches for image in batch.images]
    assert len(images) == 4 * 203
    assert set(Counter(images).values()) == {4}


def test_ranks_get_disjoint_images(shards_folder: Path) -> None:
    parts = [take(shards_folder, 0, 5, rank, 2) for rank in range(2)]
    rows = [{image.numpy().tobytes() for batch in part for image in batch.images} for part in parts]
    assert not rows[0] & rows[1]
    assert all(batch.images.shape == (BATCH // 2, 1, 8, 8) for part in parts for batch in part)


@pytest.mark.parametrize("balance", ["none", "uniform"])
def test_images_keep_their_labels(shards_folder: Path, stripes: Source, balance: Asked) -> None:
    label_of = {
        image.transpose(2, 0, 1).tobytes(): label
        for image, label in zip(pixels_of(stripes), stripes.labels, strict=True)
    }
    batches = take(shards_folder, 0, 30, balance=balance)
    assert all(
        label_of[image.numpy().tobytes()] == label
        for batch in batches
        for image, label in zip(batch.images, batch.labels, strict=True)
    )
    assert batches[0].images.dtype == torch.uint8
    assert batches[0].labels.dtype == torch.int64


@pytest.mark.parametrize("balance", ["none", "uniform"])
def test_the_cache_changes_nothing(unequal_folder: Path, balance: Asked) -> None:
    kept, read = (take(unequal_folder, 0, 30, cache=cache, balance=balance) for cache in ("ram", "none"))
    for one, other in zip(kept, read, strict=True):
        assert torch.equal(one.images, other.images)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_shard_that_vanishes_stops_with_its_name(shards_folder: Path, tmp_path: Path, workers: int) -> None:
    import shutil

    folder = tmp_path / "copy"
    shutil.copytree(shards_folder, folder)
    batches = loader(folder, workers=workers, cache="none").batches(0)
    (folder / "shard-00002.tar").unlink()
    with pytest.raises(UserError, match=r"shard-00002.tar: .* it is missing") as caught:
        list(itertools.islice(batches, 60))
    assert "Traceback" not in str(caught.value)


def test_what_workers_hand_over_is_joined_and_pinned_by_another_thread(
    shards_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pinned: list[tuple[int, threading.Thread]] = []

    def pin_memory(tensor: torch.Tensor) -> torch.Tensor:
        pinned.append((len(tensor), threading.current_thread()))
        return tensor

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin_memory)
    shards = ShardSet(Storage(shards_folder))
    running = Loader(shards, batch_size=BATCH, streams=STREAMS, seed=0, workers=2, pin_memory=True).batches(0)
    found = list(itertools.islice(running, 5))
    running.close()
    for ours, expected in zip(found, take(shards_folder, 0, 5), strict=True):
        assert torch.equal(ours.images, expected.images)
        assert ours.images.stride() == expected.images.stride()
        assert torch.equal(ours.labels, expected.labels)
    assert len(pinned) >= 10
    assert {(count, thread is threading.current_thread()) for count, thread in pinned} == {(BATCH, False)}


def test_moving_one_step_ahead_changes_neither_order_nor_content(shards_folder: Path) -> None:
    straight = take(shards_folder, 0, 6)
    ahead = one_step_ahead(loader(shards_folder).batches(0), torch.device("cpu"))
    for moved, batch in zip(itertools.islice(ahead, 6), straight, strict=True):
        assert torch.equal(moved.images, batch.images)
        assert torch.equal(moved.labels, batch.labels)


def test_more_workers_than_cores_are_a_sentence_and_no_warning_of_pytorchs(
    shards_folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("torch._utils.cpu_count", lambda: 1)
    for cores, said in ((1, 1), (2, 0)):
        caplog.clear()
        monkeypatch.setattr("cgan_dist.data.loader.usable_cores", lambda cores=cores: cores)
        assert len(take(shards_folder, 0, 1, workers=2)) == 1
        found = [record.getMessage() for record in caplog.records]
        assert len(found) == said, found
        assert all(text.startswith("data.workers: found 2 loader processes for 1 usable core(s)") for text in found)
