"""Consistency regularization: what D is to judge as the image itself, and what G is to show of a change of z.

Zhao et al. 2020, arXiv:2002.04724: balanced consistency (bCR) compares an image with an augmented one, latent
consistency (zCR) a fake with that of a z nearby.
"""

from __future__ import annotations

from torch import Tensor

AUGMENTED = {"bcr_real": "real", "bcr_fake": "fake"}
"""Name of the penalty, and which images it augments."""
NEARBY_D, NEARBY_G = "zcr_d", "zcr_g"
"""Names of the two that look at fakes of another z: in D's loss, and in G's."""
CONSISTENT = {**AUGMENTED, NEARBY_D: "fake"}
"""Name of each penalty on D, and which images have a twin."""


def nearby(z: Tensor, noise: Tensor, std: float) -> Tensor:
    """T(z) = z + std * noise of algorithm 2 of the paper: (B, Z) and (B, Z) standard normal -> (B, Z)."""
    return z + std * noise


def disagreement(logits: Tensor, of_twins: Tensor) -> Tensor:
    """(D(x) - D(T(x)))^2 or (D(G(z)) - D(G(T(z))))^2, its mean over a batch.

    Args:
        logits: (B,) = D(images, condition), in float32 or better.
        of_twins: (B,), of their twins under the same condition. Gradients reach D by both.

    Returns:
        Scalar, not yet scaled by lambda.
    """
    return (logits - of_twins).square().mean()


def distance(images: Tensor, twins: Tensor) -> Tensor:
    """|G(z) - G(T(z))|^2, its mean over a batch and over pixels, so that lambda means the same at every size.

    G's loss has it times -lambda: nearby z are to give images that differ, and D is not to mind.

    Args:
        images: (B, C, H, W).
        twins: (B, C, H, W), likewise with a graph.

    Returns:
        Scalar, not yet scaled by -lambda.
    """
    return (images - twins).square().mean()
