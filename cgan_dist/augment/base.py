"""The contract of an augmentation, and several of them as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import torch
from torch import Tensor

from cgan_dist.augment.adaptation import Adaptation
from cgan_dist.randomness import torch_generator


class Augmentation(Protocol):
    """A random change of images. It has no state: all that is random about it is in the parameters.

    One that finds its own probability has it in an attribute `adaptation`, which training moves and checkpoints hold.
    """

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Draws (count, P) float32 on the CPU, one row for each image of the global batch.

        P and the distribution depend neither on the images nor on the number of ranks; shifts and the like are drawn
        in [0, 1) and become pixels in `apply`.
        """

    def apply(self, images: Tensor, parameters: Tensor) -> Tensor:
        """Changes image b by row b alone.

        It must be differentiable twice with respect to the images (R1 passes through it) and must not wait for the
        device: no `.item()`, no copies from or to the host, no shapes that depend on values.

        Args:
            images: (B, C, H, W) of any float type, in [-1, 1]; may be a leaf that requires grad, so not in place.
            parameters: (B, P) float32 on the images' device.

        Returns:
            A tensor of the images' shape, type and device.
        """


class Pipeline:
    """Augmentations one after another, for images in a symmetric range.

    Args:
        augmentations: name to augmentation, in the order in which they are applied. The name keys the draw, so adding,
            removing or moving one leaves the draws of the others as they were.
        half_range: largest absolute value of an image, 1.0 or 0.5; an augmentation sees images divided by it.

    Attributes:
        adaptation: of the augmentation that finds its own probability; None if there is none.

    Raises:
        ValueError: if `half_range` is not positive.
    """

    def __init__(self, augmentations: Mapping[str, Augmentation], half_range: float) -> None:
        if not half_range > 0:
            raise ValueError(f"half_range is {half_range}; expected a positive number, such as 1.0 or 0.5")
        self.augmentations = dict(augmentations)
        self.half_range = half_range
        found = (getattr(augmentation, "adaptation", None) for augmentation in augmentations.values())
        self.adaptation: Adaptation | None = next((adaptation for adaptation in found if adaptation is not None), None)

    def draw(self, seed: int, purpose: str, position: int, count: int, probability: float = 1.0) -> list[Tensor]:
        """Draws for the global batch; every rank gets the same.

        Args:
            seed: of the run.
            purpose: which images, e.g. `real` or `fake`; another purpose is another draw.
            position: images_seen.
            count: size of the global batch.
            probability: of each augmentation for each image, all independent (Karras et al. 2020, arXiv:2006.06676,
                section 2.3). The parameters do not depend on it.

        Returns:
            (count, P) float32 on the CPU for each augmentation; where probability is below 1, one tensor more:
            (count, A) bool, to which images each of the A augmentations is applied.

        Raises:
            ValueError: if `probability` is not in [0, 1].
        """
        if not 0 <= probability <= 1:
            raise ValueError(f"probability is {probability}; expected a number from 0 to 1")
        parameters = [
            augmentation.draw(count, torch_generator(seed, f"augment {purpose} {name}", position))
            for name, augmentation in self.augmentations.items()
        ]
        if probability == 1 or not parameters:
            return parameters
        chances = [
            torch.rand(count, generator=torch_generator(seed, f"augment {purpose} {name} applied", position))
            for name in self.augmentations
        ]
        return [*parameters, torch.stack(chances, dim=1) < probability]

    def slice(self, parameters: Sequence[Tensor], first: int, count: int) -> list[Tensor]:
        """Returns rows `first` to `first + count` of each tensor, as views: one rank's share or a micro batch."""
        return [rows[first : first + count] for rows in parameters]

    def __call__(self, images: Tensor, parameters: Sequence[Tensor]) -> Tensor:
        """Applies each augmentation; with none, returns `images` itself.

        Args:
            images: (B, C, H, W) float in [-half_range, half_range].
            parameters: (B, P) for each augmentation, and (B, A) bool if there is a choice, on the CPU or on the images'
                device.

        Returns:
            (B, C, H, W) of the images' type.

        Raises:
            ValueError: if there is not one tensor for each augmentation and in it one row for each image.
        """
        count = len(self.augmentations)
        drawn, chosen = parameters[:count], parameters[count:]
        choices = [(choice.dtype, *choice.shape[1:]) for choice in chosen]
        fits = len(drawn) == count and choices in ([], [(torch.bool, count)])
        # A single row would otherwise be broadcast to all images without a word.
        if not fits or any(len(rows) != len(images) for rows in parameters):
            raise ValueError(
                f"parameters of {[len(rows) for rows in parameters]} images for {len(images)} images and augmentations "
                f"{list(self.augmentations)}; expected one tensor for each augmentation, one row for each image"
            )
        if not self.augmentations:
            return images
        images = self._scaled(images, 1 / self.half_range)
        applied = chosen[0].to(images.device, non_blocking=True) if chosen else None
        for number, (augmentation, rows) in enumerate(zip(self.augmentations.values(), drawn, strict=True)):
            changed = augmentation.apply(images, rows.to(images.device, non_blocking=True))
            images = changed if applied is None else torch.where(applied[:, number, None, None, None], changed, images)
        return self._scaled(images, self.half_range)

    def _scaled(self, images: Tensor, factor: float) -> Tensor:
        """Exact where the factor is a power of two, as for [-1, 1] and [-0.5, 0.5]."""
        return images if factor == 1 else images * factor


def pick(parameter: Tensor, count: int) -> Tensor:
    """Turns (B,) uniform in [0, 1) into (B,) int64 uniform in 0, ..., count - 1."""
    return (parameter * count).long()
