"""Images of all ranks into features on the main process: each rank makes its share, and rows arrive in order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import torch
from accelerate import Accelerator
from torch import Tensor
from tqdm import tqdm

from cgan_dist.distributed.collectives import gather_rows
from cgan_dist.distributed.group import without_tf32
from cgan_dist.errors import UserError
from cgan_dist.evaluation.features.base import Extractor
from cgan_dist.evaluation.metrics.base import Features

ROUND = 256
"""Images of one rank between two gathers."""


class Share(NamedTuple):
    """This rank's part of a round, and how many rows the whole round has.

    Its numbers go from `start` to `stop`. A rank that has nothing left repeats the list's last image, and its row is
    dropped, because all must gather rows of the same form.
    """

    start: int
    stop: int
    rows: int


class Extracted(NamedTuple):
    """What the main process has in the end; the others have nothing."""

    features: dict[str, Features]
    images: Tensor | None


def shares(count: int, rank: int, processes: int, size: int = ROUND) -> Iterator[Share]:
    """Deals a list of `count` images in rounds: within one, rank 0 has the first `size`, rank 1 the next, ..."""
    for first in range(0, count, size * processes):
        start = min(first + rank * size, count - 1)
        stop = max(min(first + (rank + 1) * size, count), start + 1)
        yield Share(start, stop, min(count - first, size * processes))


def extract(
    accelerator: Accelerator,
    extractors: Mapping[str, Extractor],
    count: int,
    images_of: Callable[[int, int], Tensor],
    what: str,
    keep_images: bool = False,
) -> Extracted:
    """Makes images once and has every extractor look at them; every rank must call it.

    Args:
        accelerator: of this process.
        extractors: by name, with their networks on its device.
        count: of images in the whole list.
        images_of: gives those from a number to another, (n, C, H, W) uint8.
        what: is being done, for the progress bar.
        keep_images: whether the main process wants the images too.

    Raises:
        UserError: on every rank, if a feature is not finite.
    """
    kept: dict[tuple[str, str], list[Tensor]] = {}
    keys = [(name, field) for name in extractors for field in Features._fields]
    keys += [("", "images")] if keep_images else []
    progress = tqdm(total=count, desc=what, unit="img", leave=False, disable=not accelerator.is_main_process)
    with progress, without_tf32():
        for share in shares(count, accelerator.process_index, accelerator.num_processes):
            images = images_of(share.start, share.stop).to(accelerator.device)
            made = [rows for extractor in extractors.values() for rows in _features(extractor, images)]
            for key, own in zip(keys, [*made, images] if keep_images else made, strict=True):
                rows = gather_rows(accelerator, own, ROUND)[: share.rows]
                if not rows.isfinite().all():  # the same on every rank
                    raise UserError(
                        f"{what}: the {key[1]} of extractor {key[0]} is not finite. Suspect its weights, or the "
                        "arithmetic of a plug-in."
                    )
                if accelerator.is_main_process:
                    kept.setdefault(key, []).append(rows)
            progress.update(share.rows)
    joined = {key: torch.cat(parts) for key, parts in kept.items()}
    if not accelerator.is_main_process:
        return Extracted({}, None)
    features = {name: Features(*(joined[name, field] for field in Features._fields)) for name in extractors}
    return Extracted(features, joined.get(("", "images")))


def _features(extractor: Extractor, images: Tensor) -> Features:
    parts = [extractor.extract(part) for part in images.split(extractor.batch)]
    return Features(*(torch.cat(column).float() for column in zip(*parts, strict=True)))
