"""The order of the data where classes are not seen as often as they occur: images of a class take turns.

A class's images stand in a ring. A *look* takes as many of them as the class has a quota, from where the look before it
ended, round and round; so after any number of looks the images of a class differ by at most one in how often they were
seen. Cycle e of stream s is look e·S + s, dealt into hands and turns as in `StreamOrder`: of each shard it takes the
images whose turn it is. Its length is the sum of the quotas, a constant, so that any position is still one division.

An image's place in its class's ring is its number in the class times the golden section of the ring, which spreads each
look over the shards as evenly as they have the class.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import accumulate, chain, count

import numpy as np
from numpy.typing import NDArray

from cgan_dist.data.balance import Balance
from cgan_dist.data.order import StreamOrder
from cgan_dist.labels import Labels
from cgan_dist.randomness import numpy_generator

GOLDEN = (math.sqrt(5) - 1) / 2


class BalancedOrder(StreamOrder):
    """Which image each stream reads at each position.

    Args:
        balance: quotas and the class of every image.
        streams: S.
        seed: the run's.
    """

    def __init__(self, balance: Balance, streams: int, seed: int) -> None:
        super().__init__([len(own) for own in balance.classes], streams, seed)
        self.balance = balance
        self.rings = np.maximum(balance.counts, 1)  # a class without images divides by nothing
        ends = list(accumulate(self.counts))
        self.places = np.split(_places(np.concatenate(balance.classes), self.rings, seed), ends[:-1])

    def walk(self, stream: int, position: int) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """Yields (shard, image indices inside it), for ever, from the stream's `position`-th image on."""
        cycle, skip = divmod(position, self.balance.length)
        while True:
            for shard, images in self._look(stream, cycle):
                if skip < len(images):
                    yield shard, images[skip:]
                skip = max(skip - len(images), 0)
            cycle += 1

    def _look(self, stream: int, cycle: int) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """Yields each shard, and the images of it whose turn it is, each as often as it has one."""
        began = (cycle * self.streams + stream) * self.balance.quotas % self.rings
        ended = began + self.balance.quotas
        bounds = (ended // self.rings, ended % self.rings, began)
        rounds, stop, start = (bound.astype(np.int32) for bound in bounds)  # as narrow as places: twice as fast
        generator = numpy_generator(self.seed, "look", stream, cycle)
        for hand in self._hands(stream, cycle):
            for shard in generator.permutation(hand).tolist():
                own, places = self.balance.classes[shard], self.places[shard]
                passed, reached = places < start.take(own), places < stop.take(own)
                times = rounds.take(own) + reached - passed
                yield shard, generator.permutation(np.repeat(np.arange(len(own)), times))


def _places(classes: Labels, rings: NDArray[np.int64], seed: int) -> NDArray[np.int32]:
    """(N,) class numbers -> the place of each image in the ring of its class."""
    by_class = np.argsort(classes, kind="stable")
    sizes = np.bincount(classes, minlength=len(rings))
    numbers = np.arange(len(classes)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    steps = np.array([_step(int(ring)) for ring in rings])
    starts = numpy_generator(seed, "rings").integers(0, rings)
    places = np.empty(len(classes), np.int32)
    places[by_class] = (numbers * np.repeat(steps, sizes) + np.repeat(starts, sizes)) % np.repeat(rings, sizes)
    return places


def _step(ring: int) -> int:
    """The step nearest to the golden section that comes to every place of the ring before it returns."""
    middle = max(round(ring * GOLDEN), 1)
    nearby = chain.from_iterable((middle + by, middle - by) for by in count())
    return next(step for step in nearby if step > 0 and math.gcd(step, ring) == 1)
