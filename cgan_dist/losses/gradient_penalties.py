"""Penalties on the gradient of the discriminator with respect to images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from cgan_dist.losses.differentiable_gradient import differentiable_gradients


class Judged(NamedTuple):
    """Images before the view, (B, C, H, W), and the logits that D gave them, (B,) in float32 or better."""

    images: Tensor
    logits: Tensor


def gradient_penalty(images: Tensor, logits: Tensor) -> Tensor:
    """Squared gradient norm of the logits (Mescheder et al. 2018, arXiv:1801.04406): R1 at reals, R2 at fakes.

    Args:
        images: (B, C, H, W); must require grad.
        logits: (B,) = D(images, condition); logit b must depend on image b alone for the norm to be per image.

    Returns:
        (B,) squared norms in float32 or better, not yet scaled by gamma / 2 (eqs. 9 and 10), with a graph for the
        second backward pass; of L logits for L levels apart, their mean.

    Raises:
        ValueError: if `images` does not require grad.
    """
    (penalty,) = gradient_penalties([Judged(images, logits)])
    return penalty


def gradient_penalties(judged: Sequence[Judged]) -> list[Tensor]:
    """`gradient_penalty` of several batches in one backward pass, which they share if D judged them in one.

    Args:
        judged: as `gradient_penalty` takes them; a batch's logits must depend on no other batch.

    Returns:
        (B,) for each.

    Raises:
        ValueError: if some of the images do not require grad.
    """
    squares = [gradient.square().sum(1) for gradient in _gradients(judged)]
    return [square / (logits.numel() / len(logits)) for square, (_, logits) in zip(squares, judged, strict=True)]


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
    (gradient,) = _gradients([Judged(images, logits)])
    norms: Tensor = torch.linalg.vector_norm(gradient, dim=1)
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


def _gradients(judged: Sequence[Judged]) -> list[Tensor]:
    """(B, C * H * W) each; squares of what half precision still holds may be below what it can hold."""
    if not all(images.requires_grad for images, _ in judged):
        raise ValueError("a gradient penalty needs images that require grad; call images.requires_grad_() before D")
    logits = torch.cat([logits for _, logits in judged])
    gradients = differentiable_gradients(logits.sum(), [images for images, _ in judged])
    return [g.flatten(1).to(torch.promote_types(g.dtype, torch.float32)) for g in gradients]
