from __future__ import annotations

import numpy as np
import pytest
import torch
from torch_fidelity.metric_kid import kid_features_to_metric

from cgan_dist.errors import UserError
from cgan_dist.evaluation.metrics import kernel_distance
from cgan_dist.evaluation.metrics.kernel_distance import KernelDistance, squared_mmd
from tests.unit.evaluation.metrics.sets import fake_set, normal, real_set


@pytest.mark.parametrize("rows", [256, 4])  # in one go, and in blocks
def test_it_is_the_sum_over_pairs_written_out(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernel_distance, "ROWS", rows)
    one, other = normal(7, 5, seed=0).double().numpy(), normal(9, 5, seed=1, shift=0.5).double().numpy()

    def kernel(x: np.ndarray, y: np.ndarray) -> float:
        return float((x @ y / 5 + 1) ** 3)

    within = [
        np.mean([kernel(values[i], values[j]) for i in range(len(values)) for j in range(len(values)) if i != j])
        for values in (one, other)
    ]
    across = np.mean([kernel(x, y) for x in one for y in other])
    ours = squared_mmd(torch.from_numpy(one), torch.from_numpy(other))
    assert ours == pytest.approx(sum(within) - 2 * across, rel=1e-10)


def test_it_is_torch_fidelitys_where_a_subset_is_the_whole() -> None:
    fakes, real = normal(60, 16, seed=1, scale=1.2), normal(60, 16, seed=2)
    metric = KernelDistance(subsets=3, subset_size=60)
    ours = metric.score(real_set("inception", real), fake_set("inception", fakes))
    theirs = kid_features_to_metric(fakes.double(), real.double(), kid_subsets=3, kid_subset_size=60, verbose=False)
    assert ours["kid"] == pytest.approx(theirs["kernel_inception_distance_mean"], rel=1e-8)
    assert ours["kid/std"] == pytest.approx(0, abs=1e-9)


def test_alike_is_about_zero_and_another_is_not() -> None:
    real, metric = real_set("inception", normal(500, 8, seed=0)), KernelDistance(subsets=20, subset_size=200)
    alike = metric.score(real, fake_set("inception", normal(500, 8, seed=1)))
    other = metric.score(real, fake_set("inception", normal(500, 8, seed=1, shift=1.0)))
    assert abs(alike["kid"]) < 3 * alike["kid/std"]
    assert other["kid"] > 10 * alike["kid/std"] > 0
    assert metric.score(real, fake_set("inception", normal(500, 8, seed=1))) == alike  # the subsets are the same ones


def test_fewer_images_than_a_subset_make_smaller_subsets() -> None:
    real, metric = real_set("inception", normal(30, 8, seed=0)), KernelDistance(subsets=2)
    assert "kid" in metric.score(real, fake_set("inception", normal(20, 8, seed=1)))
    with pytest.raises(UserError, match=r"^kid: found 30 real images and 1 sample\(s\).*Raise --count"):
        metric.score(real, fake_set("inception", normal(1, 8, seed=1)))
