"""Recipe for GPUs: R3GAN's networks and loss, with penalties on gradients."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

from cgan_dist.recipes.facts import Facts
from cgan_dist.recipes.machine import Machine
from cgan_dist.recipes.recipe import Choice

MANY_IMAGES = 50_000
LEAST_SIDE = 8
LARGE_SIDE = 96
GAMMAS = ((28, 1.0), (64, 2.0), (128, 15.0), (256, 150.0))
"""By side: the better of two for digits (docs/experiments.md); of celeba.yaml; of celeba_128.yaml; R3GAN's own."""
BYTES = 12e9 / 64 / (64 * 64 * 64)
"""Of a pass, for each pixel and channel of `width`: 64 faces of 64x64 at width 64 took 12 GB (docs/experiments.md)."""
MEMORY_SHARE = 0.8


class R3:
    """The recipe of configs/celeba.yaml, configs/celeba_128.yaml and, for fewer images, configs/imagefolder.yaml.

    Args:
        facts: of the data.
        machine: where it trains.
    """

    def __init__(self, facts: Facts, machine: Machine) -> None:
        self.facts, self.machine = facts, machine
        self.has_many, self.is_large = facts.count >= MANY_IMAGES, facts.side >= LARGE_SIDE
        self.batch_size = 256 if self.has_many else 64
        self.model = f"configs/{('celeba_128' if self.is_large else 'celeba') if self.has_many else 'imagefolder'}.yaml"
        self.widths: Sequence[int] = (64,) if self.has_many else (48,)
        self.longest_images = (25_000_000 if self.is_large else 20_000_000) if self.has_many else 10_000_000
        self.longest_because = f"as many as {self.model} has"

    def choices(self, width: int, total_images: int) -> list[Choice]:
        """See `Recipe`."""
        args = {"width": width, "max_width": width * (6 if self.is_large and self.has_many else 4)}
        middle = max(1, total_images // 2)
        return [
            Choice(
                "generator.name",
                "r3",
                f"R3GAN's networks without normalization (Huang et al. 2024, arXiv:2501.05441), as wide as in "
                f"{self.model}, a config that has not been run to its end by this project.",
            ),
            Choice("generator.latent_dim", 64),
            Choice("generator.latent", "normal"),
            Choice("generator.args", args),
            Choice("discriminator.name", "r3"),
            Choice("discriminator.args", args),
            Choice(
                "loss.adversarial", "relativistic", "Made for these networks with both penalties (docs/training.md)."
            ),
            Choice("loss.penalties", self._penalties(middle), self._why_gamma()),
            Choice(
                "optim.lr",
                {"start": 2e-4, "end": 5e-5, "end_images": middle, "shape": "cosine"},
                "R3GAN's rates and moments, level from the middle of the run on.",
            ),
            Choice("optim.betas", [0.0, {"start": 0.9, "end": 0.99, "end_images": middle, "shape": "cosine"}]),
            Choice(
                "train.batch_size",
                self.batch_size,
                f"Of all GPUs together, as in {self.model}; 16 were too few for this recipe (docs/experiments.md).",
            ),
            *self._micro_batch(width),
            Choice("ema.half_life_images", self._half_life(total_images), "Samples are drawn from an average of G."),
        ]

    def _penalties(self, middle: int) -> dict[str, object]:
        start = gamma(self.facts.side)
        if not self.has_many:
            return {"r1": digits(start / 2), "r2": digits(start / 2)}
        falling = {"start": digits(start), "end": digits(start / 10), "end_images": middle, "shape": "cosine"}
        return {"r1": falling, "r2": dict(falling)}

    def _why_gamma(self) -> str:
        return (
            "Gamma grows with the size: 1 at 28 pixels (docs/experiments.md), 2 at 64, 15 at 128 (configs/celeba.yaml, "
            "configs/celeba_128.yaml), 150 at 256 (R3GAN's)"
            + (", and falls to a tenth" if self.has_many else "; half of that for few images, as in imagefolder.yaml")
            + ". If D wins, raise it; if samples of a label look alike, lower it."
        )

    def _micro_batch(self, width: int) -> list[Choice]:
        height, columns = self.facts.size
        most = MEMORY_SHARE * self.machine.memory_bytes / (BYTES * height * columns * width)
        if most >= self.batch_size:
            return []
        fits = 2 ** max(0, math.floor(math.log2(max(1.0, most))))
        why = "So many images at once fit into the memory, by the 12 GB that 64 of configs/celeba.yaml took (float32)."
        return [Choice("train.micro_batch", fits, why)]

    def _half_life(self, total_images: int) -> dict[str, object]:
        if self.has_many:
            return {"start": 0, "end": total_images // 40, "end_images": max(1, total_images // 2), "shape": "cosine"}
        return {"start": 0, "end": total_images // 100, "end_images": max(1, total_images // 10), "shape": "linear"}


def gamma(side: float) -> float:
    """The weight of R1 and R2 at the begin, between those of the table on a line in logarithms."""
    first, last = GAMMAS[0], GAMMAS[-1]
    for (below, low), (above, high) in pairwise(GAMMAS):
        if below <= side <= above:
            share = math.log(side / below) / math.log(above / below)
            return float(low * (high / low) ** share)
    return first[1] if side < first[0] else last[1]


def digits(value: float) -> float:
    """The number with two digits."""
    return float(f"{value:.2g}")
