"""Which images each shard of a new set gets."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from cgan_dist.errors import UserError
from cgan_dist.randomness import numpy_generator


def deal(count: int, shards: int, seed: int) -> list[NDArray[np.int64]]:
    """Shuffles images once and cuts them evenly, so that neighbours in a shard are strangers in the source.

    Args:
        count: images.
        shards: how many; their sizes differ by at most one.
        seed: of the shuffle.

    Raises:
        UserError: if some shards would be empty.
    """
    if not 1 <= shards <= count:
        raise UserError(f"--shards {shards}: expected 1 to {count:,}, one image per shard at least.")
    return np.array_split(numpy_generator(seed, "prepare").permutation(count), shards)
