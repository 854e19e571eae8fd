"""Zero-centred gradient penalties on the discriminator."""

from __future__ import annotations

import torch
from torch import Tensor


def gradient_penalty(images: Tensor, logits: Tensor) -> Tensor:
    """Squared gradient norm of the logits (Mescheder et al. 2018, arXiv:1801.04406): R1 at reals, R2 at fakes.

    Args:
        images: (B, C, H, W); must require grad.
        logits: (B,) = D(images, condition); logit b must depend on image b alone for the norm to be per image.

    Returns:
        (B,) squared norms, not yet scaled by gamma / 2, with a graph for the second backward pass.

    Raises:
        ValueError: if `images` does not require grad.
    """
    if not images.requires_grad:
        raise ValueError("gradient_penalty needs images that require grad; call images.requires_grad_() before D")
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.square().flatten(1).sum(1)
