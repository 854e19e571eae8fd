"""A set of generated images in the making: drawn by any number of processes, and gone on with after a kill.

Everything is written to `OUT.partial`; there a note with a hash tells of every chunk of images that is done. OUT
appears only when it is whole.
"""

from __future__ import annotations

import hashlib
import shutil
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from cgan_dist.bounds import RECORD_BYTES, read_text
from cgan_dist.errors import UserError
from cgan_dist.image_sets.base import SetForm
from cgan_dist.image_sets.draws import Draws
from cgan_dist.image_sets.record import SetRecord

PLAN, NOTES, CONTENT = "plan.json", "done", "content"
WRITERS = 4
"""Threads that encode and write while the generator draws on."""
MAX_WAITING = 16
"""Chunks that are drawn but not written; bounds the memory."""
SHOWN = 5


class GeneratedSet:
    """One set. The main process calls `open`; then every rank `draw`; when all have, the main process `finish`.

    Args:
        out: the file or folder to be.
        draws: of its images.
        record: what it is.
        form: builds the form in a folder of its own.
    """

    def __init__(self, out: Path, draws: Draws, record: SetRecord, form: Callable[[Path], SetForm]) -> None:
        self.out = out
        self.draws = draws
        self.record = record
        self.work = out.with_name(out.name + ".partial")
        self.form = form(self.work / CONTENT)

    def open(self) -> bool:
        """Makes the folder to work in, or opens that of an interrupted run; only the main process calls it.

        Returns:
            Whether there is anything to do: false if OUT is there, is this set, and is whole.

        Raises:
            UserError: if OUT or OUT.partial is another set, or something else; or if OUT lacks files.
        """
        if self.out.is_file() or (self.out.is_dir() and any(self.out.iterdir())):
            self._check_finished()
            shutil.rmtree(self.work, ignore_errors=True)  # a kill may have left it
            return False
        plan = self.work / PLAN
        if plan.exists():
            if differences := self.record.differences(plan):
                raise UserError(
                    f"{self.work}: there is the beginning of another set:\n  " + "\n  ".join(differences) + "\nGive "
                    f"the same command to go on with it, choose another --out, or remove {self.work}."
                )
            return True
        with self._refusals_explained():
            if self.work.exists() and any(self.work.iterdir()):
                raise UserError(f"{self.work}: in the way of --out {self.out}; remove it or choose another --out.")
            for folder in (NOTES, CONTENT):
                (self.work / folder).mkdir(parents=True, exist_ok=True)
            partial = plan.with_suffix(".tmp")
            partial.write_text(self.record.to_json(), encoding="utf-8")
            partial.replace(plan)
        return True

    def draw(self, rank: int = 0, world_size: int = 1) -> None:
        """Draws this rank's chunks that are not there yet, or not as they were written; every rank calls it."""
        own = {chunk: self.draws.bounds(chunk) for chunk in range(rank, self.draws.chunks, world_size)}
        total = sum(end - first for first, end in own.values())
        waiting: deque[Future[None]] = deque()
        with (
            self._refusals_explained(),
            ThreadPoolExecutor(WRITERS) as pool,
            tqdm(total=total, desc=self.out.name, unit="image", disable=rank > 0) as progress,
        ):
            for chunk, (first, end) in own.items():
                if not self._is_done(chunk):
                    waiting.append(pool.submit(self._write, chunk, self.draws.images(chunk)))
                if len(waiting) > MAX_WAITING:
                    waiting.popleft().result()
                progress.update(end - first)
            for writing in waiting:
                writing.result()

    def finish(self) -> None:
        """Makes OUT of what was drawn; only the main process calls it, when every rank has drawn.

        Raises:
            UserError: if something is missing, or the disk refuses.
        """
        missing = [chunk for chunk in range(self.draws.chunks) if not self._note(chunk).exists()]
        if missing:
            raise UserError(
                f"{self.work}: {len(missing)} of {self.draws.chunks} chunks are missing, first the images from number "
                f"{self.draws.bounds(missing[0])[0]:,} on; give the same command again to draw them."
            )
        digests = "".join(read_text(self._note(chunk), RECORD_BYTES) for chunk in range(self.draws.chunks))
        with self._refusals_explained():
            made = self.form.finish()
            record = self.form.record_path(made)
            record.write_text(self.record.to_json(hashlib.sha256(digests.encode()).hexdigest()), encoding="utf-8")
            if made.is_file():
                record.replace(self.form.record_path(self.out))
            if self.out.is_dir():
                self.out.rmdir()
            made.replace(self.out)
            shutil.rmtree(self.work)

    def _check_finished(self) -> None:
        record = self.form.record_path(self.out)
        differences = self.record.differences(record) if record.exists() else ["no record of a generated set"]
        if differences:
            raise UserError(
                f"--out {self.out}: already exists, and is not this set:\n  "
                + "\n  ".join(differences)
                + "\nRemove it "
                "or choose another --out."
            )
        if missing := self.form.missing(self.out):
            shown = ", ".join(missing[:SHOWN]) + (", ..." if len(missing) > SHOWN else "")
            raise UserError(
                f"--out {self.out}: {len(missing):,} of its files are missing or cut off: {shown}. Remove {self.out} "
                "and give the same command again."
            )

    def _write(self, chunk: int, images: NDArray[np.uint8]) -> None:
        digest = self.form.write(self.draws.bounds(chunk)[0], images)
        partial = self._note(chunk).with_suffix(".tmp")
        partial.write_text(digest, encoding="utf-8")
        partial.replace(self._note(chunk))

    def _is_done(self, chunk: int) -> bool:
        """Whether the chunk's images are what was written: a note alone outlives a power cut that they do not."""
        note = self._note(chunk)
        first, end = self.draws.bounds(chunk)
        return note.exists() and read_text(note, RECORD_BYTES) == self.form.digest(first, end - first)

    def _note(self, chunk: int) -> Path:
        return self.work / NOTES / f"{chunk:08d}"

    @contextmanager
    def _refusals_explained(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise UserError(
                f"{self.work}: cannot write: {error.strerror or error}. What is done is kept: mend it and give the "
                "same command again."
            ) from error
