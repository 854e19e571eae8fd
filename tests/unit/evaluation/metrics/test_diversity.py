from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist
from torch import Tensor

from cgan_dist.conditioning.spaces import LABEL_SPACES
from cgan_dist.errors import UserError
from cgan_dist.evaluation.metrics import diversity
from cgan_dist.evaluation.metrics.base import Metric
from cgan_dist.evaluation.metrics.diversity import Diversity, near_pairs
from tests.unit.evaluation.metrics.coloured import LIGHTS
from tests.unit.evaluation.metrics.sets import TWO, fake_set, normal, real_set

COUNT, WIDTH = 600, 6
LABELS = torch.arange(COUNT) % 2
FAR_APART = 50.0 * LABELS[:, None]


def score(fakes: Tensor, real: Tensor | None = None) -> dict[str, float]:
    base = normal(COUNT, WIDTH, seed=0) + FAR_APART if real is None else real
    return Diversity().score(
        real_set("classifier", base, LABELS[: len(base)]), fake_set("classifier", fakes, LABELS[: len(fakes)])
    )


def test_fresh_draws_are_as_varied() -> None:
    found = score(normal(COUNT, WIDTH, seed=1) + FAR_APART)
    assert list(found) == [
        *("diversity", "diversity/worst", "diversity/worst_class", "diversity/near_pairs"),
        *("diversity/class_0", "diversity/class_1"),
    ]
    assert found["diversity"] == pytest.approx(1, abs=0.1)
    assert found["diversity/near_pairs"] == pytest.approx(0.001, abs=0.001)


def test_the_ratio_is_of_variances_within_a_class_and_the_worst_has_a_name() -> None:
    scale = torch.where(LABELS == 1, 0.5, 1.0)[:, None]
    found = score(normal(COUNT, WIDTH, seed=0) * scale + FAR_APART)  # the classes lie far apart: that counts nothing
    assert found["diversity/class_0"] == pytest.approx(1)
    assert found["diversity/class_1"] == pytest.approx(0.25, rel=1e-4)
    assert found["diversity/worst"] == found["diversity/class_1"]
    assert found["diversity/worst_class"] == 1
    assert found["diversity"] == pytest.approx(0.625, rel=1e-4)
    assert found["diversity/near_pairs"] > 0.005


def test_one_image_a_class_has_no_variance_and_all_pairs_are_near() -> None:
    found = score(FAR_APART.expand(-1, WIDTH).float())
    assert found["diversity"] == found["diversity/worst"] == 0
    assert found["diversity/near_pairs"] == 1


def test_ten_images_a_class_repeat_every_tenth_time() -> None:
    few = normal(20, WIDTH, seed=1).repeat(COUNT // 20, 1) + FAR_APART
    found = score(few)
    assert found["diversity/near_pairs"] == pytest.approx(0.1, abs=0.02)
    assert found["diversity"] > 0.5  # which is why pairs are looked at


def test_near_pairs_are_those_of_every_pair() -> None:
    real, fakes = normal(100, 3, seed=0), normal(80, 3, seed=1, scale=0.6)
    threshold = np.sort(pdist(real.double()))[4]  # 4,950 pairs: the fifth
    expected = (pdist(fakes.double()) <= threshold).mean()
    assert near_pairs(real.double(), fakes.double()) == pytest.approx(expected, abs=1e-12)
    assert expected > 0
    assert near_pairs(real.double(), real.double()) == pytest.approx(5 / 4950)


def test_of_many_images_some_are_paired_the_same_ones_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    real, fakes = normal(300, 3, seed=0).double(), normal(300, 3, seed=1, scale=0.5).double()
    every = near_pairs(real, fakes)
    monkeypatch.setattr(diversity, "MAX_PAIRED", 150)
    some = near_pairs(real, fakes)
    assert some == near_pairs(real, fakes) != every
    assert some == pytest.approx(every, rel=0.5)


def test_many_classes_are_not_listed_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Metric, "MAX_LISTED", 1)
    assert not any("class_" in name.removesuffix("worst_class") for name in score(normal(COUNT, WIDTH, seed=1)))


def test_labels_that_are_not_classes_are_refused() -> None:
    with pytest.raises(UserError, match=r"^evaluate.metrics: diversity needs one class.*0 groups"):
        Diversity().check(LABEL_SPACES.build("attributes", "", {}, schema=LIGHTS), "evaluate.metrics")
    Diversity().check(TWO, "evaluate.metrics")


def test_too_few_images_are_refused_by_class() -> None:
    with pytest.raises(UserError, match=r"^diversity: found 300 real images and 2 sample\(s\) of class 1.*--count"):
        score(normal(5, WIDTH, seed=1))
    with pytest.raises(UserError, match=r"^diversity: all 5 real images of class 0 have the same features"):
        score(normal(COUNT, WIDTH, seed=1), torch.zeros(10, WIDTH))
