"""Adaptive augmentation (Karras et al. 2020, arXiv:2006.06676): many changes, each as likely as D's knowledge asks."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Sequence
from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from cgan_dist.augment.adaptation import Adaptation
from cgan_dist.augment.bands import BANDS, filtered
from cgan_dist.augment.base import pick
from cgan_dist.augment.cutout import covered
from cgan_dist.augment.geometry import Values, blitted, warped
from cgan_dist.augment.grain import grain
from cgan_dist.augment.tones import toned
from cgan_dist.config.values import Count, Share

Draw = Callable[[int, torch.Generator], Tensor]
"""(count,) float32 on the CPU; 0 is what changes nothing."""
Change = Callable[[Tensor, Values], Tensor]
Transform = Literal[
    "flip",
    "quarter",
    "shift",
    "scale",
    "turn",
    "stretch",
    "slide",
    "brightness",
    "contrast",
    "luma_flip",
    "hue",
    "saturation",
    "filter",
    "noise",
    "cutout",
]


def choice(count: int) -> Draw:
    """0, ..., count - 1, each as likely."""
    return lambda size, generator: pick(torch.rand(size, generator=generator), count).float()


def uniform(low: float, high: float) -> Draw:
    """Between two values."""
    return lambda size, generator: torch.rand(size, generator=generator) * (high - low) + low


def normal(deviation: float) -> Draw:
    """Around 0."""
    return lambda size, generator: torch.randn(size, generator=generator) * deviation


def ones(size: int, _: torch.Generator) -> Tensor:
    """What is always the same where it happens."""
    return torch.ones(size)


ANGLE = uniform(-math.pi, math.pi)
TRANSFORMS: dict[Transform, dict[str, Draw]] = {
    "flip": {"flip": choice(2)},
    "quarter": {"quarter": choice(4)},
    "shift": {"shift_down": uniform(-1 / 8, 1 / 8), "shift_right": uniform(-1 / 8, 1 / 8)},
    "scale": {"scale": normal(0.2)},
    "turn": {"turn_before": ANGLE, "turn_after": ANGLE},
    "stretch": {"stretch": normal(0.2)},
    "slide": {"slide_down": normal(1 / 8), "slide_right": normal(1 / 8)},
    "brightness": {"brightness": normal(0.2)},
    "contrast": {"contrast": normal(0.5)},
    "luma_flip": {"luma_flip": choice(2)},
    "hue": {"hue": ANGLE},
    "saturation": {"saturation": normal(1.0)},
    "filter": dict.fromkeys(BANDS, normal(1.0)),
    "noise": {"noise": normal(0.1), "noise_seed": uniform(0, 1)},
    "cutout": {"cutout": ones, "cutout_row": uniform(0, 1), "cutout_column": uniform(0, 1)},
}
"""The paper's (appendix B), in its order, with its distributions: what each draws. Lengths are shares of a side,
factors logarithms (of 2; of bands, of 10), values as in pictures of [-1, 1]."""
VALUES = [value for draws in TRANSFORMS.values() for value in draws]
GROUPS: tuple[tuple[Transform, ...], ...] = (
    ("flip", "quarter", "shift"),
    ("scale", "turn", "stretch", "slide"),
    ("brightness", "contrast", "luma_flip", "hue", "saturation"),
    ("filter",),
    ("noise",),
    ("cutout",),
)
"""One for each letter of a pipeline."""
NEVER = 1.0


class Ada:
    """Adaptive augmentation: transforms that each come to each image by themselves, with a probability p that adapts.

    p begins at 0 and follows how well D knows its training pictures (`Adaptation`). Whatever p is, an image that no
    transform came to is exactly what it was. While p is below 0.8, G does not learn the transforms (section 2.2).

    Args:
        pipeline: of the paper's, by its first letters: `b` moves whole pixels (`flip`, `quarter`, `shift`); `g` maps
            the plane (`scale`, `turn`, `stretch`, `slide`); `c` changes colours (`brightness`, `contrast`, `luma_flip`,
            `hue`, `saturation`); `f` frequencies (`filter`); `n` adds `noise`; the last `c` is `cutout`.
        without: transforms to leave out, such as `flip` and `quarter` where pictures are letters.
        target: of r, see `Adaptation`.
        adaptation_images: in so many p may go from 0 to 1.
        interval_images: between two moves of p.
        limit: of p; the paper has none.

    Attributes:
        adaptation: of p.
    """

    def __init__(
        self,
        pipeline: Literal["b", "bg", "bgc", "bgcf", "bgcfn", "bgcfnc"] = "bgc",
        without: Sequence[Transform] = (),
        target: Annotated[float, Field(gt=-1, lt=1)] = 0.6,
        adaptation_images: Count = 500_000,
        interval_images: Count = 256,
        limit: Share = 0.8,
    ) -> None:
        self.pipeline = pipeline
        named = {transform for group in GROUPS[: len(pipeline)] for transform in group}
        self.transforms = [transform for transform in TRANSFORMS if transform in named - set(without)]
        self.changes = [change for change, members in CHANGES.items() if not members.isdisjoint(self.transforms)]
        self.adaptation = Adaptation(target, adaptation_images, interval_images, limit)

    @property
    def only_moves(self) -> bool:
        """Whether it leaves every value what it is, but for interpolation."""
        return not set(self.transforms) - {"flip", "quarter", *CHANGES[warped]}

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Draws (count, 2 V): for each of V values the chance by which it comes, uniform in [0, 1), and the values.

        The draws are the same whatever the pipeline is; the chance of what is left out is 1.
        """
        chances, values = [], []
        for transform, draws in TRANSFORMS.items():
            kept = transform in self.transforms
            own = _chances(transform, len(draws), count, generator)
            chances += own if kept else [torch.full((count,), NEVER)] * len(draws)
            values += [draw(count, generator) for draw in draws.values()]
        return torch.stack([*chances, *values], dim=1)

    def apply(self, images: Tensor, parameters: Tensor) -> Tensor:
        """(B, C, H, W) float in [-1, 1] and (B, 2 V) -> (B, C, H, W), computed in float32 or better, in no autocast."""
        kind = torch.promote_types(images.dtype, torch.float32)
        chances, values = parameters.chunk(2, dim=1)
        chosen = (values * (chances < self.adaptation.probability)).to(kind)
        named = dict(zip(VALUES, chosen.unbind(1), strict=True))
        with contextlib.nullcontext() if images.is_meta else torch.autocast(images.device.type, enabled=False):
            changed = images.to(kind)
            for change in self.changes:
                changed = change(changed, named)
        return changed.to(images.dtype)


def _chances(transform: Transform, values: int, count: int, generator: torch.Generator) -> list[Tensor]:
    """One for all values of a transform, but one for each band and for each turn.

    A turn's is below p with probability 1 - sqrt(1 - p), so that p is the probability of either.
    """
    if transform == "filter":
        return [torch.rand(count, generator=generator) for _ in range(values)]
    if transform == "turn":
        return [1 - (1 - torch.rand(count, generator=generator)).square() for _ in range(values)]
    return [torch.rand(count, generator=generator)] * values


def noisy(images: Tensor, values: Values) -> Tensor:
    """Adds noise: (B, C, H, W), `noise` its deviation and `noise_seed` in [0, 1) -> (B, C, H, W)."""
    return images + values["noise"][:, None, None, None] * grain(values["noise_seed"], images)


def cut(images: Tensor, values: Values) -> Tensor:
    """Sets the window of `cutout.Cutout` to 0 where `cutout` is 1: (B, C, H, W) -> (B, C, H, W)."""
    rows = covered(images.shape[2], values["cutout_row"])
    columns = covered(images.shape[3], values["cutout_column"])
    chosen = (values["cutout"] > 0)[:, None, None]
    return images.masked_fill((chosen & rows[:, :, None] & columns[:, None, :])[:, None], 0)


CHANGES: dict[Change, set[Transform]] = {
    blitted: {"flip", "quarter"},
    warped: {"shift", *GROUPS[1]},
    toned: set(GROUPS[2]),
    filtered: {"filter"},
    noisy: {"noise"},
    cut: {"cutout"},
}
"""In the order in which they happen, and the transforms that each is of."""
