from __future__ import annotations

import hashlib
import itertools
from collections import Counter

import numpy as np
import pytest

from cgan_dist.data.order import StreamOrder

UNEVEN = [5, 1, 7, 3, 4, 9, 2]


def take(order: StreamOrder, stream: int, position: int, count: int) -> list[tuple[int, int]]:
    images = ((shard, int(index)) for shard, indices in order.walk(stream, position) for index in indices)
    return list(itertools.islice(images, count))


@pytest.mark.parametrize(("counts", "streams"), [(UNEVEN, 4), ([6] * 8, 4), ([10], 4), ([3, 2], 8)])
def test_every_stream_sees_every_image_once_in_each_cycle(counts: list[int], streams: int) -> None:
    order, total = StreamOrder(counts, streams, seed=0), sum(counts)
    everything = {(shard, index) for shard, count in enumerate(counts) for index in range(count)}
    for stream, cycle in itertools.product(range(streams), range(3)):
        seen = take(order, stream, cycle * total, total)
        assert set(seen) == everything
        assert len(seen) == total


def test_with_even_shards_the_streams_share_the_set_in_every_turn() -> None:
    order = StreamOrder([6] * 8, 4, seed=3)
    for turn in range(8):
        seen = Counter(image for stream in range(4) for image in take(order, stream, turn * 12, 12))
        assert len(seen) == 48
        assert set(seen.values()) == {1}


def test_any_position_is_reached_directly() -> None:
    order, generator = StreamOrder(UNEVEN, 4, seed=0), np.random.default_rng(0)
    straight = take(order, 2, 0, 300)
    for position in generator.integers(0, 250, 40):
        assert take(order, 2, int(position), 50) == straight[position : position + 50]


def test_the_order_of_a_seed_stays_what_it_was() -> None:
    """A run that goes on under a later revision must not see its data in another order."""
    images = np.array(take(StreamOrder(UNEVEN, 4, seed=0), 2, 10**9, 300))
    assert hashlib.sha256(images.astype("<i8").tobytes()).hexdigest()[:16] == "958b298ad4b13778"


def test_seed_cycle_and_stream_give_other_orders() -> None:
    order, other = StreamOrder([8] * 4, 4, seed=0), StreamOrder([8] * 4, 4, seed=1)
    orders = [take(order, 0, 0, 32), take(order, 0, 32, 32), take(order, 1, 0, 32), take(other, 0, 0, 32)]
    assert len({tuple(found) for found in orders}) == 4


def test_a_far_position_costs_no_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    order = StreamOrder(UNEVEN, 4, seed=0)
    cycles: list[int] = []
    original = order._cycle
    monkeypatch.setattr(order, "_cycle", lambda stream, cycle: cycles.append(cycle) or original(stream, cycle))
    take(order, 0, 10**12, 1)
    assert len(cycles) == 1
