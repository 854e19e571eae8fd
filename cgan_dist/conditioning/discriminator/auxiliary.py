"""Way into a discriminator `auxiliary`: D also names the label of what it sees, and both networks want it right."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.discriminator.base import DiscriminatorWay, Role
from cgan_dist.config.schedule import Scheduled
from cgan_dist.config.values import Count, NotNegative


class Auxiliary(DiscriminatorWay):
    """The auxiliary classifier of ACGAN (Odena et al. 2017, arXiv:1610.09585), for any label space.

    Args:
        layout: of the condition.
        weight: of the classification loss, in D and in G; a number or a schedule.
        on_fakes: D learns from its fakes too, as in the paper; by default from real images only, so that it never
            learns to read a generator's mistakes as the label.
        dim: length that features are brought to before the label is read, so that a class costs `dim` operations and
            weights in place of F; null takes them as they are.
    """

    def __init__(
        self,
        layout: Layout,
        weight: Scheduled[NotNegative] = 1.0,
        on_fakes: bool = False,
        dim: Count | None = None,
    ) -> None:
        super().__init__(layout)
        self.weight, self.on_fakes, self.dim = weight, on_fakes, dim

    def reading(self, features: int) -> nn.Module:
        """(B, F) -> (B, N): logits of classes and bits, estimates of real values."""
        return Classifier(features, self.layout, dim=self.dim)

    def loss(self, reading: Tensor, condition: Condition, role: Role) -> Tensor | None:
        """How far the reading is from the condition, see `label_loss`."""
        if role == "fake" and not self.on_fakes:
            return None
        return label_loss(reading, condition, self.layout)


class Classifier(nn.Linear):
    """A linear layer that does not look at the condition.

    Args:
        features: F.
        layout: of what it reads; N is its width.
        besides: outputs after those of the label.
        dim: length of a linear map of the features before it; null is no such map.
    """

    def __init__(self, features: int, layout: Layout, besides: int = 0, dim: int | None = None) -> None:
        super().__init__(dim or features, layout.width + besides)
        self.layout = layout
        self.features = nn.Linear(features, dim, bias=False) if dim else nn.Identity()

    def label_rows(self) -> dict[str, range]:
        """The parameters whose rows are entries of the condition, and which entries."""
        return dict.fromkeys(("weight", "bias"), range(self.layout.width))

    def forward(self, features: Tensor, condition: Condition) -> Tensor:  # type: ignore[override]
        """(B, F) and a condition -> (B, N), and what there is besides."""
        return super().forward(self.features(features))


def label_loss(reading: Tensor, condition: Condition, layout: Layout) -> Tensor:
    """Cross-entropy of each one-hot group, mean cross-entropy of the bits, mean squared error of the reals; summed.

    Args:
        reading: (B, N).
        condition: of labels, not of mixtures.
        layout: of both.
    """
    losses, first = [], 0
    for group, size in enumerate(layout.classes):
        losses.append(F.cross_entropy(reading[:, first : first + size], condition.ones[:, group] - first))
        first += size
    bits, reals = reading[:, first:].split([layout.bits, layout.reals], dim=1)
    true_bits, true_reals = condition.values.split([layout.bits, layout.reals], dim=1)
    if layout.bits:
        losses.append(F.binary_cross_entropy_with_logits(bits, true_bits))
    if layout.reals:
        losses.append(F.mse_loss(reals, true_reals))
    return torch.stack(losses).sum()
