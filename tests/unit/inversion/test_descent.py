from __future__ import annotations

import pytest
import torch

from cgan_dist.inversion.descent import SPREAD, Values, noise_at, plausible, rate_at, value_columns
from tests.unit.inversion.finding import KINDS, sampler_of


def test_a_normal_z_stays_about_as_long_as_samples_are() -> None:
    z = torch.randn(200, 64, generator=torch.Generator().manual_seed(0))
    usual = z[(z.norm(dim=1) - 8).abs() < SPREAD]
    torch.testing.assert_close(plausible(usual, "normal"), usual)
    lengths = plausible(torch.cat([z * 3, z / 3]), "normal").norm(dim=1)
    torch.testing.assert_close(lengths, torch.tensor([8 + SPREAD, 8 - SPREAD]).repeat_interleave(200))
    assert plausible(torch.zeros(1, 64), "normal").isfinite().all()


def test_a_uniform_z_stays_in_its_cube() -> None:
    assert plausible(torch.tensor([[2.0, -3.0, 0.5]]), "uniform").tolist() == [[1.0, -1.0, 0.5]]


def test_the_rate_rises_stays_and_falls_and_the_noise_ends_at_three_quarters() -> None:
    rates = [rate_at(step, 100) for step in range(100)]
    assert rates[0] == pytest.approx(0.2)
    assert rates[4:75] == [pytest.approx(1)] * 71
    assert all(a > b for a, b in zip(rates[75:], rates[76:], strict=False))
    assert rates[-1] < 0.01
    assert noise_at(0, 100) == 1
    assert noise_at(75, 100) == noise_at(99, 100) == 0
    assert noise_at(30, 100) == pytest.approx(0.36)


@pytest.mark.parametrize(
    ("kind", "columns"),
    [
        ("classes", []),
        ("attributes", []),
        ("none", []),
        ("product", []),
        ("continuous", [0]),
        ("classes and pose", [1]),
    ],
)
def test_real_values_move_and_nothing_else_does(kind: str, columns: list[int]) -> None:
    space = sampler_of(kind).label_space
    assert [column for column, _, _ in value_columns(space)] == columns
    labels = KINDS[kind][1]
    values = Values(space)
    start = values.start(labels)
    assert start.shape == (len(labels), len(columns))
    torch.testing.assert_close(values.put(labels, start), labels)
    moved = values.put(labels, torch.full_like(start, 5))
    expected = labels.clone()
    for column in columns:
        expected[:, column] = 90
    assert torch.equal(moved, expected), "a value stays in its range"
    assert torch.equal(Values(space, free=False).put(labels, values.start(labels)[:, :0]), labels)
