from __future__ import annotations

import torch

from cgan_dist.conditioning.spaces import LABEL_SPACES
from cgan_dist.conditioning.spaces.distribution import LabelDistribution
from cgan_dist.evaluation.metrics.classifier import Classifier
from cgan_dist.inversion.candidates import (
    bit_columns,
    discrete_labels,
    flipped,
    likely_labels,
    unlikely,
)
from cgan_dist.inversion.distance import Distance
from cgan_dist.labels import ClassLabels
from tests.unit.inversion.finding import KINDS, Blobs, sampler_of


def many_classes(count: int) -> Distance:
    sampler = sampler_of("classes")
    space = LABEL_SPACES.build("auto", "", {}, schema=ClassLabels(names=[str(n) for n in range(count)]))
    sampler.label_space, sampler.distribution = space, LabelDistribution.of(torch.arange(count))
    sampler.generator = Blobs(space.layout, 4)
    return Distance(sampler, None)


def test_labels_of_the_data_are_tried_with_values_in_the_middle() -> None:
    for kind, (_, labels) in KINDS.items():
        found = discrete_labels(Distance(sampler_of(kind), None))
        if kind == "continuous":
            assert found.tolist() == [[45.0]]
        elif kind == "classes and pose":
            assert found.tolist() == [[0.0, 45.0], [1.0, 45.0], [3.0, 45.0]]
        elif kind == "none":
            assert found.shape == (1, 0)
        else:
            assert sorted(found.tolist()) == sorted(labels.tolist())


def test_of_few_labels_all_are_tried_for_every_picture() -> None:
    found = likely_labels(Distance(sampler_of("classes"), None), torch.zeros(3, 1, 6, 6, dtype=torch.uint8), 4, None)
    assert found.tolist() == [[0, 1, 2, 3]] * 3


def test_of_many_labels_those_are_tried_whose_samples_are_near() -> None:
    distance = many_classes(1168)
    labels = torch.tensor([3, 700, 1167])
    images = distance.sampler.images(distance.random(3, seed=4)[0] / 4, labels)
    found = likely_labels(distance, images, 32, None)
    assert found.shape == (3, 32)
    assert (found == labels[:, None]).any(1).all()


def test_the_classifier_ranks_classes_and_attributes_together() -> None:
    distance = Distance(sampler_of("product"), None)
    space = distance.sampler.label_space
    classifier = Classifier(1, (6, 6), space.layout)
    with torch.no_grad():
        classifier.head.weight.zero_()
        classifier.head.bias.copy_(torch.tensor([0.0, 0, 3, 1, -5, 2]))  # cow, no hat, a smile; a dog is next
    images = torch.zeros(2, 1, 6, 6, dtype=torch.uint8)
    reading = classifier.read(images)
    found = likely_labels(distance, images, 2, reading)
    assert found[:, 0].tolist() == [[2, 0, 1]] * 2
    assert found.shape == (2, 2, 3)
    cost = unlikely(reading, torch.tensor([[[2.0, 0, 1], [2, 1, 1], [2, 0, 0]]] * 2), space)[0]
    torch.testing.assert_close(cost[1:] - cost[0], torch.tensor([5.0, 2.0]))
    classifier.head.bias.data.mul_(100)
    assert unlikely(classifier.read(images), torch.tensor([[[0.0, 1, 0]]] * 2), space).tolist() == [[30]] * 2


def test_each_attribute_is_changed_once() -> None:
    space = sampler_of("product").label_space
    assert bit_columns(space) == [1, 2]
    found = flipped(torch.tensor([[3.0, 0, 1]]), space)
    assert found.tolist() == [[[3, 1, 1], [3, 0, 0]]]
    assert flipped(torch.tensor([2, 1]), sampler_of("classes").label_space).numel() == 0
