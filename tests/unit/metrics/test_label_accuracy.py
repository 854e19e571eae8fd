from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from cgan_dist.metrics import classifier
from cgan_dist.metrics.label_accuracy import LabelAccuracy, match_channels
from tests.conftest import pixels_of, striped_images


def as_tensors(count: int, seed: int) -> tuple[Tensor, Tensor]:
    source = striped_images(count, seed)
    return torch.from_numpy(pixels_of(source)).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(source.labels)


@pytest.fixture
def metric(tmp_path: Path) -> LabelAccuracy:
    images, labels = as_tensors(600, seed=0)
    return LabelAccuracy(images, labels, 3, tmp_path, "print")


def test_obedient_images_score_high_and_shuffled_labels_score_at_chance(metric: LabelAccuracy) -> None:
    images, labels = as_tensors(300, seed=1)
    scores = metric.score(images, labels)
    assert scores["label_accuracy"] > 0.95
    assert scores["label_accuracy/real_held_out"] > 0.95
    shuffled = metric.score(images, labels[torch.randperm(300, generator=torch.Generator().manual_seed(0))])
    assert 0.2 < shuffled["label_accuracy"] < 0.47


def test_the_per_class_scores_are_of_that_class(metric: LabelAccuracy) -> None:
    images, labels = as_tensors(300, seed=1)
    wrong = torch.where(labels == 1, 2, labels)  # ask for class 2 and get class 1
    scores = metric.score(images, wrong)
    assert scores["label_accuracy/class_0"] > 0.9
    assert scores["label_accuracy/class_2"] < 0.7
    assert "label_accuracy/class_1" not in scores


def test_the_classifier_is_kept_for_the_same_data_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = as_tensors(100, seed=0)
    trained: list[int] = []
    real = classifier.train_classifier
    monkeypatch.setattr(classifier, "train_classifier", lambda *a: trained.append(1) or real(*a))
    first = LabelAccuracy(images, labels, 3, tmp_path, "a").classifier
    again = LabelAccuracy(images, labels, 3, tmp_path, "a").classifier
    assert len(trained) == 1
    assert torch.equal(first.head.weight, again.head.weight)
    LabelAccuracy(images, labels, 3, tmp_path, "b")
    assert len(trained) == 2


def test_a_damaged_cache_is_replaced(tmp_path: Path) -> None:
    images, labels = as_tensors(100, seed=0)
    first = LabelAccuracy(images, labels, 3, tmp_path, "a").classifier
    (tmp_path / "classifier.safetensors").write_bytes(b"junk")
    again = LabelAccuracy(images, labels, 3, tmp_path, "a").classifier
    assert torch.equal(first.head.weight, again.head.weight)  # training is reproducible


def test_training_leaves_the_global_generator_alone() -> None:
    (images, labels), untrained = as_tensors(60, seed=0), classifier.Classifier(1, 3)
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    classifier.train_classifier(untrained, images, labels)
    assert torch.equal(torch.rand(3), expected)


def test_repeated_grey_is_averaged_back() -> None:
    fakes = torch.tensor([10, 20, 60], dtype=torch.uint8).view(1, 3, 1, 1)
    assert match_channels(fakes, 1).flatten().tolist() == [30]
    assert match_channels(fakes, 3) is fakes
