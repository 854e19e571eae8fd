"""The checkpoints of a run: written in the background, kept by rules, and never taken unless whole.

A checkpoint is written to `step-….tmp`, each file flushed to disk, a manifest with sizes and sha256 last, then renamed;
then `latest` and `best` are replaced, and what is not to be kept is removed. Loading verifies the manifest and falls
back to the one before.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from cgan_dist.checkpoints.folder import FILES_MANIFEST, Checkpoint, DamagedCheckpoint, images_of
from cgan_dist.checkpoints.retention import BEST, Retention
from cgan_dist.checkpoints.snapshot import Snapshot
from cgan_dist.checkpoints.writer import (
    BackgroundWriter,
    folders_in,
    is_gone,
    pointed_at,
    refusals_explained,
    write_folder,
    write_pointer,
)
from cgan_dist.config.score import Best
from cgan_dist.errors import UserError

__all__ = ["Checkpoint", "Checkpoints", "DamagedCheckpoint", "find_checkpoint"]

CHECKPOINTS = "checkpoints"
LATEST = "latest"

logger = logging.getLogger(__name__)


class Checkpoints:
    """The checkpoints of one run.

    Args:
        folder: `RUN/checkpoints`; made by the first `save`.
        keep_last: how many of the newest stay.
        keep_every_images: those at multiples of this stay for ever; null for none.
        keep_best: name of the score, without `eval/`, by which the best one stays as well; null for none.
        best_is: which score is best; null takes it from the name.
    """

    def __init__(
        self,
        folder: Path,
        keep_last: int = 2,
        keep_every_images: int | None = None,
        keep_best: str | None = None,
        best_is: Best | None = None,
    ) -> None:
        self.folder = folder
        self.retention = Retention(folder, keep_last, keep_every_images, keep_best, best_is)
        self._writer = BackgroundWriter()

    def save(
        self,
        images_seen: int,
        networks: Mapping[str, Mapping[str, Tensor]],
        optimizers: Mapping[str, Mapping[str, Any]],
        state: Mapping[str, Any],
        scores: Mapping[str, float] | None = None,
        wait: bool = False,
    ) -> Path:
        """Copies everything to host memory and leaves the writing to a thread; only the main process calls it.

        Args:
            images_seen: the clock, and the folder's name.
            networks: name to state dict.
            optimizers: name to state dict.
            state: JSON-ready values; `images_seen` and `scores` are added.
            scores: what evaluation says at this point of the clock, with or without `eval/`; none if it was not asked.
            wait: return when it is on disk; for the last one. It is written even if the one before could not be.

        Returns:
            The folder that there will be.

        Raises:
            UserError: if the disk refuses, or, where `wait` is false, refused the one before; what is there stays.
        """
        try:
            self.wait()
        except UserError:
            if not wait:
                raise
        final = self.folder / f"step-{images_seen:012d}"
        snapshot = Snapshot.take(images_seen, networks, optimizers, state, scores or {})
        self.retention.tell_unknown(scores or {})
        self._writer.start(partial(self._write, snapshot, final))
        if wait:
            self.wait()
        return final

    def wait(self) -> None:
        """Waits until nothing is being written.

        Raises:
            UserError: if the disk refused; told once.
        """
        self._writer.wait()

    def newest(self) -> Checkpoint | None:
        """Returns the newest whole checkpoint and says what is wrong with newer ones; None if none was ever written.

        Raises:
            UserError: if there are checkpoints, but all are damaged: beginning anew is for the user to decide.
        """
        damages = []
        for found in self.survey():
            if isinstance(found, Checkpoint):
                return found
            damages.append(f"{found.folder.name}: {found.what}")
            logger.warning("%s is damaged (%s); trying the one before.", found.folder, found.what)
        if damages:
            raise UserError(
                f"{self.folder}: no whole checkpoint in it:\n  " + "\n  ".join(damages) + "\nBring back a copy of one, "
                f"or remove {self.folder} to begin this run anew."
            )
        return None

    def whole(self) -> list[Checkpoint]:
        """Returns all whole checkpoints that training can go back to, the newest first."""
        return [found for found in self.survey() if isinstance(found, Checkpoint)]

    def survey(self, prefix: str = "step-") -> Iterator[Checkpoint | DamagedCheckpoint]:
        """Verifies one checkpoint after the other, the newest first, in the order in which `newest` tries them.

        Args:
            prefix: of the folders' names; "" for those too that no run goes on from.

        Raises:
            UserError: if the folder cannot be listed, or what was being written could not be.
        """
        self.wait()
        for folder in reversed(folders_in(self.folder, prefix)):
            try:
                yield Checkpoint(folder)
            except DamagedCheckpoint as damage:
                if not is_gone(folder):  # by the hand of a running training
                    yield damage

    def go_back(self, images_seen: int) -> None:
        """Forgets what is later than a checkpoint that training went back to, so that a new start takes that one too.

        The best one so far stays, but no run goes on from it. Only the main process calls it.

        Raises:
            UserError: if the disk refuses.
        """
        self.wait()
        with refusals_explained(self.folder):
            self.retention.apply(images_seen)
            for folder in folders_in(self.folder, "step-")[-1:]:
                write_pointer(self.folder / LATEST, folder.name)

    def _write(self, snapshot: Snapshot, final: Path) -> None:
        with refusals_explained(final):
            write_folder(snapshot.files(), final)
            self.retention.written(final)
            write_pointer(self.folder / LATEST, final.name)
            self.retention.apply(images_of(final))


def find_checkpoint(path: Path) -> Checkpoint:
    """Opens the checkpoint that `path` names.

    Args:
        path: a run folder or its `checkpoints` (the newest whole one is taken), one `step-…` folder, or the file
            `checkpoints/latest` or `checkpoints/best`.

    Raises:
        UserError: if there is none, or the one named is damaged.
    """
    is_pointer = os.path.exists(path) or path.parent.name == CHECKPOINTS
    if path.name in (LATEST, BEST) and not os.path.isdir(path) and is_pointer:
        return _follow(path)
    if os.path.exists(path / FILES_MANIFEST) or re.fullmatch(r"(step|kept)-\d+", path.name):
        return Checkpoint(path)
    found = Checkpoints(path if path.name == CHECKPOINTS else path / CHECKPOINTS).newest()
    if found is None:
        what = "no whole checkpoint in it" if os.path.isdir(path) else "no such folder"
        raise UserError(f"{path}: {what}; expected a run folder such as runs/demo, or one of its checkpoints/step-….")
    return found


def _follow(pointer: Path) -> Checkpoint:
    name = pointed_at(pointer)
    if name is None and pointer.name == BEST and not pointer.exists():
        raise UserError(
            f"{pointer}: no checkpoint was kept as the best; set checkpoint.keep_best and evaluate.metrics."
        )
    if name is None:
        raise UserError(f"{pointer}: it names no checkpoint; give a step-… folder beside it, or the run folder.")
    if not os.path.isdir(pointer.parent / name):
        raise UserError(f"{pointer}: it names {name}, which is not there; give a step-… folder, or the run folder.")
    return Checkpoint(pointer.parent / name)
