from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from cgan_dist.conditioning.condition import Condition
from cgan_dist.conditioning.discriminator.base import DiscriminatorWays
from cgan_dist.conditioning.discriminator.channels import Channels
from cgan_dist.data.pixels import PIXEL_RANGES
from cgan_dist.errors import UserError
from cgan_dist.evaluation.metrics.classifier import Classifier
from cgan_dist.inversion.views import ClassifierView, DiscriminatorView
from cgan_dist.models.dcgan import Discriminator
from tests.unit.inversion.finding import sampler_of


def pictures(channels: int = 1) -> Tensor:
    return torch.randint(256, (5, channels, 16, 16), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)


def in_range(images: Tensor) -> Tensor:
    return images.float() / 127.5 - 1


def test_the_classifiers_features_are_those_that_metrics_compare() -> None:
    layout = sampler_of("classes").label_space.layout
    classifier = Classifier(1, (16, 16), layout)
    view = ClassifierView(classifier)
    condition = Condition.of_classes(torch.zeros(5, dtype=torch.int64))
    torch.testing.assert_close(view(in_range(pictures()), condition), classifier.embedded(pictures()))
    colour = in_range(pictures()).expand(-1, 3, -1, -1)
    torch.testing.assert_close(view(colour, condition), classifier.embedded(pictures()))
    moved = in_range(pictures()).requires_grad_(True)
    (gradient,) = torch.autograd.grad(view(moved, condition).sum(), moved)
    assert gradient.abs().max() > 0


@pytest.mark.parametrize("name", PIXEL_RANGES)
def test_the_discriminators_features_are_what_its_logit_is_drawn_from(name: str) -> None:
    layout = sampler_of("classes").label_space.layout
    network = Discriminator((1, 16, 16), DiscriminatorWays(layout, {"channels": Channels(layout)}), width=4)
    view = DiscriminatorView(network, PIXEL_RANGES[name])
    condition = Condition.of_classes(torch.tensor([0, 1, 2, 3, 0]))
    features = view(in_range(pictures()), condition)
    shown = PIXEL_RANGES[name].normalize(pictures())
    torch.testing.assert_close(network.head(features, condition).logits, network(shown, condition).logits)
    assert not torch.equal(features, view(in_range(pictures()), Condition.of_classes(torch.tensor([1, 2, 3, 0, 1]))))


def test_a_discriminator_without_such_a_layer_is_refused() -> None:
    with pytest.raises(UserError, match="has 0 last layers of the form"):
        DiscriminatorView(nn.Linear(2, 1), PIXEL_RANGES["unit"])
