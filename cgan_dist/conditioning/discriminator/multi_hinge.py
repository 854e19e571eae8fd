"""Way into a discriminator `multi_hinge`: a classifier over the N classes and `fake`, with a margin."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.discriminator.auxiliary import Classifier
from cgan_dist.conditioning.discriminator.base import DiscriminatorWay, Role
from cgan_dist.conditioning.discriminator.d2d_ce import check_classes
from cgan_dist.config.schedule import Scheduled
from cgan_dist.config.values import NotNegative


class MultiHinge(DiscriminatorWay):
    """The multi-hinge loss of MHingeGAN (Kavalerov et al. 2021, arXiv:1912.04216), beside the adversarial loss.

    With scores s over N + 1 classes, the last one `fake`, a target t costs max(0, 1 - s_t + max over j != t of s_j)
    (Crammer and Singer 2001). The target is the label for real images and in G's step, and `fake` for D's fakes.

    Args:
        layout: of the condition; one group of classes.
        weight: of the loss; a number or a schedule.

    Raises:
        UserError: if the labels are not classes.
    """

    def __init__(self, layout: Layout, weight: Scheduled[NotNegative] = 1.0) -> None:
        super().__init__(layout)
        check_classes(layout, "multi_hinge")
        self.weight = weight

    def reading(self, features: int) -> nn.Module:
        """(B, F) -> (B, N + 1) scores."""
        return Classifier(features, self.layout, besides=1)

    def loss(self, reading: Tensor, condition: Condition, role: Role) -> Tensor:
        """(B, N + 1) and the classes -> ()."""
        target = torch.full_like(condition.ones, self.layout.width) if role == "fake" else condition.ones
        right = reading.gather(1, target).squeeze(1)
        wrong = reading.scatter(1, target, -torch.inf).amax(1)
        return F.relu(1 - right + wrong).mean()
