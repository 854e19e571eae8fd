from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from cgan_dist.conditioning.spaces import LABEL_SPACES
from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.errors import UserError
from cgan_dist.evaluation.metrics.path_length import PathLength, trimmed_mean
from cgan_dist.labels import AttributeLabels, ClassLabels
from tests.unit.evaluation.metrics.coloured import LEVEL, STRIPES, ProductLabels
from tests.unit.evaluation.metrics.sets import TWO, fake_set, features_of, normal, real_set

COUNT, WIDTH = 600, 6
LABELS = torch.arange(COUNT) % 2


def score(changes: Tensor, labels: Tensor = LABELS, space: LabelSpace = TWO, step: float = 0.5) -> dict[str, float]:
    here = normal(len(changes), changes.shape[1], seed=0).double()
    fakes = fake_set("classifier", here, labels)
    ahead = replace(fakes, ahead={"classifier": features_of(here + changes)})
    return PathLength(step=step).score(real_set("classifier", here, labels, space), ahead)


def test_it_is_the_squared_change_over_the_squared_step() -> None:
    changes = torch.where(LABELS == 1, 3.0, 1.0)[:, None] * torch.tensor([[1.0, -2.0]])
    assert score(changes) == pytest.approx(
        {"path_length": (5 + 45) / 2 / 0.25, "path_length/class_0": 5 / 0.25, "path_length/class_1": 45 / 0.25}
    )
    assert score(changes, step=0.25)["path_length"] == pytest.approx(25 / 0.0625)


def test_the_lowest_and_the_highest_hundredth_are_left_out() -> None:
    values = torch.randperm(1000, generator=torch.Generator().manual_seed(0)).double() ** 3
    low, high = (np.percentile(values, share, method=by) for share, by in ((1, "lower"), (99, "higher")))
    kept = values[(low <= values) & (values <= high)]
    assert len(kept) == 982
    assert trimmed_mean(values) == pytest.approx(kept.mean().item())
    assert trimmed_mean(values[:2]) == pytest.approx(values[:2].mean().item())


def test_one_leap_does_not_outweigh_all_others() -> None:
    changes = torch.ones(COUNT, 1)
    changes[7] = 1e6
    assert score(changes)["path_length"] == 4


def test_attributes_have_no_classes_and_more_than_a_hundred_are_not_listed() -> None:
    changes = normal(COUNT, WIDTH, seed=1)
    bits = LABEL_SPACES.build("auto", "", {}, schema=AttributeLabels(names=["hat", "smile"]))
    assert list(score(changes, torch.ones(COUNT, 2, dtype=torch.uint8), bits)) == ["path_length"]
    many = LABEL_SPACES.build("auto", "", {}, schema=ClassLabels(names=[str(n) for n in range(101)]))
    assert list(score(changes, LABELS, many)) == ["path_length"]


def test_classes_beside_other_labels_are_told_apart() -> None:
    space = LABEL_SPACES.build("auto", "", {}, schema=ProductLabels(parts=[STRIPES, LEVEL]))
    labels = torch.stack([LABELS, torch.rand(COUNT)], dim=1)
    found = score(torch.where(LABELS == 1, 3.0, 1.0)[:, None], labels, space)
    assert found == pytest.approx({"path_length": 20, "path_length/class_0": 4, "path_length/class_1": 36})


@pytest.mark.parametrize("step", [0.0, -1.0, 1.5, float("nan")])
def test_a_step_that_is_none_is_refused(step: float) -> None:
    with pytest.raises(UserError, match="^evaluate.metrics: path_length: found step .*; expected above 0 and at most"):
        PathLength(step=step).check(TWO, "evaluate.metrics")
