"""Pictures of any size and colour brought to one form."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Way = Literal["crop", "pad", "stretch"]
Fill = Literal["white", "black"]
LEVEL = {"white": 255, "black": 0}

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class Fitting:
    """Brings a picture to a size and to channels; resizing is Lanczos.

    Attributes:
        size: width and height in pixels; null keeps every picture's own.
        way: `crop` takes the largest part of the middle that has the size's shape, `pad` keeps the whole picture and
            fills what is left beside it, `stretch` keeps the whole picture and bends its shape.
        fill: of `pad`; white is also what transparency shows.
        channels: 1 turns colour to grey, 3 repeats grey; null keeps every picture's own.
    """

    size: tuple[int, int] | None = None
    way: Way = "crop"
    fill: Fill = "white"
    channels: Literal[1, 3] | None = None

    def __call__(self, image: Pixels) -> Pixels:
        """(H, W, C) uint8 -> the same in this form."""
        height, width, channels = image.shape
        if self.size is not None and (width, height) != self.size:
            image = self._sized(image)
        if self.channels == 3 and channels == 1:
            image = np.repeat(image, 3, axis=2)
        if self.channels == 1 and channels == 3:
            image = np.asarray(Image.fromarray(image).convert("L"))[:, :, None]
        return image

    def _sized(self, image: Pixels) -> Pixels:
        assert self.size is not None
        width, height = self.size
        if self.way == "crop":
            image = _middle(image, *_inscribed(self.size, image.shape[1], image.shape[0]))
        if self.way != "pad":
            return _resized(image, width, height)
        whole = _resized(image, *_inscribed((image.shape[1], image.shape[0]), width, height))
        padded = np.full((height, width, image.shape[2]), LEVEL[self.fill], np.uint8)
        _middle(padded, whole.shape[1], whole.shape[0])[:] = whole
        return padded


def _inscribed(shape: tuple[int, int], width: int, height: int) -> tuple[int, int]:
    """The largest width and height that have the shape of `shape` and lie within `width` and `height`."""
    if width * shape[1] >= height * shape[0]:
        return max(1, round(height * shape[0] / shape[1])), height
    return width, max(1, round(width * shape[1] / shape[0]))


def _middle(image: Pixels, width: int, height: int) -> Pixels:
    left, top = (image.shape[1] - width) // 2, (image.shape[0] - height) // 2
    return image[top : top + height, left : left + width]


def _resized(image: Pixels, width: int, height: int) -> Pixels:
    channels = image.shape[2]
    picture = Image.fromarray(image[:, :, 0] if channels == 1 else image)
    return np.array(picture.resize((width, height), Image.Resampling.LANCZOS)).reshape(height, width, channels)
