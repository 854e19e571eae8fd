"""The loader: each rank's slice of the same global batches, at any number of ranks and workers.

Rank r of R serves the contiguous streams [r·S/R, (r+1)·S/R), so what it yields is the slice
`global[r·B/R : (r+1)·B/R]` of the global batch. A rank's streams are dealt to its workers in order; PyTorch hands items
out round-robin, so one item from each worker in turn, joined, is the rank's batch in stream order. The loader's whole
state is one integer, `images_seen`.
"""

from __future__ import annotations

import itertools
import signal
from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from cgan_dist.data.order import StreamOrder
from cgan_dist.data.shards import OpenShard, ShardSet
from cgan_dist.errors import UserError
from cgan_dist.labels import Labels
from cgan_dist.types import Batch

PREFETCH_BATCHES = 4
GRACE_SECONDS = 30


class Loader:
    """Endless batches of one rank.

    Args:
        shards: the verified set.
        batch_size: global.
        streams: S; divides `batch_size`, and is divisible by `world_size`.
        seed: the run's.
        rank: this process.
        world_size: all processes.
        workers: loader processes of this rank; more than its streams are not started.
        pin_memory: page-lock batches for the copy to a GPU.
    """

    def __init__(
        self,
        shards: ShardSet,
        *,
        batch_size: int,
        streams: int,
        seed: int,
        rank: int = 0,
        world_size: int = 1,
        workers: int = 0,
        pin_memory: bool = False,
    ) -> None:
        share = streams // world_size
        self.shards = shards
        self.own_streams = range(rank * share, (rank + 1) * share)
        self.images_per_stream = batch_size // streams
        self.streams = streams
        self.workers = min(workers, share)
        self.pin_memory = pin_memory
        self.reseed(seed)

    def reseed(self, seed: int) -> None:
        """Changes the order of the data, for batches that are asked for from now on."""
        self.order = StreamOrder([shard.count for shard in self.shards.manifest.shards], self.streams, seed)

    def batches(self, images_seen: int) -> Iterator[Batch]:
        """Yields this rank's batches, for ever, from the global position `images_seen` on.

        Every rank calls it; there is no communication. Images are (B, C, H, W) uint8 on the CPU.

        Raises:
            UserError: if a shard is not what the manifest says.
        """
        dataset = _RankStreams(self, images_seen // self.streams)
        items: Iterator[Batch | UserError] = iter(dataset)
        if self.workers:
            items = iter(
                DataLoader(
                    dataset,
                    batch_size=None,
                    num_workers=self.workers,
                    prefetch_factor=PREFETCH_BATCHES,
                    worker_init_fn=_leave_signals_to_the_trainer,
                )
            )
        while True:
            parts = list(itertools.islice(items, max(self.workers, 1)))
            batch = _joined(parts)
            yield Batch(*(column.pin_memory() for column in batch)) if self.pin_memory else batch


def _leave_signals_to_the_trainer(worker: int) -> None:
    """Outlives signals to the whole process group for as long as a checkpoint takes.

    Launchers and schedulers signal workers too, and a worker that obeyed at once would take the trainer down with it.
    SIGTERM, by which Python ends workers that are left over, is obeyed after a grace period.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    signal.signal(signal.SIGALRM, signal.SIG_DFL)  # it ends a process
    signal.signal(signal.SIGTERM, lambda *_: signal.alarm(GRACE_SECONDS))


def _joined(parts: list[Batch | UserError]) -> Batch:
    batches = []
    for part in parts:
        if isinstance(part, UserError):
            raise part
        batches.append(part)
    return batches[0] if len(batches) == 1 else Batch(*(torch.cat(column) for column in zip(*batches, strict=True)))


def one_step_ahead(batches: Iterator[Batch], device: torch.device) -> Iterator[Batch]:
    """Moves each batch to the device while the one before it is used; from pinned memory the copy costs no wait."""
    moved = (Batch(*(column.to(device, non_blocking=True) for column in batch)) for batch in batches)
    for current, _ in itertools.pairwise(moved):
        yield current


class _RankStreams(IterableDataset[Batch | UserError]):
    """One item a step: the images of this worker's streams, in stream order; an error is handed over as an item."""

    def __init__(self, loader: Loader, position: int) -> None:
        self.loader = loader
        self.position = position

    def __iter__(self) -> Iterator[Batch | UserError]:
        worker = get_worker_info()
        worker_id, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        own = np.array_split(np.asarray(self.loader.own_streams), workers)[worker_id]
        readers = [_StreamReader(self.loader, int(stream), self.position) for stream in own]
        count, image = self.loader.images_per_stream, self.loader.shards.manifest.image
        try:
            while True:
                images = np.empty((count * len(readers), image.height, image.width, image.channels), np.uint8)
                labels = [reader.fill(images[n * count : (n + 1) * count]) for n, reader in enumerate(readers)]
                # a view: the copy to (C, H, W) order is left to the device
                yield Batch(torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(np.concatenate(labels)))
        except UserError as error:  # raised in a worker it would arrive wrapped in a traceback
            yield error


class _StreamReader:
    """Takes images from one stream, across the borders of shards."""

    def __init__(self, loader: Loader, stream: int, position: int) -> None:
        self.shards = loader.shards
        self.walk = loader.order.walk(stream, position)
        self.shard: OpenShard | None = None
        self.left: NDArray[np.int64] = np.empty(0, np.int64)

    def fill(self, images: NDArray[np.uint8]) -> Labels:
        """Fills (N, H, W, C) with the stream's next images and returns their labels."""
        labels, place = [], 0
        while place < len(images):
            if self.shard is None or not len(self.left):
                number, self.left = next(self.walk)
                self.shard = self.shards.open(number)
            chosen, self.left = self.left[: len(images) - place], self.left[len(images) - place :]
            labels.append(self.shards.take(self.shard, chosen, images[place : place + len(chosen)]).labels)
            place += len(chosen)
        return np.concatenate(labels)
