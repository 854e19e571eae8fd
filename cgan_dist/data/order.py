"""The order of the data: a pure function of (seed, position), for any number of shards of any size.

The set is read by S endless *streams*; a global batch takes the same number of images from each. A stream's time is
cut into *cycles* of one pass over the whole set. In cycle e the shards are permuted by (seed, e) and dealt to S hands;
the cycle has S turns, and in turn t stream s plays hand (s + t) mod S, each shard's images in an order of their own.
So in every turn the streams share the set among them, and a cycle of a stream is exactly one look at every image,
however uneven the shards are. That makes a cycle's length a constant, and finding any position a division: O(1) in the
position.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from cgan_dist.randomness import numpy_generator


class StreamOrder:
    """Which image each stream reads at each position.

    Args:
        counts: images of each shard.
        streams: S.
        seed: the run's.
    """

    def __init__(self, counts: Sequence[int], streams: int, seed: int) -> None:
        self.counts = list(counts)
        self.streams = streams
        self.seed = seed

    def walk(self, stream: int, position: int) -> Iterator[tuple[int, NDArray[np.int64]]]:
        """Yields (shard, image indices inside it), for ever, from the stream's `position`-th image on."""
        cycle, skip = divmod(position, sum(self.counts))
        while True:
            for turn, shard in self._cycle(stream, cycle):
                if skip >= self.counts[shard]:
                    skip -= self.counts[shard]
                    continue
                order = numpy_generator(self.seed, "images", stream, cycle, turn, shard).permutation(self.counts[shard])
                yield shard, order[skip:]
                skip = 0
            cycle += 1

    def _cycle(self, stream: int, cycle: int) -> Iterator[tuple[int, int]]:
        """Yields the (turn, shard) pairs of one cycle of a stream."""
        for turn, hand in enumerate(self._hands(stream, cycle)):
            for shard in numpy_generator(self.seed, "hand", stream, cycle, turn).permutation(hand):
                yield turn, int(shard)

    def _hands(self, stream: int, cycle: int) -> list[NDArray[np.int64]]:
        """The shards that a stream plays in each turn of a cycle."""
        deal = numpy_generator(self.seed, "shards", cycle).permutation(len(self.counts))
        return [deal[(stream + turn) % self.streams :: self.streams] for turn in range(self.streams)]
