"""Top-k training of G: only the fakes that D finds most real count (Sinha et al. 2020, arXiv:2002.06224)."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

from cgan_dist.losses.adversarial import Adversarial, Terms


class AmongAll(Protocol):
    """Puts the logits of a part of the global batch in their place among all of it."""

    def __call__(self, own: Tensor, of: str) -> Tensor:
        """(B,) of one pass, `of` "real" or "fake" -> (GB,): the part's own with their graph, all others without."""


def most_real(logits: Tensor, share: float) -> Tensor:
    """The rows of the most real images.

    Args:
        logits: (GB,) of fakes; of (GB, L) the mean of an image's logits counts.
        share: of the batch, above 0.

    Returns:
        (k,) int64, the most real one first, k being the share of the batch rounded and at least 1. Of equal ones the
        first comes first, so every rank that has the same logits takes the same rows.
    """
    k = max(1, round(share * len(logits)))
    scores = logits.detach().flatten(1).mean(1) if logits.ndim > 1 else logits.detach()
    return scores.argsort(descending=True, stable=True)[:k]


def top_k_loss(
    adversarial: Adversarial, real_logits: Tensor | None, fake_logits: Tensor, share: float, among_all: AmongAll
) -> tuple[Tensor, Terms]:
    """G's adversarial loss on the most real of the global batch, for the backward pass of a part of it.

    Args:
        adversarial: the loss, of means over a batch.
        real_logits: (B,) of the reals that the fakes are paired with, or None.
        fake_logits: (B,) of this part's fakes, which may be any number of those that count, none too.
        share: of the fakes that count.
        among_all: knows the logits of the other parts.

    Returns:
        The loss of the whole batch, a scalar that is the same for all parts. Its gradient at this part's logits is
        multiplied by the number of parts, so that the mean over parts, which is what training takes over micro-batches
        and ranks, is the gradient of the whole. And the loss's named terms.
    """
    fakes = among_all(fake_logits, "fake")
    rows = most_real(fakes, share)
    reals = None if real_logits is None else among_all(real_logits, "real")[rows]
    loss, terms = adversarial.generator(reals, fakes[rows])
    parts = len(fakes) // len(fake_logits)
    return (loss if parts == 1 else loss + (parts - 1) * (loss - loss.detach())), terms
