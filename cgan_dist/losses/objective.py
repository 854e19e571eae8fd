"""The whole objective of a GAN: one loss for D, one for G, and the scalars worth logging."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from torch import Tensor, nn

from cgan_dist.errors import UserError, close_match
from cgan_dist.losses.adversarial import Terms
from cgan_dist.losses.penalties import gradient_penalty

PENALTIES = ("r1", "r2")


class Adversarial(Protocol):
    """The contract of an adversarial loss; see the room's docstring."""

    generator_needs_real: bool

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> tuple[Tensor, Terms]:
        """(B,) and (B,) logits -> scalar loss of D and named terms."""

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> tuple[Tensor, Terms]:
        """(B,) and (B,) logits -> scalar loss of G and named terms."""


View = Callable[[Tensor], Tensor]
"""What D is shown of an image: an augmentation with its parameters, or the image itself."""


def unchanged(image: Tensor) -> Tensor:
    """The view without augmentation."""
    return image


class Objective:
    """Adversarial loss plus gamma / 2 times each penalty, in one graph, so that one backward pass serves all.

    Args:
        adversarial: the loss on logits.
        gammas: penalty name (`r1`, `r2`) to gamma.
    """

    def __init__(self, adversarial: Adversarial, gammas: Mapping[str, float]) -> None:
        for name in gammas:
            if name not in PENALTIES:
                raise UserError(
                    f"loss.penalties.{name}: unknown penalty.{close_match(name, PENALTIES)} "
                    f"Known: {', '.join(PENALTIES)}."
                )
        self.adversarial = adversarial
        self.gammas = {name: gamma for name, gamma in gammas.items() if gamma > 0}

    def discriminator(
        self,
        D: nn.Module,
        real: Tensor,
        fake: Tensor,
        condition: Tensor,
        view_real: View = unchanged,
        view_fake: View = unchanged,
    ) -> tuple[Tensor, Terms]:
        """Loss of D on real and fake images, which pass through D in two calls, each with its own batch statistics.

        Args:
            D: the discriminator, trainable.
            real: (B, C, H, W) in the range of `data.pixels`.
            fake: (B, C, H, W) without a graph.
            condition: see `conditioning.base`.
            view_real: augmentation of the reals; penalties are with respect to the images before it.
            view_fake: augmentation of the fakes.

        Returns:
            Scalar loss, and detached scalars by name (`loss/d`, `logits/real`, `penalty/r1`, ...).
        """
        images = {"r1": real.requires_grad_("r1" in self.gammas), "r2": fake.requires_grad_("r2" in self.gammas)}
        logits = {"r1": D(view_real(real), condition), "r2": D(view_fake(fake), condition)}
        loss, terms = self.adversarial.discriminator(logits["r1"], logits["r2"])
        scalars = {f"loss/{name}": term for name, term in terms.items()}
        scalars |= {"loss/d_adversarial": loss} if self.gammas else {}
        for name, gamma in self.gammas.items():
            penalty = gradient_penalty(images[name], logits[name]).mean()
            loss = loss + gamma / 2 * penalty
            scalars[f"penalty/{name}"] = penalty
        scalars |= {"loss/d": loss, "logits/real": logits["r1"].mean(), "logits/fake": logits["r2"].mean()}
        return loss, _detached(scalars)

    def generator(
        self,
        D: nn.Module,
        real: Tensor,
        fake: Tensor,
        condition: Tensor,
        view_real: View = unchanged,
        view_fake: View = unchanged,
    ) -> tuple[Tensor, Terms]:
        """Loss of G; D must be frozen.

        Args:
            D: the discriminator, its parameters not requiring grad.
            real: (B, C, H, W); looked at only by losses that pair real with fake.
            fake: (B, C, H, W) = G(z, condition), with its graph.
            condition: the one that `fake` was made for.
            view_real: augmentation of the reals.
            view_fake: augmentation of the fakes; gradients pass through it to G.

        Returns:
            Scalar loss, and detached scalars by name.
        """
        real_logits = D(view_real(real), condition) if self.adversarial.generator_needs_real else None
        loss, terms = self.adversarial.generator(real_logits, D(view_fake(fake), condition))
        return loss, _detached({"loss/g": loss} | {f"loss/{name}": term for name, term in terms.items()})


def _detached(scalars: Terms) -> Terms:
    return {name: value.detach() for name, value in scalars.items()}
