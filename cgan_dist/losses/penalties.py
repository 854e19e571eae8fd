"""The penalties of one objective: their weights along the clock, and their sum."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from torch import Tensor

from cgan_dist.errors import UserError, close_match
from cgan_dist.losses.adversarial import Terms
from cgan_dist.losses.gradient_penalties import between, gradient_penalty, unit_norm_penalty
from cgan_dist.losses.lecam import Lecam
from cgan_dist.schedule import Scheduled, largest, value_at

GRADIENT_PENALTIES = ("r1", "r2", "gp")
"""Those that differentiate D twice: at reals, at fakes, and between the two."""
PENALTIES = (*GRADIENT_PENALTIES, "lecam")


class Judged(NamedTuple):
    """Images before the view, (B, C, H, W), and the logits that D gave them, (B,) in float32 or better."""

    images: Tensor
    logits: Tensor


class Penalties:
    """Terms on D besides its loss, with E the mean over a batch and w the weight.

    - `r1`: w / 2 E[|grad D(x)|^2] at reals, `r2` the same at fakes; w is the papers' gamma.
    - `gp`: w E[(|grad D| - 1)^2] between reals and fakes; w is the paper's lambda, with no half.
    - `lecam`: w times what `lecam.Lecam` says; w is the paper's lambda.

    The first three may be lazy (Karras et al. 2020, arXiv:1912.04958, appendix B): every k-th update has them, k times
    as heavy. They share the update with the other terms, so Adam takes as many steps as without, and its rates stay as
    they are; the paper's correction is for steps that the penalty takes by itself.

    Args:
        weights: name to weight; those that never weigh anything are left out.
        lazy_updates: k.

    Attributes:
        names: of those that ever weigh something.
        lecam: what it remembers, if it is among them.

    Raises:
        UserError: for an unknown name, with the close match.
    """

    def __init__(self, weights: Mapping[str, Scheduled[float]], lazy_updates: int = 1) -> None:
        for name in weights:
            if name not in PENALTIES:
                raise UserError(
                    f"loss.penalties.{name}: unknown penalty.{close_match(name, PENALTIES)} "
                    f"Known: {', '.join(PENALTIES)}."
                )
        self.scheduled = {name: weight for name, weight in weights.items() if largest(weight) > 0}
        self.names = tuple(self.scheduled)
        self.lazy_updates = lazy_updates
        self.lecam = Lecam() if "lecam" in self.names else None

    @property
    def on_gradients(self) -> list[str]:
        """Names of those that differentiate D twice, at any time."""
        return [name for name in GRADIENT_PENALTIES if name in self.names]

    def weights(self, images_seen: int, update: int) -> dict[str, float]:
        """The weight of each penalty in one update of D; what is 0 is not computed.

        Args:
            images_seen: the clock, for schedules.
            update: number of the update of D, from 0.
        """
        turn = self.lazy_updates if update % self.lazy_updates == 0 else 0
        factors = dict.fromkeys(GRADIENT_PENALTIES, turn)
        return {name: value_at(weight, images_seen) * factors.get(name, 1) for name, weight in self.scheduled.items()}

    def add_to(
        self,
        loss: Tensor,
        weights: Mapping[str, float],
        real: Judged,
        fake: Judged,
        look: Callable[[Tensor], Tensor],
        mix: Tensor | None,
    ) -> tuple[Tensor, Terms]:
        """Adds the penalties of one micro-batch.

        Args:
            loss: scalar.
            weights: from `weights`.
            real: reals; they require grad where `r1` weighs something.
            fake: fakes, likewise for `r2`.
            look: from images before the view to logits, for `gp`.
            mix: (B,) in [0, 1), the share of the real image, for `gp`.

        Returns:
            Scalar loss, and `penalty/NAME` without weight for each that was computed.

        Raises:
            ValueError: if `gp` has a weight and `mix` is missing.
        """
        found: Terms = {}
        if weights.get("r1"):
            found["r1"] = gradient_penalty(*real).mean()
        if weights.get("r2"):
            found["r2"] = gradient_penalty(*fake).mean()
        if weights.get("gp"):
            if mix is None:
                raise ValueError("the penalty gp needs mix, (B,) uniform in [0, 1)")
            images = between(real.images, fake.images, mix)
            found["gp"] = unit_norm_penalty(images, look(images)).mean()
        if self.lecam is not None:
            if weights.get("lecam") and (penalty := self.lecam.penalty(real.logits, fake.logits)) is not None:
                found["lecam"] = penalty
            self.lecam.observe(real.logits, fake.logits)
        for name, penalty in found.items():
            loss = loss + weights[name] / (2 if name in ("r1", "r2") else 1) * penalty
        return loss, {f"penalty/{name}": penalty for name, penalty in found.items()}
