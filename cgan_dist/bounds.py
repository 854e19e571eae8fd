"""What the bytes of other people may cost: every bound that a file, a server or a config is held to, in one place."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from cgan_dist.errors import UserError, printable

VARIABLE = "CGAN_DIST_"
DESCRIPTORS = ("/dev/stdin", "/dev/fd/", "/proc/self/fd/")
"""What a shell hands over: `--config /dev/stdin`, `--config <(...)`."""
KINDS = {stat.S_IFIFO: "a named pipe", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device", stat.S_IFSOCK: "a socket"}


class Refused(OSError, UserError):
    """A file that is not opened, or not read to its end.

    It is an OSError, so that whoever says what the system refused says this too, and a sentence where nobody does.
    """

    def __init__(self, path: Path | str, code: int | None, what: str | None) -> None:
        super().__init__(code, what, str(path))

    def __reduce__(self) -> tuple[type[Refused], tuple[str, int | None, str | None]]:
        return Refused, (self.filename, self.errno, self.strerror)  # from a process that reads for this one

    def __str__(self) -> str:
        return printable(f"{self.filename}: {self.strerror}.")


@dataclass(frozen=True)
class Bound:
    """The most of something that is taken from others.

    Attributes:
        name: in small letters; `CGAN_DIST_NAME=N` in the environment, which no file can set, allows another number.
        most: where the environment says nothing.
        unit: of the number.
        of: what has so many, for the sentence.
    """

    name: str
    most: int
    unit: str
    of: str

    @property
    def variable(self) -> str:
        """The environment variable of it."""
        return VARIABLE + self.name.upper()

    @property
    def limit(self) -> int:
        """The number that holds for this process.

        Raises:
            UserError: if the environment has something else than a whole number.
        """
        text = os.environ.get(self.variable)
        if text is None:
            return self.most
        if not (text.isascii() and text.isdigit() and int(text)):
            raise UserError(f"{self.variable}: found {text!r}; expected a whole number of {self.unit} above 0.")
        return int(text)

    def exceeded(self, found: float | None = None) -> str:
        """What to say where there is more; `found` is None where it was not read to its end."""
        told = f"{found:,}" if found is not None else f"more than {self.limit:,}"
        allowed = f"expected at most {self.limit:,} for {self.of}"
        return f"{told} {self.unit}".rstrip() + f", {allowed}; set {self.variable}=N in the environment if it is meant"

    def check(self, found: int, where: object) -> None:
        """Raises UserError, beginning with `where`, if there is more."""
        if found > self.limit:
            raise UserError(f"{where}: {self.exceeded(found)}.")


MIB, GIB = 1 << 20, 1 << 30

CONFIG_BYTES = Bound("config_bytes", MIB // 4, "bytes", "a config")
CONFIG_VALUES = Bound("config_values", 50_000, "values", "a config, those that aliases repeat counted each time")
RECORD_BYTES = Bound("record_bytes", 32 * MIB, "bytes", "a JSON file of a run, a checkpoint or a model")
MANIFEST_BYTES = Bound("manifest_bytes", 128 * MIB, "bytes", "a manifest, which is that of some 300,000 shards")
METRICS_BYTES = Bound("metrics_bytes", 256 * MIB, "bytes", "a file of metrics")
LINE_BYTES = Bound("line_bytes", 16 * MIB, "bytes", "a line of a table or a list")
TABLE_BYTES = Bound("table_bytes", 32 * MIB, "bytes", "a table that is one JSON value; csv and jsonl have no bound")
ARRAYS_BYTES = Bound("arrays_bytes", 16 * GIB, "bytes", "the arrays of a file that is read into memory")
MEMBER_BYTES = Bound("member_bytes", GIB // 2, "bytes", "one file in a zip")
EXPANSION = Bound("expansion", 250, "times its size", "what a compressed file of more than 64 MB unpacked becomes")
PICTURE_PIXELS = Bound("picture_pixels", 64_000_000, "pixels", "a picture")
GRID_PIXELS = Bound("grid_pixels", 170_000_000, "pixels", "a grid of samples")
STORED_PIXELS = Bound("stored_pixels", 1 << 26, "pixels", "an image in a shard")
WEIGHTS_BYTES = Bound("weights_bytes", GIB, "bytes", "the weights of the Inception network")
AUTOENCODER_BYTES = Bound("autoencoder_bytes", 4 * GIB, "bytes", "the weights of an autoencoder")
FOUND_BYTES = Bound("found_bytes", GIB // 2, "bytes", "a file of found pictures")
DIRECTIONS = Bound("directions", 1_000, "directions", "a file of directions in z")
FOUND_PICTURES = Bound("found_pictures", 10_000, "pictures", "one search in a generator")
REMOTE_BYTES = Bound("remote_bytes", 16 * GIB, "bytes", "a file that a server sends without saying how long it is")

IMAGE_SIDE = Bound("image_side", 1 << 14, "pixels", "a side of an image")
LATENT_CHANNELS = Bound("latent_channels", 1 << 8, "channels", "a latent")
SET_IMAGES = Bound("set_images", 10**10, "images", "a set")
BATCH_IMAGES = Bound("batch_images", 1 << 20, "images", "a batch")
WORKERS = Bound("workers", 1 << 10, "processes", "the loader of a rank")
STREAMS = Bound("streams", 1 << 16, "streams", "the order of a set")
GRID_PICTURES = Bound("grid_pictures", 1 << 16, "pictures", "a grid")
SAMPLES = Bound("samples", 10**8, "images", "an evaluation")
CLOCK_IMAGES = Bound("clock_images", 10**15, "images", "the length of a run")
HOURS = Bound("hours", 10**6, "hours", "a run")
MINUTES = Bound("minutes", 10**8, "minutes", "a time to wait")
SEED = Bound("seed", (1 << 64) - 1, "", "a seed")
ARGUMENT = Bound(
    "argument", 1 << 24, "channels, rows or the like", "an argument of a network, a loss or a metric of this package"
)
BLOCKS = Bound("blocks", 1 << 8, "blocks", "a scale of a network")

SMALL_BYTES = 64 * 10**6
"""Whatever expands to less than this may have been compressed as well as it can be."""
HOLES_FROM_BYTES, HOLES_SHARE, EXTENTS = GIB, 100, 1_000
"""A file from this size on of which less than a hundredth was ever written, in so many of its first stretches."""


def regular(path: Path) -> Path:
    """Returns the path of a file that can be read to its end; a pipe would wait, and a device never end.

    Raises:
        OSError: as `stat` does; `Refused` for what is no regular file, and for holes that pretend to be data.
    """
    found = path.stat()
    if not stat.S_ISREG(found.st_mode):
        if stat.S_ISDIR(found.st_mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        kind = KINDS.get(stat.S_IFMT(found.st_mode), "no file")
        raise Refused(path, errno.EINVAL, f"{kind}, expected a regular file")
    if found.st_size >= HOLES_FROM_BYTES:
        _refuse_holes(path, found.st_size)
    return path


def read_bytes(path: Path, bound: Bound, typed: bool = False) -> bytes:
    """Reads a whole file that is no larger than a bound.

    Args:
        path: of a regular file.
        bound: of its bytes.
        typed: the path is what the user typed, who may mean the standard input or a pipe of the shell.

    Raises:
        OSError: as `Path.read_bytes` does; `Refused` for what is no regular file, and for one that is larger.
    """
    asked = typed and str(path).startswith(DESCRIPTORS)
    with (path if asked else regular(path)).open("rb") as file:
        content = file.read(bound.limit + 1)
    if len(content) > bound.limit:
        raise Refused(path, errno.EFBIG, bound.exceeded())
    return content


def read_text(path: Path, bound: Bound, typed: bool = False) -> str:
    """As `read_bytes`, in UTF-8, with a line feed as every end of line.

    Raises:
        OSError: as there.
        UnicodeDecodeError: if it is no such text.
    """
    return read_bytes(path, bound, typed).decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")


def lines(file: IO[str], path: Path) -> Iterator[str]:
    """Yields the lines of a text file with their ends, of which none may be endless.

    Raises:
        Refused: if one is.
    """
    while line := file.readline(LINE_BYTES.limit + 1):
        if len(line) > LINE_BYTES.limit:
            raise Refused(path, errno.EFBIG, LINE_BYTES.exceeded())
        yield line


def check_expansion(expanded_bytes: int, path: Path) -> None:
    """Holds what a compressed file is to become in memory against its size, before it is unpacked.

    Raises:
        Refused: if it is a bomb.
    """
    if expanded_bytes > ARRAYS_BYTES.limit:
        raise Refused(path, errno.EFBIG, ARRAYS_BYTES.exceeded(expanded_bytes))
    times = expanded_bytes // max(1, path.stat().st_size)
    if expanded_bytes > SMALL_BYTES and times > EXPANSION.limit:
        raise Refused(path, errno.EFBIG, EXPANSION.exceeded(times))


def _refuse_holes(path: Path, size: int) -> None:
    """A terabyte of holes takes no place on the disk, but all day to be read; where it cannot be told, it passes."""
    if not hasattr(os, "SEEK_DATA"):
        return
    written = end = 0
    with path.open("rb", buffering=0) as file:
        for _ in range(EXTENTS):
            try:
                begin = os.lseek(file.fileno(), end, os.SEEK_DATA)
                end = os.lseek(file.fileno(), begin, os.SEEK_HOLE)
            except OSError as error:
                if error.errno == errno.ENXIO:  # no data behind this
                    break
                return
            written += end - begin
        else:
            return
    if written * HOLES_SHARE < size:
        raise Refused(path, errno.EINVAL, f"{size:,} bytes, of which {written:,} were ever written: the rest are holes")
