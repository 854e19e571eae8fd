"""What G and D of one step show each other of a picture: itself, or several levels of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

from torch import Tensor, nn

from cgan_dist.augment.base import Pipeline
from cgan_dist.conditioning.condition import Condition
from cgan_dist.errors import UserError
from cgan_dist.losses.levels import guided


@dataclass(frozen=True)
class Levels:
    """How many levels of a picture D is shown, and whether noise is mixed into them.

    Attributes:
        count: L; 1 is the picture alone.
        guidance: of `loss.guidance`.
    """

    count: int = 1
    guidance: bool = False

    def of_reals(self, images: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, L * C, H, W): a real picture is the same at all levels."""
        return images if self.count == 1 else images.repeat(1, self.count, 1, 1)

    def of_fakes(self, G: nn.Module, z: Tensor, condition: Condition) -> Tensor:
        """(B, Z) and a condition -> (B, L * C, H, W), or the picture alone."""
        return cast(Tensor, G(z, condition) if self.count == 1 else G(z, condition, levels=True))

    def shown(self, stack: Tensor, augment: Pipeline, parameters: Sequence[Tensor], noise: Tensor | None) -> Tensor:
        """What D sees: all levels of a picture changed alike, and then mixed with noise.

        Args:
            stack: (B, L * C, H, W).
            augment: sees each level as a picture of its own.
            parameters: of B pictures.
            noise: (B, L * C, H, W) standard normal where there is guidance.

        Returns:
            (B, L * C, H, W).
        """
        if augment.augmentations and self.count > 1:
            pictures = stack.unflatten(1, (self.count, -1)).flatten(0, 1)
            repeated = [rows.repeat_interleave(self.count, dim=0) for rows in parameters]
            stack = augment(pictures, repeated).unflatten(0, (-1, self.count)).flatten(1, 2)
        else:
            stack = augment(stack, parameters)
        return stack if noise is None else guided(stack, noise, self.count)


def levels_of(generator: nn.Module, discriminator: nn.Module, guidance: bool, consistency: bool) -> Levels:
    """Returns what D looks at: as many levels as it says, or the picture.

    Raises:
        UserError: if G does not show as many, or an objective on levels has none.
    """
    count, there = getattr(discriminator, "levels", 1), getattr(generator, "levels", 1)
    if count not in (1, there):
        shows = f"shows {there}" if there > 1 else "has none"
        raise UserError(
            f"discriminator.args.levels: found {count}, but the generator {shows}; expected the same number in "
            "generator.args.levels and discriminator.args.levels, or 1 for the picture alone."
        )
    for key, wanted in {"guidance": guidance, "consistency": consistency}.items():
        if wanted and count == 1:
            raise UserError(
                f"loss.{key}: it is about levels of a picture, and the discriminator sees one; expected a generator "
                "and a discriminator with levels, such as `transformer` with args.levels of 4 in both, or loss."
                f"{key} left out."
            )
    return Levels(count, guidance)
