"""A generator whose images show what it was given, and samplers of it for every label space."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.spaces import LABEL_SPACES
from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.conditioning.spaces.distribution import LabelDistribution
from cgan_dist.data.pixels import PIXEL_RANGES
from cgan_dist.labels import AttributeLabels, ClassLabels, ContinuousLabels, NoLabels, ProductLabels
from cgan_dist.randomness import Latent
from cgan_dist.sampling.sampler import Sampler

CLASSES = ClassLabels(names=[str(n) for n in range(10)])
BITS = AttributeLabels(names=["hat", "smile"])
POSE = ContinuousLabels(names=["pose"], ranges=[(0.0, 1.0)])
STORED = {
    "classes": (CLASSES, torch.tensor([1, 1, 3])),
    "attributes": (BITS, torch.tensor([[0, 0], [1, 1], [1, 1]], dtype=torch.uint8)),
    "continuous": (POSE, torch.tensor([[0.25], [0.5]])),
    "none": (NoLabels(), torch.empty(3, 0, dtype=torch.uint8)),
    "product": (ProductLabels(parts=[CLASSES, BITS]), torch.tensor([[1.0, 0, 0], [3, 1, 1]])),
    "classes and pose": (ProductLabels(parts=[CLASSES, POSE]), torch.tensor([[1.0, 0.25], [3, 0.5]])),
}


class Painter(nn.Module):
    """Paints the label as brightness, a tenth of a class, and the first latent as the corner pixel; notes its modes."""

    def __init__(self, layout: Layout) -> None:
        super().__init__()
        self.shades = torch.cat([torch.arange(layout.one_hot) / 10, torch.ones(layout.values)])
        self.weight = nn.Parameter(torch.zeros(1))
        self.modes: list[bool] = []

    def forward(self, z: Tensor, condition: Condition) -> Tensor:
        self.modes.append(self.training)
        brightness = condition.vector(len(self.shades)) @ self.shades
        image = brightness[:, None, None, None].expand(-1, 1, 4, 4).clone()
        image[:, 0, 0, 0] = z[:, 0] / 2
        return image - 0.5


def sampler_of(kind: str, seed: int = 3, latent: Latent = "uniform") -> Sampler:
    schema, stored = STORED[kind]
    space: LabelSpace = LABEL_SPACES.build("auto", "", {}, schema=schema)
    distribution = LabelDistribution.of(space.select(stored))
    return Sampler(Painter(space.layout), space, distribution, PIXEL_RANGES["half"], 5, latent, seed)
