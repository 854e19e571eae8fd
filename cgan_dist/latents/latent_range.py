"""Between stored latents and what networks see, and from there to pictures: what `PixelRange` is for pixels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from einops import rearrange
from numpy.typing import NDArray
from torch import Tensor, nn

from cgan_dist.latents.autoencoder import Autoencoder
from cgan_dist.latents.facts import LatentFacts
from cgan_dist.latents.stored import LOG_VARIANCES

DECODED_PIXELS = 1 << 20
"""Of pictures that are decoded at once: sixteen of 256x256, which take some gigabytes in a large decoder."""


@dataclass(frozen=True)
class LatentRange:
    """A scale of latents: x = (mean + exp(log-variance / 2) * draw - shift) * scaling, in float32.

    Attributes:
        facts: of the latents.
        autoencoder: that decodes them, on the device where it is to do so.
    """

    facts: LatentFacts
    autoencoder: Autoencoder

    @property
    def needs_draw(self) -> bool:
        """Whether `normalize` samples, and wants numbers for it."""
        return self.facts.moments

    def normalize(self, images: Tensor, channels: int | None = None, draw: Tensor | None = None) -> Tensor:
        """(B, 2 K, H, W) uint8, the bytes of stored latents -> (B, C, H, W) float32 on their device.

        Args:
            images: of a batch.
            channels: no number of theirs can be repeated, so it is not looked at.
            draw: (B, C, H, W) standard normal; null takes the means.
        """
        mean, log_variance = _moments(images, self.facts)
        if draw is not None and log_variance is not None:
            mean = mean + (log_variance / 2).exp() * draw
        scale = self.facts.autoencoder
        return (mean - scale.shift_factor) * scale.scaling_factor

    def decode(self, values: Tensor) -> Tensor:
        """(B, C, H, W) float -> pictures (B, c, h, w) float in about [-1, 1], with a gradient if one is wanted."""
        scale = self.facts.autoencoder
        return self.autoencoder.decode(values.float() / scale.scaling_factor + scale.shift_factor)

    def to_uint8(self, values: Tensor) -> Tensor:
        """(B, C, H, W) float -> pictures (B, c, h, w) uint8, on the values' device."""
        return torch.cat([(part * 127.5 + 128).clamp(0, 255).byte() for part in self._decoded(values)])

    def to_floats(self, values: Tensor) -> Tensor:
        """(B, C, H, W) float -> pictures (B, c, h, w) float32 in 0..255, on the values' device."""
        return torch.cat([((part + 1) * 127.5).clamp(0, 255) for part in self._decoded(values)])

    @torch.no_grad()
    def _decoded(self, values: Tensor) -> Iterator[Tensor]:
        """Pictures in about [-1, 1], a few at a time."""
        picture = self.facts.picture
        at_once = max(1, DECODED_PIXELS // (picture.height * picture.width))
        self.autoencoder.to(values.device)
        yield from (self.decode(part) for part in values.split(at_once))

    def pictures(self, stored: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """Decodes the means: (N, H, W, 2 K) uint8, as they lie in a shard -> (N, h, w, c) uint8."""
        images = torch.from_numpy(np.ascontiguousarray(stored)).to(self.autoencoder.device)
        decoded = self.to_uint8(self.normalize(rearrange(images, "n h w c -> n c h w")))
        found: NDArray[np.uint8] = rearrange(decoded, "n c h w -> n h w c").contiguous().cpu().numpy()
        return found


class Decoded(nn.Module):
    """A generator of latents with what decodes them: pictures in about [-1, 1]."""

    def __init__(self, network: nn.Module, latents: LatentRange) -> None:
        super().__init__()
        self.network, self.latents, self.autoencoder = network, latents, latents.autoencoder

    def forward(self, *inputs: object) -> Tensor:
        """What the generator takes -> (B, c, h, w)."""
        return self.latents.decode(self.network(*inputs))


def spread(stored: NDArray[np.uint8], facts: LatentFacts) -> tuple[float, float]:
    """Mean and standard deviation of (N, H, W, 2 K) uint8 latents as networks see them, the sampling included."""
    mean, log_variance = _moments(rearrange(torch.from_numpy(stored), "n h w c -> n c h w"), facts)
    variance = 0.0 if log_variance is None else log_variance.double().exp().mean().item()
    scale, values = facts.autoencoder, mean.double()
    deviation = (values.var(correction=0).item() + variance) ** 0.5
    return (values.mean().item() - scale.shift_factor) * scale.scaling_factor, deviation * scale.scaling_factor


def _moments(images: Tensor, facts: LatentFacts) -> tuple[Tensor, Tensor | None]:
    """(B, 2 K, H, W) uint8 of a batch -> means (B, C, H, W) float32 and, where they are kept, log-variances."""
    floats = images.permute(0, 2, 3, 1).contiguous().view(torch.float16)
    values = floats.permute(0, 3, 1, 2).contiguous().float()
    if not facts.moments:
        return values, None
    mean, log_variance = values.chunk(2, dim=1)
    return mean, log_variance.clamp(*LOG_VARIANCES)
