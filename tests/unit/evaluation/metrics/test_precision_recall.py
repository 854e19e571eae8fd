from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from torch_fidelity.metric_prc import calculate_precision_recall_full

from cgan_dist.errors import UserError
from cgan_dist.evaluation.metrics import distances
from cgan_dist.evaluation.metrics.precision_recall import PrecisionRecall, radii
from tests.unit.evaluation.metrics.sets import fake_set, normal, real_set


def score(real: torch.Tensor, fakes: torch.Tensor) -> dict[str, float]:
    return PrecisionRecall().score(real_set("inception", real), fake_set("inception", fakes))


def reference(real: np.ndarray, fakes: np.ndarray) -> dict[str, float]:
    """All four by the papers' formulas, pair by pair."""
    of_real, of_fakes, across = cdist(real, real), cdist(fakes, fakes), cdist(fakes, real)

    def radius(own: np.ndarray, k: int) -> np.ndarray:
        return np.sort(own, axis=1)[:, k]  # the first is the image itself

    return {
        "precision": (across <= radius(of_real, 3)).any(1).mean(),
        "recall": (across <= radius(of_fakes, 3)[:, None]).any(0).mean(),
        "density": (across <= radius(of_real, 5)).sum() / (5 * len(fakes)),
        "coverage": (across <= radius(of_real, 5)).any(0).mean(),
    }


@pytest.mark.parametrize("rows", [2_000, 40])  # in one go, and in blocks
def test_all_four_are_the_papers(rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distances, "ROWS", rows)
    real, fakes = normal(150, 6, seed=0), normal(90, 6, seed=1, shift=0.4, scale=0.8)
    found = score(real, fakes)
    assert found == pytest.approx(reference(real.double().numpy(), fakes.double().numpy()), abs=1e-12)
    assert 0.2 < found["recall"] < found["precision"] < 1  # neither 0 nor 1: the comparison says something
    theirs = calculate_precision_recall_full(fakes.double(), real.double(), neighborhood=3)
    assert (found["precision"], found["recall"]) == pytest.approx(theirs, abs=1e-6)


def test_one_mode_of_two_is_precise_and_recalls_half() -> None:
    real = normal(400, 4, seed=0, scale=0.1)
    real[200:] += 10
    found = score(real, normal(400, 4, seed=1, scale=0.1))
    assert found["precision"] > 0.85
    assert found["recall"] == pytest.approx(0.5, abs=0.05)
    assert found["coverage"] == pytest.approx(0.5, abs=0.05)


def test_copies_are_as_precise_as_can_be_and_noise_is_not() -> None:
    real = normal(100, 4, seed=0)
    copies = score(real, real.clone())
    assert (copies["precision"], copies["recall"], copies["coverage"]) == (1, 1, 1)
    far = score(real, normal(100, 4, seed=1, shift=100.0))
    assert set(far.values()) == {0.0}


def test_radii_reach_the_neighbours_asked_for() -> None:
    values = normal(20, 3, seed=0).double() + 1e3
    every = np.sort(cdist(values.numpy(), values.numpy()), axis=1) ** 2
    for k, found in zip((1, 4), radii(values, 1, 4), strict=True):
        np.testing.assert_allclose(found, every[:, k], atol=1e-8)


def test_too_few_images_have_no_fifth_neighbour() -> None:
    with pytest.raises(UserError, match=r"^precision: found 9 real images and 5 sample\(s\); expected 6 or more"):
        score(normal(9, 4, seed=0), normal(5, 4, seed=1))
