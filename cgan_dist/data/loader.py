"""The loader: each rank's slice of the same global batches, at any number of ranks and workers.

Rank r of R serves the contiguous streams [r·S/R, (r+1)·S/R), so what it yields is the slice
`global[r·B/R : (r+1)·B/R]` of the global batch. A rank's streams are dealt to its workers in order; PyTorch hands items
out round-robin, so one item from each worker in turn, joined, is the rank's batch in stream order. The loader's whole
state is one integer, `images_seen`.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import multiprocessing
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from logging import LogRecord
from queue import SimpleQueue
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from cgan_dist.data.ahead import ahead
from cgan_dist.data.balance import Balance
from cgan_dist.data.balanced_order import BalancedOrder
from cgan_dist.data.batch import Batch
from cgan_dist.data.order import StreamOrder
from cgan_dist.data.shards import OpenShard, ShardSet
from cgan_dist.data.workers import (
    START_METHOD,
    begin,
    nothing_of_main,
    refusals_explained,
    shared,
    start_server,
    take_down_log,
    watched,
)
from cgan_dist.distributed.cores import usable_cores
from cgan_dist.errors import UserError
from cgan_dist.labels import Labels

logger = logging.getLogger(__name__)
PREFETCH_BATCHES = 4
JOINED_BATCHES = 2


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
        balance: of the same set: how often its classes are seen; null: as often as they occur.
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
        balance: Balance | None = None,
    ) -> None:
        share = streams // world_size
        self.shards = shards
        self.own_streams = range(rank * share, (rank + 1) * share)
        self.images_per_stream = batch_size // streams
        self.streams = streams
        self.workers = min(workers, share)
        self.pin_memory = pin_memory
        self.balance = balance
        self.reseed(seed)

    def reseed(self, seed: int) -> None:
        """Changes the order of the data, for batches that are asked for from now on."""
        counts = [shard.count for shard in self.shards.manifest.shards]
        balance = self.balance
        self.order = BalancedOrder(balance, self.streams, seed) if balance else StreamOrder(counts, self.streams, seed)

    def batches(self, images_seen: int) -> Generator[Batch, None, None]:
        """Yields this rank's batches, for ever, from the global position `images_seen` on.

        Every rank calls it; there is no communication. Images are (B, C, H, W) uint8 on the CPU. Workers run until the
        generator is closed; a thread joins and page-locks what they hand over, ahead of time.

        Raises:
            UserError: if a shard is not what the manifest says.
        """
        dataset = _RankStreams(self, images_seen // self.streams)
        if self.workers:
            yield from ahead(self._joined(self._start_workers(dataset)), JOINED_BATCHES)
        else:
            yield from self._joined(iter(dataset))

    def _start_workers(self, dataset: _RankStreams) -> Iterator[_Item]:
        if self.workers > (cores := usable_cores()):
            logger.warning(
                "data.workers: found %d loader processes for %d usable core(s); they take turns with training. "
                "Ask for more cores, or set data.workers=0.",
                self.workers,
                cores,
            )
        warnings.filterwarnings("ignore", "This DataLoader will create", UserWarning)  # the same, of PyTorch's
        start_server()
        others = multiprocessing.active_children()
        with nothing_of_main(), refusals_explained():
            items = iter(
                DataLoader(
                    dataset,
                    batch_size=None,
                    num_workers=self.workers,
                    prefetch_factor=PREFETCH_BATCHES,
                    multiprocessing_context=START_METHOD,
                    worker_init_fn=begin,
                )
            )
        return watched(items, [child for child in multiprocessing.active_children() if child not in others])

    def _joined(self, items: Iterator[_Item]) -> Generator[Batch, None, None]:
        """A batch is one item of each worker; what they have logged is logged here."""
        while True:
            parts = []
            for content, said in itertools.islice(items, max(self.workers, 1)):
                for record in said:
                    _log(record)
                if isinstance(content, UserError):
                    raise content
                parts.append(content)
            images, labels = map(_rows, zip(*parts, strict=True))
            batch = Batch(images.permute(0, 3, 1, 2), labels)  # a view: copying to that order is left to the device
            yield Batch(*(column.pin_memory() for column in batch)) if self.pin_memory else batch


def _log(record: LogRecord) -> None:
    logger = logging.getLogger(record.name)
    if logger.isEnabledFor(record.levelno):
        logger.handle(record)


def _rows(parts: Sequence[Tensor]) -> Tensor:
    """Joins by NumPy, on one core: PyTorch would take all of them, and they are the trainer's."""
    return parts[0] if len(parts) == 1 else torch.from_numpy(np.concatenate([part.numpy() for part in parts]))


def one_step_ahead(batches: Generator[Batch, None, None], device: torch.device) -> Generator[Batch, None, None]:
    """Moves each batch to the device while the one before it is used; from pinned memory the copy costs no wait.

    Closes `batches` when it is closed.
    """
    with contextlib.closing(batches):
        moved = (Batch(*(column.to(device, non_blocking=True) for column in batch)) for batch in batches)
        for current, _ in itertools.pairwise(moved):
            yield current


class _Item(NamedTuple):
    """What one worker hands over at a time.

    Attributes:
        content: (N, H, W, C) uint8 images of its streams, in stream order, and their labels; or what has ended it:
            raised in a worker it would arrive wrapped in a traceback.
        said: what it has logged since its last item.
    """

    content: tuple[Tensor, Tensor] | UserError
    said: list[LogRecord]


class _RankStreams(IterableDataset[_Item]):
    """The items of this worker's streams; of all the rank's streams where there are no workers."""

    def __init__(self, loader: Loader, position: int) -> None:
        self.loader = loader
        self.position = position

    def __iter__(self) -> Iterator[_Item]:
        worker = get_worker_info()
        worker_id, workers = (worker.id, worker.num_workers) if worker else (0, 1)
        said = take_down_log() if worker else SimpleQueue[LogRecord]()
        # Now, for the thread that hands items over could tell nobody that there is no room for them.
        place: Callable[[Tensor], Tensor] = shared if worker else (lambda tensor: tensor)
        own = np.array_split(np.asarray(self.loader.own_streams), workers)[worker_id]
        readers = [_StreamReader(self.loader, int(stream), self.position) for stream in own]
        count, image = self.loader.images_per_stream, self.loader.shards.manifest.image
        shape = image.height, image.width, image.channels
        try:
            while True:
                images = place(torch.empty((len(readers) * count, *shape), dtype=torch.uint8))
                rows = images.numpy()
                labels = [reader.fill(rows[n * count : (n + 1) * count]) for n, reader in enumerate(readers)]
                yield _Item((images, place(torch.from_numpy(np.concatenate(labels)))), _emptied(said))
        except UserError as error:
            yield _Item(error, _emptied(said))


def _emptied(said: SimpleQueue[LogRecord]) -> list[LogRecord]:
    return [said.get() for _ in range(said.qsize())]


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
