"""A source to WebDataset shards: shuffled once, cut evenly, written by several processes, resumable, atomic.

Everything is written to `OUT.partial`; a finished shard leaves a note there, so that a second run of the same plan goes
on after a kill. OUT appears only when it is whole. Several machines may each write a part of the shards there; the run
that is given no part then finds them done.
"""

from __future__ import annotations

import hashlib
import json
import logging
import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from cgan_dist.data.codecs import Encoding
from cgan_dist.data.deal import deal
from cgan_dist.data.fitting import Fill, Fitting, Way
from cgan_dist.data.manifest import MANIFEST, ImageFormat, Manifest
from cgan_dist.data.partial import BROKEN, check_unused, disk, join_partial, open_partial
from cgan_dist.data.shard_task import ColourAmongGrey, ShardTask, Written, read_or_cause
from cgan_dist.data.source import InMemory, Source
from cgan_dist.data.workers import apart_from_working_folder, end_with_parent
from cgan_dist.distributed.cores import usable_cores
from cgan_dist.errors import UserError

Task = tuple[int, NDArray[np.int64]]
"""Number of a shard, and its images."""
NAMED = 20
"""Broken images that an error names; the file names all."""
logger = logging.getLogger(__name__)
MAX_RAW_SIDE = 64
"""Images up to this size are packed as raw pixels, larger ones are encoded, unless told otherwise."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a set is packed; with the source it decides every byte.

    Attributes:
        shards: how many; at most one per image. Their counts differ by at most one.
        seed: of the global shuffle.
        size: width and height that every image is brought to, in pixels; null keeps every image as it is.
        fit: how, see `Fitting`.
        fill: likewise.
        channels: 1 turns colour to grey, 3 repeats grey, `same` refuses a set that has both; null repeats grey as
            soon as one image is in colour.
        encoding: `raw`, `jpeg`, `png`, `webp`; null is `raw` up to 64 pixels and `jpeg` above.
        quality: of JPEG and WebP.
    """

    shards: int = 8
    seed: int = 0
    size: tuple[int, int] | None = None
    fit: Way = "crop"
    fill: Fill = "white"
    channels: Literal[1, 3, "same"] | None = None
    encoding: Encoding | None = None
    quality: int = 95

    @property
    def fitting(self) -> Fitting:
        """What brings an image to the planned form."""
        channels = None if self.channels == "same" else self.channels
        return Fitting(size=self.size, way=self.fit, fill=self.fill, channels=channels)


@dataclass(frozen=True)
class Part:
    """A share of the shards, of several that are written at once.

    Attributes:
        number: from 1.
        of: how many parts there are.
    """

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"


def write_shards(
    source: Source,
    out: Path,
    plan: Plan,
    processes: int | None = None,
    on_error: Literal["stop", "skip"] = "stop",
) -> Manifest:
    """Writes shards and manifest to a new folder.

    Every image is tried, whether others could be read or not.

    Args:
        source: what to pack.
        out: folder to make; must not exist, or be empty.
        plan: how.
        processes: null takes one per core that this process may use, and one for a set that is in memory already.
        on_error: `stop` names all images that cannot be read; `skip` leaves them out and lists them in `broken.txt`.

    Raises:
        UserError: if `out` is in use, the plan is impossible, images cannot be read, one has another size, or the disk
            is full.
    """
    tasks = _tasks(source, plan)
    check_unused(out)
    image = _format_of(source, plan)
    fresh, image = open_partial(out, _planned(source, plan, image))
    with disk(fresh):
        try:
            written = _write_all(source, fresh, plan, image, processes, tasks)
        except ColourAmongGrey:
            fresh, image = open_partial(out, _planned(source, plan, _in_colour(image)))
            written = _write_all(source, fresh, plan, image, processes, tasks)
        broken = _list_broken(source, fresh, written)
        if broken and on_error == "stop":
            raise UserError(_broken_images(source, fresh, broken))
        return _finish(source, fresh, out, plan, image, written)


def write_part(source: Source, out: Path, plan: Plan, part: Part, processes: int | None = None) -> Path:
    """Writes a part of the shards; when all parts are there, `write_shards` of the same plan finds them and ends.

    Parts may be written at once, on machines that share the file system, and again. The bytes are those of a set that
    was written in one piece. Images that cannot be read are noted for the end.

    Args:
        source: what to pack, the same for all parts.
        out: folder that there will be, likewise.
        plan: likewise.
        part: which.
        processes: as in `write_shards`.

    Returns:
        The folder of what is done so far.

    Raises:
        UserError: as `write_shards`; if the folder holds another plan; if an image is in colour, the first one is
            grey, and the plan does not say what the set is to be.
    """
    tasks = _tasks(source, plan)
    check_unused(out)
    if not 1 <= part.number <= part.of <= plan.shards:
        raise UserError(f"--part {part}: expected I/N with I from 1 to N, and N at most --shards, {plan.shards}.")
    fresh, image = join_partial(out, _planned(source, plan, _format_of(source, plan)))
    with disk(fresh):
        try:
            _write_all(source, fresh, plan, image, processes, tasks[part.number - 1 :: part.of])
        except ColourAmongGrey:
            raise UserError(
                f"--part {part}: an image is in colour, and the first one is grey. Parts cannot turn each other's "
                f"images to colour: give --channels 3 (or 1) to all of them, and remove {fresh}."
            ) from None
    return fresh


def _tasks(source: Source, plan: Plan) -> list[Task]:
    return list(enumerate(deal(len(source), plan.shards, plan.seed)))


def _write_all(
    source: Source, fresh: Path, plan: Plan, image: ImageFormat, processes: int | None, tasks: list[Task]
) -> list[Written]:
    if plan.channels is None and image.channels == 3:
        plan = replace(plan, channels=3)
    work = ShardTask(source, fresh, plan.fitting, image, plan.quality, plan.channels is not None)
    processes = processes or (1 if isinstance(source.read, InMemory) else usable_cores())
    name = fresh.name.removesuffix(".partial")
    return list(tqdm(_run(work, tasks, processes), total=len(tasks), desc=name, unit="shard"))


def _list_broken(source: Source, fresh: Path, written: list[Written]) -> dict[int, str]:
    """Writes the list of images that could not be read, where there are any, and returns it in their order."""
    broken = dict(sorted((index, cause) for one in written for index, cause in one.broken.items()))
    lines = [f"image {index}: {' '.join(cause.split())}\n" for index, cause in broken.items()]
    (fresh / BROKEN).unlink(missing_ok=True)
    if lines:
        (fresh / BROKEN).write_text("".join(lines), encoding="utf-8")
    return broken


def _broken_images(source: Source, fresh: Path, broken: dict[int, str]) -> str:
    shown = [f"\n  {cause}" for cause in list(broken.values())[:NAMED]]
    more = f"\n  and {len(broken) - NAMED:,} more, all in {fresh / BROKEN}" if len(broken) > NAMED else ""
    return (
        f"{source.description}: {len(broken):,} of {len(source):,} images cannot be read:{''.join(shown)}{more}\n"
        "What is done is kept: mend these files and give the same command again, or leave them out with --on-error "
        "skip. Without them the set is another one, which begins anew."
    )


def _finish(source: Source, fresh: Path, out: Path, plan: Plan, image: ImageFormat, written: list[Written]) -> Manifest:
    shards = sorted((one.shard for one in written if one.shard), key=lambda shard: shard.name)
    broken = [index for one in written for index in one.broken]
    if broken:
        logger.warning("%s: %s images could not be read and are left out: %s", out, len(broken), out / BROKEN)
    manifest = Manifest(
        count=len(source) - len(broken),
        image=image,
        labels=source.schema,
        histogram=source.schema.histogram(np.delete(source.labels, broken, axis=0)),
        source=source.description,
        seed=plan.seed,
        shards=shards,
    )
    for note in fresh.glob("*.json"):
        note.unlink()
    (fresh / MANIFEST).write_text(manifest.to_json(), encoding="utf-8")
    if out.exists():
        out.rmdir()
    fresh.replace(out)
    return manifest


def _format_of(source: Source, plan: Plan) -> ImageFormat:
    """The first image that can be read decides what is not planned."""
    for index in range(len(source)):
        read = read_or_cause(source, index)
        if not isinstance(read, str):
            break
    else:
        raise UserError(f"{source.description}: none of {len(source):,} images can be read. The last: {read}")
    first = plan.fitting(read)
    encoding = plan.encoding or ("raw" if max(first.shape[:2]) <= MAX_RAW_SIDE else "jpeg")
    return ImageFormat(
        height=first.shape[0], width=first.shape[1], channels=1 if first.shape[2] == 1 else 3, encoding=encoding
    )


def _in_colour(image: ImageFormat) -> ImageFormat:
    return image.model_copy(update={"channels": 3})


def _planned(source: Source, plan: Plan, image: ImageFormat) -> dict[str, ImageFormat]:
    """What `plan.json` may hold if it is of this plan, and the format of the images then.

    An interrupted run may have met colour already where the first image is grey.
    """
    labels = hashlib.sha256(np.ascontiguousarray(source.labels).tobytes()).hexdigest()
    facts = {"source": source.description, "count": len(source), "labels": labels} | asdict(plan)
    formats = [image] + ([_in_colour(image)] if plan.channels is None else [])
    return {json.dumps(facts | {"image": form.model_dump()}): form for form in formats}


def _run(work: ShardTask, tasks: list[Task], processes: int) -> Iterator[Written]:
    if processes == 1:
        yield from (work(number, chosen) for number, chosen in tasks)
        return
    context = multiprocessing.get_context("spawn")
    with apart_from_working_folder(), ProcessPoolExecutor(processes, context, end_with_parent) as pool:
        futures = [pool.submit(work, number, chosen) for number, chosen in tasks]
        try:
            for future in as_completed(futures):
                yield future.result()
        except BrokenProcessPool as error:
            raise UserError(
                "--processes: a process ended without a word, probably for want of memory; give fewer. The same "
                "command goes on where this one stopped."
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
