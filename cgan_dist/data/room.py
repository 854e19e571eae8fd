"""Whether what loader workers have on the way fits into shared memory: asked first, since they could only hang."""

from __future__ import annotations

from cgan_dist.data.loader import JOINED_BATCHES, PREFETCH_BATCHES
from cgan_dist.data.shards import ShardSet
from cgan_dist.data.shared_memory import PAGE_BYTES, clear_abandoned, no_room

LABEL_BYTES = 8
"""Of one value, at most."""
PAGES_OF_LOADER, PAGES_OF_WORKER = 8, 3
"""Semaphores, with which processes wait for each other; each takes a page."""


def check_room(shards: ShardSet, batch_size: int, workers: int, ranks: int) -> None:
    """Checks that shared memory has room for batches on their way from workers, beside the decoded set.

    Args:
        shards: the set; where both do not fit, its decoded images are not shared.
        batch_size: of one rank.
        workers: of one rank.
        ranks: on this machine.

    Raises:
        UserError: with what there is and what is wanted, if it does not fit.
    """
    if not workers:
        return
    clear_abandoned()
    batches, wanted = _on_the_way(shards, batch_size, workers)
    wanted *= ranks
    free = shards.keep_free(wanted)
    if free is not None and free < wanted:
        raise no_room(
            f"found {free / 1e6:.2f} MB of shared memory free; expected {wanted / 1e6:.2f} MB for {batches} batches of "
            f"{batch_size} images on their way to each of {ranks} process(es)"
        )


def _on_the_way(shards: ShardSet, batch_size: int, workers: int) -> tuple[int, int]:
    """How many batches of one rank lie in shared memory at most, and the bytes of all that it has there."""
    image, width = shards.manifest.image, shards.manifest.labels.width or 1
    images = -(-batch_size // workers)
    tensors = (images * image.height * image.width * image.channels, images * width * LABEL_BYTES)
    pages = workers * sum(-(-size // PAGE_BYTES) for size in tensors)
    batches = PREFETCH_BATCHES + (1 if workers > 1 else JOINED_BATCHES + 3)  # a single worker's are not copied
    return batches, (batches * pages + PAGES_OF_LOADER + workers * PAGES_OF_WORKER) * PAGE_BYTES
