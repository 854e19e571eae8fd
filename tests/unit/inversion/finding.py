"""Distances to a generator whose images show z and the label, for every label space; quick to find."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.spaces import LABEL_SPACES
from cgan_dist.conditioning.spaces.distribution import LabelDistribution
from cgan_dist.data.pixels import PIXEL_RANGES
from cgan_dist.inversion.distance import Distance
from cgan_dist.inversion.inverter import Inverter
from cgan_dist.inversion.plan import Plan
from cgan_dist.labels import AttributeLabels, ClassLabels, ContinuousLabels, NoLabels, ProductLabels
from cgan_dist.randomness import Latent
from cgan_dist.sampling.sampler import Sampler

CLASSES = ClassLabels(names=["ant", "bee", "cow", "dog"])
BITS = AttributeLabels(names=["hat", "smile"])
POSE = ContinuousLabels(names=["pose"], ranges=[(0.0, 90.0)])
BOTH = ProductLabels(parts=[CLASSES, BITS])
POSED = ProductLabels(parts=[CLASSES, POSE])
KINDS = {
    "classes": (CLASSES, torch.arange(4)),
    "attributes": (BITS, torch.tensor([[0, 0], [1, 0], [0, 1]], dtype=torch.uint8)),
    "continuous": (POSE, torch.tensor([[10.0], [45.0], [80.0]])),
    "none": (NoLabels(), torch.empty(3, 0, dtype=torch.uint8)),
    "product": (BOTH, torch.tensor([[0.0, 0, 0], [3, 1, 1], [2, 0, 1]])),
    "classes and pose": (POSED, torch.tensor([[1.0, 20.0], [3, 45.0], [0, 70.0]])),
}
"""By name: a schema, and labels of it that the data has. Not all attributes occur together."""
QUICK = Plan(steps=60, screen_steps=40, starts=3, kept=2)


class Blobs(nn.Module):
    """Rows of 6x6 pictures: the upper ones show z, the lower ones the condition, both through fixed random maps."""

    def __init__(self, layout: Layout, latent_dim: int) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(5)
        self.style = nn.Parameter(torch.randn(latent_dim, 18, generator=draw) / latent_dim**0.5)
        self.label = nn.Parameter(torch.randn(layout.width, 18, generator=draw))
        self.norm = nn.BatchNorm2d(1)

    def forward(self, z: Tensor, condition: Condition) -> Tensor:
        upper = z @ self.style
        lower = condition.vector(len(self.label)) @ self.label + upper / 4
        return self.norm(torch.cat([upper, lower], dim=1).view(-1, 1, 6, 6)).tanh()


def sampler_of(kind: str, latent: Latent = "normal", seed: int = 0) -> Sampler:
    schema, stored = KINDS[kind]
    space = LABEL_SPACES.build("auto", "", {}, schema=schema)
    distribution = LabelDistribution.of(space.select(stored))
    return Sampler(Blobs(space.layout, 4), space, distribution, PIXEL_RANGES["unit"], 4, latent, seed)


def inverter_of(kind: str, latent: Latent = "normal", seed: int = 0, plan: Plan = QUICK) -> Inverter:
    return Inverter(Distance(sampler_of(kind, latent, seed), None), plan)


def samples_of(inverter: Inverter, kind: str) -> tuple[Tensor, Tensor]:
    """A picture of each label of the data, drawn by another seed than that of the search."""
    labels = KINDS[kind][1]
    sampler = inverter.sampler
    z = torch.randn(len(labels), 4, generator=torch.Generator().manual_seed(9)).clamp(-0.9, 0.9)
    return sampler.images(z, labels), labels
