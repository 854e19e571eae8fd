"""Counted randomness: every draw is a function of (seed, purpose, position), so no generator state is ever saved.

Draws are made for the GLOBAL batch on the CPU and then sliced by rank, which makes one process with batch 2B and two
processes with batch B see the same numbers, on any device.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

Latent = Literal["uniform", "normal"]


def derive_seed(seed: int, purpose: str, *position: int) -> int:
    """Returns a 63-bit seed that is stable across machines, processes and Python's hash randomization."""
    text = "/".join([str(seed), purpose, *map(str, position)])
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


def torch_generator(seed: int, purpose: str, *position: int) -> torch.Generator:
    """Returns a CPU generator for one draw, e.g. `torch_generator(0, "latent", images_seen)`."""
    return torch.Generator().manual_seed(derive_seed(seed, purpose, *position))


def numpy_generator(seed: int, purpose: str, *position: int) -> np.random.Generator:
    """Returns a numpy generator for one draw, e.g. a permutation of shards."""
    return np.random.default_rng(derive_seed(seed, purpose, *position))


def draw_latent(shape: Sequence[int], latent: Latent, generator: torch.Generator) -> Tensor:
    """Draws z on the CPU.

    Args:
        shape: (B, Z) of the global batch.
        latent: `uniform` in [-1, 1] as the original program, or standard `normal`.
        generator: from `torch_generator`.

    Returns:
        (B, Z) float32.
    """
    if latent == "uniform":
        return torch.rand(*shape, generator=generator) * 2 - 1
    return torch.randn(*shape, generator=generator)
