from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from cgan_dist.conditioning.spaces import LABEL_SPACES
from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.conditioning.spaces.classes import Classes
from cgan_dist.errors import UserError
from cgan_dist.evaluation.metrics import gan_train
from cgan_dist.evaluation.metrics.base import ImageSet, Metric, RealSet
from cgan_dist.evaluation.metrics.classifier import Classifier, fit, split
from cgan_dist.evaluation.metrics.gan_train import GanTrain
from cgan_dist.labels import ClassLabels
from tests.conftest import pixels_of, striped_images
from tests.unit.evaluation.metrics.coloured import ALL, LEVEL, coloured

STRIPES = Classes(ClassLabels(names=["rows", "columns", "flat"]))
COUNT = 400


def stripes(count: int, seed: int) -> tuple[Tensor, Tensor]:
    source = striped_images(count, seed)
    return torch.from_numpy(pixels_of(source)).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(source.labels)


def real_of(images: Tensor, labels: Tensor, space: LabelSpace = STRIPES) -> RealSet:
    return RealSet(
        labels=labels,
        features={},
        load=lambda: images,
        label_space=space,
        cache=Path("nowhere"),
        fingerprint="print",
        extractors={},
    )


def fakes_of(images: Tensor, labels: Tensor) -> ImageSet:
    return ImageSet(labels=labels, features={}, load=lambda: images)


@pytest.fixture(scope="module")
def metric() -> GanTrain:
    return GanTrain()


@pytest.fixture(scope="module")
def real() -> RealSet:
    return real_of(*stripes(COUNT, seed=0))


@pytest.fixture(scope="module")
def perfect(metric: GanTrain, real: RealSet) -> dict[str, float]:
    return metric.score(real, fakes_of(*stripes(COUNT, seed=1)))


def test_images_like_the_real_ones_teach_and_are_read_as_well(perfect: dict[str, float]) -> None:
    kinds = ("gan_train", "gan_train/real", "gan_test")
    listed = [f"{kind}{own}" for kind in kinds for own in ("", "/class_0", "/class_1", "/class_2")]
    assert list(perfect) == [*listed, "gan_test/real"]
    assert min(perfect.values()) > 0.9
    assert perfect["gan_train/real"] == perfect["gan_test/real"]


def test_shuffled_labels_teach_nothing(metric: GanTrain, real: RealSet, perfect: dict[str, float]) -> None:
    images, labels = stripes(COUNT, seed=1)
    shuffled = labels[torch.randperm(COUNT, generator=torch.Generator().manual_seed(0))]
    scores = metric.score(real, fakes_of(images, shuffled))
    assert scores["gan_train"] < 0.7
    assert 0.2 < scores["gan_test"] < 0.47
    assert scores["gan_train/real"] == perfect["gan_train/real"]


def test_a_lost_class_is_seen_by_gan_train_and_not_by_gan_test(metric: GanTrain, real: RealSet) -> None:
    images, labels = stripes(COUNT, seed=1)
    kept = labels != 2
    scores = metric.score(real, fakes_of(images[kept], labels[kept]))
    assert scores["gan_train/class_2"] == 0
    assert scores["gan_train/class_0"] > 0.9
    assert scores["gan_test"] > 0.95
    assert "gan_test/class_2" not in scores


def test_the_same_images_have_the_same_scores_bit_for_bit(real: RealSet, perfect: dict[str, float]) -> None:
    torch.manual_seed(3)  # nothing depends on the global generator
    assert GanTrain().score(real, fakes_of(*stripes(COUNT, seed=1))) == perfect


def test_both_learn_from_as_many_and_are_read_on_images_that_neither_saw(
    real: RealSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[int]] = []

    def note(net: Classifier, images: Tensor, labels: Tensor, space: LabelSpace, train: Tensor, *rest: Any) -> None:
        seen.append(train.tolist())
        fit(net, images, labels, space, train, *rest)

    monkeypatch.setattr(gan_train, "fit", note)
    monkeypatch.setattr("cgan_dist.evaluation.metrics.classifier.EPOCHS", 1)
    train, test = split(COUNT)
    fakes = fakes_of(*stripes(380, seed=1))
    GanTrain().score(real, fakes)
    GanTrain(count=50).score(real, fakes)
    GanTrain(count=370).score(real, fakes)
    assert seen[0::2] == [list(range(360)), list(range(50)), list(range(370))]
    assert seen[1::2] == [train.tolist(), train[:50].tolist(), train.tolist()]
    assert not set(test.tolist()) & set(train.tolist())


def test_the_classifier_of_real_images_is_trained_once(real: RealSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cgan_dist.evaluation.metrics.classifier.EPOCHS", 1)
    learned: list[str] = []

    def note(*args: Any) -> None:
        learned.append(args[-1])
        fit(*args)

    monkeypatch.setattr(gan_train, "fit", note)
    metric = GanTrain()
    for seed in (1, 2):
        metric.score(real, fakes_of(*stripes(100, seed)))
    metric.score(real_of(*stripes(50, seed=0)), fakes_of(*stripes(100, seed=1)))
    assert learned == ["the fakes", "the real images", "the fakes", "the fakes", "the real images"]


def scored(name: str, **args: Any) -> dict[str, float]:
    space = LABEL_SPACES.build(name, "", args, schema=ALL)
    (images, stored), (drawn, asked) = coloured(500, seed=0), coloured(500, seed=1)
    return GanTrain().score(real_of(images, space.select(stored), space), fakes_of(drawn, space.select(asked)))


def test_each_attribute_has_its_own_and_they_have_a_mean() -> None:
    scores = scored("attributes", names=["green", "red"])
    assert list(scores)[:3] == ["gan_train", "gan_train/green", "gan_train/red"]
    assert {name.rpartition("/")[0] for name in scores if name.endswith("/red")} == {
        "gan_train",
        "gan_train/real",
        "gan_test",
    }
    assert min(scores.values()) > 0.9
    assert scores["gan_test"] == pytest.approx((scores["gan_test/green"] + scores["gan_test/red"]) / 2)


def test_a_product_has_classes_and_attributes_and_its_values_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cgan_dist.evaluation.metrics.classifier.EPOCHS", 1)
    monkeypatch.setattr(Metric, "MAX_LISTED", 1)
    scores = scored("product")
    assert [name for name in scores if name.startswith("gan_test") and "real" not in name] == [
        "gan_test",
        "gan_test/classes",
        "gan_test/attributes",
        "gan_test/red",
        "gan_test/green",
    ]


def test_labels_without_classes_or_attributes_are_refused() -> None:
    only_values = LABEL_SPACES.build("continuous", "", {}, schema=LEVEL)
    with pytest.raises(UserError, match=r"^evaluate.metrics: .*classes or attributes.*'continuous'"):
        GanTrain().check(only_values, "evaluate.metrics")
    GanTrain().check(STRIPES, "evaluate.metrics")


def test_too_few_images_are_refused(real: RealSet) -> None:
    with pytest.raises(UserError, match=r"^gan_train: found 360 real images to learn from, 10 sample\(s\).*count 20"):
        GanTrain(count=20).score(real, fakes_of(*stripes(10, seed=1)))
    with pytest.raises(UserError, match=r"1 sample\(s\).*Raise --count"):
        GanTrain().score(real, fakes_of(*stripes(1, seed=1)))
    with pytest.raises(UserError, match=r"found 1 real images"):
        GanTrain().score(real_of(*stripes(2, seed=0)), fakes_of(*stripes(9, seed=1)))
