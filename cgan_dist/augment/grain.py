"""Noise for every value of a picture out of one number, on the device."""

from __future__ import annotations

import math

import torch
from torch import Tensor

BITS = 24
"""Of a number that float32 holds."""
WORD = 2**32


def grain(seeds: Tensor, like: Tensor) -> Tensor:
    """Standard normal noise, a function of its seed alone: no generator, and the same on every device but for rounding.

    Places are hashed, and pairs of hashes become normal by the transform of Box and Muller (1958).

    Args:
        seeds: (B,) float32 in [0, 1).
        like: (B, C, H, W), of the shape and type of the result.
    """
    count = like[0].numel()
    places = torch.arange(count, device=like.device)
    key = _hashed((seeds.float() * 2**BITS).long())
    first = _hashed(places ^ key[:, None])
    second = _hashed(first ^ _hashed(key + 1)[:, None])
    radius = (-2 * ((first.to(like.dtype) + 0.5) / WORD).log()).clamp(min=0).sqrt()
    return (radius * (2 * math.pi / WORD * second.to(like.dtype)).cos()).view(like.shape)


def _hashed(words: Tensor) -> Tensor:
    """The finalizer of MurmurHash3 (Appleby, public domain) on words of 32 bits in int64, whose products wrap."""
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35)):
        words = ((words ^ (words >> shift)) * factor) & (WORD - 1)
    return words ^ (words >> 16)
