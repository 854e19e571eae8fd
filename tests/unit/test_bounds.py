"""Bounds, and the one way to open a file of others: what has no end, or is too much, is a sentence at once."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import socket
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cgan_dist import bounds
from cgan_dist.bounds import Bound, Refused, check_expansion, lines, read_bytes, read_text, regular
from cgan_dist.config.document import load_config
from cgan_dist.data.manifest import MANIFEST
from cgan_dist.data.shard_file import load_npy, samples
from cgan_dist.data.shards import ShardSet
from cgan_dist.data.sources.csv_file import read_csv
from cgan_dist.data.sources.files import read_lines
from cgan_dist.data.sources.idx import read_idx
from cgan_dist.data.sources.json_file import read_json
from cgan_dist.data.sources.npz import read_npz
from cgan_dist.data.sources.picture import read_picture
from cgan_dist.data.sources.picture_archive import open_archive
from cgan_dist.data.storage import Storage
from cgan_dist.data.tars.walk import members
from cgan_dist.errors import UserError
from cgan_dist.evaluation.scoreboard import FILE, Scoreboard
from cgan_dist.grid import open_grid
from cgan_dist.pictures.training_film import find_grids
from cgan_dist.resilience.rollback import RollbackBook
from cgan_dist.sharing.config import CONFIG, read_model_config
from cgan_dist.trackers.jsonl import lines_after

BOUND = Bound("some_bytes", 10, "bytes", "a test")
Reader = Callable[[Path], object]


def fifo(path: Path) -> None:
    os.mkfifo(path)


def device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def unix_socket(path: Path) -> None:
    here = Path.cwd()
    os.chdir(path.parent)  # its name may have 108 bytes
    try:
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path.name)
    finally:
        os.chdir(here)


def holes(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(1 << 40)


ENDLESS = [fifo, device, unix_socket, holes]
READERS: dict[str, Reader] = {
    "config.yaml": load_config,
    MANIFEST: lambda path: Storage(path.parent).manifest(),
    CONFIG: lambda path: read_model_config(path.parent),
    "metrics.jsonl": lambda path: list(lines_after(path, -1)),
    "guard.json": lambda path: RollbackBook(path, 3),
    FILE: lambda path: Scoreboard(path.parent),
    "table.csv": read_csv,
    "list.txt": lambda path: list(read_lines(path)),
    "labels.json": read_json,
    "images.gz": lambda path: read_idx(path, 3),
    "images-idx": lambda path: read_idx(path, 3),
    "data.npz": lambda path: read_npz(path, ["images"]),
    "picture.png": read_picture,
    "pictures.zip": lambda path: open_archive(path, "dataset.json"),
    "tar.tar": lambda path: list(members(path)),
}


@pytest.mark.parametrize("make", ENDLESS)
@pytest.mark.parametrize("name", READERS)
def test_what_has_no_end_is_refused_before_it_is_opened(
    tmp_path: Path, name: str, make: Callable[[Path], None]
) -> None:
    """A pipe would hang here for ever, and a device or holes take all memory."""
    path = tmp_path / name
    make(path)
    with pytest.raises(UserError) as caught:
        READERS[name](path)
    assert name in str(caught.value)
    assert len(str(caught.value)) < 1000
    assert "holes" in str(caught.value) or "expected a regular file" in str(caught.value)


def test_what_a_shell_hands_over_is_read(tmp_path: Path) -> None:
    """`--config <(...)`, and `--config /dev/stdin`."""
    reading, writing = os.pipe()
    os.write(writing, b"run: {}")
    os.close(writing)
    try:
        assert read_text(Path(f"/dev/fd/{reading}"), bounds.CONFIG_BYTES, typed=True) == "run: {}"
        with pytest.raises(Refused, match="a named pipe, expected a regular file"):
            read_text(Path(f"/dev/fd/{reading}"), bounds.CONFIG_BYTES)
    finally:
        os.close(reading)


def test_a_bound_says_what_it_is_and_how_to_allow_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    path.write_bytes(bytes(11))
    with pytest.raises(Refused) as caught:
        read_bytes(path, BOUND)
    assert str(caught.value) == (
        f"{path}: more than 10 bytes, expected at most 10 for a test; set CGAN_DIST_SOME_BYTES=N in the environment if "
        "it is meant."
    )
    monkeypatch.setenv("CGAN_DIST_SOME_BYTES", "11")
    assert read_bytes(path, BOUND) == bytes(11)
    monkeypatch.setenv("CGAN_DIST_SOME_BYTES", "many")
    with pytest.raises(UserError, match="CGAN_DIST_SOME_BYTES: found 'many'; expected a whole number of bytes above 0"):
        read_bytes(path, BOUND)


def test_every_bound_is_in_the_documents() -> None:
    page = (Path(__file__).parents[2] / "docs" / "failures.md").read_text()
    told = {bound.variable: bound for bound in vars(bounds).values() if isinstance(bound, Bound)}
    assert len(told) > 20
    for variable, bound in told.items():
        assert f"| `{variable}` | {bound.most:,} {bound.unit} | {bound.of} |".replace("  ", " ") in page


def test_a_refusal_is_an_error_of_the_system_and_travels(tmp_path: Path) -> None:
    """Whoever tells what the system refused tells it, also from the process that read."""
    refused = Refused(tmp_path, 27, "too much")
    again = pickle.loads(pickle.dumps(refused))
    assert isinstance(again, OSError)
    assert (again.strerror, str(again)) == ("too much", f"{tmp_path}: too much.")


def test_missing_files_and_folders_are_what_they_were(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        regular(tmp_path / "nothing")
    with pytest.raises(IsADirectoryError):
        read_bytes(tmp_path, BOUND)


def test_a_large_file_that_was_written_is_no_hole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounds, "HOLES_FROM_BYTES", 1 << 20)
    path = tmp_path / "file"
    path.write_bytes(b"x" * (1 << 20))
    assert regular(path) == path
    with path.open("r+b") as file:
        file.truncate(1 << 26)
    assert regular(path) == path  # a sixty-fourth is there
    with path.open("r+b") as file:
        file.truncate(1 << 32)
    with pytest.raises(Refused, match="4,294,967,296 bytes, of which 1,048,576 were ever written"):
        regular(path)


def test_a_line_without_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(bounds.LINE_BYTES.variable, "5")
    with pytest.raises(Refused, match="more than 5 bytes"):
        list(lines(io.StringIO("a\nbbbbbb"), tmp_path))
    assert list(lines(io.StringIO("aaaa\nb"), tmp_path)) == ["aaaa\n", "b"]


def test_a_gzip_bomb(tmp_path: Path) -> None:
    """Its header says what it is to become, which is not believed where it is a thousand times the file."""
    path = tmp_path / "images.gz"
    header = bytes([0, 0, 8, 3]) + struct.pack(">3I", 100_000, 100, 100)
    with gzip.open(path, "wb") as file:
        file.write(header + bytes(1 << 20))
    with pytest.raises(UserError, match="times its size, expected at most 250"):
        read_idx(path, 3)
    with gzip.open(path, "wb") as file:  # one that says less than it is: what follows is never unpacked
        file.write(bytes([0, 0, 8, 3]) + struct.pack(">3I", 1, 2, 2) + bytes(1 << 24))
    with pytest.raises(UserError, match="4 bytes, the file holds more"):
        read_idx(path, 3)


def test_an_npz_bomb(tmp_path: Path) -> None:
    path = tmp_path / "data.npz"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file, file.open("images.npy", "w") as entry:
        header = {"descr": "|u1", "fortran_order": False, "shape": (1 << 27,)}
        np.lib.format.write_array_header_1_0(entry, header)
        for _ in range(128):
            entry.write(bytes(1 << 20))
    assert path.stat().st_size < 1 << 18
    with pytest.raises(UserError, match="times its size, expected at most 250"):
        read_npz(path, ["images"])
    assert check_expansion(bounds.SMALL_BYTES, path) is None  # which may be black pictures


@pytest.mark.parametrize("shape", [(1 << 62,), (-1,), (1 << 40, 1 << 40)])
def test_arrays_that_claim_more_than_they_are(tmp_path: Path, shape: tuple[int, ...]) -> None:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {"descr": "|u1", "fortran_order": False, "shape": shape})
    with pytest.raises(UserError, match=r"not a plain \.npy array"):
        load_npy(buffer.getvalue(), "here")
    with zipfile.ZipFile(tmp_path / "data.npz", "w") as file:
        file.writestr("images.npy", buffer.getvalue())
    with pytest.raises(UserError, match="damaged"):
        read_npz(tmp_path / "data.npz", ["images"])


def test_an_npz_in_the_place_of_an_npy() -> None:
    buffer = io.BytesIO()
    np.savez(buffer, a=np.zeros(3))
    with pytest.raises(UserError, match=r"here: not a plain \.npy array"):
        load_npy(buffer.getvalue(), "here")


def test_a_tar_member_made_of_holes(tmp_path: Path) -> None:
    """GNU's form of it: a few bytes that say they are a terabyte, which the parser of shards would fill with zeros."""
    path = tmp_path / "shard.tar"
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as tar:
        info = tarfile.TarInfo("0.png")
        info.pax_headers = {"GNU.sparse.size": str(1 << 40), "GNU.sparse.map": "0,1", "GNU.sparse.numblocks": "1"}
        info.size = 1
        tar.addfile(info, io.BytesIO(b"x"))
    with pytest.raises(UserError, match="has holes, 1,099,511,627,776 bytes with them"):
        list(samples(path))


def test_a_grid_of_60_000_pixels_a_side(tmp_path: Path) -> None:
    """Its header is enough to take all memory; what is drawn in a stranger's run folder is looked at first."""
    (tmp_path / "samples").mkdir()
    path = tmp_path / "samples" / "fixed_z-000000000064.png"
    buffer = io.BytesIO()
    Image.new("L", (8, 8)).save(buffer, "PNG")
    whole = buffer.getvalue()
    for side in (60_000, 15_000):
        header = whole[12:16] + struct.pack(">2I", side, side) + whole[24:29]
        path.write_bytes(whole[:12] + header + struct.pack(">I", zlib.crc32(header)) + whole[33:])
        with pytest.raises(Refused, match="170,000,000 for a grid of samples"):
            open_grid(path)
        with pytest.raises(UserError, match="only damaged grids"):
            find_grids(tmp_path)


def test_pictures_of_16_384_pixels_a_side_are_read_where_the_user_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "large.png"
    Image.new("1", (1 << 14, 1 << 14)).save(path)
    with pytest.raises(UserError, match="megapixels, expected at most 64; .* CGAN_DIST_PICTURE_PIXELS=N"):
        read_picture(path)
    monkeypatch.setenv("CGAN_DIST_PICTURE_PIXELS", "300000000")
    assert read_picture(path).shape == (1 << 14, 1 << 14, 1)


def test_shards_that_claim_more_images_than_bytes(shards_folder: Path, tmp_path: Path) -> None:
    text = (shards_folder / MANIFEST).read_text()
    for old, new, fragment in [
        ('"height": 8', '"height": 60000', "image.height: Input should be less than or equal to 16384"),
        ('"count": 203', '"count": 99999999999', "count: Input should be less than or equal to 10000000000"),
    ]:
        assert old in text
        (tmp_path / MANIFEST).write_text(text.replace(old, new, 1))
        with pytest.raises(UserError, match=fragment):
            ShardSet(Storage(tmp_path))
