from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import pytest
import torch
from PIL import Image

from cgan_dist.errors import UserError
from cgan_dist.inversion.targets import read_targets


def test_pictures_are_brought_to_the_form_of_the_data(tmp_path: Path) -> None:
    Image.new("RGB", (20, 10), (255, 0, 0)).save(tmp_path / "red.png")
    Image.new("L", (9, 9), 30).save(tmp_path / "dark.bmp")
    names, images = read_targets([tmp_path / "red.png", tmp_path / "dark.bmp"], (3, 8, 6))
    assert names == ["red.png", "dark.bmp"]
    assert (images.shape, images.dtype) == ((2, 3, 8, 6), torch.uint8)
    assert images[0, :, 4, 3].tolist() == [255, 0, 0]
    assert images[1].unique().tolist() == [30]
    assert read_targets([tmp_path / "red.png"], (1, 8, 6)).images.shape == (1, 1, 8, 6)


def test_fit_and_fill_are_those_of_prepare(tmp_path: Path) -> None:
    Image.new("L", (20, 10), 100).save(tmp_path / "wide.png")
    padded = read_targets([tmp_path / "wide.png"], (1, 8, 8), "pad", "black").images[0, 0]
    assert padded[0].unique().tolist() == [0]
    assert padded[4].unique().tolist() == [100]
    assert read_targets([tmp_path / "wide.png"], (1, 8, 8), "stretch").images.unique().tolist() == [100]


def test_of_a_folder_all_pictures_are_taken_in_the_order_of_their_names(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    for name in ("c.png", "b/x.png", "a.png", ".hidden.png"):
        Image.new("L", (4, 4)).save(tmp_path / name)
    (tmp_path / "readme.txt").write_text("no picture")
    assert read_targets([tmp_path], (1, 4, 4)).names == ["a.png", "x.png", "c.png"]


def _bomb() -> bytes:
    """A PNG that says that it has 40,000 x 40,000 pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", 40_000, 40_000, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", zlib.compress(b"\0" * 10_000)) + chunk(b"IEND", b"")


def test_what_is_no_picture_is_refused_with_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = io.BytesIO()
    Image.effect_noise((64, 64), 90).save(whole, "PNG")
    files = {
        "bomb.png": (_bomb(), "megapixels, expected at most 64"),
        "text.png": (b"hello", "not a picture"),
        "cut.png": (whole.getvalue()[:2000], "truncated or corrupt"),
        "page.eps": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 1 1\n", "not a picture"),
    }
    for name, (content, fragment) in files.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(UserError, match=fragment):
            read_targets([tmp_path / name], (1, 8, 8))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="no pictures in this folder"):
        read_targets([tmp_path / "empty"], (1, 8, 8))
    with pytest.raises(UserError, match="No such file"):
        read_targets([tmp_path / "nothing.png"], (1, 8, 8))
    monkeypatch.setenv("CGAN_DIST_FOUND_PICTURES", "2")
    with pytest.raises(UserError, match="3 pictures, expected at most 2"):
        read_targets([tmp_path], (1, 8, 8))
