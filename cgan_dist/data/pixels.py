"""Between uint8 pixels and what the networks see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor


class ImageRange(Protocol):
    """Between the uint8 images of a batch and what networks see; `PixelRange`, or `LatentRange` for latents."""

    @property
    def needs_draw(self) -> bool:
        """Whether `normalize` samples, and wants numbers for it."""

    def normalize(self, images: Tensor, channels: int | None = None, draw: Tensor | None = None) -> Tensor:
        """(B, S, H, W) uint8 -> (B, C, H, W) float32; `draw` is of that shape, standard normal."""

    def to_uint8(self, values: Tensor) -> Tensor:
        """(B, C, H, W) float -> pictures (B, c, h, w) uint8."""

    def to_floats(self, values: Tensor) -> Tensor:
        """(B, C, H, W) float -> pictures (B, c, h, w) float32 in 0..255: what `to_uint8` would round."""


@dataclass(frozen=True)
class PixelRange:
    """A value range: x = v / divisor + offset, and back v = x * factor + origin, saturated.

    Attributes:
        divisor: of a uint8 value.
        offset: added after the division.
        factor: on the way back.
        origin: on the way back; with truncation to uint8 it also rounds.
    """

    divisor: float
    offset: float
    factor: float
    origin: float

    @property
    def needs_draw(self) -> bool:
        """Nothing is sampled."""
        return False

    def normalize(self, images: Tensor, channels: int | None = None, draw: Tensor | None = None) -> Tensor:
        """(B, C, H, W) uint8 -> float32 in the range, on the images' device; `channels` repeats a grey image."""
        values = images.contiguous().float() / self.divisor + self.offset
        return values if channels is None else values.expand(-1, channels, -1, -1).contiguous()

    def to_uint8(self, values: Tensor) -> Tensor:
        """(B, C, H, W) float -> uint8, values outside the range saturated; the inverse of `normalize`."""
        return (values.float() * self.factor + self.origin).clamp(0, 255).byte()

    def to_floats(self, values: Tensor) -> Tensor:
        """(B, C, H, W) float -> float32 in 0..255, saturated and not rounded; the inverse of `normalize`."""
        return ((values.float() - self.offset) * self.divisor).clamp(0, 255)


PIXEL_RANGES = {
    "half": PixelRange(255.0, -0.5, 255.0, 128.0),  # the original: x / 255 - 0.5, written as x * 255 + 128
    "half128": PixelRange(255.0, -128 / 255, 255.0, 128.0),  # the original for faces: (v - 128) / 255
    "unit": PixelRange(127.5, -1.0, 127.5, 128.0),
}
