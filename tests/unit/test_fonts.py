from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image, ImageFont

from cgan_dist import fonts
from cgan_dist.fonts import font_for
from cgan_dist.grid import captioned, draw_grid

DEJAVU = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
"""Latin, Greek, Cyrillic and Arabic letters, no Chinese ones."""


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The only place with fonts, at first none."""
    monkeypatch.setattr(fonts, "FOLDERS", {fonts.sys.platform: [str(tmp_path)]})
    monkeypatch.delenv(fonts.CHOSEN, raising=False)
    fonts._best_font.cache_clear()
    yield tmp_path
    fonts._best_font.cache_clear()


def family(font: fonts.Font) -> str | None:
    assert isinstance(font, ImageFont.FreeTypeFont)
    return font.getname()[0]


OWN = family(ImageFont.load_default(12))


def test_letters_that_pillow_has_are_drawn_by_pillow(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    shutil.copy(DEJAVU, folder)
    assert family(font_for(["cat", "dog\u00a0+ \n"], 12)) == OWN
    assert caplog.messages == []


@pytest.mark.parametrize("text", ["Müll", "собака", "γάτα", "قطة"])
def test_letters_of_other_scripts_are_found_on_the_machine(
    folder: Path, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "deep").mkdir()
    (folder / "a.ttf").write_bytes(b"no font")
    (folder / "notes.txt").touch()
    shutil.copy(DEJAVU, folder / "deep" / "x.TTF")
    font = font_for(["cat", text], 11)
    assert (family(font), font.size) == ("DejaVu Sans", 11)  # type: ignore[union-attr]
    assert caplog.messages == []


def test_a_font_may_be_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(fonts.CHOSEN, str(DEJAVU))
    assert family(font_for(["Müll"], 12)) == "DejaVu Sans"


def test_a_named_font_that_is_none_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(fonts.CHOSEN, str(folder / "absent.ttf"))
    assert family(font_for(["Müll"], 12)) == OWN
    assert caplog.messages[0].startswith(f"CGAN_DIST_FONT: {folder / 'absent.ttf'} is no font that can be read")


def test_letters_that_no_font_has_are_told_once(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        assert family(font_for(["猫", "Müll"], 12)) == OWN
    assert caplog.messages == [
        "No font on this machine has ü猫, so boxes are drawn in pictures. Install one, e.g. fonts-noto-cjk, or name "
        "its file in CGAN_DIST_FONT."
    ]
    shutil.copy(DEJAVU, folder)
    fonts._best_font.cache_clear()
    assert family(font_for(["猫", "Müll"], 12)) == "DejaVu Sans"  # the fewest boxes
    assert "No font on this machine has 猫, so" in caplog.messages[1]


def test_names_in_pictures_are_no_boxes(folder: Path) -> None:
    shutil.copy(DEJAVU, folder)
    cells = np.zeros((1, 1, 48, 48, 1), np.uint8)
    one, other = (draw_grid(cells, [name], row_names=[name]) for name in ("жук", "жуж"))
    assert one.tobytes() != other.tobytes()
    strip = Image.new("RGB", (99, 1))
    assert captioned(strip, "жук").tobytes() != captioned(strip, "жуж").tobytes()
