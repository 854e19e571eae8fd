"""What CIFAR-10 and CIFAR-100 share: the binary version, records of labels and three planes; the other is pickled."""

from __future__ import annotations

import tarfile
import tempfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cgan_dist.bounds import MEMBER_BYTES, read_bytes, regular
from cgan_dist.data.download import download
from cgan_dist.data.source import Source
from cgan_dist.data.sources.files import check_split, existing_folder, read_lines
from cgan_dist.errors import UserError

HINT = "--source FOLDER reads files you have"
SIZE = 32
PIXEL_BYTES = 3 * SIZE * SIZE
"""The red, the green and the blue plane, row by row."""


@dataclass(frozen=True, kw_only=True)
class Release:
    """A set as it is published.

    Attributes:
        title: of it, for people.
        source: what `cgan-dist prepare` calls it.
        url: of the archive with the binary version.
        md5: of that, by the publisher's page, which gives no other.
        inside: the folder in the archive.
        pickled: the folder of the version for Python, and a file in it.
        names: how many classes each list of names has, by file; in the order of a record's label bytes.
        files: names of the files of each split.
    """

    title: str
    source: str
    url: str
    md5: str
    inside: str
    pickled: tuple[str, str]
    names: dict[str, int]
    files: dict[str, tuple[str, ...]]

    @property
    def record_bytes(self) -> int:
        """A byte for each label, then the pixels."""
        return len(self.names) + PIXEL_BYTES


@dataclass(frozen=True)
class Records:
    """The images of a split.

    Attributes:
        images: (N, 32, 32, 3) uint8.
        labels: (N, L) uint8.
        names: of the classes, for each of the L.
    """

    images: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    names: list[list[str]]


def load_release(release: Release, folder: Path | None, split: str, make: Callable[[Records, str], Source]) -> Source:
    """Reads the binary version from `folder`, or downloads it and checks its md5.

    Args:
        release: which.
        folder: the folder of the binary version, or the one around it.
        split: one of `release.files`.
        make: makes the source of the records and a description.

    Raises:
        UserError: if a file is missing, damaged, cannot be downloaded, or is of the version for Python.
    """
    check_split(split, tuple(release.files))
    if folder is not None:
        return make(_read(release, _binary_folder(release, folder), split), f"{release.title} from {folder} ({split})")
    with tempfile.TemporaryDirectory(prefix=f"{release.source}-") as fresh:
        archive = Path(fresh) / Path(release.url).name
        download(release.url, archive, release.md5, hint=HINT, algorithm="md5")
        extract(release, archive, Path(fresh))
        return make(_read(release, Path(fresh), split), f"{release.title} from {release.url} ({split})")


def extract(release: Release, archive: Path, target: Path) -> None:
    """Unpacks the files by their known names, each to its own last part; nothing else of the archive is written.

    Raises:
        UserError: if it is damaged, or lacks one.
    """
    try:
        with tarfile.open(regular(archive), "r:gz") as tar:
            for name in (*release.names, *release.files["all"]):
                member = tar.getmember(f"{release.inside}/{name}")
                content = tar.extractfile(member) if member.isreg() else None
                if content is None:
                    raise UserError(f"{release.url}: {member.name} is not a regular file. {HINT}.")
                MEMBER_BYTES.check(member.size, f"{release.url}: {name}")
                (target / name).write_bytes(content.read())
    except KeyError as error:
        raise UserError(f"{release.url}: {error.args[0]}. {HINT}.") from error
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise UserError(f"{release.url}: cannot unpack: {error}. {HINT}.") from error


def _read(release: Release, folder: Path, split: str) -> Records:
    names = []
    for file, count in release.names.items():
        names.append([name for _, name in read_lines(folder / file)])
        if len(names[-1]) != count:
            raise UserError(f"{folder / file}: {len(names[-1])} class names, expected {count}; fetch it again.")
    records = np.concatenate([_read_records(release, folder / name) for name in release.files[split]])
    planes = records[:, len(names) :].reshape(-1, 3, SIZE, SIZE)
    return Records(np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), records[:, : len(names)], names)


def _binary_folder(release: Release, folder: Path) -> Path:
    folder = existing_folder(folder, release.source, f"the files of {release.url}")
    first = release.files["train"][0]
    for candidate in (folder, folder / release.inside):
        if any((candidate / name).exists() for name in (first, *release.files["test"])):
            return candidate
    inside, file = release.pickled
    if (folder / inside).exists() or (folder / file).exists():
        raise UserError(
            f"{folder}: this is {release.title}'s version for Python, which is pickled, and reading a pickle runs "
            f"whatever code is in it. Get the binary version: {release.url}, or leave --source out and it is "
            "downloaded."
        )
    raise UserError(f"{folder}: neither {first} nor {release.inside}/{first} is there; unpack {release.url} in it.")


def _read_records(release: Release, path: Path) -> NDArray[np.uint8]:
    try:
        content = read_bytes(path, MEMBER_BYTES)
    except OSError as error:
        raise UserError(f"{path}: cannot read: {error.strerror or error}; unpack {release.url} again.") from error
    labels = "a label" if len(release.names) == 1 else f"{len(release.names)} labels"
    if not content or len(content) % release.record_bytes:
        raise UserError(
            f"{path}: truncated or damaged: {len(content):,} bytes, expected a multiple of {release.record_bytes:,} "
            f"({labels} and {SIZE}x{SIZE}x3 pixels); fetch it again."
        )
    records = np.frombuffer(content, np.uint8).reshape(-1, release.record_bytes)
    for column, count in enumerate(release.names.values()):
        for image in np.flatnonzero(records[:, column] >= count)[:1]:
            raise UserError(
                f"{path}: image {image} has label {records[image, column]}; expected 0..{count - 1}. Fetch it again."
            )
    return records
