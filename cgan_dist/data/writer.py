"""A source to WebDataset shards: shuffled once, cut evenly, written by several processes, resumable, atomic.

Everything is written to `OUT.partial`; a finished shard leaves a note there, so that a second run of the same plan goes
on after a kill. OUT appears only when it is whole.
"""

from __future__ import annotations

import functools
import hashlib
import json
import multiprocessing
import os
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from cgan_dist.data.codecs import Encoding
from cgan_dist.data.manifest import MANIFEST, ImageFormat, Manifest, Shard
from cgan_dist.data.shard_writer import write_shard
from cgan_dist.data.source import InMemory, Source
from cgan_dist.errors import UserError
from cgan_dist.randomness import numpy_generator

PLAN = "plan.json"
MAX_RAW_SIDE = 64
"""Images up to this size are packed as raw pixels, larger ones are encoded, unless told otherwise."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How a set is packed; with the source it decides every byte.

    Attributes:
        shards: how many; at most one per image. Their counts differ by at most one.
        seed: of the global shuffle.
        size: crop the centre square and resize it to this side, in pixels; null keeps every image as it is.
        channels: 1 turns colour to grey, 3 repeats grey; null keeps what the first image has.
        encoding: `raw`, `jpeg`, `png`, `webp`; null is `raw` up to 64 pixels and `jpeg` above.
        quality: of JPEG and WebP.
    """

    shards: int = 8
    seed: int = 0
    size: int | None = None
    channels: int | None = None
    encoding: Encoding | None = None
    quality: int = 95


def write_shards(source: Source, out: Path, plan: Plan, processes: int | None = None) -> Manifest:
    """Writes shards and manifest to a new folder.

    Args:
        source: what to pack.
        out: folder to make; must not exist, or be empty.
        plan: how.
        processes: null takes one per core, and one for a set that is in memory already.

    Raises:
        UserError: if `out` is in use, the plan is impossible, an image cannot be read or has another size, or the disk
            is full.
    """
    if not 1 <= plan.shards <= len(source):
        raise UserError(f"--shards {plan.shards}: expected 1 to {len(source):,}, one image per shard at least.")
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"--out {out}: already exists and is not an empty folder; remove it or choose another.")
    image = _format_of(source, plan)
    fresh = _open_partial(source, out, plan)
    try:
        shards = _write_all(source, fresh, plan, image, processes)
        return _finish(source, fresh, out, plan, image, shards)
    except OSError as error:
        raise UserError(
            f"{fresh}: cannot write: {error.strerror or error}. What is done is kept: mend it and give the same "
            "command again."
        ) from error


def _write_all(source: Source, fresh: Path, plan: Plan, image: ImageFormat, processes: int | None) -> list[Shard]:
    order = np.array_split(numpy_generator(plan.seed, "prepare").permutation(len(source)), plan.shards)
    work = functools.partial(_write_one, source, fresh, plan, image)
    processes = processes or (1 if isinstance(source.read, InMemory) else os.cpu_count() or 1)
    name = fresh.name.removesuffix(".partial")
    shards = list(tqdm(_run(work, order, processes), total=plan.shards, desc=name, unit="shard"))
    return sorted(shards, key=lambda shard: shard.name)


def _finish(source: Source, fresh: Path, out: Path, plan: Plan, image: ImageFormat, shards: list[Shard]) -> Manifest:
    manifest = Manifest(
        count=len(source),
        image=image,
        labels=source.schema,
        histogram=source.schema.histogram(source.labels),
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


def fit(image: NDArray[np.uint8], plan: Plan) -> NDArray[np.uint8]:
    """Brings (H, W, C) uint8 to the plan's size and channels; resizing is Lanczos on the centre square."""
    height, width, channels = image.shape
    if plan.size is not None and (height, width) != (plan.size, plan.size):
        side = min(height, width)
        left, top = (width - side) // 2, (height - side) // 2
        square = image[top : top + side, left : left + side]
        picture = Image.fromarray(square[:, :, 0] if channels == 1 else square)
        picture = picture.resize((plan.size, plan.size), Image.Resampling.LANCZOS)
        image = np.asarray(picture).reshape(plan.size, plan.size, channels)
    if plan.channels == 3 and channels == 1:
        image = np.repeat(image, 3, axis=2)
    if plan.channels == 1 and channels == 3:
        image = np.asarray(Image.fromarray(image).convert("L"))[:, :, None]
    return image


def _format_of(source: Source, plan: Plan) -> ImageFormat:
    """The first image decides what is not planned."""
    first = fit(source.read(0), plan)
    encoding = plan.encoding or ("raw" if max(first.shape[:2]) <= MAX_RAW_SIDE else "jpeg")
    return ImageFormat(
        height=first.shape[0], width=first.shape[1], channels=1 if first.shape[2] == 1 else 3, encoding=encoding
    )


def _open_partial(source: Source, out: Path, plan: Plan) -> Path:
    """Returns the folder to write to: that of an interrupted run of the same plan, or a new one."""
    fresh = out.with_name(out.name + ".partial")
    labels = hashlib.sha256(np.ascontiguousarray(source.labels).tobytes()).hexdigest()
    text = json.dumps({"source": source.description, "count": len(source), "labels": labels} | asdict(plan))
    if not (fresh / PLAN).exists() or (fresh / PLAN).read_text(encoding="utf-8") != text:
        strangers = [path for path in fresh.glob("*") if not path.name.startswith((PLAN, MANIFEST, "shard-"))]
        if strangers:
            raise UserError(f"{strangers[0]}: in the way of --out {out}; remove {fresh} or choose another --out.")
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            fresh.mkdir(parents=True)
        except OSError as error:
            raise UserError(f"--out {out}: cannot write there: {error.strerror}.") from error
        (fresh / PLAN).write_text(text, encoding="utf-8")
    return fresh


def _run(work: functools.partial[Shard], order: list[NDArray[np.int64]], processes: int) -> Iterator[Shard]:
    if processes == 1:
        yield from (work(number, chosen) for number, chosen in enumerate(order))
        return
    with ProcessPoolExecutor(processes, multiprocessing.get_context("spawn"), _end_with_parent) as pool:
        futures = [pool.submit(work, number, chosen) for number, chosen in enumerate(order)]
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


def _end_with_parent() -> None:
    """Ends this process as soon as its parent has, or it would write on while the next run goes on."""
    threading.Thread(target=_wait_and_end, daemon=True).start()


def _wait_and_end() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _write_one(
    source: Source, folder: Path, plan: Plan, image: ImageFormat, number: int, chosen: NDArray[np.int64]
) -> Shard:
    """Writes one shard, unless an interrupted run has finished it."""
    path = folder / f"shard-{number:05d}.tar"
    note = path.with_suffix(".json")
    if note.exists():
        shard = Shard.model_validate_json(note.read_text(encoding="utf-8"))
        if path.stat().st_size == shard.bytes:
            return shard
    shard = write_shard(
        path, _checked_images(source, plan, image, chosen), source.labels[chosen], source.schema, image, plan.quality
    )
    partial = note.with_suffix(".note")
    partial.write_text(shard.model_dump_json(), encoding="utf-8")
    partial.replace(note)
    return shard


def _checked_images(
    source: Source, plan: Plan, image: ImageFormat, chosen: NDArray[np.int64]
) -> Iterator[NDArray[np.uint8]]:
    expected = (image.height, image.width, image.channels)
    for index in chosen:
        found = fit(source.read(int(index)), plan)
        if found.shape[2] != image.channels:
            raise UserError(
                f"{source.description}: image {index} has {found.shape[2]} channels, the first has "
                f"{image.channels}; give --channels 1 or 3."
            )
        if found.shape != expected:
            raise UserError(
                f"{source.description}: image {index} is {found.shape[1]}x{found.shape[0]}, the first is "
                f"{image.width}x{image.height}; give --size to crop and resize all of them."
            )
        yield found
