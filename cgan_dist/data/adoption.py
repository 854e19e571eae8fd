"""Tars of somebody else's made a set to train on, without a copy: a manifest, and lists of where each image lies.

The lists are dealt as `prepare` deals images to shards: shuffled once over all tars, so that tars which are sorted by
class mix as well as any.
"""

from __future__ import annotations

import hashlib
import io
import logging
import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cgan_dist.data.adopted_shard import list_dtype
from cgan_dist.data.deal import deal
from cgan_dist.data.manifest import MANIFEST, TAR_NAME, ImageFormat, Manifest, Shard, Tar
from cgan_dist.data.partial import check_unused
from cgan_dist.data.source import Source
from cgan_dist.data.sources.files import shortened
from cgan_dist.data.tars.collection import TarPictures
from cgan_dist.data.tars.examination import Examined, Kind, TarTask, examine
from cgan_dist.data.tars.pool import for_each_tar
from cgan_dist.data.tars.walk import name_at
from cgan_dist.errors import UserError
from cgan_dist.files.whole import replacing

SHOWN = 20
LISTED = 1 << 16
"""Images of a list at most, unless told otherwise: what a process opens at a time."""
LEAST = 8
logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Deal:
    """How images are dealt.

    Attributes:
        shards: lists to make; null is 8, or as many eights as keep them below 65,536 images.
        seed: of the shuffle.
    """

    shards: int | None = None
    seed: int = 0

    def cut(self, count: int) -> list[NDArray[np.int64]]:
        """Numbers of the images of each list.

        Raises:
            UserError: if there are fewer images than lists.
        """
        shards = self.shards or min(count, LEAST * -(-count // (LEAST * LISTED)))
        return deal(count, shards, self.seed)


def adopt(
    source: Source,
    home: Path,
    dealing: Deal,
    linked: bool = False,
    processes: int | None = None,
    on_error: Literal["stop", "skip"] = "stop",
) -> Manifest:
    """Reads all tars once, and writes a manifest and lists.

    Args:
        source: what `prepare`'s source webdataset returns.
        home: folder to write to, above the tars or a new one.
        dealing: how the images are shuffled.
        linked: whether to make `home`, with a link to each tar.
        processes: null takes one per core that this process may use.
        on_error: `stop` names all pictures that cannot be read; `skip` leaves them out.

    Raises:
        UserError: if pictures cannot be read, differ in size or encoding, or `home` cannot be written to.
    """
    pictures = source.read
    if not isinstance(pictures, TarPictures):
        raise UserError(f"{source.description}: not in tars; prepare it.")
    names = _link_names(home, pictures.tars) if linked else _names_below(home, pictures.tars)
    tasks = _tasks(pictures)
    seen = list(for_each_tar(examine, tasks, sum(one.path.stat().st_size for one in tasks), "adopt", processes))
    _refuse_unfit(tasks, seen, pictures.place)
    kinds = _kinds(tasks, seen, pictures.place)
    good = _good(tasks, seen, pictures.place, on_error)
    image = _format(kinds, seen)
    entries = _entries(source, pictures, seen)[good]
    parts = [entries[chosen] for chosen in dealing.cut(len(entries))]
    try:
        if linked:
            _link(home, names, pictures.tars)
        manifest = Manifest(
            count=len(entries),
            image=image,
            labels=source.schema,
            histogram=source.schema.histogram(entries["label"]),
            source=source.description,
            seed=dealing.seed,
            shards=[_write_list(home, number, part) for number, part in enumerate(parts)],
            tars=[Tar(name=name, bytes=one.bytes, sha256=one.sha256) for name, one in zip(names, seen, strict=True)],
        )
        _write(home / MANIFEST, manifest.to_json().encode())
    except OSError as error:
        raise UserError(
            f"{home}: cannot write: {error.strerror or error}. Give --out FOLDER for a set that must stay as it is."
        ) from error
    return manifest


def _tasks(pictures: TarPictures) -> list[TarTask]:
    bounds = np.searchsorted(pictures.numbers, np.arange(len(pictures.tars) + 1))
    return [
        TarTask(path, pictures.offsets[first:last], pictures.sizes[first:last])
        for path, (first, last) in zip(pictures.tars, pairwise(bounds.tolist()), strict=True)
    ]


def _entries(source: Source, pictures: TarPictures, seen: Sequence[Examined]) -> NDArray[np.void]:
    entries = np.zeros(len(source), list_dtype(source.schema))
    entries["tar"], entries["offset"], entries["size"] = pictures.numbers, pictures.offsets, pictures.sizes
    entries["crc32"] = np.concatenate([one.checksums for one in seen])
    entries["label"] = source.labels
    return entries


def _write_list(home: Path, number: int, entries: NDArray[np.void]) -> Shard:
    buffer = io.BytesIO()
    np.save(buffer, entries, allow_pickle=False)
    content = buffer.getvalue()
    path = home / f"adopted-{number:05d}.npy"
    _write(path, content)
    return Shard(name=path.name, count=len(entries), bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


def _write(path: Path, content: bytes) -> None:
    """A file that appears only when it is whole."""
    with replacing(path) as partial:
        partial.write_bytes(content)


def _refuse_unfit(tasks: Sequence[TarTask], seen: Sequence[Examined], place: str) -> None:
    unfit = [(task, number, why) for task, one in zip(tasks, seen, strict=True) for number, why in one.unfit.items()]
    if unfit:
        task, number, why = unfit[0]
        raise UserError(
            f"{place}: {len(unfit):,} pictures would be read otherwise than they are meant, such as "
            f"{name_at(task.path, int(task.offsets[number]))}: {why}. {_packing(place)}"
        )


def _good(
    tasks: Sequence[TarTask], seen: Sequence[Examined], place: str, on_error: Literal["stop", "skip"]
) -> NDArray[np.bool_]:
    """Which images can be read."""
    good = np.ones(sum(len(task.offsets) for task in tasks), bool)
    shown: list[str] = []
    start, count = 0, 0
    for task, one in zip(tasks, seen, strict=True):
        good[[start + number for number in one.broken]] = False
        for number, why in one.broken.items():
            if len(shown) < SHOWN:
                shown.append(f"\n  {name_at(task.path, int(task.offsets[number]))}: {why}")
        start, count = start + len(task.offsets), count + len(one.broken)
    more = f"\n  and {count - SHOWN:,} more" if count > SHOWN else ""
    said = f"{place}: {count:,} of {len(good):,} images cannot be read:{''.join(shown)}{more}"
    if count == len(good) or (count and on_error == "stop"):
        raise UserError(f"{said}\nMend their tars, or leave them out with --on-error skip.")
    if count:
        logger.warning("%s\nThey are left out.", said)
    return good


def _kinds(tasks: Sequence[TarTask], seen: Sequence[Examined], place: str) -> list[Kind]:
    """The one kind that all pictures have; none if none can be read."""
    counts: Counter[Kind] = Counter()
    firsts: dict[Kind, tuple[Path, int]] = {}
    for task, one in zip(tasks, seen, strict=True):
        for kind, (count, first) in one.kinds.items():
            counts[kind] += count
            firsts.setdefault(kind, (task.path, first))
    if len(counts) > 1:
        most = [
            f"{count:,} of {kind.width}x{kind.height} ({kind.encoding.upper()}), such as {name_at(*firsts[kind])}"
            for kind, count in counts.most_common()
        ]
        raise UserError(
            f"{place}: pictures of {len(counts)} kinds: {shortened(most, 3)}. "
            f"Only pictures of one size and encoding can be used as they are. {_packing(place)}"
        )
    return list(counts)


def _format(kinds: Sequence[Kind], seen: Sequence[Examined]) -> ImageFormat:
    (kind,) = kinds
    colour = max(one.channels for one in seen) > 1
    return ImageFormat(height=kind.height, width=kind.width, channels=3 if colour else 1, encoding=kind.encoding)


def _packing(place: str) -> str:
    return f"Pack them anew: cgan-dist prepare webdataset --source '{place}' --size 64 --out FOLDER"


def _names_below(home: Path, tars: Sequence[Path]) -> list[str]:
    """Names of the tars relative to the folder that gets the manifest."""
    if (home / MANIFEST).exists():
        raise UserError(f"{home / MANIFEST}: there is a manifest already; remove it to adopt these tars anew.")
    if not os.access(home, os.W_OK):
        raise UserError(f"{home}: cannot write there; give --out FOLDER for the manifest, with links to the tars.")
    names = [os.path.relpath(tar, home) for tar in tars]
    if odd := [name for name in names if re.fullmatch(TAR_NAME, name) is None]:
        raise UserError(
            f"{home}: names that a manifest does not take: {shortened(odd)}; expected letters, digits, '.', '_' and "
            "'-', and folders below. Rename them, or give --out FOLDER, which links to them by other names."
        )
    return names


def _link_names(home: Path, tars: Sequence[Path]) -> list[str]:
    """Names of links to the tars in a folder that is still to be made."""
    check_unused(home)
    return [f"tar-{number:05d}.tar" for number in range(len(tars))]


def _link(home: Path, names: Sequence[str], tars: Sequence[Path]) -> None:
    """Points at the tars by links, which are this machine's: a manifest may come from anybody and points nowhere."""
    home.mkdir(parents=True, exist_ok=True)
    for name, tar in zip(names, tars, strict=True):
        (home / name).symlink_to(tar.absolute())
