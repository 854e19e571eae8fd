from __future__ import annotations

import pickle
import re
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cgan_dist.data.sources.picture import FORMATS, SUFFIXES, Pictures, read_picture
from cgan_dist.errors import UserError

GREY = np.arange(6, dtype=np.uint8).reshape(2, 3) * 40
COLOR = np.stack([GREY, GREY + 20, 255 - GREY], axis=-1)


def save(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def error(path: Path) -> str:
    with pytest.raises(UserError) as caught:
        read_picture(path)
    assert str(caught.value).startswith(f"{path}: ")
    return str(caught.value)


def png_of_size(width: int, height: int) -> bytes:
    """A PNG file that ends after its header: what matters must be decided before any pixel is decoded."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"")
    chunks = [struct.pack(">I", len(c) - 4) + c + struct.pack(">I", zlib.crc32(c)) for c in (header, data)]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".webp"])
def test_colour_pixels_are_those_of_the_file(tmp_path: Path, suffix: str) -> None:
    options = {"lossless": True} if suffix == ".webp" else {}
    pixels = read_picture(save(tmp_path / f"x{suffix}", Image.fromarray(COLOR), **options))
    assert (pixels.dtype, pixels.shape) == (np.uint8, (2, 3, 3))
    assert np.array_equal(pixels, COLOR)


def test_pixels_can_be_written_to(tmp_path: Path) -> None:
    assert read_picture(save(tmp_path / "x.png", Image.fromarray(COLOR))).flags.writeable


@pytest.mark.parametrize("mode", ["L", "1", "LA"])
def test_grey_stays_one_channel(tmp_path: Path, mode: str) -> None:
    black_and_white = np.array([[0, 255, 0], [255, 255, 0]], np.uint8)
    pixels = read_picture(save(tmp_path / "x.png", Image.fromarray(black_and_white).convert(mode)))
    assert np.array_equal(pixels, black_and_white[..., None])


@pytest.mark.parametrize("suffix", [".png", ".tif", ".pgm"])
def test_of_sixteen_bits_the_upper_eight_are_kept(tmp_path: Path, suffix: str) -> None:
    values = np.array([[0, 255, 256], [0x8000, 0xFEFF, 0xFFFF]], np.uint16)
    pixels = read_picture(save(tmp_path / f"x{suffix}", Image.fromarray(values)))
    assert pixels.tolist() == [[[0], [0], [1]], [[0x80], [0xFE], [0xFF]]]


@pytest.mark.parametrize("dtype", [np.int32, np.float32])
def test_grey_without_a_range_is_refused(tmp_path: Path, dtype: type) -> None:
    path = save(tmp_path / "x.tif", Image.fromarray(GREY.astype(dtype)))
    assert "32-bit grey values, whose range is not stated; save it with 8 or 16 bits" in error(path)


@pytest.mark.parametrize("mode", ["P", "CMYK", "YCbCr"])
def test_other_modes_become_rgb(tmp_path: Path, mode: str) -> None:
    red = Image.new("RGB", (3, 2), (255, 0, 0)).convert(mode)
    # Pillow 12 does not read the uncompressed YCbCr TIFF that it writes; such a file is named as damaged
    options = {} if mode == "P" else {"compression": "tiff_deflate"}
    pixels = read_picture(save(tmp_path / ("x.png" if mode == "P" else "x.tif"), red, **options))
    assert pixels.shape == (2, 3, 3)
    assert np.abs(pixels.astype(int) - [255, 0, 0]).max() <= 2


def test_alpha_shows_white(tmp_path: Path) -> None:
    rgba = np.array([[[255, 0, 0, 255], [255, 0, 0, 0], [0, 0, 0, 51]]], np.uint8)
    pixels = read_picture(save(tmp_path / "x.png", Image.fromarray(rgba)))
    assert pixels.tolist() == [[[255, 0, 0], [255, 255, 255], [204, 204, 204]]]


def test_alpha_of_grey_shows_white_and_stays_grey(tmp_path: Path) -> None:
    grey_alpha = np.array([[[90, 255], [90, 0], [0, 51]]], np.uint8)
    assert read_picture(save(tmp_path / "x.png", Image.fromarray(grey_alpha))).tolist() == [[[90], [255], [204]]]


def test_a_transparent_colour_shows_white(tmp_path: Path) -> None:
    rgb = np.array([[[1, 2, 3], [9, 9, 9]]], np.uint8)
    pixels = read_picture(save(tmp_path / "rgb.png", Image.fromarray(rgb), transparency=(1, 2, 3)))
    assert pixels.tolist() == [[[255, 255, 255], [9, 9, 9]]]
    palette = Image.fromarray(np.array([[0, 1]], np.uint8)).convert("P")
    palette.putpalette([10, 20, 30, 40, 50, 60])
    pixels = read_picture(save(tmp_path / "p.png", palette, transparency=b"\x00\xff"))
    assert pixels.tolist() == [[[255, 255, 255], [40, 50, 60]]]


# EXIF 2.3, tag 0x0112: where row 0 and column 0 of the file belong in the picture
UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: a.transpose(1, 0, 2)[:, ::-1],
    7: lambda a: a.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda a: a.transpose(1, 0, 2)[::-1],
}


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("orientation", sorted(UPRIGHT))
def test_the_exif_orientation_is_applied_once(tmp_path: Path, orientation: int, suffix: str) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / f"x{suffix}", Image.fromarray(COLOR), exif=exif)
    assert np.array_equal(read_picture(path), UPRIGHT[orientation](COLOR))


def test_more_than_64_megapixels_are_refused_before_decoding(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(png_of_size(8001, 8000))
    assert "64.0 megapixels, expected at most 64; scale it down or remove it" in error(path)
    path.write_bytes(png_of_size(10_000, 10_000))  # Pillow warns
    assert "100.0 megapixels, expected at most 64" in error(path)
    path.write_bytes(png_of_size(100_000, 100_000))  # Pillow refuses
    assert "megapixels, expected at most 64" in error(path)


def test_64_megapixels_are_not_too_many(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    path.write_bytes(png_of_size(8000, 8000))
    assert "truncated or corrupt" in error(path)  # so it was not refused for its size


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".bmp", ".tif", ".webp"])
def test_a_truncated_file_is_named(tmp_path: Path, suffix: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = save(tmp_path / f"x{suffix}", Image.fromarray(noise))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    assert re.search(r"truncated or corrupt: .+\. Remove it or fetch it again\.$", error(path))


def test_a_corrupt_file_is_named(tmp_path: Path) -> None:
    path = save(tmp_path / "x.png", Image.fromarray(COLOR))
    content = path.read_bytes()
    at = content.index(b"IDAT") + 8
    path.write_bytes(content[:at] + bytes(byte ^ 0xFF for byte in content[at : at + 4]) + content[at + 4 :])
    assert "truncated or corrupt: " in error(path)


@pytest.mark.parametrize(
    "content",
    [b"", b"hello", b"\xff\xd8\xff", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n"],
    ids=["empty", "text", "three bytes of JPEG", "PostScript"],
)
def test_what_is_no_picture_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.jpg"
    path.write_bytes(content)
    assert "not a picture, or damaged at its beginning; expected BMP, GIF, JPEG" in error(path)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    assert error(tmp_path / "absent.jpg").endswith("cannot read: No such file or directory.")
    assert error(tmp_path).endswith("cannot read: Is a directory.")


def test_warnings_of_pillow_do_not_leak(tmp_path: Path) -> None:
    path = save(tmp_path / "x.jpg", Image.fromarray(COLOR), exif=b"Exif\0\0II*\0\x08\0\0\0\x05\0", quality=100)
    with pytest.warns(UserWarning, match="EXIF"), Image.open(path) as image:
        image.getexif()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert read_picture(path).shape == (2, 3, 3)
    assert caught == []


def test_a_set_of_pictures_survives_pickling_and_reads_by_number(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    save(tmp_path / "sub" / "a.png", Image.fromarray(GREY))
    save(tmp_path / "b.png", Image.fromarray(COLOR))
    pictures = pickle.loads(pickle.dumps(Pictures(tmp_path, ("sub/a.png", "b.png"))))
    assert np.array_equal(pictures(0), GREY[..., None])
    assert np.array_equal(pictures(1), COLOR)


def test_a_set_of_rgb_pictures_repeats_grey(tmp_path: Path) -> None:
    save(tmp_path / "a.png", Image.fromarray(GREY))
    assert np.array_equal(Pictures(tmp_path, ("a.png",), rgb=True)(0), np.stack([GREY] * 3, axis=-1))


@pytest.mark.parametrize("kind", ["TIFF", "GIF", "MPO"])
def test_a_file_of_many_pictures_gives_the_first(tmp_path: Path, kind: str) -> None:
    frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    path = save(tmp_path / "x.jpg", frames[0], format=kind, save_all=True, append_images=frames[1:])
    with Image.open(path) as image:
        assert (image.format, image.n_frames) == (kind, 2)
    assert np.abs(read_picture(path).astype(int) - [255, 0, 0]).max() <= 2


def test_a_folder_is_searched_for_what_can_be_read() -> None:
    format_of = Image.registered_extensions()
    assert {format_of[suffix] for suffix in SUFFIXES} == set(FORMATS)
    left_out = {suffix for suffix, kind in format_of.items() if kind in FORMATS} - set(SUFFIXES)
    assert left_out == {".pfm"}  # 32-bit values, whose range is not stated
