"""Directions of labels: those along which a classifier's reading of a generator's images rises fastest."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from tqdm import tqdm

from cgan_dist.directions.found_directions import Directions
from cgan_dist.errors import UserError
from cgan_dist.randomness import torch_generator
from cgan_dist.sampling.sampler import BATCH, Sampler

PAIRS_PER_ENTRY = 4
"""At least so many pairs for each entry of z: with fewer a regression describes its noise."""


def read_directions(sampler: Sampler, read: Callable[[Tensor], Tensor], names: Sequence[str], pairs: int) -> Directions:
    """Regresses readings on z, by least squares.

    Samples are drawn in pairs of one label, which is drawn as the data has it, and what is regressed are differences
    within a pair. So whatever the label does to both cancels, and what is left is of z.

    Args:
        sampler: of the generator; its seed and truncation are those of the samples.
        read: (B, C, H, W) uint8 -> (B, N) float on the CPU; of classes and attributes their logits.
        names: of the N.
        pairs: of samples.

    Returns:
        Of length 1 and pointing to more, in the order of the names; a strength is the share of a reading's variance
        within labels that z explains linearly. One that never changes is left out.

    Raises:
        UserError: if there are too few pairs.
    """
    if pairs < (least := PAIRS_PER_ENTRY * sampler.latent_dim):
        raise UserError(f"--pairs: found {pairs}; expected {least} or more for z of {sampler.latent_dim} entries.")
    labels = sampler.distribution.draw(pairs, torch_generator(sampler.seed, "labels of pairs"))
    ends = [sampler.latents(pairs, "pairs", end) for end in (0, 1)]
    readings = [_read(sampler, read, z, labels) for z in ends]
    steps, changes = ends[1].double() - ends[0].double(), readings[1] - readings[0]
    slopes = torch.linalg.lstsq(steps, changes).solution  # (Z, N)
    whole = changes.square().sum(0)
    explained = 1 - (changes - steps @ slopes).square().sum(0) / whole
    lengths = slopes.norm(dim=0)
    there = [number for number in range(len(names)) if whole[number] > 0 and lengths[number] > 0]
    return Directions(
        names=[names[number] for number in there],
        vectors=(slopes / lengths).T[there].float(),
        strengths=explained[there].clamp(0, 1).float(),
    )


def _read(sampler: Sampler, read: Callable[[Tensor], Tensor], z: Tensor, labels: Tensor) -> Tensor:
    found = []
    with tqdm(total=len(z), desc="reading samples", unit="img", leave=False) as progress:
        for own, given in zip(z.split(BATCH), labels.split(BATCH), strict=True):
            found.append(read(sampler.images(own, given)).double())
            progress.update(len(own))
    return torch.cat(found)
