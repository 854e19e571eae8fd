"""Latents as the bytes of a shard: (H, W, K) little-endian float16, seen as (H, W, 2 K) uint8.

So they are kept, ordered, cached and handed over like pixels, and nobody on the way need know. Where moments are kept
K is 2 C: the means of all channels, then their log-variances; else K is C.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

FLOAT = np.dtype("<f2")
EXPONENT = np.uint16(0x7C00)
"""All of these bits are set in infinities and in what is no number, and in nothing else."""
LOG_VARIANCES = (-30.0, 20.0)
"""As diffusers bounds them; what lies outside was not written by `encode`."""


def to_bytes(values: NDArray[np.floating]) -> NDArray[np.uint8]:
    """(N, H, W, K) floats -> (N, H, W, 2 K) uint8; what float16 cannot hold becomes infinite."""
    with np.errstate(over="ignore"):
        return np.ascontiguousarray(values, FLOAT).view(np.uint8)


def to_floats(stored: NDArray[np.uint8]) -> NDArray[np.float16]:
    """(N, H, W, 2 K) uint8 -> (N, H, W, K) float16, a view where the array is contiguous."""
    return np.ascontiguousarray(stored).view(FLOAT)


def not_finite(stored: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(N, H, W, 2 K) uint8 -> (N,), which images hold an infinity or something that is no number."""
    bits = np.ascontiguousarray(stored).reshape(len(stored), -1).view("<u2")
    found: NDArray[np.bool_] = ((bits & EXPONENT) == EXPONENT).any(axis=1)
    return found
