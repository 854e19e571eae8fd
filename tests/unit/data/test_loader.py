from __future__ import annotations

import hashlib
import itertools
from pathlib import Path

import numpy as np
import pytest
import torch

from cgan_dist.data.loader import Loader, one_step_ahead
from cgan_dist.data.shards import ShardSet
from cgan_dist.data.source import Source
from cgan_dist.data.storage import Storage
from cgan_dist.errors import UserError
from cgan_dist.types import Batch
from tests.conftest import pixels_of

BATCH, STREAMS = 16, 4

pytestmark = pytest.mark.filterwarnings("ignore:This DataLoader will create")


def loader(folder: Path, rank: int = 0, world_size: int = 1, workers: int = 0, cache: str = "auto") -> Loader:
    return Loader(
        ShardSet(Storage(folder), cache),
        batch_size=BATCH,
        streams=STREAMS,
        seed=0,
        rank=rank,
        world_size=world_size,
        workers=workers,
    )


def take(
    folder: Path,
    images_seen: int,
    count: int,
    rank: int = 0,
    world_size: int = 1,
    workers: int = 0,
    cache: str = "auto",
) -> list[Batch]:
    batches = loader(folder, rank, world_size, workers, cache).batches(images_seen)
    return list(itertools.islice(batches, count))


def global_batches(folder: Path, images_seen: int, count: int, world_size: int, workers: int) -> list[str]:
    """Hashes of the global batches, the ranks' parts joined in rank order."""
    ranks = [take(folder, images_seen, count, rank, world_size, workers) for rank in range(world_size)]
    hashes = []
    for parts in zip(*ranks, strict=True):
        joined = [torch.cat(column).numpy().tobytes() for column in zip(*parts, strict=True)]
        hashes.append(hashlib.sha256(b"".join(joined)).hexdigest())
    return hashes


@pytest.mark.parametrize(("world_size", "workers"), list(itertools.product([1, 2, 4], [0, 1, 3]))[1:])
def test_global_batches_are_the_same_at_any_world_size_and_number_of_workers(
    shards_folder: Path, world_size: int, workers: int
) -> None:
    count = 2 * 203 // BATCH  # two looks at the data
    assert global_batches(shards_folder, 0, count, world_size, workers) == global_batches(shards_folder, 0, count, 1, 0)


def test_resuming_anywhere_continues_the_same_order(shards_folder: Path) -> None:
    straight = global_batches(shards_folder, 0, 80, 1, 0)
    for step in np.random.default_rng(0).integers(0, 70, 20):
        assert global_batches(shards_folder, int(step) * BATCH, 10, 2, 0) == straight[step : step + 10]


def test_ranks_get_disjoint_images(shards_folder: Path) -> None:
    parts = [take(shards_folder, 0, 5, rank, 2) for rank in range(2)]
    rows = [{image.numpy().tobytes() for batch in part for image in batch.images} for part in parts]
    assert not rows[0] & rows[1]
    assert all(batch.images.shape == (BATCH // 2, 1, 8, 8) for part in parts for batch in part)


def test_images_keep_their_labels(shards_folder: Path, stripes: Source) -> None:
    label_of = {
        image.transpose(2, 0, 1).tobytes(): label
        for image, label in zip(pixels_of(stripes), stripes.labels, strict=True)
    }
    batches = take(shards_folder, 0, 30)
    assert all(
        label_of[image.numpy().tobytes()] == label
        for batch in batches
        for image, label in zip(batch.images, batch.labels, strict=True)
    )
    assert batches[0].images.dtype == torch.uint8
    assert batches[0].labels.dtype == torch.int64


def test_the_cache_changes_nothing(shards_folder: Path) -> None:
    for kept, read in zip(
        take(shards_folder, 0, 30, cache="ram"), take(shards_folder, 0, 30, cache="none"), strict=True
    ):
        assert torch.equal(kept.images, read.images)


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


def test_moving_one_step_ahead_changes_neither_order_nor_content(shards_folder: Path) -> None:
    straight = take(shards_folder, 0, 6)
    ahead = one_step_ahead(loader(shards_folder).batches(0), torch.device("cpu"))
    for moved, batch in zip(itertools.islice(ahead, 6), straight, strict=True):
        assert torch.equal(moved.images, batch.images)
        assert torch.equal(moved.labels, batch.labels)
