"""A discriminator whose logits and gradients are known in closed form."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from cgan_dist.conditioning.condition import Condition
from cgan_dist.conditioning.discriminator.base import Judgement

Array = np.ndarray
CONDITION = Condition.of_classes(torch.tensor([0, 1, 1]))


class Quadratic(nn.Module):
    """D(x) = x^T A x + b label, with x the flattened image: its gradient is (A + A^T) x."""

    def __init__(self, pixels: int = 4) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(3)
        self.matrix = nn.Parameter(torch.randn(pixels, pixels, generator=generator, dtype=torch.float64))
        self.seen: list[Tensor] = []

    def forward(self, image: Tensor, condition: Condition) -> Judgement:
        self.seen.append(image)
        x = image.flatten(1)
        return Judgement(torch.einsum("bi,ij,bj->b", x, self.matrix, x) + 0.25 * condition.ones[:, 0], {})

    def logits(self, images: Tensor, labels: Tensor = CONDITION.ones) -> Array:
        """The same in numpy, one image at a time."""
        matrix = self.matrix.detach().numpy()
        found = []
        for image, label in zip(images.detach().numpy(), labels[:, 0].tolist(), strict=True):
            found.append(float(image.ravel() @ matrix @ image.ravel() + 0.25 * label))
        return np.array(found)

    def gradients(self, images: Tensor) -> Array:
        """(B, pixels), by hand."""
        matrix = self.matrix.detach().numpy()
        return np.stack([(matrix + matrix.T) @ image.ravel() for image in images.detach().numpy()])


def pictures(seed: int, count: int = 3) -> Tensor:
    """(B, 1, 2, 2) float64."""
    return torch.randn(count, 1, 2, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
