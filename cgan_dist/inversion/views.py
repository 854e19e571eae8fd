"""Features that a picture and its reconstruction are compared in, with a gradient."""

from __future__ import annotations

import threading
from typing import Protocol, cast

import torch
from torch import Tensor, nn

from cgan_dist.conditioning.condition import Condition
from cgan_dist.conditioning.discriminator.base import Head
from cgan_dist.data.pixels import PixelRange
from cgan_dist.errors import UserError
from cgan_dist.evaluation.metrics.classifier import Classifier


class View(Protocol):
    """Turns pictures into features, each by itself, in inference mode, on the device of its network."""

    def __call__(self, pictures: Tensor, condition: Condition) -> Tensor:
        """(B, c, h, w) float in [-1, 1] and the condition that they are judged under -> (B, F) float32."""


class ClassifierView:
    """The inputs of the last layer of the real images' classifier; the condition is of no use to it.

    Args:
        classifier: of the data.
    """

    def __init__(self, classifier: Classifier) -> None:
        self.classifier = classifier.eval().requires_grad_(False)
        self.channels = cast(nn.Conv2d, classifier.features[0]).in_channels

    def __call__(self, pictures: Tensor, condition: Condition) -> Tensor:
        """See `View`; a generator's repeated grey is averaged back."""
        if pictures.shape[1] != self.channels:
            pictures = pictures.mean(1, keepdim=True).expand(-1, self.channels, -1, -1)
        return cast(Tensor, self.classifier.features(pictures))


class DiscriminatorView:
    """The features that a run's D draws its logit from, judged under the label that is tried.

    Args:
        discriminator: of the run, whose last layer is `conditioning.discriminator.base.Head`.
        pixels: the range that it was trained in.
        levels: L, of a D that judges L levels of each picture: it is shown the same picture at all of them.

    Raises:
        UserError: if it has no such layer.
    """

    def __init__(self, discriminator: nn.Module, pixels: PixelRange, levels: int = 1) -> None:
        heads = [module for module in discriminator.modules() if isinstance(module, Head)]
        if len(heads) != 1:
            raise UserError(
                f"--features discriminator: this run's discriminator has {len(heads)} last layers of the form that "
                "`ways.head` makes, expected one, whose features are compared. Take classifier or none."
            )
        self.discriminator, self.head = discriminator.float().eval().requires_grad_(False), heads[0]
        self.pixels, self.levels = pixels, levels
        self.lock = threading.Lock()  # of the hook: two searches may compare in one network

    def __call__(self, pictures: Tensor, condition: Condition) -> Tensor:
        """See `View`."""
        values = (pictures + 1) * (127.5 / self.pixels.divisor) + self.pixels.offset
        found: list[Tensor] = []

        def note(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            found.append(inputs[0])

        with self.lock:
            hook = self.head.register_forward_pre_hook(note)
            try:
                self.discriminator(values.repeat(1, self.levels, 1, 1), condition)
            finally:
                hook.remove()
        return torch.flatten(found[0], 1)
