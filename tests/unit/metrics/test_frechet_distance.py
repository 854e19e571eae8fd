from __future__ import annotations

from pathlib import Path

import pytest
import torch

from cgan_dist.conditioning.spaces import LABEL_SPACES
from cgan_dist.conditioning.spaces.none import Unlabelled
from cgan_dist.errors import UserError
from cgan_dist.labels import NoLabels
from cgan_dist.metrics.frechet_distance import FrechetDistance
from tests.unit.metrics.coloured import ALL, coloured


@pytest.mark.parametrize("name", ["attributes", "continuous", "product"])
def test_real_images_are_near_and_others_far(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cgan_dist.metrics.classifier.EPOCHS", 3)
    images, stored = coloured(400, seed=0)
    space = LABEL_SPACES.build(name, "", {}, schema=ALL)
    metric = FrechetDistance(images, space.select(stored), space, tmp_path, "print")
    (near, _), (dark, labels) = coloured(400, seed=1), coloured(400, seed=2)
    scores = metric.score(near, space.select(labels))
    far = metric.score(dark // 4, space.select(labels))
    assert scores["frechet_distance/real_halves"] == far["frechet_distance/real_halves"] > 0
    assert scores["frechet_distance"] < 4 * scores["frechet_distance/real_halves"]
    assert far["frechet_distance"] > 10 * scores["frechet_distance"]


def test_one_image_has_no_covariance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cgan_dist.metrics.classifier.EPOCHS", 1)
    images, stored = coloured(40, seed=0)
    space = LABEL_SPACES.build("classes", "", {}, schema=ALL)
    labels = space.select(stored)
    metric = FrechetDistance(images, labels, space, tmp_path, "print")
    with pytest.raises(UserError, match="^frechet_distance: found 1 sample; expected 2 or more"):
        metric.score(images[:1], labels[:1])
    assert metric.score(images[:2], labels[:2])["frechet_distance"] > 0
    with pytest.raises(UserError, match="^frechet_distance: found 3 real images; expected 4 or more"):
        FrechetDistance(images[:3], labels[:3], space, tmp_path, "three")


def test_without_labels_there_are_no_features(tmp_path: Path) -> None:
    space = Unlabelled(NoLabels())
    with pytest.raises(UserError, match="^evaluate.metrics: frechet_distance needs a classifier of the real images'"):
        FrechetDistance.check(space, "evaluate.metrics")
    with pytest.raises(UserError, match="there are none: the data has no labels, or conditioning.labels is none"):
        FrechetDistance(torch.zeros(4, 1, 8, 8, dtype=torch.uint8), torch.empty(4, 0), space, tmp_path, "print")
