from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cgan_dist.errors import UserError
from cgan_dist.files.whole import whole_file
from cgan_dist.pictures.picture_file import PICTURES, check_suffix, write_picture


def blobs(width: int = 40, height: int = 30) -> Image.Image:
    """Colours that change slowly, as JPEG likes them."""
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([x * 5, y * 7, 255 - x * 3], axis=-1).astype(np.uint8))


@pytest.mark.parametrize("capitals", [False, True])
@pytest.mark.parametrize("suffix", PICTURES)
def test_a_name_says_what_is_written(suffix: str, capitals: bool, tmp_path: Path) -> None:
    path = tmp_path / f"picture{suffix.upper() if capitals else suffix}"
    write_picture(blobs(), path)
    assert list(tmp_path.iterdir()) == [path]
    with Image.open(path) as found:
        assert (found.format, found.mode, found.size) == (PICTURES[suffix].name, "RGB", (40, 30))
        error = np.abs(np.asarray(found).astype(int) - np.asarray(blobs())).max()
    assert error <= 8 if found.format == "JPEG" else error == 0


def test_a_jpeg_keeps_colour_at_the_full_size(tmp_path: Path) -> None:
    write_picture(blobs(), tmp_path / "picture.jpg")
    with Image.open(tmp_path / "picture.jpg") as found:
        assert [layer[1:3] for layer in found.layer] == [(1, 1)] * 3  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("picture.bmp", "found '.bmp'"),
        ("picture.JPGE", "found '.JPGE'"),
        ("picture", "found no suffix"),
        (".png", "found no suffix"),
        ("picture.", "expected"),
        ("picture.png.gz", "found '.gz'"),
    ],
)
def test_any_other_name_is_refused(name: str, found: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=found):
        write_picture(blobs(), tmp_path / name)
    with pytest.raises(UserError, match=r"expected a name that ends in \.png, \.jpg, \.jpeg or \.webp\.$"):
        check_suffix(tmp_path / name, PICTURES)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("suffix", "side"), [(".webp", 16_383), (".jpg", 65_500)])
def test_a_picture_that_a_format_cannot_hold_is_refused(suffix: str, side: int, tmp_path: Path) -> None:
    write_picture(Image.new("RGB", (4, side)), tmp_path / f"largest{suffix}")
    with pytest.raises(UserError, match=rf"4 x {side + 1:,} pixels.* holds at most {side:,} a side.*\.png"):
        write_picture(Image.new("RGB", (4, side + 1)), tmp_path / f"larger{suffix}")
    assert [path.stem for path in tmp_path.iterdir()] == ["largest"]


def test_what_the_disk_refuses_leaves_the_old_picture(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "picture.png"
    write_picture(blobs(), path)
    before = path.read_bytes()

    def full(self: Image.Image, file: Path, *_: object, **__: object) -> None:
        file.write_bytes(b"half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Image.Image, "save", full)
    with pytest.raises(UserError, match=r"picture\.png: cannot write: No space left on device\."):
        write_picture(blobs(), path)
    assert list(tmp_path.iterdir()) == [path]
    assert path.read_bytes() == before


@pytest.mark.parametrize("parent", ["nowhere", "file"])
def test_a_folder_that_is_none_is_an_error_for_the_user(parent: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot write: (No such file|Not a directory)"):
        write_picture(blobs(), tmp_path / parent / "picture.png")


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    def write(text: str) -> None:
        with whole_file(tmp_path / "text.txt") as partial:
            partial.write_text("half")
            partial.write_text({"whole": "whole"}[text])

    with pytest.raises(KeyError):
        write("broken")
    assert list(tmp_path.iterdir()) == []
    write("whole")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["whole"]
