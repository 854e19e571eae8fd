from __future__ import annotations

import numpy as np
import pytest
import torch

from cgan_dist.conditioning.condition import Layout
from cgan_dist.conditioning.spaces.continuous import Continuous
from cgan_dist.errors import UserError
from cgan_dist.labels import AttributeLabels, ContinuousLabels, ProductLabels

SCHEMA = ContinuousLabels(names=["azimuth", "elevation"], ranges=[(0.0, 360.0), (-1.0, 1.0)])
SPACE = Continuous(SCHEMA)


@pytest.mark.parametrize(
    ("text", "labels"),
    [
        ("azimuth=30,elevation=0.5", [[30.0, 0.5]]),
        ("azimuth=30; elevation=-1e0, azimuth = 0;", [[30.0, 0.0], [0.0, -1.0]]),
        ("", [[180.0, 0.0]]),
    ],
)
def test_labels_are_read(text: str, labels: list[list[float]]) -> None:
    found = SPACE.parse(text)
    assert (found.tolist(), found.dtype) == (labels, torch.float32)
    SPACE.schema.check(found.numpy(), "here")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("azimut=3", "label 'azimut=3': no such value. Did you mean 'azimuth'? There are: azimuth, elevation"),
        ("azimuth=400", "label 'azimuth=400': outside of the data's range; expected 0 to 360"),
        ("azimuth=nan", "label 'azimuth=nan': outside of the data's range"),
        ("elevation=-1.01", "expected -1 to 1"),
        ("azimuth=left", "label 'azimuth=left': expected a number, e.g. azimuth=0"),
        ("azimuth", "label 'azimuth': expected a number"),
        ("azimuth=", "label 'azimuth=': expected a number"),
        ("azimuth=1,azimuth=2", "azimuth is there twice"),
    ],
)
def test_what_is_no_label_is_refused(text: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        SPACE.parse(text)
    assert message in str(caught.value)


def test_the_ends_of_a_range_that_float32_rounds_can_be_asked_for() -> None:
    low, high = float(np.float32(0.1)), float(np.float32(0.7))  # as a range found in the data
    assert low > 0.1
    space = Continuous(ContinuousLabels(names=["x"], ranges=[(low, high)]))
    space.schema.check(space.parse("x=0.1; x=0.7").numpy(), "here")


def test_ranges_become_minus_one_to_one() -> None:
    assert SPACE.layout == Layout(reals=2)
    condition = SPACE.encode(torch.tensor([[0.0, -1.0], [180.0, 0.0], [360.0, 1.0], [90.0, 0.5]]))
    torch.testing.assert_close(condition.vector(2), torch.tensor([[-1.0, -1.0], [0, 0], [1, 1], [-0.5, 0.5]]))
    assert condition.ones.shape == (4, 0)


def test_a_subset_is_taken_in_the_users_order() -> None:
    space = Continuous(SCHEMA, ["elevation", "azimuth"])
    assert space.schema == ContinuousLabels(names=["elevation", "azimuth"], ranges=[(-1.0, 1.0), (0.0, 360.0)])
    assert space.select(torch.tensor([[30.0, 0.5]])).tolist() == [[0.5, 30.0]]
    assert Continuous(SCHEMA, ["elevation"]).select(torch.tensor([[30.0, 0.5]])).tolist() == [[0.5]]
    with pytest.raises(UserError, match=r"args.names: the data has no 'elevaton'. Did you mean 'elevation'\?"):
        Continuous(SCHEMA, ["elevaton"])


def test_a_grid_sweeps_each_value_with_the_other_in_the_middle() -> None:
    assert SPACE.describe(SPACE.grid(7)) == [
        "azimuth 0 elevation 0",
        "azimuth 120 elevation 0",
        "azimuth 240 elevation 0",
        "azimuth 360 elevation 0",
        "azimuth 180 elevation -1",
        "azimuth 180 elevation 0",
        "azimuth 180 elevation 1",
    ]


@pytest.mark.parametrize("count", range(1, 12))
def test_a_grid_has_at_most_so_many_different_labels(count: int) -> None:
    schema = ContinuousLabels(names=["a", "b", "c"], ranges=[(0.1, 0.7), (-3.0, 9.0), (1.7e9, 1.7e9 + 86400)])
    labels = Continuous(schema).grid(count)
    assert max(1, count - 2) <= len(labels) <= count
    assert len(labels.unique(dim=0)) == len(labels)
    schema.check(labels.numpy(), "here")


def test_what_is_described_can_be_read() -> None:
    labels = SPACE.grid(8)
    text = ";".join(
        ",".join(f"{name}={value}" for name, value in zip(*[iter(line.split())] * 2, strict=True))
        for line in SPACE.describe(labels)
    )
    torch.testing.assert_close(SPACE.parse(text), labels, atol=1, rtol=0)
    assert Continuous(SCHEMA, ["azimuth"]).describe(torch.tensor([[30.0]])) == ["azimuth 30"]


@pytest.mark.parametrize(
    ("limits", "value", "text"),
    [
        ((1990.0, 2000.0), 1995.25, "x 1995.2"),
        ((0.0, 1.0), 0.1, "x 0.1"),
        ((-1.0, 1.0), -0.0001, "x 0"),
        ((0.0, 2e9), 1_700_000_000.0, "x 1700000000"),
        ((0.0, 1e-6), 2.5e-7, "x 2.5e-07"),
    ],
)
def test_values_are_written_as_finely_as_their_range_asks(limits: tuple[float, float], value: float, text: str) -> None:
    space = Continuous(ContinuousLabels(names=["x"], ranges=[limits]))
    assert space.describe(torch.tensor([[value]])) == [text]


def test_the_values_of_a_product_can_be_taken_alone() -> None:
    space = Continuous(ProductLabels(parts=[AttributeLabels(names=["hat"]), SCHEMA]))
    assert space.schema == SCHEMA
    assert space.select(torch.tensor([[1.0, 30.0, 0.5]])).tolist() == [[30.0, 0.5]]


def test_data_with_other_labels_is_refused() -> None:
    with pytest.raises(UserError, match="labels: 'continuous' needs continuous labels, the data has 'attributes'"):
        Continuous(AttributeLabels(names=["hat"]))
