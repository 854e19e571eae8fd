from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from cgan_dist.conditioning.condition import Layout
from cgan_dist.conditioning.spaces import LABEL_SPACES
from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.conditioning.spaces.classes import Classes
from cgan_dist.evaluation.features.classifier import ClassifierFeatures
from cgan_dist.evaluation.metrics.base import ImageSet, Metric, RealSet
from cgan_dist.evaluation.metrics.label_accuracy import LabelAccuracy
from cgan_dist.labels import ClassLabels
from tests.conftest import pixels_of, striped_images
from tests.unit.evaluation.metrics.coloured import ALL, coloured
from tests.unit.evaluation.metrics.sets import no_pixels

STRIPES = Classes(ClassLabels(names=["rows", "columns", "flat"]))


class Judged:
    """The metric, and the classifier that it reads with."""

    def __init__(self, images: Tensor, labels: Tensor, space: LabelSpace, cache: Path) -> None:
        self.label_space = space
        extractor = ClassifierFeatures(space)
        extractor.build(images.shape[1:])  # type: ignore[arg-type]
        self.real = RealSet(
            labels=labels,
            features={},
            load=lambda: images,
            label_space=space,
            cache=cache,
            fingerprint="print",
            extractors={"classifier": extractor},
        )
        extractor.prepare(self.real)
        extractor.network.eval()
        self.extractor = extractor

    def score(self, images: Tensor, labels: Tensor) -> dict[str, float]:
        features = {"classifier": self.extractor.extract(images)}
        return LabelAccuracy().score(self.real, ImageSet(labels=labels, features=features, load=no_pixels))


def as_tensors(count: int, seed: int) -> tuple[Tensor, Tensor]:
    source = striped_images(count, seed)
    return torch.from_numpy(pixels_of(source)).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(source.labels)


@pytest.fixture(scope="module")
def metric(tmp_path_factory: pytest.TempPathFactory) -> Judged:
    return Judged(*as_tensors(600, seed=0), STRIPES, tmp_path_factory.mktemp("cache"))


def test_obedient_images_score_high_and_shuffled_labels_score_at_chance(metric: Judged) -> None:
    images, labels = as_tensors(300, seed=1)
    scores = metric.score(images, labels)
    assert scores["label_accuracy"] > 0.95
    assert scores["label_accuracy/real_held_out"] > 0.95
    shuffled = metric.score(images, labels[torch.randperm(300, generator=torch.Generator().manual_seed(0))])
    assert 0.2 < shuffled["label_accuracy"] < 0.47


def test_the_per_class_scores_are_of_that_class(metric: Judged) -> None:
    images, labels = as_tensors(300, seed=1)
    wrong = torch.where(labels == 1, 2, labels)  # ask for class 2 and get class 1
    scores = metric.score(images, wrong)
    assert list(scores) == [
        "label_accuracy",
        "label_accuracy/class_0",
        "label_accuracy/class_2",
        "label_accuracy/real_held_out",
    ]
    assert scores["label_accuracy/class_0"] > 0.9
    assert scores["label_accuracy/class_2"] < 0.7


def test_many_classes_are_not_listed_one_by_one(metric: Judged, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Metric, "MAX_LISTED", 2)
    assert list(metric.score(*as_tensors(30, seed=1))) == ["label_accuracy", "label_accuracy/real_held_out"]


def build(name: str, cache: Path, **args: Any) -> Judged:
    images, stored = coloured(500, seed=0)
    space = LABEL_SPACES.build(name, "", args, schema=ALL)
    return Judged(images, space.select(stored), space, cache)


def test_each_attribute_is_read_by_itself(tmp_path: Path) -> None:
    metric = build("attributes", tmp_path, names=["green", "red"])
    images, stored = coloured(200, seed=1)
    labels = metric.label_space.select(stored)
    scores = metric.score(images, labels)
    names = ["", "/green", "/red", "/real_held_out", "/real_held_out/green", "/real_held_out/red"]
    assert list(scores) == [f"label_accuracy{name}" for name in names]
    assert min(scores.values()) > 0.95
    labels[:, 0] = 1 - labels[:, 0]  # every green is wrong
    wrong = metric.score(images, labels)
    assert wrong["label_accuracy/green"] < 0.05
    assert wrong["label_accuracy/red"] == scores["label_accuracy/red"]
    assert wrong["label_accuracy"] == pytest.approx((wrong["label_accuracy/green"] + wrong["label_accuracy/red"]) / 2)
    assert wrong["label_accuracy/real_held_out"] == scores["label_accuracy/real_held_out"]


def test_a_value_is_read_to_a_share_of_its_range(tmp_path: Path) -> None:
    metric = build("continuous", tmp_path)
    images, stored = coloured(200, seed=1)
    labels = metric.label_space.select(stored)
    scores = metric.score(images, labels)
    assert list(scores) == [f"label_error{name}" for name in ("", "/blue", "/real_held_out", "/real_held_out/blue")]
    assert max(scores.values()) < 0.1
    dark = metric.score(images, torch.zeros_like(labels))["label_error/blue"]
    assert dark == pytest.approx(labels.mean().item() / 10, abs=0.1)


def test_a_product_has_the_scores_of_its_parts(tmp_path: Path) -> None:
    metric = build("product", tmp_path)
    images, stored = coloured(200, seed=1)
    scores = metric.score(images, stored)
    kinds = {"label_accuracy/classes", "label_accuracy/attributes", "label_accuracy/red", "label_accuracy/green"}
    errors = {"label_error", "label_error/blue"}
    held_out = {name.replace("/", "/real_held_out/") for name in kinds | {"label_error/blue"}}
    totals = {"label_accuracy", "label_accuracy/real_held_out", "label_error/real_held_out"}
    classes = {"label_accuracy/class_0", "label_accuracy/class_1"}
    assert set(scores) == kinds | errors | held_out | totals | classes
    assert all(value > 0.9 for name, value in scores.items() if "accuracy" in name)
    assert all(value < 0.15 for name, value in scores.items() if "error" in name)
    stored[:, 0] = 1 - stored[:, 0]
    wrong = metric.score(images, stored)
    assert wrong["label_accuracy/classes"] < 0.1
    assert wrong["label_accuracy"] == pytest.approx(
        (wrong["label_accuracy/classes"] + wrong["label_accuracy/attributes"]) / 2
    )


def test_a_plug_in_that_encodes_other_than_its_labels_has_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class AsBits(Classes):
        def __init__(self) -> None:
            super().__init__(ALL)
            self.layout = Layout(bits=2)

        def encode(self, labels: Tensor) -> Any:
            return (
                super()
                .encode(labels)
                ._replace(ones=labels[:, None][:, :0], values=torch.stack([labels, 1 - labels], 1).float())
            )

    monkeypatch.setattr("cgan_dist.evaluation.metrics.classifier.EPOCHS", 1)
    (images, stored), space = coloured(40, seed=0), AsBits()
    labels = space.select(stored)
    scores = Judged(images, labels, space, tmp_path).score(images, labels)
    assert {"label_accuracy/0", "label_accuracy/1"} <= set(scores)
