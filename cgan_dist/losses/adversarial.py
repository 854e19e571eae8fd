"""Adversarial losses: functions of logits, nothing else."""

from __future__ import annotations

from typing import Protocol

import torch.nn.functional as F
from torch import Tensor

Terms = dict[str, Tensor]


class Adversarial(Protocol):
    """The contract of an adversarial loss: two functions of logits, each a scalar to minimize and named terms.

    Attributes:
        generator_needs_real: whether G's loss looks at the logits of real images.
        threshold: the logit at which D holds an image for real as much as for generated; None where only differences
            of logits count. A loss that leaves it out counts as one of these.
    """

    generator_needs_real: bool
    threshold: float | None

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> tuple[Tensor, Terms]:
        """(B,) and (B,) logits -> scalar loss of D and named terms."""

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> tuple[Tensor, Terms]:
        """(B,) and (B,) logits -> scalar loss of G and named terms."""


class NonSaturating:
    """Sigmoid cross-entropy (Goodfellow et al. 2014, arXiv:1406.2661, section 3, with the non-saturating G).

    D minimizes BCE(D(x), 1) + BCE(D(G(z)), 0) = softplus(-D(x)) + softplus(D(G(z))); G minimizes BCE(D(G(z)), 1).
    """

    generator_needs_real = False
    threshold: float | None = 0.0

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> tuple[Tensor, Terms]:
        """(B,) and (B,) logits -> scalar loss of D, and its two halves."""
        real, fake = F.softplus(-real_logits).mean(), F.softplus(fake_logits).mean()
        return real + fake, {"d_real": real, "d_fake": fake}

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> tuple[Tensor, Terms]:
        """(B,) logits of fakes -> scalar loss of G; real logits are not looked at."""
        return F.softplus(-fake_logits).mean(), {}


class Relativistic:
    """Relativistic pairing (Jolicoeur-Martineau 2018, arXiv:1807.00734; Huang et al. 2024, arXiv:2501.05441, eq. 2).

    D minimizes softplus(-(D(x) - D(G(z)))) over pairs of one real and one fake, G the same with the roles exchanged.
    """

    generator_needs_real = True
    threshold: float | None = None

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> tuple[Tensor, Terms]:
        """(B,) and (B,) logits -> scalar loss of D."""
        return F.softplus(fake_logits - real_logits).mean(), {}

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> tuple[Tensor, Terms]:
        """(B,) and (B,) logits -> scalar loss of G."""
        if real_logits is None:
            raise ValueError("the relativistic loss of G needs the logits of real images")
        return F.softplus(real_logits - fake_logits).mean(), {}


class Hinge:
    """Hinge loss (Lim and Ye 2017, arXiv:1705.02894; Miyato et al. 2018, arXiv:1802.05957, eqs. 16 and 17).

    D minimizes max(0, 1 - D(x)) + max(0, 1 + D(G(z))), which leaves alone what is right by a margin; G minimizes
    -D(G(z)).
    """

    generator_needs_real = False
    threshold: float | None = 0.0

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> tuple[Tensor, Terms]:
        """(B,) and (B,) logits -> scalar loss of D, and its two halves."""
        real, fake = F.relu(1 - real_logits).mean(), F.relu(1 + fake_logits).mean()
        return real + fake, {"d_real": real, "d_fake": fake}

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> tuple[Tensor, Terms]:
        """(B,) logits of fakes -> scalar loss of G; real logits are not looked at."""
        return -fake_logits.mean(), {}


class LeastSquares:
    """Least squares (Mao et al. 2017, arXiv:1611.04076, eq. 9).

    D minimizes (D(x) - 1)^2 / 2 + D(G(z))^2 / 2; G minimizes (D(G(z)) - 1)^2 / 2. Logits are distances to 1 and 0 here,
    no log odds.
    """

    generator_needs_real = False
    threshold: float | None = 0.5

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> tuple[Tensor, Terms]:
        """(B,) and (B,) logits -> scalar loss of D, and its two halves."""
        real, fake = (real_logits - 1).square().mean() / 2, fake_logits.square().mean() / 2
        return real + fake, {"d_real": real, "d_fake": fake}

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> tuple[Tensor, Terms]:
        """(B,) logits of fakes -> scalar loss of G; real logits are not looked at."""
        return (fake_logits - 1).square().mean() / 2, {}


class Wasserstein:
    """Wasserstein critic (Arjovsky et al. 2017, arXiv:1701.07875, eq. 2 and theorem 3).

    D minimizes D(G(z)) - D(x), G minimizes -D(G(z)). The loss of D has no lower bound, so a penalty must hold D's
    slope: `gp`, or `r1` and `r2`.
    """

    generator_needs_real = False
    threshold: float | None = None

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> tuple[Tensor, Terms]:
        """(B,) and (B,) logits -> scalar loss of D, the negative of the estimated distance, and its two halves."""
        real, fake = -real_logits.mean(), fake_logits.mean()
        return real + fake, {"d_real": real, "d_fake": fake}

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> tuple[Tensor, Terms]:
        """(B,) logits of fakes -> scalar loss of G; real logits are not looked at."""
        return -fake_logits.mean(), {}
