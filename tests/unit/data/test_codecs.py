"""Encoded images: what comes back is what went in, and what is no image says so as CorruptImage and nothing else."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from cgan_dist.data import codecs
from cgan_dist.data.codecs import CorruptImage, decoder, encode

LOSSY = [("jpeg", "pillow"), ("jpeg", "simplejpeg"), ("webp", "pillow")]
ALL = [*LOSSY, ("png", "pillow")]
FORMS = [(1, 1), (7, 5), (16, 16), (33, 64)]


def photo(height: int, width: int, channels: int) -> np.ndarray:
    """Smooth, different in each channel, with an edge."""
    y, x = np.mgrid[0:height, 0:width] / max(height, width)
    planes = [np.sin(3 * x + k) * np.cos(2 * y - k) * 90 + 128 + 30 * (x > 0.5) for k in range(channels)]
    return np.stack(planes, axis=2).clip(0, 255).astype(np.uint8)


def noise(height: int, width: int, channels: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (height, width, channels), dtype=np.uint8)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("channels", [1, 3])
def test_png_is_exact(form: tuple[int, int], channels: int) -> None:
    image = noise(*form, channels)
    found = decoder("png", channels)(encode(image, "png", 50))
    assert found.dtype == np.uint8
    assert np.array_equal(found, image)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("encoding", "library"), LOSSY)
def test_jpeg_and_webp_come_close(encoding: Any, library: str, channels: int, form: tuple[int, int]) -> None:
    image = photo(*form, channels)
    found = decoder(encoding, channels, library)(encode(image, encoding, 95))
    assert (found.shape, found.dtype) == (image.shape, np.uint8)
    assert np.abs(found.astype(int) - image).mean() <= (10 if encoding == "webp" else 4)  # WebP halves the chroma


@pytest.mark.parametrize("encoding", ["jpeg", "webp"])
def test_quality_is_obeyed(encoding: Any) -> None:
    image = photo(64, 64, 3)
    sizes = [len(encode(image, encoding, quality)) for quality in (20, 60, 95)]
    assert sizes == sorted(set(sizes))


def test_jpeg_keeps_the_colour_of_each_pixel() -> None:
    """With subsampled chroma, lines of one pixel would run into grey."""
    image = np.zeros((16, 16, 3), np.uint8)
    image[:, ::2] = (255, 0, 0)
    image[:, 1::2] = (0, 0, 255)
    assert np.abs(decoder("jpeg", 3)(encode(image, "jpeg", 100)).astype(int) - image).max() <= 20


@pytest.mark.parametrize("quality", [30, 75, 95])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("make", [photo, noise])
def test_the_decoders_of_jpeg_agree(make: Any, channels: int, quality: int) -> None:
    content = encode(make(40, 56, channels), "jpeg", quality)
    fast, plain = (decoder("jpeg", channels, library)(content).astype(int) for library in ("simplejpeg", "pillow"))
    assert fast.shape == plain.shape == (40, 56, channels)
    assert np.abs(fast - plain).max() <= 3


@pytest.mark.parametrize(("encoding", "library"), ALL)
def test_the_channels_asked_for_are_returned(encoding: Any, library: str) -> None:
    grey, colour = encode(photo(8, 8, 1), encoding, 95), encode(photo(8, 8, 3), encoding, 95)
    assert decoder(encoding, 3, library)(grey).shape == (8, 8, 3)
    assert decoder(encoding, 1, library)(colour).shape == (8, 8, 1)


def test_the_fastest_decoder_is_taken_and_pillow_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "_simplejpeg_decoder" in decoder("jpeg", 3).__qualname__
    assert "_pillow_decoder" in decoder("jpeg", 3, "pillow").__qualname__

    def missing(_: int) -> None:
        raise ImportError("No module named 'simplejpeg'")

    monkeypatch.setattr(codecs, "_simplejpeg_decoder", missing)
    image = photo(8, 8, 3)
    assert np.abs(decoder("jpeg", 3)(encode(image, "jpeg", 95)).astype(int) - image).max() <= 16
    with pytest.raises(ImportError, match="simplejpeg"):
        decoder("jpeg", 3, "simplejpeg")


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("encoding", "library"), ALL)
def test_an_array_that_is_given_is_filled_or_left_alone(encoding: Any, library: str, channels: int) -> None:
    content, decode = encode(photo(9, 6, channels), encoding, 95), decoder(encoding, channels, library)
    expected = decode(content)
    batch = np.full((3, 9, 6, channels), 7, np.uint8)
    found = decode(content, batch[1])
    assert np.array_equal(found, expected)
    assert (batch[[0, 2]] == 7).all()
    for form in ((9, 5), (6, 9), (18, 12)):
        other = np.full((*form, channels), 7, np.uint8)
        assert np.array_equal(decode(content, other), expected)
        assert (other == 7).all()


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("encoding", "library"), ALL)
def test_a_truncated_image_is_corrupt_wherever_it_ends(encoding: Any, library: str, channels: int) -> None:
    content, decode = encode(noise(12, 12, channels), encoding, 90), decoder(encoding, channels, library)
    whole = decode(content)
    for length in range(len(content)):
        if length < len(content) - 20:  # the last bytes are checksums and marks of the end
            with pytest.raises(CorruptImage):
                decode(content[:length])
        else:
            with contextlib.suppress(CorruptImage):
                assert np.array_equal(decode(content[:length]), whole)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("encoding", "library"), ALL)
def test_damage_anywhere_gives_an_image_or_corrupt_image(encoding: Any, library: str, channels: int) -> None:
    content, decode = encode(photo(12, 12, channels), encoding, 90), decoder(encoding, channels, library)
    generator = np.random.default_rng(0)
    outcomes = set()
    for _ in range(600):
        damaged = bytearray(content)
        for place in generator.integers(0, len(content), generator.integers(1, 4)):
            damaged[place] = generator.integers(0, 256)
        try:
            found = decode(bytes(damaged))
        except CorruptImage:
            outcomes.add("corrupt")
        else:
            assert (found.ndim, found.shape[2], found.dtype) == (3, channels, np.uint8)
            outcomes.add("image")
    assert "corrupt" in outcomes


@pytest.mark.parametrize("content", [b"", b"\0", b"\0" * 500, b"GIF89a" + b"x" * 100, b"{}", bytes(range(256)) * 4])
@pytest.mark.parametrize(("encoding", "library"), ALL)
def test_garbage_is_corrupt_and_the_text_is_for_a_person(encoding: Any, library: str, content: bytes) -> None:
    with pytest.raises(CorruptImage) as caught:
        decoder(encoding, 3, library)(content)
    assert str(caught.value)
    assert "object at 0x" not in str(caught.value)


@pytest.mark.parametrize("other", ["png", "jpeg", "webp"])
@pytest.mark.parametrize(("encoding", "library"), ALL)
def test_an_image_of_another_kind_is_corrupt(encoding: Any, library: str, other: Any) -> None:
    content, decode = encode(photo(8, 8, 3), other, 95), decoder(encoding, 3, library)
    if other == encoding:
        assert decode(content).shape == (8, 8, 3)
    else:
        with pytest.raises(CorruptImage):
            decode(content)


def png_claiming(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def jpeg_claiming(width: int, height: int) -> bytes:
    content = bytearray(encode(photo(8, 8, 3), "jpeg", 90))
    start = content.index(b"\xff\xc0") + 5
    content[start : start + 4] = struct.pack(">HH", height, width)
    return bytes(content)


@pytest.mark.parametrize("side", [8200, 10_000, 60_000])
def test_a_tiny_file_that_claims_to_be_huge_is_refused_by_its_header(side: int) -> None:
    """Below Pillow's own bound, where Pillow only warns, and where it refuses."""
    with pytest.raises(CorruptImage, match="decompression bomb"):
        decoder("png", 3)(png_claiming(side, side))
    for library in ("pillow", "simplejpeg"):
        with pytest.raises(CorruptImage, match="decompression bomb"):
            decoder("jpeg", 3, library)(jpeg_claiming(side, side))


def test_a_warning_of_pillow_is_corruption_and_does_not_leak(recwarn: pytest.WarningsRecorder) -> None:
    buffer = io.BytesIO()
    palette = Image.fromarray(np.zeros((4, 4), np.uint8), "L").convert("P")
    palette.save(buffer, format="PNG", transparency=b"\x00\x80\xff")
    for content in (buffer.getvalue(), png_claiming(10_000, 10_000)):
        with pytest.raises(CorruptImage):
            decoder("png", 3)(content)
    assert list(recwarn) == []
