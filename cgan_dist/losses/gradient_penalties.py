"""Penalties on the gradient of the discriminator with respect to images."""

from __future__ import annotations

import torch
from torch import Tensor


def gradient_penalty(images: Tensor, logits: Tensor) -> Tensor:
    """Squared gradient norm of the logits (Mescheder et al. 2018, arXiv:1801.04406): R1 at reals, R2 at fakes.

    Args:
        images: (B, C, H, W); must require grad.
        logits: (B,) = D(images, condition); logit b must depend on image b alone for the norm to be per image.

    Returns:
        (B,) squared norms in float32 or better, not yet scaled by gamma / 2 (eqs. 9 and 10), with a graph for the
        second backward pass.

    Raises:
        ValueError: if `images` does not require grad.
    """
    return _gradient(images, logits).square().sum(1)


def unit_norm_penalty(images: Tensor, logits: Tensor) -> Tensor:
    """Squared distance of the gradient's norm from 1 (Gulrajani et al. 2017, arXiv:1704.00028, eq. 3).

    Args:
        images: (B, C, H, W) from `between`; must require grad.
        logits: (B,) = D(images, condition), as for `gradient_penalty`.

    Returns:
        (B,) in float32 or better, not yet scaled by lambda, with a graph for the second backward pass.

    Raises:
        ValueError: if `images` does not require grad.
    """
    # The norm's own derivative is 0 at 0, where that of a square root would be infinite.
    norms: Tensor = torch.linalg.vector_norm(_gradient(images, logits), dim=1)
    return (norms - 1).square()


def between(real: Tensor, fake: Tensor, mix: Tensor) -> Tensor:
    """Images on the lines between pairs of one real and one fake (Gulrajani et al. 2017, algorithm 1).

    Args:
        real: (B, C, H, W).
        fake: (B, C, H, W).
        mix: (B,) in [0, 1), the share of the real one.

    Returns:
        (B, C, H, W), without a graph; requires grad.
    """
    share = mix.view(-1, 1, 1, 1).to(real.dtype)
    images = share * real + (1 - share) * fake
    return images.detach().requires_grad_()


def _gradient(images: Tensor, logits: Tensor) -> Tensor:
    """(B, C * H * W); squares of what half precision still holds may be below what it can hold."""
    if not images.requires_grad:
        raise ValueError("a gradient penalty needs images that require grad; call images.requires_grad_() before D")
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.flatten(1).to(torch.promote_types(gradient.dtype, torch.float32))
