"""Adversarial losses: functions of logits, nothing else."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

Terms = dict[str, Tensor]


class NonSaturating:
    """Sigmoid cross-entropy (Goodfellow et al. 2014, arXiv:1406.2661, section 3, with the non-saturating G).

    D minimizes BCE(D(x), 1) + BCE(D(G(z)), 0) = softplus(-D(x)) + softplus(D(G(z))); G minimizes BCE(D(G(z)), 1).
    """

    generator_needs_real = False

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

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> tuple[Tensor, Terms]:
        """(B,) and (B,) logits -> scalar loss of D."""
        return F.softplus(fake_logits - real_logits).mean(), {}

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> tuple[Tensor, Terms]:
        """(B,) and (B,) logits -> scalar loss of G."""
        if real_logits is None:
            raise ValueError("the relativistic loss of G needs the logits of real images")
        return F.softplus(real_logits - fake_logits).mean(), {}
