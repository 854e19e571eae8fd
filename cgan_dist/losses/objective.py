"""The whole objective of a GAN: one loss for D, one for G, and the scalars worth logging."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn

from cgan_dist.conditioning.condition import Condition
from cgan_dist.conditioning.discriminator.base import DiscriminatorWay, Judgement, Role
from cgan_dist.config.schedule import Scheduled, largest, smallest, value_at
from cgan_dist.losses.adversarial import Adversarial, Terms
from cgan_dist.losses.approximate_penalties import STEP
from cgan_dist.losses.consistency_regularization import NEARBY_G, distance
from cgan_dist.losses.gradient_penalties import Judged
from cgan_dist.losses.judging import Shown, judge, judge_both
from cgan_dist.losses.levels import inconsistency
from cgan_dist.losses.overfitting import Overfitting
from cgan_dist.losses.penalties import Penalties
from cgan_dist.losses.top_k import AmongAll, top_k_loss

NOTHING: Mapping[str, Tensor] = MappingProxyType({})
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
        noise_step: of the approximate penalties.
        consistency: weight in G's loss of the distance between the levels that it shows of a picture.
        top_k: the share of the global batch's fakes that count in G's adversarial loss.

    Attributes:
        overfitting: how well D knows its training pictures; None where nobody asks, see `measure_overfitting`.

    Raises:
        UserError: for an unknown penalty, with the close match.
    """

    def __init__(
        self,
        adversarial: Adversarial,
        penalties: Mapping[str, Scheduled[float]],
        lazy_updates: int = 1,
        ways: Mapping[str, DiscriminatorWay] | None = None,
        noise_step: float = STEP,
        consistency: Scheduled[float] = 0.0,
        top_k: Scheduled[float] = 1.0,
    ) -> None:
        self.adversarial = adversarial
        self.penalties = Penalties(penalties, lazy_updates, noise_step)
        self.consistency, self.top_k = consistency, top_k
        self.ways = {name: way for name, way in (ways or {}).items() if type(way).loss is not DiscriminatorWay.loss}
        self.overfitting: Overfitting | None = None

    def measure_overfitting(self) -> None:
        """From here on every update of D is measured."""
        self.overfitting = Overfitting(getattr(self.adversarial, "threshold", None))

    @property
    def gradient_penalties(self) -> list[str]:
        """Names of the penalties that differentiate D twice, at any time."""
        return self.penalties.on_gradients

    @property
    def needs_mix(self) -> bool:
        """Whether `discriminator` wants `mix`."""
        return "gp" in self.penalties.names

    @property
    def noisy_penalties(self) -> list[str]:
        """Names of the penalties whose noise `discriminator` wants, at any time."""
        return self.penalties.noisy

    def weights(self, images_seen: int, update: int) -> dict[str, float]:
        """All weights of one update: of penalties by name, see `Penalties.weights`, of ways' losses by `aux/NAME`.

        `consistency` is there where it ever weighs something, and the share `top_k` where it is ever below 1.
        """
        auxiliary = {f"aux/{name}": value_at(way.weight, images_seen) for name, way in self.ways.items()}
        if largest(self.consistency) > 0:
            auxiliary["consistency"] = value_at(self.consistency, images_seen)
        if smallest(self.top_k) < 1:
            auxiliary["top_k"] = value_at(self.top_k, images_seen)
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
        noise: Mapping[str, Tensor] = NOTHING,
        twins: Mapping[str, Tensor] = NOTHING,
    ) -> tuple[Tensor, Terms]:
        """Loss of D on real and fake images, each judged with their own batch statistics (`judging.judge_both`).

        Args:
            D: the discriminator, trainable; returns a `Judgement`.
            real: (B, C, H, W) in the range of `data.pixels`.
            fake: (B, C, H, W) without a graph.
            condition: of both.
            weights: from `weights`.
            view_real: augmentation of the reals, and of what is between; penalties are on the images before it.
            view_fake: augmentation of the fakes.
            mix: (B,) uniform in [0, 1): where between the fake and the real one `gp` looks.
            noise: (B, C, H, W) standard normal, by the names of `noisy_penalties`.
            twins: (B, C, H, W) without a graph, before the view: what D is to judge as the real image or the fake, by
                the names in `consistency_regularization.CONSISTENT`.

        Returns:
            Scalar loss, and detached scalars by name (`loss/d`, `logits/real`, ...); without their weights `aux/WAY_d`
            and, where computed, `penalty/NAME`.

        Raises:
            ValueError: if `gp` has a weight and `mix` is missing.
        """

        def look(images: Tensor, of: str, twice: bool) -> Tensor:
            view = view_real if of == "real" else view_fake
            return judge(D, Shown(view(images), twice), condition).logits

        real = real.detach().requires_grad_(bool(weights.get("r1")))
        fake = fake.detach().requires_grad_(bool(weights.get("r2")))
        shown = Shown(view_real(real), real.requires_grad), Shown(view_fake(fake), fake.requires_grad)
        on_real, on_fake = judge_both(D, *shown, condition)
        if self.overfitting is not None:
            self.overfitting.observe(on_real.logits, on_fake.logits)
        loss, terms = self.adversarial.discriminator(on_real.logits, on_fake.logits)
        scalars = {f"loss/{name}": term for name, term in terms.items()}
        scalars |= {"loss/d_adversarial": loss} if self.penalties.names or self.ways else {}
        judged = Judged(real, on_real.logits), Judged(fake, on_fake.logits)
        loss, penalties = self.penalties.add_to(loss, weights, *judged, look, mix, noise, twins)
        loss, auxiliary = self._plus_auxiliary(loss, "d", condition, weights, {"real": on_real, "fake": on_fake})
        reals, fakes = on_real.logits.detach(), on_fake.logits.detach()
        scalars |= {"loss/d": loss, "logits/real": reals.mean(), "logits/fake": fakes.mean()}
        scalars["d/accuracy"] = ((reals - fakes).sign().mean() + 1) / 2  # of pairs ranked right
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
        levels: int = 1,
        twin: Tensor | None = None,
        among_all: AmongAll | None = None,
    ) -> tuple[Tensor, Terms]:
        """Loss of G; D must be frozen.

        Args:
            D: the discriminator, its parameters not requiring grad.
            real: (B, C, H, W); looked at only by losses that pair real with fake.
            fake: (B, C, H, W) = G(z, condition), with its graph.
            condition: the one that `fake` was made for.
            weights: from `weights`; of the penalties' that of `zcr_g`.
            view_real: augmentation of the reals.
            view_fake: augmentation of the fakes; gradients pass through it to G.
            levels: L; of more than one, channels are those of the levels, one after another.
            twin: (B, C, H, W) = G(T(z), condition), with its graph, where `zcr_g` has a weight.
            among_all: knows the logits of the rest of the global batch; without it `top_k` is not looked at.

        Returns:
            Scalar loss, and detached scalars by name; `aux/WAY_g` and `penalty/zcr_g` without their weights.

        Raises:
            ValueError: if `zcr_g` has a weight and `twin` is missing.
        """
        real_logits, judgement = self.judge_for_generator(D, real, fake, condition, view_real, view_fake)
        if among_all is not None:
            loss, terms = top_k_loss(self.adversarial, real_logits, judgement.logits, weights["top_k"], among_all)
        else:
            loss, terms = self.adversarial.generator(real_logits, judgement.logits)
        scalars = {f"loss/{name}": term for name, term in terms.items()}
        more = self.ways or weights.get("consistency") or weights.get(NEARBY_G)
        scalars |= {"loss/g_adversarial": loss} if more else {}
        loss, auxiliary = self._plus_auxiliary(loss, "g", condition, weights, {"generator": judgement})
        if weights.get("consistency"):
            scalars["loss/consistency"] = inconsistency(fake, levels)
            loss = loss + weights["consistency"] * scalars["loss/consistency"]
        if weights.get(NEARBY_G):
            if twin is None:
                raise ValueError("the penalty zcr_g needs the twin of each fake, G(T(z), condition)")
            scalars[f"penalty/{NEARBY_G}"] = distance(fake, twin)
            loss = loss - weights[NEARBY_G] * scalars[f"penalty/{NEARBY_G}"]
        return loss, _detached(scalars | {"loss/g": loss} | auxiliary)

    def judge_for_generator(
        self, D: nn.Module, real: Tensor, fake: Tensor, condition: Condition, view_real: View, view_fake: View
    ) -> tuple[Tensor | None, Judgement]:
        """What G's loss looks at: (B,) logits of reals if the loss pairs them, and D's judgement of fakes.

        The arguments are those of `generator`.
        """
        needs_real = self.adversarial.generator_needs_real
        real_logits = judge(D, Shown(view_real(real)), condition).logits if needs_real else None
        return real_logits, judge(D, Shown(view_fake(fake)), condition)

    def finish_update(self, over_ranks: Callable[[Tensor], Tensor] = lambda own: own) -> None:
        """Ends an update of D, after its last micro-batch; every rank calls it.

        Args:
            over_ranks: the mean of a small tensor over ranks, on the device; called only where there is one.
        """
        if self.penalties.lecam is not None:
            self.penalties.lecam.finish_update(over_ranks)
        if self.overfitting is not None:
            self.overfitting.finish_update(over_ranks)

    def state(self) -> dict[str, Tensor]:
        """Returns what a checkpoint must hold, on the device; the same on every rank, and mostly nothing."""
        return self.penalties.lecam.state() if self.penalties.lecam is not None else {}

    def restore(self, state: Mapping[str, Tensor], device: torch.device) -> None:
        """Takes back what `state` returned; what is missing begins afresh, what is not needed is left."""
        if self.penalties.lecam is not None:
            self.penalties.lecam.restore(state, device)
        if self.overfitting is not None:
            self.overfitting.forget()

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


def _detached(scalars: Terms) -> Terms:
    return {name: value.detach() for name, value in scalars.items()}
