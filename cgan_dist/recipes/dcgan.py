"""Recipe for CPUs and small images: batch norm in both networks, no penalty, high rates."""

from __future__ import annotations

from collections.abc import Sequence

from cgan_dist.recipes.facts import Facts
from cgan_dist.recipes.machine import Machine
from cgan_dist.recipes.recipe import Choice

GREY_WIDTH, COLOUR_WIDTHS = 16, (24, 16, 12, 8)
LONG_RUN = 1_000_000
HALF_LIFE_IMAGES = 10_000


class Dcgan:
    """The recipe of configs/mnist.yaml and configs/drawn_celeba.yaml.

    Args:
        facts: of the data.
        machine: where it trains.
    """

    batch_size = 32
    longest_images = 1_500_000
    longest_because = "as many as configs/mnist.yaml and configs/fashion_mnist.yaml have"

    def __init__(self, facts: Facts, machine: Machine) -> None:
        self.facts, self.machine = facts, machine
        self.widths: Sequence[int] = tuple(width for width in COLOUR_WIDTHS if not facts.is_grey or width <= GREY_WIDTH)

    def choices(self, width: int, total_images: int) -> list[Choice]:
        """See `Recipe`."""
        first = self.widths[0]
        if width < first:
            wide = f"{first} channels at the image's own size would see too few images in the time"
        elif self.facts.is_grey:
            wide = "A quarter of the original's 64 channels is enough for grey digits (docs/experiments.md)"
        else:
            wide = "As configs/drawn_celeba.yaml and docs/own-pictures.md have it for colour"
        why = (
            "For the same time on a CPU these networks with batch norm beat those with gradient penalties, which need "
            f"a second derivative (docs/experiments.md). {wide}."
        )
        if self.machine.is_gpu:
            why = f"Small grey images: docs/benchmarks.md has digits and clothes by this recipe. {wide}."
        return [
            Choice("generator.name", "dcgan", why),
            Choice("generator.latent_dim", 64),
            Choice("generator.latent", "normal"),
            Choice("generator.args", {"width": width}),
            Choice("discriminator.name", "dcgan"),
            Choice("discriminator.args", {"width": width}),
            Choice(
                "loss.adversarial",
                "non_saturating",
                "No penalty on gradients: they do not go with batch norm in D (docs/experiments.md).",
            ),
            Choice(
                "optim.lr",
                {"start": 2e-3, "end": 2e-4, "end_images": total_images, "shape": "cosine"},
                "Ten times the original's rate, falling to it by the end; tuned on digits (docs/experiments.md).",
            ),
            Choice("optim.betas", [0.5, 0.99]),
            Choice(
                "train.batch_size",
                self.batch_size,
                "Small batches and the high rate gave the best digits for the same time (docs/experiments.md).",
            ),
            Choice("ema.half_life_images", *self._half_life(total_images)),
        ]

    def _half_life(self, total_images: int) -> tuple[object, str]:
        why = "Samples are drawn from an average of G over about so many images"
        if total_images >= LONG_RUN:
            grows = {"start": 8_000, "end": 40_000, "end_images": total_images // 3, "shape": "linear"}
            return grows, f"{why}, as in configs/mnist.yaml."
        return min(HALF_LIFE_IMAGES, max(1, total_images // 10)), f"{why}, as in configs/demo.yaml."
