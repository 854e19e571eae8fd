from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cgan_dist.data.balance import SHORTEST, Asked, Balance
from cgan_dist.data.shards import ShardSet
from cgan_dist.data.source import InMemory, Source
from cgan_dist.data.storage import Storage
from cgan_dist.data.writer import Plan, write_shards
from cgan_dist.errors import UserError
from cgan_dist.labels import AttributeLabels, ClassLabels, ContinuousLabels, LabelSchema, NoLabels, ProductLabels

LETTERS = ClassLabels(names=["a", "b", "c"])
ATTRIBUTES = AttributeLabels(names=["Red"])
VALUES = ContinuousLabels(names=["angle"], ranges=[(0.0, 1.0)])
STYLES = ClassLabels(names=["old", "new"])


def written(folder: Path, labels: Any, schema: LabelSchema, **plan: Any) -> ShardSet:
    """Shards of black images with these labels."""
    stored = np.asarray(labels, schema.dtype)
    images = np.zeros((len(stored), 8, 8, 1), np.uint8)
    source = Source(labels=stored, schema=schema, read=InMemory(images), description="labels")
    write_shards(source, folder, Plan(**{"shards": 3, **plan}))
    return ShardSet(Storage(folder))


def of_letters(folder: Path, counts: list[int], asked: Asked) -> Balance:
    schema = ClassLabels(
        names=[chr(ord("a") + number) if number < 26 else str(number) for number in range(len(counts))]
    )
    balance = Balance.of(asked, written(folder, np.repeat(np.arange(len(counts)), counts), schema))
    assert balance is not None
    return balance


def test_none_reads_nothing(tmp_path: Path) -> None:
    shards = written(tmp_path / "set", [0, 1, 2, 2], LETTERS)
    for path in (tmp_path / "set").glob("*.tar"):
        path.unlink()
    assert Balance.of("none", shards) is None


@pytest.mark.parametrize(
    ("asked", "shares"),
    [
        ("uniform", [1 / 3, 1 / 3, 1 / 3]),
        ("sqrt", [20 / 33, 10 / 33, 3 / 33]),
        ({"c": 4.0}, [400 / 536, 100 / 536, 36 / 536]),
        ({"a": 0.25, "c": 1.0}, [100 / 209, 100 / 209, 9 / 209]),
        ({"a": 2.0, "b": 2.0, "c": 2.0}, [400 / 509, 100 / 509, 9 / 509]),
    ],
)
def test_shares_are_the_asked_ones_to_half_an_image_of_a_cycle(
    tmp_path: Path, asked: Asked, shares: list[float]
) -> None:
    balance = of_letters(tmp_path / "set", [400, 100, 9], asked)
    wanted = np.array(shares)
    assert balance.length >= 509 / SHORTEST
    assert (np.abs(balance.quotas - wanted * balance.length) <= 0.5 * (1 + 3 * wanted)).all()
    assert balance.shares.sum() == pytest.approx(1)


@pytest.mark.parametrize("counts", [[400, 100, 9], [1, 2, 3], [5000, 1], [7] * 40, [977, 13, 1, 1, 2]])
def test_uniform_shares_are_equal_however_few_images_a_class_has(tmp_path: Path, counts: list[int]) -> None:
    assert len(set(of_letters(tmp_path / "set", counts, "uniform").quotas.tolist())) == 1


def test_equal_weights_take_every_image_once(tmp_path: Path) -> None:
    balance = of_letters(tmp_path / "set", [40, 10, 9], {"b": 1.0})
    assert balance.quotas.tolist() == balance.counts.tolist() == [40, 10, 9]


def test_a_class_without_images_is_left_out(tmp_path: Path) -> None:
    shards = written(tmp_path / "set", [0] * 30 + [2] * 10, LETTERS)
    balance = Balance.of("uniform", shards)
    assert balance is not None
    assert balance.shares.tolist() == [0.5, 0, 0.5]
    with pytest.raises(UserError, match=r"data\.balance\.b: the data has no image of this class"):
        Balance.of({"b": 2.0}, shards)


def test_the_group_of_a_product_is_the_only_one_or_the_one_whose_names_are_given(tmp_path: Path) -> None:
    one = ProductLabels(parts=[ATTRIBUTES, LETTERS])
    labels = [[1, 0], [0, 0], [0, 0], [1, 1], [1, 2], [0, 2]]
    balance = Balance.of("sqrt", written(tmp_path / "one", labels, one))
    assert balance is not None
    assert (balance.names, balance.counts.tolist()) == (["a", "b", "c"], [3, 1, 2])
    two = written(tmp_path / "two", [[0, 0], [0, 1], [2, 1], [1, 1]], ProductLabels(parts=[LETTERS, STYLES]))
    balance = Balance.of({"new": 0.5}, two)
    assert balance is not None
    assert (balance.names, balance.counts.tolist()) == (["old", "new"], [1, 3])
    with pytest.raises(UserError, match=r"found 'uniform', but the data has 2 groups .* e.g. \{a: 2\} or \{old: 2\}"):
        Balance.of("uniform", two)
    with pytest.raises(UserError, match=r"data\.balance: found \{'new': 2.0, 'a': 2.0\}, but the data has 2 groups"):
        Balance.of({"new": 2.0, "a": 2.0}, two)


@pytest.mark.parametrize(
    ("schema", "labels", "kinds"),
    [
        (ATTRIBUTES, [[1], [0], [1]], "attributes"),
        (VALUES, [[0.5], [0.1], [1]], "continuous"),
        (ProductLabels(parts=[ATTRIBUTES, VALUES]), [[1, 0.5], [0, 0.1], [1, 1]], "attributes and continuous"),
        (NoLabels(), np.empty((3, 0)), "none"),
    ],
)
def test_without_classes_it_says_what_is_possible(tmp_path: Path, schema: LabelSchema, labels: Any, kinds: str) -> None:
    shards = written(tmp_path / "set", labels, schema)
    with pytest.raises(UserError, match=rf"weighed by class, but the labels are {kinds}\. Leave it out, or prepare"):
        Balance.of("uniform", shards)


def test_a_class_that_is_not_there_is_named(tmp_path: Path) -> None:
    shards = written(tmp_path / "set", [0, 0, 1], ClassLabels(names=["sneaker", "shirt"]))
    with pytest.raises(UserError, match=r"data\.balance\.sneakers: no such class\. Did you mean 'sneaker'\?"):
        Balance.of({"sneakers": 2.0}, shards)


def test_it_is_told_in_shares(tmp_path: Path) -> None:
    balance = of_letters(tmp_path / "set", [30, 10], "uniform")
    assert balance.describe(2) == "a 50.0 % (of the data 75.0 %), b 50.0 % (of the data 25.0 %)"
    assert balance.describe(1).endswith("(of the data 75.0 %), ...")
