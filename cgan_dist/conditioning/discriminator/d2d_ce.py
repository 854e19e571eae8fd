"""Way into a discriminator `d2d_ce`: the data-to-data cross-entropy of ReACGAN."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.discriminator.base import DiscriminatorWay, Role
from cgan_dist.conditioning.linear import ConditionLinear
from cgan_dist.config.schedule import Scheduled
from cgan_dist.config.values import Count, NotNegative, Positive, Share
from cgan_dist.errors import UserError


class D2DCrossEntropy(DiscriminatorWay):
    """Pulls an image to its class's proxy and pushes it from images of other classes (Kang et al., arXiv:2111.01118).

    With unit vectors f_i of images and v_y of classes, and [a]_- = min(a, 0), [a]_+ = max(a, 0), eq. 6 is the mean of

        -log( exp([f_i.v_yi - m_p]_- / t) / (exp([f_i.v_yi - m_p]_- / t) + sum over j of another class
              exp([f_i.f_j - m_n]_+ / t)) )

    D takes it on real images, G on its own. Images are compared within what one process passes at once.

    Args:
        layout: of the condition; one group of classes.
        dim: length of the vectors.
        weight: of the loss; a number or a schedule.
        temperature: t.
        margin: m_p; m_n is 1 - m_p.

    Raises:
        UserError: if the labels are not classes.
    """

    def __init__(
        self,
        layout: Layout,
        dim: Count = 128,
        weight: Scheduled[NotNegative] = 0.5,
        temperature: Positive = 0.5,
        margin: Share = 0.98,
    ) -> None:
        super().__init__(layout)
        check_classes(layout, "d2d_ce")
        self.dim, self.weight, self.temperature, self.margin = dim, weight, temperature, margin

    def reading(self, features: int) -> nn.Module:
        """(B, F) and a condition -> (B, 2, dim)."""
        return ImageAndProxy(self.layout, features, self.dim)

    def loss(self, reading: Tensor, condition: Condition, role: Role) -> Tensor | None:
        """(B, 2, dim) and the classes -> (); see the class's formula."""
        if role == "fake":
            return None
        image, proxy = reading.unbind(1)
        to_proxy = ((image * proxy).sum(1) - self.margin).clamp(max=0) / self.temperature
        to_others = (image @ image.T - (1 - self.margin)).clamp(min=0) / self.temperature
        same = condition.ones == condition.ones.T
        to_others = to_others.masked_fill(same, -torch.inf)
        return (torch.logsumexp(torch.cat([to_proxy[:, None], to_others], dim=1), dim=1) - to_proxy).mean()


class ImageAndProxy(nn.Module):
    """Unit vectors of images and of their classes' proxies.

    Args:
        layout: of the condition.
        features: F.
        dim: length of the vectors.
    """

    def __init__(self, layout: Layout, features: int, dim: int) -> None:
        super().__init__()
        self.linear = nn.Linear(features, dim)
        self.proxies = ConditionLinear(layout, dim)

    def forward(self, features: Tensor, condition: Condition) -> Tensor:
        """(B, F) and a condition -> (B, 2, dim): image and proxy, each of length 1."""
        return F.normalize(torch.stack([self.linear(features), self.proxies(condition)], dim=1), dim=2)


def check_classes(layout: Layout, name: str) -> None:
    """Raises UserError unless the condition is one class."""
    if len(layout.classes) != 1 or layout.values:
        raise UserError(
            f"conditioning.discriminator: '{name}' needs class labels and nothing beside them; take projection or "
            "auxiliary, which work for every label space."
        )
