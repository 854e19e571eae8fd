from __future__ import annotations

import cProfile
import gc
import pstats
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from cgan_dist.conditioning.spaces.distribution import LabelDistribution
from cgan_dist.randomness import torch_generator


def draw(distribution: LabelDistribution, count: int = 20_000, seed: int = 0) -> Tensor:
    return distribution.draw(count, torch_generator(seed, "test"))


def test_classes_come_as_often_as_in_the_data() -> None:
    distribution = LabelDistribution.of(torch.tensor([7, 2, 7, 7]))
    assert (distribution.rows.tolist(), distribution.counts.tolist()) == ([2, 7], [1, 3])
    drawn = draw(distribution)
    assert (drawn.shape, drawn.dtype) == ((20_000,), torch.int64)
    assert (drawn == 7).double().mean().item() == pytest.approx(0.75, abs=0.015)
    assert set(drawn.tolist()) == {2, 7}


def test_correlated_attributes_stay_correlated() -> None:
    generator = torch_generator(1, "data")
    male = torch.rand(5000, generator=generator) < 0.4
    beard = male & (torch.rand(5000, generator=generator) < 0.5)  # never without male
    hat = torch.rand(5000, generator=generator) < 0.3  # independent of both
    labels = torch.stack([male, beard, hat], dim=1).to(torch.uint8)
    drawn = draw(LabelDistribution.of(labels))
    assert drawn.dtype == torch.uint8
    torch.testing.assert_close(drawn.T.double().corrcoef(), labels.T.double().corrcoef(), atol=0.03, rtol=0)
    assert drawn.T.double().corrcoef()[0, 1] > 0.5
    assert not ((drawn[:, 1] == 1) & (drawn[:, 0] == 0)).any()


def test_draws_depend_on_the_generator_alone() -> None:
    distribution = LabelDistribution.of(torch.arange(50))
    assert torch.equal(draw(distribution, 100, seed=3), draw(distribution, 100, seed=3))
    assert not torch.equal(draw(distribution, 100, seed=3), draw(distribution, 100, seed=4))


def test_of_too_many_different_labels_a_sample_stands_for_all() -> None:
    generator = torch_generator(2, "data")
    first = torch.rand(20_000, generator=generator)
    labels = torch.stack([first, first**2], dim=1)
    distribution = LabelDistribution.of(labels, max_rows=500, seed=1)
    assert len(distribution.rows) == int(distribution.counts.sum()) == 500
    torch.testing.assert_close(distribution.rows[:, 1], distribution.rows[:, 0] ** 2)
    assert distribution.rows[:, 0].mean().item() == pytest.approx(0.5, abs=0.06)
    assert torch.equal(distribution.rows, LabelDistribution.of(labels, max_rows=500, seed=1).rows)
    assert not torch.equal(distribution.rows, LabelDistribution.of(labels, max_rows=500, seed=2).rows)


def test_a_sample_keeps_how_often_a_label_occurs() -> None:
    often = torch.zeros(9000, 1)
    distribution = LabelDistribution.of(torch.cat([often, torch.rand(1000, 1) + 1]), max_rows=100)
    assert int(distribution.counts.max()) == int(distribution.counts.sum()) - len(distribution.rows) + 1 > 75


@pytest.mark.parametrize(
    "labels",
    [
        torch.tensor([3, 1, 3]),
        torch.tensor([[0, 1], [1, 1], [0, 1]], dtype=torch.uint8),
        torch.tensor([[0.5, 2.0], [0.25, 1.0]]),
        torch.empty(7, 0, dtype=torch.uint8),
    ],
    ids=["classes", "attributes", "continuous", "none"],
)
def test_a_checkpoint_keeps_it(tmp_path: Path, labels: Tensor) -> None:
    distribution = LabelDistribution.of(labels)
    assert int(distribution.counts.sum()) == len(labels)
    save_file(distribution.state(), tmp_path / "labels.safetensors")
    again = LabelDistribution.from_state(load_file(tmp_path / "labels.safetensors"))
    drawn = draw(again, 20)
    assert torch.equal(drawn, draw(distribution, 20))
    assert (drawn.shape[1:], drawn.dtype) == (labels.shape[1:], labels.dtype)


def test_large_sets_take_no_more_calls_than_small_ones() -> None:
    generator = torch_generator(3, "data")
    bits = (torch.rand(200_000, 40, generator=generator) < 0.2).to(torch.uint8)
    classes = torch.randint(100_000, (200_000,), generator=generator)
    calls = []
    for count in (200, 200_000):
        gc.collect()  # what others left is finalized here, and not while calls are counted
        with cProfile.Profile() as profile:
            for labels in (bits[:count], classes[:count]):
                draw(LabelDistribution.of(labels), 10_000)
        calls.append(pstats.Stats(profile).total_calls)
    assert calls[1] < 2 * calls[0]
    assert len(LabelDistribution.of(classes).rows) == len(classes.unique()) > 80_000
