"""The example that draws characters, on the fonts that matplotlib brings along."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from fontTools.ttLib import TTCollection, TTFont

from cgan_dist import UserError
from cgan_dist.data.shards import ShardSet
from cgan_dist.data.storage import Storage
from cgan_dist.labels import AttributeLabels, ClassLabels, ProductLabels
from examples.glyphs import CHARACTERS, HIRAGANA, KANJI, KATAKANA, STYLES, load, split_faces
from tests.integration.conftest import Cli

FONTS = Path(matplotlib.get_data_path(), "fonts", "ttf")
CAPITALS = "ABCDEFGHIJ"
AIN = "ع"
"""Is in DejaVu Sans and not in DejaVu Serif."""

Copy = Callable[..., Path]


@pytest.fixture
def fonts(tmp_path: Path) -> Copy:
    """Copies fonts of matplotlib to a folder."""

    def copy(*names: str) -> Path:
        folder = tmp_path / "fonts"
        folder.mkdir(exist_ok=True)
        for name in names:
            shutil.copy(FONTS / f"{name}.ttf", folder)
        return folder

    return copy


def names(folder: Path, characters: str = CAPITALS) -> list[list[str]]:
    return [[face.name for face in faces] for faces in split_faces(folder, characters=characters)]


def test_the_classes_are_kana_and_the_kanji_of_primary_school() -> None:
    assert (len(HIRAGANA), len(KATAKANA), len(KANJI)) == (71, 71, 1026)
    assert len(set(CHARACTERS)) == 1168
    assert (KATAKANA[0], KATAKANA[-1]) == ("ア", "ン")
    assert (KANJI[0], KANJI[79], KANJI[80], KANJI[-1]) == ("一", "六", "引", "論")
    assert all("\u4e00" <= kanji <= "\u9fff" for kanji in KANJI)


def test_a_design_is_in_one_split_with_all_its_weights(fonts: Copy) -> None:
    folder = fonts("DejaVuSans", "DejaVuSans-Bold", "DejaVuSansMono", "DejaVuSerif")
    train = ["DejaVu Sans Bold", "DejaVu Sans Book", "DejaVu Serif Book"]
    assert names(folder) == [train, ["DejaVu Sans Mono Book"]]
    assert [face.style for face in split_faces(folder, characters=CAPITALS)[0]] == ["gothic", "gothic", "mincho"]


def test_copies_and_links_and_slanted_and_damaged_fonts_are_left_out(fonts: Copy) -> None:
    folder = fonts("DejaVuSans", "DejaVuSans-Oblique", "STIXSizFiveSymReg")
    shutil.copy(folder / "DejaVuSans.ttf", folder / "other.ttf")
    (folder / "link.ttf").symlink_to(folder / "DejaVuSans.ttf")
    (folder / "damaged.ttf").write_bytes((folder / "DejaVuSans.ttf").read_bytes()[:5000])
    (folder / "empty.otf").touch()
    (folder / "folder.ttf").mkdir()
    (folder / "damaged.ttc").write_bytes(b"ttcf" + b"\xff" * 8)
    (folder / "notes.txt").write_text("no font")
    assert names(folder) == [["DejaVu Sans Book"], []]


def test_all_fonts_of_a_collection_are_found(tmp_path: Path) -> None:
    collection = TTCollection()
    collection.fonts = [TTFont(FONTS / f"{name}.ttf") for name in ("DejaVuSans", "DejaVuSansMono")]
    collection.save(tmp_path / "both.ttc")
    assert names(tmp_path) == [["DejaVu Sans Book"], ["DejaVu Sans Mono Book"]]


def test_a_character_that_a_font_lacks_has_no_image(fonts: Copy) -> None:
    source = load(fonts("DejaVuSans", "DejaVuSerif"), "train", characters=CAPITALS + AIN)
    assert np.bincount(source.labels[:, 0].astype(int)).tolist() == [2] * len(CAPITALS) + [1]


def test_ink_is_black_on_white_whole_and_in_the_middle(fonts: Copy) -> None:
    source = load(fonts("DejaVuSans"), "train", side=24, characters="IM")
    (narrow, wide), (columns, _) = (
        np.array([source.read(index)[..., 0] for index in range(2)]),
        np.mgrid[:24, :24][::-1],
    )
    assert source.read(0).shape == (24, 24, 1)
    for image in (narrow, wide):
        ink = 255 - image.astype(float)
        assert image[0, 0] == 255
        assert image.min() < 20
        assert (ink * columns).sum() / ink.sum() == pytest.approx(11.5, abs=0.5)
        assert not ink[[0, -1]].any()
    assert (narrow < 128).any(0).sum() < (wide < 128).any(0).sum() / 2


def test_prepare_says_character_and_style(cli: Cli, tmp_path: Path) -> None:
    for split in ("train", "test"):
        command = ("prepare", "examples.glyphs:load", "--source", FONTS, "--split", split, "--out", tmp_path / split)
        prepared = cli(*command, "--option", f"characters={CAPITALS}", "--shards", 2, "--processes", 1)
        assert prepared.exit_code == 0, prepared.output
        manifest = ShardSet(Storage(tmp_path / split)).manifest
        kinds = [ClassLabels(names=list(CAPITALS)), AttributeLabels(names=list(STYLES))]
        assert manifest.labels == ProductLabels(parts=kinds)
        assert manifest.histogram["gothic"] == 2 * len(CAPITALS)  # DejaVu Sans, or DejaVu Sans Mono


def test_a_machine_without_such_fonts_is_told_what_to_install(fonts: Copy) -> None:
    with pytest.raises(
        UserError, match=r"fonts: found no train face with these 1,168 characters; .*apt install fonts-"
    ):
        load(fonts("DejaVuSans"), "train")
    with pytest.raises(UserError, match="found no test face"):
        load(fonts(), "test", characters=CAPITALS)


def test_there_are_two_splits(fonts: Copy) -> None:
    with pytest.raises(UserError, match="split: found 'all'; expected train or test"):
        load(fonts("DejaVuSans"), "all")
