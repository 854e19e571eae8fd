"""The penalties of one objective: their weights along the clock, and their sum."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from torch import Tensor

from cgan_dist.config.schedule import Scheduled, largest, value_at
from cgan_dist.errors import UserError, close_match
from cgan_dist.losses.adversarial import Terms
from cgan_dist.losses.approximate_penalties import NOISY, STEP, nudged, squared_slope
from cgan_dist.losses.consistency_regularization import AUGMENTED, CONSISTENT, NEARBY_D, NEARBY_G, disagreement
from cgan_dist.losses.gradient_penalties import Judged, between, gradient_penalties, unit_norm_penalty
from cgan_dist.losses.lecam import Lecam

GRADIENT_PENALTIES = ("r1", "r2", "gp")
"""Those that differentiate D twice: at reals, at fakes, and between the two."""
PENALTIES = (*GRADIENT_PENALTIES, *NOISY, "lecam", *CONSISTENT, NEARBY_G)
HALVED = ("r1", "r2", *NOISY)
"""Their weight is the gamma of gamma / 2."""


class Look(Protocol):
    """Asks D for the logits of other images, shown as it is shown `of`: `real` or `fake`."""

    def __call__(self, images: Tensor, of: str, twice: bool) -> Tensor:
        """(B, C, H, W) before the view -> (B,); `twice` if their derivative will be differentiated."""


class Penalties:
    """Terms on D besides its loss, and one on G, with E the mean over a batch and w the weight.

    - `r1`: w / 2 E[|grad D(x)|^2] at reals, `r2` the same at fakes; w is the papers' gamma.
    - `gp`: w E[(|grad D| - 1)^2] between reals and fakes; w is the paper's lambda, with no half.
    - `r1_approximate`: w / 2 E[((D(x) - D(x + s e)) / s)^2] at reals, e standard normal, and `r2_approximate` at fakes:
      the first two but for O(s^2), by one more pass forwards and none that is differentiated twice.
    - `lecam`: w times what `lecam.Lecam` says; w is the paper's lambda.
    - `bcr_real`: w E[(D(x) - D(T(x)))^2] with an augmentation T, `bcr_fake` the same at fakes; `zcr_d`:
      w E[(D(G(z)) - D(G(T(z))))^2] with z moved by T; w is the paper's lambda (`consistency_regularization`).
    - `zcr_g`: -w E[|G(z) - G(T(z))|^2] in the loss of G, which `Objective.generator` adds.

    The first three may be lazy (Karras et al. 2020, arXiv:1912.04958, appendix B): every k-th update has them, k times
    as heavy. They share the update with the other terms, so Adam takes as many steps as without, and its rates stay as
    they are; the paper's correction is for steps that the penalty takes by itself.

    Args:
        weights: name to weight; those that never weigh anything are left out.
        lazy_updates: k.
        noise_step: s.

    Attributes:
        names: of those that ever weigh something.
        lecam: what it remembers, if it is among them.

    Raises:
        UserError: for an unknown name, with the close match.
    """

    def __init__(
        self, weights: Mapping[str, Scheduled[float]], lazy_updates: int = 1, noise_step: float = STEP
    ) -> None:
        for name in weights:
            if name not in PENALTIES:
                raise UserError(
                    f"loss.penalties.{name}: unknown penalty.{close_match(name, PENALTIES)} "
                    f"Known: {', '.join(PENALTIES)}."
                )
        self.scheduled = {name: weight for name, weight in weights.items() if largest(weight) > 0}
        self.names = tuple(self.scheduled)
        self.lazy_updates, self.noise_step = lazy_updates, noise_step
        self.lecam = Lecam() if "lecam" in self.names else None

    @property
    def noisy(self) -> list[str]:
        """Names of those that want noise, at any time."""
        return [name for name in NOISY if name in self.names]

    @property
    def augmented(self) -> list[str]:
        """Names of those that want a twin of each image by augmentation, at any time."""
        return [name for name in AUGMENTED if name in self.names]

    @property
    def nearby(self) -> str:
        """The networks, of "DG", in whose updates a twin of each fake by another z is wanted, at any time."""
        return "".join(net for net, name in (("D", NEARBY_D), ("G", NEARBY_G)) if name in self.names)

    @property
    def on_gradients(self) -> list[str]:
        """Names of those that differentiate D twice, at any time."""
        return [name for name in GRADIENT_PENALTIES if name in self.names]

    def weights(self, images_seen: int, update: int) -> dict[str, float]:
        """The weight of each penalty in one update; what is 0 is not computed.

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
        look: Look,
        mix: Tensor | None,
        noise: Mapping[str, Tensor],
        twins: Mapping[str, Tensor],
    ) -> tuple[Tensor, Terms]:
        """Adds the penalties on D of one micro-batch.

        Args:
            loss: scalar.
            weights: from `weights`.
            real: reals; they require grad where `r1` weighs something.
            fake: fakes, likewise for `r2`.
            look: asks D for more logits.
            mix: (B,) in [0, 1), the share of the real image, for `gp`.
            noise: (B, C, H, W) standard normal, by the name of the penalty that wants it.
            twins: (B, C, H, W) images that D is to judge as the real ones or the fakes, likewise by name.

        Returns:
            Scalar loss, and `penalty/NAME` without weight for each that was computed.

        Raises:
            ValueError: if `gp` has a weight and `mix` is missing.
            KeyError: if the noise or the twins of a penalty with a weight are missing.
        """
        found: Terms = {}
        judged = {name: on for name, on in (("r1", real), ("r2", fake)) if weights.get(name)}
        if judged:
            squares = gradient_penalties(list(judged.values()))
            found |= {name: square.mean() for name, square in zip(judged, squares, strict=True)}
        if weights.get("gp"):
            if mix is None:
                raise ValueError("the penalty gp needs mix, (B,) uniform in [0, 1)")
            images = between(real.images, fake.images, mix)
            found["gp"] = unit_norm_penalty(images, look(images, "real", twice=True)).mean()
        for name, of in NOISY.items():
            if weights.get(name):
                at = real if of == "real" else fake
                off = look(nudged(at.images, noise[name], self.noise_step), of, twice=False)
                found[name] = squared_slope(at.logits, off, self.noise_step).mean()
        for name, of in CONSISTENT.items():
            if weights.get(name):
                logits = (real if of == "real" else fake).logits
                found[name] = disagreement(logits, look(twins[name], of, twice=False))
        if self.lecam is not None:
            if weights.get("lecam") and (penalty := self.lecam.penalty(real.logits, fake.logits)) is not None:
                found["lecam"] = penalty
            self.lecam.observe(real.logits, fake.logits)
        for name, penalty in found.items():
            loss = loss + weights[name] / (2 if name in HALVED else 1) * penalty
        return loss, {f"penalty/{name}": penalty for name, penalty in found.items()}
