from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

from cgan_dist.data.balance import Balance
from cgan_dist.data.balanced_order import BalancedOrder

STREAMS = 4
SETS = {
    "shuffled": ([7, 5, 60, 133], [60, 1, 44, 50, 50], [5, 5, 5, 5]),
    "one class": ([41], [20, 21], [3]),
    "few looks": ([7, 5, 60, 133], [205], [4, 1, 30, 2]),
    "rare and many": ([1, 900, 0, 40], [300, 300, 341], [20, 20, 0, 20]),
    "a shard a class": ([64, 30, 6], [64, 30, 6], [10, 10, 10]),
}


def balance_of(name: str) -> Balance:
    counts, shards, quotas = SETS[name]
    classes = np.repeat(np.arange(len(counts)), counts).astype(np.uint8)
    if name != "a shard a class":
        classes = np.random.default_rng(0).permutation(classes)
    cuts = list(itertools.accumulate(shards))[:-1]
    return Balance(
        names=[str(number) for number in range(len(counts))],
        classes=np.split(classes, cuts),
        counts=np.array(counts),
        quotas=np.array(quotas),
    )


def take(order: BalancedOrder, stream: int, position: int, count: int) -> list[tuple[int, int]]:
    images = ((shard, int(index)) for shard, indices in order.walk(stream, position) for index in indices)
    return list(itertools.islice(images, count))


def of_class(balance: Balance, seen: Counter[tuple[int, int]], number: int) -> list[int]:
    """How often each image of a class was seen."""
    images = [(shard, index) for shard, own in enumerate(balance.classes) for index in np.flatnonzero(own == number)]
    return [seen[image] for image in images]


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("seed", [0, 1])
def test_every_cycle_of_every_stream_has_exactly_its_quotas(name: str, seed: int) -> None:
    balance = balance_of(name)
    order = BalancedOrder(balance, STREAMS, seed)
    for stream, cycle in itertools.product(range(STREAMS), range(6)):
        images = take(order, stream, cycle * balance.length, balance.length)
        found = np.bincount([balance.classes[shard][index] for shard, index in images], minlength=len(balance.counts))
        assert found.tolist() == balance.quotas.tolist()


@pytest.mark.parametrize("name", SETS)
def test_after_every_cycle_the_images_of_a_class_differ_by_at_most_one(name: str) -> None:
    balance = balance_of(name)
    order, seen = BalancedOrder(balance, STREAMS, seed=0), Counter[tuple[int, int]]()
    for cycle in range(40):
        for stream in range(STREAMS):
            seen.update(take(order, stream, cycle * balance.length, balance.length))
            for number in np.flatnonzero(balance.counts):  # also when only some of the streams are through
                counts = of_class(balance, seen, int(number))
                assert max(counts) - min(counts) <= 1


@pytest.mark.parametrize("name", SETS)
def test_at_any_time_they_differ_by_at_most_one_more_than_a_cycle_of_all_streams_has(name: str) -> None:
    balance = balance_of(name)
    order, seen = BalancedOrder(balance, STREAMS, seed=0), Counter[tuple[int, int]]()
    walks = [iter(take(order, stream, 0, 6 * balance.length)) for stream in range(STREAMS)]
    for images in zip(*walks, strict=True):
        seen.update(images)
        for number in np.flatnonzero(balance.counts):
            counts = of_class(balance, seen, int(number))
            assert max(counts) - min(counts) <= -(-STREAMS * balance.quotas[number] // balance.counts[number]) + 1


@pytest.mark.parametrize("name", SETS)
def test_a_look_is_spread_over_the_shards_that_have_the_class(name: str) -> None:
    balance = balance_of(name)
    order = BalancedOrder(balance, STREAMS, seed=0)
    rings = np.maximum(balance.counts, 1)
    for cycle in range(10):
        for shard, images in order._look(1, cycle):
            own = balance.classes[shard]
            found = np.bincount(own[images], minlength=len(rings))
            fair = np.bincount(own, minlength=len(rings)) * balance.quotas / rings
            assert (np.abs(found - fair) < 3).all()


def test_any_position_is_reached_directly() -> None:
    order, generator = BalancedOrder(balance_of("shuffled"), STREAMS, seed=0), np.random.default_rng(0)
    straight = take(order, 2, 0, 300)
    for position in generator.integers(0, 250, 40):
        assert take(order, 2, int(position), 50) == straight[position : position + 50]


def test_a_far_position_costs_no_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    order = BalancedOrder(balance_of("shuffled"), STREAMS, seed=0)
    cycles: list[int] = []
    original = order._look
    monkeypatch.setattr(order, "_look", lambda stream, cycle: cycles.append(cycle) or original(stream, cycle))
    take(order, 0, 10**12, 1)
    assert len(cycles) == 1


def test_seed_cycle_and_stream_give_other_orders() -> None:
    balance = balance_of("shuffled")
    order, other = BalancedOrder(balance, STREAMS, seed=0), BalancedOrder(balance, STREAMS, seed=1)
    orders = [take(order, 0, 0, 20), take(order, 0, 20, 20), take(order, 1, 0, 20), take(other, 0, 0, 20)]
    assert len({tuple(found) for found in orders}) == 4
    assert len({tuple(sorted(found)) for found in orders}) == 4
