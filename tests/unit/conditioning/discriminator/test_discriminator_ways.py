from __future__ import annotations

import pytest
import torch

from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.discriminator.auxiliary import Auxiliary
from cgan_dist.conditioning.discriminator.base import DiscriminatorWays
from cgan_dist.conditioning.discriminator.channels import Channels
from cgan_dist.conditioning.discriminator.embedding_channels import EmbeddingChannels
from cgan_dist.conditioning.discriminator.projection import Projection
from tests.unit.conditioning.conditions import BATCH, layouts_and_conditions

KINDS = ["classes", "multi-hot", "real", "product", "mixture of classes"]


@pytest.mark.parametrize("kind", KINDS)
def test_channels_and_embedding_channels_join_both_as_planes(kind: str) -> None:
    layout, condition = layouts_and_conditions(10)[kind]
    embedding = EmbeddingChannels(layout, dim=3)
    ways = DiscriminatorWays(layout, {"channels": Channels(layout), "embedding_channels": embedding}).double()
    layer = ways.convolution(2, 4, (6, 5), kernel_size=3, same=False).double()
    image = torch.randn(BATCH, 2, 6, 5, dtype=torch.float64)
    vector = torch.cat([condition.vector(10), embedding.embed(condition)], dim=1)
    stacked = torch.cat([image, vector[:, :, None, None].expand(-1, -1, 6, 5)], dim=1)
    expected = torch.nn.functional.conv2d(stacked, layer.state_dict()["weight"], layer.bias)
    torch.testing.assert_close(layer(image, ways.join(condition)), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_projection_adds_an_inner_product(kind: str) -> None:
    layout, condition = layouts_and_conditions(10)[kind]
    head = DiscriminatorWays(layout, {"projection": Projection(layout)}).head(6).double()
    features = torch.randn(BATCH, 6, dtype=torch.float64)
    table = head.logits["projection"].table.matrix()
    expected = head.linear(features).squeeze(1) + ((condition.vector(10) @ table) * features).sum(1)
    torch.testing.assert_close(head(features, condition).logits, expected)


def test_without_ways_the_head_is_a_linear_layer() -> None:
    layout = Layout(classes=(3,))
    ways = DiscriminatorWays(layout, {})
    head, features = ways.head(6), torch.randn(2, 6)
    judgement = head(features, Condition.of_classes(torch.tensor([0, 1])))
    torch.testing.assert_close(judgement.logits, head.linear(features).squeeze(1))
    assert judgement.readings == {}
    assert ways.convolution(2, 4, (6, 5)).state_dict()["weight"].shape == (4, 2, 3, 3)


def test_readings_are_kept_by_name() -> None:
    layout = Layout(bits=3)
    head = DiscriminatorWays(layout, {"auxiliary": Auxiliary(layout)}).head(6)
    judgement = head(torch.randn(2, 6), Condition.of_values(torch.zeros(2, 3)))
    assert judgement.readings["auxiliary"].shape == (2, 3)
