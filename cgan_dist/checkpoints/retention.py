"""Which checkpoints of a run stay: the newest, those at multiples, and the best by a score."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path

from cgan_dist.checkpoints.folder import NAME, Checkpoint, DamagedCheckpoint, images_of, read_state
from cgan_dist.checkpoints.writer import OLD, TMP, discard, folders_in, pointed_at, write_pointer
from cgan_dist.config import score
from cgan_dist.config.score import Best, best_by_name
from cgan_dist.errors import UserError, close_match

BEST = "best"

logger = logging.getLogger(__name__)


class Retention:
    """Keeps and removes checkpoints in one folder, on the process that writes them.

    Args:
        folder: `RUN/checkpoints`.
        keep_last: how many of the newest stay.
        keep_every_images: those at multiples of this stay for ever; null for none.
        keep_best: name of the score, without `eval/`, by which the best one stays as well; null for none.
        best_is: which score is best; null takes it from the name.
    """

    def __init__(
        self, folder: Path, keep_last: int, keep_every_images: int | None, keep_best: str | None, best_is: Best | None
    ) -> None:
        self.folder = folder
        self.keep_last = keep_last
        self.keep_every_images = keep_every_images
        self.keep_best = keep_best
        if keep_best is not None and best_is is None:
            best_is = best_by_name(keep_best)
        self.sign = 1 if best_is == "lowest" else -1
        self._whole: dict[str, bool] = {}  # by name, so that a large one is verified once

    def written(self, folder: Path) -> None:
        """Notes a checkpoint that this process has just written."""
        self._whole[folder.name] = True

    def best(self) -> Path | None:
        """The best of those with a score whose files are whole, the earlier one of equals."""
        scored = []
        for folder in folders_in(self.folder):
            try:
                value = score.from_state(read_state(folder)).get(self.keep_best or "")
            except UserError:  # damaged, or of a version to come
                continue
            if value is not None:
                scored.append((self.sign * value, images_of(folder), folder.name.startswith("kept"), folder))
        return next((folder for *_, folder in sorted(scored) if self._is_whole(folder)), None)

    def apply(self, images_seen: int) -> None:
        """Points `best` at the best one and removes what no rule keeps, and everything later than the clock.

        What is later is of a stretch that is trained anew. The best one stays even then, as `kept-IMAGES`, and no run
        goes on from it.

        Raises:
            OSError: if `best` cannot be written; what cannot be removed stays.
        """
        self._point_at_best(images_seen)
        found = folders_in(self.folder, "step-")
        replaced = {folder.name + OLD for folder in found}
        steps = [folder for folder in found if folder.name not in replaced and images_of(folder) <= images_seen]
        every = self.keep_every_images
        keep = {folder.name for folder in steps[-self.keep_last :]}
        keep |= {folder.name for folder in steps if every and images_of(folder) % every == 0}
        keep.add(pointed_at(self.folder / BEST) or "")
        for path in self.folder.iterdir():
            if path.name not in keep and NAME.fullmatch(path.name.removesuffix(TMP)):  # leftovers of a kill too
                discard(path)

    def tell_unknown(self, names: Iterable[str]) -> None:
        """Warns if evaluation gave scores, but not the one that decides."""
        known = [name.removeprefix(score.PREFIX) for name in names]
        if known and self.keep_best is not None and self.keep_best not in known:
            logger.warning(
                "checkpoint.keep_best: evaluation gave no '%s', but %s.%s No checkpoint is kept as the best.",
                self.keep_best,
                ", ".join(known),
                close_match(self.keep_best, known),
            )

    def _point_at_best(self, images_seen: int) -> None:
        before = pointed_at(self.folder / BEST)
        best = self.best() if self.keep_best is not None else None
        name = best.name if best is not None else before
        if name is None:
            return
        folder = self.folder / name
        if images_of(folder) > images_seen and name.startswith("step-") and folder.exists():
            kept = self.folder / f"kept-{images_of(folder):012d}"
            discard(kept)
            folder.rename(kept)
            name = kept.name
        if name != before:
            write_pointer(self.folder / BEST, name)

    def _is_whole(self, folder: Path) -> bool:
        if folder.name not in self._whole:
            try:
                Checkpoint(folder)
                self._whole[folder.name] = True
            except UserError as error:
                reason = error.what if isinstance(error, DamagedCheckpoint) else error
                logger.warning("%s is damaged (%s) and cannot be the best.", folder, reason)
                self._whole[folder.name] = False
        return self._whole[folder.name]
