"""The whole objective of a GAN: one loss for D, one for G, and the scalars worth logging."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from typing import cast

import torch
from torch import Tensor, nn

from cgan_dist.conditioning.condition import Condition
from cgan_dist.conditioning.discriminator.base import DiscriminatorWay, Judgement, Role
from cgan_dist.losses.adversarial import Adversarial, Terms
from cgan_dist.losses.penalties import Judged, Penalties
from cgan_dist.losses.second_derivative import second_derivative
from cgan_dist.schedule import Scheduled, value_at

View = Callable[[Tensor], Tensor]
"""What D is shown of an image: an augmentation with its parameters, or the image itself."""


def unchanged(image: Tensor) -> Tensor:
    """The view without augmentation."""
    return image


class Objective:
    """The adversarial loss, the weighted penalties and the losses of D's ways, in one graph for one backward pass.

    Args:
        adversarial: the loss on logits.
        penalties: name to weight, see `Penalties`.
        lazy_updates: every so many-th update of D has the penalties on gradients.
        ways: of D, by name; those that have a loss give it on their readings.

    Raises:
        UserError: for an unknown penalty, with the close match.
    """

    def __init__(
        self,
        adversarial: Adversarial,
        penalties: Mapping[str, Scheduled[float]],
        lazy_updates: int = 1,
        ways: Mapping[str, DiscriminatorWay] | None = None,
    ) -> None:
        self.adversarial = adversarial
        self.penalties = Penalties(penalties, lazy_updates)
        self.ways = {name: way for name, way in (ways or {}).items() if type(way).loss is not DiscriminatorWay.loss}

    @property
    def gradient_penalties(self) -> list[str]:
        """Names of the penalties that differentiate D twice, at any time."""
        return self.penalties.on_gradients

    @property
    def needs_mix(self) -> bool:
        """Whether `discriminator` wants `mix`."""
        return "gp" in self.penalties.names

    def weights(self, images_seen: int, update: int) -> dict[str, float]:
        """All weights of one update: of penalties by name, see `Penalties.weights`, of ways' losses by `aux/NAME`."""
        auxiliary = {f"aux/{name}": value_at(way.weight, images_seen) for name, way in self.ways.items()}
        return self.penalties.weights(images_seen, update) | auxiliary

    def discriminator(
        self,
        D: nn.Module,
        real: Tensor,
        fake: Tensor,
        condition: Condition,
        weights: Mapping[str, float],
        view_real: View = unchanged,
        view_fake: View = unchanged,
        mix: Tensor | None = None,
    ) -> tuple[Tensor, Terms]:
        """Loss of D on real and fake images, which pass through D in two calls, each with its own batch statistics.

        Args:
            D: the discriminator, trainable; returns a `Judgement`.
            real: (B, C, H, W) in the range of `data.pixels`.
            fake: (B, C, H, W) without a graph.
            condition: of both.
            weights: from `weights`.
            view_real: augmentation of the reals, and of what is between; penalties are on the images before it.
            view_fake: augmentation of the fakes.
            mix: (B,) uniform in [0, 1): where between the fake and the real one `gp` looks.

        Returns:
            Scalar loss, and detached scalars by name (`loss/d`, `logits/real`, ...); without their weights `aux/WAY_d`
            and, where computed, `penalty/NAME`.

        Raises:
            ValueError: if `gp` has a weight and `mix` is missing.
        """

        def look(images: Tensor) -> Tensor:
            return _judge(D, view_real(images), condition, twice=True).logits

        real = real.detach().requires_grad_(bool(weights.get("r1")))
        fake = fake.detach().requires_grad_(bool(weights.get("r2")))
        on_real = _judge(D, view_real(real), condition, twice=real.requires_grad)
        on_fake = _judge(D, view_fake(fake), condition, twice=fake.requires_grad)
        loss, terms = self.adversarial.discriminator(on_real.logits, on_fake.logits)
        scalars = {f"loss/{name}": term for name, term in terms.items()}
        scalars |= {"loss/d_adversarial": loss} if self.penalties.names or self.ways else {}
        judged = Judged(real, on_real.logits), Judged(fake, on_fake.logits)
        loss, penalties = self.penalties.add_to(loss, weights, *judged, look, mix)
        loss, auxiliary = self._plus_auxiliary(loss, "d", condition, weights, {"real": on_real, "fake": on_fake})
        scalars |= {"loss/d": loss, "logits/real": on_real.logits.mean(), "logits/fake": on_fake.logits.mean()}
        scalars["d/accuracy"] = ((on_real.logits - on_fake.logits).sign().mean() + 1) / 2  # of pairs ranked right
        return loss, _detached(scalars | penalties | auxiliary)

    def generator(
        self,
        D: nn.Module,
        real: Tensor,
        fake: Tensor,
        condition: Condition,
        weights: Mapping[str, float],
        view_real: View = unchanged,
        view_fake: View = unchanged,
    ) -> tuple[Tensor, Terms]:
        """Loss of G; D must be frozen.

        Args:
            D: the discriminator, its parameters not requiring grad.
            real: (B, C, H, W); looked at only by losses that pair real with fake.
            fake: (B, C, H, W) = G(z, condition), with its graph.
            condition: the one that `fake` was made for.
            weights: from `weights`; the penalties' are not looked at.
            view_real: augmentation of the reals.
            view_fake: augmentation of the fakes; gradients pass through it to G.

        Returns:
            Scalar loss, and detached scalars by name; `aux/WAY_g` without their weights.
        """
        real_logits = _judge(D, view_real(real), condition).logits if self.adversarial.generator_needs_real else None
        judgement = _judge(D, view_fake(fake), condition)
        loss, terms = self.adversarial.generator(real_logits, judgement.logits)
        scalars = {f"loss/{name}": term for name, term in terms.items()}
        scalars |= {"loss/g_adversarial": loss} if self.ways else {}
        loss, auxiliary = self._plus_auxiliary(loss, "g", condition, weights, {"generator": judgement})
        return loss, _detached(scalars | {"loss/g": loss} | auxiliary)

    def finish_update(self, over_ranks: Callable[[Tensor], Tensor] = lambda own: own) -> None:
        """Ends an update of D, after its last micro-batch; every rank calls it.

        Args:
            over_ranks: the mean of a small tensor over ranks, on the device; called only where there is one.
        """
        if self.penalties.lecam is not None:
            self.penalties.lecam.finish_update(over_ranks)

    def state(self) -> dict[str, Tensor]:
        """Returns what a checkpoint must hold, on the device; the same on every rank, and mostly nothing."""
        return self.penalties.lecam.state() if self.penalties.lecam is not None else {}

    def restore(self, state: Mapping[str, Tensor], device: torch.device) -> None:
        """Takes back what `state` returned; what is missing begins afresh, what is not needed is left."""
        if self.penalties.lecam is not None:
            self.penalties.lecam.restore(state, device)

    def _plus_auxiliary(
        self,
        loss: Tensor,
        net: str,
        condition: Condition,
        weights: Mapping[str, float],
        judgements: Mapping[Role, Judgement],
    ) -> tuple[Tensor, Terms]:
        """Adds the ways' losses, with weight 0 too: DDP waits for a gradient of every parameter."""
        scalars: Terms = {}
        for name, way in self.ways.items():
            parts = [way.loss(judged.readings[name], condition, role) for role, judged in judgements.items()]
            if given := [part for part in parts if part is not None]:
                total = scalars[f"aux/{name}_{net}"] = torch.stack(given).sum()
                loss = loss + weights[f"aux/{name}"] * total
        return loss, scalars


def _judge(D: nn.Module, image: Tensor, condition: Condition, twice: bool = False) -> Judgement:
    """D's judgement, with logits that means and squares can be taken of, and if `twice` a second derivative."""
    with second_derivative(D) if twice else contextlib.nullcontext():
        judgement = cast(Judgement, D(image, condition))
    logits = judgement.logits
    return judgement._replace(logits=logits.to(torch.promote_types(logits.dtype, torch.float32)))


def _detached(scalars: Terms) -> Terms:
    return {name: value.detach() for name, value in scalars.items()}
