"""A picture that somebody drops on the page, found again in the generator; bounded in size and in time."""

from __future__ import annotations

import base64
import binascii
import copy
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from cgan_dist.data.fitting import Fitting
from cgan_dist.data.sources.picture import decode_picture
from cgan_dist.errors import UserError
from cgan_dist.evaluation.candidates import match_channels
from cgan_dist.grid import draw_grid
from cgan_dist.inversion.distance import Distance
from cgan_dist.inversion.inverter import Cancelled, Inverter
from cgan_dist.inversion.plan import Plan
from cgan_dist.playground.controls import number_within
from cgan_dist.playground.studio import MAX_SEED
from cgan_dist.sampling.sampler import Sampler

MAX_BYTES = 8 << 20
"""Of a picture's file. As text a request has a third more."""
MAX_SECONDS = 120.0
PLAN = Plan(steps=100, screen_steps=30, starts=2, kept=3)
"""Seconds on a CPU with the generator of the demo; `cgan-dist invert` takes its time."""
WHERE = "picture"

OnStep = Callable[[int, int], bool]


class Located(NamedTuple):
    """What was found: z (1, Z), its label, (1,) or (1, W), the picture beside its image, and a sentence."""

    z: Tensor
    label: Tensor
    comparison: Image.Image
    text: str


class Finder:
    """Finds one picture at a time, by its pixels alone; nothing of a picture is kept.

    Args:
        sampler: of the generator; its own seed and truncation are not used.
        shape: (C, H, W) of the data's pictures, which others are brought to.
        now: reads seconds.
    """

    def __init__(
        self, sampler: Sampler, shape: tuple[int, int, int], now: Callable[[], float] = time.monotonic
    ) -> None:
        self.sampler, self.shape, self.now = sampler, shape, now

    def find(self, content: object, seed: object, on_step: OnStep, label: Tensor | None = None) -> Located:
        """Searches for z, and for the label where none is given.

        Args:
            content: the file as a data URL, or its bytes in base64; as a stranger's request has it.
            seed: of the starts.
            on_step: told steps that are done and all there will be, before each; false ends the search.
            label: (1,) or (1, W) of the space, the picture's own.

        Raises:
            UserError: if that is no picture, or one that is too large, or the search was ended or takes too long.
        """
        sampler = copy.copy(self.sampler)
        sampler.seed = int(number_within("seed", seed, 0, MAX_SEED, whole=True))
        sampler.truncation = None
        picture = self._fitted(file_of(content))
        until = self.now() + MAX_SECONDS
        try:
            found = Inverter(Distance(sampler, None), PLAN).find(
                picture, label, go_on=lambda done, total: self.now() < until and on_step(done, total)
            )
        except Cancelled:
            raise UserError(
                f"{WHERE}: not found within {MAX_SECONDS:g} seconds. `cgan-dist invert` takes the time that it needs, "
                "and a GPU."
            ) from None
        name = sampler.label_space.describe(found.labels)[0]
        share = (found.distance / found.random.clamp(min=torch.finfo(torch.float32).tiny)).item()
        text = f"Found, at {share:.0%} of the distance of random samples with this label."
        return Located(found.z, found.labels, compared(picture, sampler.images(found.z, found.labels), name), text)

    def _fitted(self, file: bytes) -> Tensor:
        """(1, C, H, W) uint8, in the middle of the picture and of the data's size."""
        channels, height, width = self.shape
        fit = Fitting(size=(width, height), channels=1 if channels == 1 else 3)
        pixels: NDArray[np.uint8] = fit(decode_picture(file, WHERE))
        return rearrange(torch.from_numpy(np.array(pixels)), "h w c -> 1 c h w")


def compared(picture: Tensor, made: Tensor, label: str) -> Image.Image:
    """Draws a picture beside what was found for it, (1, C, H, W) uint8 each, under the label that was found."""
    cells = rearrange(torch.cat([picture, match_channels(made, picture.shape[1])]), "n c h w -> 1 n h w c").numpy()
    return draw_grid(cells, ["yours", f"found: {label}" if label else "found"])


def file_of(content: object) -> bytes:
    """The bytes of a file that a request has as text.

    Raises:
        UserError: if it is no base64, or larger than it may be.
    """
    if not isinstance(content, str) or not content:
        raise UserError(f"{WHERE}: found none; drop one, or choose a file.")
    encoded = content.rpartition(",")[2]
    if len(encoded) > MAX_BYTES * 4 // 3 + 4:
        raise UserError(f"{WHERE}: found more than {MAX_BYTES >> 20} MiB; expected a smaller file.")
    try:
        return base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error):
        raise UserError(f"{WHERE}: expected the bytes of a file in base64.") from None
