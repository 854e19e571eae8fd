"""Samples beside the real images that are nearest to them: whether a generator copies is seen at a glance."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from einops import rearrange
from PIL import Image
from torch import Tensor

from cgan_dist.errors import UserError
from cgan_dist.evaluation.arithmetic import float64_device
from cgan_dist.evaluation.candidates import match_channels
from cgan_dist.evaluation.features.base import Extractor
from cgan_dist.evaluation.metrics.base import RealSet
from cgan_dist.evaluation.metrics.nearest import nearest
from cgan_dist.evaluation.selection import Selection
from cgan_dist.grid import draw_grid
from cgan_dist.randomness import torch_generator
from cgan_dist.sampling.sampler import Sampler

BLOCK = 2048
"""Real images that are held in memory at once."""
Embed = Callable[[Tensor], Tensor]
"""(N, C, H, W) uint8 -> (N, F) float, on the CPU."""


class Found(NamedTuple):
    """The nearest of N queries: (N, k) distances, ascending, and (N, k) numbers of real images."""

    distances: Tensor
    numbers: Tensor


class Neighbours(NamedTuple):
    """The picture, and medians of the distance to the nearest real image.

    Attributes:
        picture: a column for each sample, its neighbours below it.
        of_samples: from samples.
        of_reals: from as many real images to another one: what to expect where nothing is copied.
    """

    picture: Image.Image
    of_samples: float
    of_reals: float


def pixels(images: Tensor) -> Tensor:
    """(N, C, H, W) uint8 -> (N, C * H * W) float in 0..1."""
    return images.flatten(1).float() / 255


def embedding_of(extractor: Extractor, reals: Selection, device: torch.device) -> Embed:
    """Readies an extractor of `features` and returns what turns images into its features.

    Raises:
        UserError: if something that it needs is not there.
    """
    image = reals.shards.manifest.image.picture
    real = RealSet(
        labels=reals.labels,
        features={},
        load=lambda: reals.images(0, len(reals)),
        label_space=reals.label_space,
        cache=reals.shards.cache_folder,
        fingerprint=reals.fingerprint,
        extractors={},
        device=float64_device(device),
    )
    extractor.check("--features")
    extractor.build((image.channels, image.height, image.width))
    extractor.network.to(device)
    extractor.prepare(real)
    extractor.network.to(device).eval()

    def embed(images: Tensor) -> Tensor:
        parts = [extractor.extract(part.to(device)).embedding.cpu() for part in images.split(extractor.batch)]
        return torch.cat(parts).float()

    return embed


def draw_neighbours(
    sampler: Sampler, reals: Selection, labels: Tensor, per_label: int, k: int, embed: Embed
) -> Neighbours:
    """Draws samples of each label and, below each, the k real images nearest to it, whatever their labels.

    Args:
        sampler: of the generator.
        reals: all are looked at, a block at a time.
        labels: of the space; a column for each sample.
        per_label: samples of each.
        k: neighbours.
        embed: what distances are taken in, Euclidean.

    Raises:
        UserError: if there are too few real images.
    """
    if k >= len(reals):
        raise UserError(f"--k {k}: expected less than the number of real images, {len(reals):,}.")
    cells = sampler.cells(labels, per_label, "random", 0)
    samples = rearrange(torch.from_numpy(cells), "rows columns h w c -> (columns rows) c h w")
    samples = match_channels(samples, reals.shards.manifest.image.picture.channels)
    chosen = torch.randperm(len(reals), generator=torch_generator(sampler.seed, "neighbours"))[: len(samples)]
    some_reals = torch.cat([reals.images(number, number + 1) for number in chosen.tolist()])
    found = _search(embed(samples), reals, k, embed)
    others = _search(embed(some_reals), reals, 2, embed)
    itself = others.numbers[:, :1] == chosen[:, None]
    shown = [torch.cat([reals.images(number, number + 1) for number in row.tolist()]) for row in found.numbers.T]
    rows = rearrange(torch.stack([samples, *shown]), "rows columns c h w -> rows columns h w c").numpy()
    names = [name for name in sampler.label_space.describe(labels) for _ in range(per_label)]
    row_names = ["sample", "nearest real", *(f"real no. {place}" for place in range(2, k + 1))]
    return Neighbours(
        draw_grid(rows, names, row_names),
        found.distances[:, 0].median().item(),
        torch.where(itself, others.distances[:, 1:], others.distances[:, :1]).median().item(),
    )


def _search(queries: Tensor, reals: Selection, k: int, embed: Embed) -> Found:
    """The nearest of all real images, of which few are in memory at a time."""
    best: Found | None = None
    for first, block in _blocks(reals):
        distances, numbers = nearest(queries, embed(block), min(k, len(block)))
        numbers = numbers + first
        if best is not None:
            distances = torch.cat([best.distances, distances], dim=1)
            numbers = torch.cat([best.numbers, numbers], dim=1)
        order = distances.sort(dim=1, stable=True).indices[:, :k]
        best = Found(distances.gather(1, order), numbers.gather(1, order))
    assert best is not None, "a set has at least one image"
    return best


def _blocks(reals: Selection) -> Iterator[tuple[int, Tensor]]:
    for first in range(0, len(reals), BLOCK):
        yield first, reals.images(first, min(len(reals), first + BLOCK))
