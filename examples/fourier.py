"""A plug-in for both networks: real-valued labels as sines and cosines, so that an angle of 359 degrees lies beside 0.

Name it in a config by its dotted path; nothing needs to be registered:

    conditioning:
      labels: continuous
      generator: [{name: "examples.fourier:FourierLatent", args: {frequencies: 3}}]
      discriminator: [{name: "examples.fourier:FourierChannels", args: {frequencies: 3}}]
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from cgan_dist import Condition, DiscriminatorWay, GeneratorWay, Layout, UserError


def waves(values: Tensor, frequencies: int) -> Tensor:
    """(B, D) in [-1, 1] -> (B, 2 · frequencies · D): sines and cosines with periods 2, 1, 1/2, ..."""
    scales = math.pi * 2.0 ** torch.arange(frequencies, device=values.device)
    angles = (values[:, :, None] * scales).flatten(1)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def count_of(layout: Layout, frequencies: int) -> int:
    """How many values `waves` returns; refuses labels that are not real values."""
    if layout.classes or layout.bits or not layout.reals:
        raise UserError("examples.fourier needs conditioning.labels: continuous.")
    return 2 * frequencies * layout.reals


class FourierLatent(GeneratorWay):
    """Waves beside z.

    Args:
        layout: of the condition; real values only.
        latent_dim: Z.
        frequencies: for each value.
    """

    def __init__(self, layout: Layout, latent_dim: int, frequencies: int = 4) -> None:
        super().__init__(layout, latent_dim)
        self.frequencies, self.joins_reals = frequencies, count_of(layout, frequencies)

    def embed(self, condition: Condition) -> Tensor:
        """A condition -> (B, joins_reals)."""
        return waves(condition.values, self.frequencies)


class FourierChannels(DiscriminatorWay):
    """Waves as constant planes beside the image.

    Args:
        layout: of the condition; real values only.
        frequencies: for each value.
    """

    def __init__(self, layout: Layout, frequencies: int = 4) -> None:
        super().__init__(layout)
        self.frequencies, self.joins_reals = frequencies, count_of(layout, frequencies)

    def embed(self, condition: Condition) -> Tensor:
        """A condition -> (B, joins_reals)."""
        return waves(condition.values, self.frequencies)
