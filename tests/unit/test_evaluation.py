from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from cgan_dist.conditioning.spaces import LABEL_SPACES
from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.data.shards import ShardSet
from cgan_dist.data.storage import Storage
from cgan_dist.errors import UserError
from cgan_dist.evaluation import Evaluator, check_metrics
from cgan_dist.labels import AttributeLabels, NoLabels
from cgan_dist.sampling import Drawn


class FakeMetric:
    """Notes what it is built from and what it scores."""

    built: list[tuple[Any, ...]] = []

    def __init__(self, *args: Any) -> None:
        self.built.append(args)

    def score(self, images: Tensor, labels: Tensor) -> dict[str, float]:
        return {"mean": images.double().mean().item(), "labels": float(labels.sum())}


class FakeSampler:
    """Draws what it is told to, as `Sampler.fair`."""

    def fair(self, count: int) -> Drawn:
        return Drawn(np.full((count, 8, 8, 3), 9, np.uint8), np.ones(count, np.int64))


def build(schema: Any, name: str = "auto") -> LabelSpace:
    return LABEL_SPACES.build(name, "", {}, schema=schema)  # type: ignore[no-any-return]


@pytest.fixture
def shards(shards_folder: Path, tmp_path: Path) -> ShardSet:
    shutil.copytree(shards_folder, tmp_path / "data")
    return ShardSet(Storage(tmp_path / "data"), cache="none")


def test_metrics_are_built_once_from_the_spaces_own_labels(shards: ShardSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(FakeMetric, "built", [])
    loads: list[int] = []
    real = shards.load_all
    monkeypatch.setattr(shards, "load_all", lambda: loads.append(1) or real())
    space = build(shards.manifest.labels)
    evaluator = Evaluator(shards, space, [f"{__name__}:FakeMetric"], count=5)
    for _ in range(2):
        scores = evaluator.scores(FakeSampler())  # type: ignore[arg-type]
        assert scores == {"eval/mean": 9.0, "eval/labels": 5.0}
    ((images, labels, given, cache, fingerprint),) = FakeMetric.built
    assert (images.shape, images.dtype) == ((203, 1, 8, 8), torch.uint8)
    assert labels.tolist() == space.select(torch.from_numpy(real().labels)).tolist()
    assert (given, cache, fingerprint) == (space, shards.cache_folder, shards.manifest.fingerprint)
    assert len(loads) == 1


@pytest.mark.parametrize("metric", ["label_accuracy", "frechet_distance"])
def test_a_metric_without_use_is_refused_before_anything_is_read(shards: ShardSet, metric: str) -> None:
    for space in (build(NoLabels()), build(AttributeLabels(names=["hat"]), "none")):
        with pytest.raises(UserError, match=f"^evaluate.metrics: {metric} needs a classifier of the real images'"):
            check_metrics([metric], space)
        with pytest.raises(UserError, match=f"^evaluate.metrics: {metric} needs"):
            Evaluator(shards, space, [metric], count=5)


def test_an_unknown_metric_is_refused() -> None:
    with pytest.raises(UserError, match="Did you mean 'label_accuracy'?"):
        check_metrics(["label_acuracy"], build(NoLabels()))


def test_a_metric_without_a_check_takes_any_labels() -> None:
    assert check_metrics([f"{__name__}:FakeMetric"], build(NoLabels())) == {f"{__name__}:FakeMetric": FakeMetric}
