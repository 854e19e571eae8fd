"""Truncation: z, or the style that a network makes of it, kept near the middle, for samples that vary less."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from cgan_dist.errors import UserError
from cgan_dist.randomness import Latent, draw_latent, torch_generator

STYLES = 256
"""Draws of z whose styles the middle of a label's styles is taken of."""


def has_style(generator: nn.Module) -> bool:
    """Whether truncation is of a style and not of z, see `models`."""
    return hasattr(generator, "truncated")


def style_draws(latent_dim: int, latent: Latent) -> Tensor:
    """(256, Z): always the same, so that the middle does not depend on the seed of what is sampled."""
    return draw_latent((STYLES, latent_dim), latent, torch_generator(0, "styles"))


def check_truncation(threshold: float, latent: Latent, styled: bool = False) -> None:
    """Holds a threshold against the distribution of z, or a share of the style against what there is of it.

    Args:
        threshold: to check.
        latent: the distribution of z.
        styled: as `has_style` says.

    Raises:
        UserError: if it would leave nothing of z, or change nothing.
    """
    if styled and not 0 < threshold <= 1:
        raise UserError(
            f"truncation: found {threshold:g}; this generator has a style, and a truncation is the share that is left "
            "of its distance from the mean style of the label, so expected above 0 and at most 1, where 1 changes "
            "nothing."
        )
    if latent == "uniform" and not 0 < threshold <= 1:
        raise UserError(
            f"truncation: found {threshold:g}; this generator's z is uniform in [-1, 1], so expected above 0 and at "
            "most 1, where 1 changes nothing."
        )
    if not 0 < threshold < math.inf:
        raise UserError(
            f"truncation: found {threshold:g}; expected a number above 0, such as 0.7: entries of z further from 0 "
            "than that are drawn again."
        )


def truncate(z: Tensor, latent: Latent, threshold: float, generator: torch.Generator) -> Tensor:
    """Draws entries that are further from 0 than the threshold again, until they are not.

    For a normal z this is the truncation trick of BigGAN (Brock et al. 2019, arXiv:1809.11096, section 3.1); entries
    within stay as they are. A uniform z is scaled by the threshold, which gives the same distribution as drawing
    again, uniform in [-threshold, threshold], and keeps every sample recognizable.

    Args:
        z: (B, Z) from `draw_latent`, on the CPU.
        latent: its distribution.
        threshold: above 0.
        generator: of the new draws.

    Returns:
        (B, Z), all entries in [-threshold, threshold].
    """
    if latent == "uniform":
        return z * threshold
    beyond = z.abs() > threshold
    inside = math.erf(threshold / math.sqrt(2))  # the probability of it; redrawing in one go, whatever it is
    uniform = torch.rand(int(beyond.sum()), generator=generator, dtype=torch.float64) * 2 - 1
    again = torch.erfinv(uniform * inside) * math.sqrt(2)
    return z.masked_scatter(beyond, again.clamp(-threshold, threshold).to(z.dtype))
