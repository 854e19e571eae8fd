from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
from PIL import Image

from cgan_dist.data.source import Source
from cgan_dist.data.sources import celeba
from cgan_dist.errors import UserError
from cgan_dist.labels import AttributeLabels
from examples.draw_celeba import NAMES, draw_celeba

COUNT = 20
SIZE = (24, 30)
LAYOUTS = ["official", "kaggle"]
Layout = Literal["official", "kaggle"]


@pytest.fixture
def draw(tmp_path: Path) -> Callable[[Layout], tuple[Path, np.ndarray]]:
    """Draws 20 small faces: 16 for training, 2 for validation, 2 for the test."""
    return lambda layout: (tmp_path, draw_celeba(tmp_path, COUNT, layout, size=SIZE))


@pytest.fixture
def official(tmp_path: Path) -> Path:
    draw_celeba(tmp_path, COUNT, "official", size=SIZE)
    return tmp_path


@pytest.fixture
def kaggle(tmp_path: Path) -> Path:
    draw_celeba(tmp_path, COUNT, "kaggle", size=SIZE)
    return tmp_path


def names(source: Source) -> list[str]:
    assert isinstance(source.schema, AttributeLabels)
    return source.schema.names


def error(folder: Path, split: str = "all", **options: object) -> str:
    with pytest.raises(UserError) as caught:
        celeba.load(folder, split, **options)  # type: ignore[arg-type]
    return str(caught.value)


def edit(path: Path, line: int, change: Callable[[str], str]) -> None:
    lines = path.read_text().splitlines()
    lines[line - 1] = change(lines[line - 1])
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_bit_comes_through(draw: Callable[[Layout], tuple[Path, np.ndarray]], layout: Layout) -> None:
    folder, bits = draw(layout)
    source = celeba.load(folder, "all")
    assert names(source) == NAMES
    assert source.labels.dtype == np.uint8
    assert np.array_equal(source.labels, bits)
    assert source.description == f"CelebA from {folder} (all)"


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    ("split", "rows"), [("train", slice(0, 16)), ("valid", slice(16, 18)), ("test", slice(18, 20))]
)
def test_a_split_is_that_of_the_partition(
    draw: Callable[[Layout], tuple[Path, np.ndarray]], layout: Layout, split: str, rows: slice
) -> None:
    folder, bits = draw(layout)
    source = celeba.load(folder, split)
    assert np.array_equal(source.labels, bits[rows])
    images = folder / "img_align_celeba" / ("img_align_celeba" if layout == "kaggle" else "")
    with Image.open(images / f"{rows.start + 2:06d}.jpg") as image:
        assert np.array_equal(source.read(1), np.asarray(image))
    assert (source.read(0).shape, source.read(0).dtype) == ((30, 24, 3), np.uint8)


def test_the_partition_need_not_be_in_order(official: Path) -> None:
    edit(official / "list_eval_partition.txt", 3, lambda line: line.replace(" 0", " 2"))
    source = celeba.load(official, "test")
    everything = celeba.load(official, "all")
    assert np.array_equal(source.labels, everything.labels[[2, 18, 19]])
    assert np.array_equal(source.read(0), everything.read(2))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_attributes_are_chosen_by_name_in_the_order_given(
    draw: Callable[[Layout], tuple[Path, np.ndarray]], layout: Layout
) -> None:
    folder, bits = draw(layout)
    wanted = ["Smiling", "Male", "5_o_Clock_Shadow"]
    source = celeba.load(folder, "all", attributes=wanted)
    assert names(source) == wanted
    assert np.array_equal(source.labels, bits[:, [NAMES.index(name) for name in wanted]])


def test_kaggles_images_may_lie_one_folder_higher(kaggle: Path) -> None:
    inner = kaggle / "img_align_celeba" / "img_align_celeba"
    for path in inner.iterdir():
        path.rename(inner.parent / path.name)
    inner.rmdir()
    assert celeba.load(kaggle, "all").read(19).shape == (30, 24, 3)


def test_the_sub_folders_of_the_published_drive_are_found(official: Path) -> None:
    for inside, name in [
        ("Anno", "list_attr_celeba.txt"),
        ("Eval", "list_eval_partition.txt"),
        ("Img", "img_align_celeba"),
    ]:
        (official / inside).mkdir()
        (official / name).rename(official / inside / name)
    assert celeba.load(official, "valid").read(1).shape == (30, 24, 3)


def test_a_grey_picture_is_read_as_rgb(official: Path) -> None:
    Image.new("L", SIZE, 77).save(official / "img_align_celeba" / "000001.jpg")
    assert celeba.load(official, "all").read(0).tolist() == np.full((30, 24, 3), 77).tolist()


def test_the_source_survives_pickling(official: Path) -> None:
    source = celeba.load(official, "train")
    assert np.array_equal(pickle.loads(pickle.dumps(source)).read(5), source.read(5))


def test_a_damaged_picture_is_named_when_it_is_read(official: Path) -> None:
    (official / "img_align_celeba" / "000003.jpg").write_bytes(b"damaged")
    source = celeba.load(official, "train")
    assert source.read(1).shape == (30, 24, 3)
    with pytest.raises(UserError, match=r"000003.jpg: not a picture"):
        source.read(2)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        (["Smilling"], "list_attr_celeba.txt has no 'Smilling'. Did you mean 'Smiling'? It has 5_o_Clock_Shadow, "),
        ([], "attributes: an empty list; name at least one, or leave the option out for all of them"),
        (["Male", "Young", "Male"], "attributes: 'Male' is there twice; name each once"),
    ],
)
def test_a_wrong_choice_of_attributes_is_refused(official: Path, attributes: list[str], message: str) -> None:
    assert message in error(official, attributes=attributes)


def test_an_unknown_split_is_refused_with_the_close_match(official: Path) -> None:
    assert error(official, "val") == "split 'val': expected one of train, valid, test, all. Did you mean 'valid'?"


@pytest.mark.parametrize(
    ("line", "change", "message"),
    [
        (1, lambda _: "21", "its first line says 21 images, the list holds 20; it is cut off or was edited"),
        (1, lambda _: "image_id,Male", "begins with 'image_id,Male'; expected a line with the number of images"),
        (2, lambda text: text.replace("Young", "Male"), "the attribute 'Male' is there twice"),
        (5, lambda text: text + " 1", "line 5: 000003.jpg has 41 values, expected 40, one per attribute"),
        (5, lambda text: text[:-2], "line 5: 000003.jpg has 39 values, expected 40, one per attribute"),
        (6, lambda text: text[:-2] + " 0", "line 6: 000004.jpg: both 0 and -1 are in the list"),
        (
            7,
            lambda text: "000005.jpg yes " + text.split(maxsplit=2)[2],
            "000005.jpg, 5_o_Clock_Shadow: 'yes'; expected",
        ),
        (
            8,
            lambda text: text.replace("000006", "000001"),
            "line 8: 000001.jpg is listed a second time, first in line 3",
        ),
    ],
)
def test_a_malformed_attribute_list_is_refused(
    official: Path, line: int, change: Callable[[str], str], message: str
) -> None:
    edit(official / "list_attr_celeba.txt", line, change)
    found = error(official)
    assert found.startswith(f"{official / 'list_attr_celeba.txt'}")
    assert message in found


@pytest.mark.parametrize(
    ("line", "change", "message"),
    [
        (1, lambda text: text.replace("image_id", "file"), "its first line is file, 5_o_Clock_Shadow, "),
        (1, lambda text: text.replace("Young", "Male"), "the column 'Male' is there twice"),
        (4, lambda text: text + ",1", "line 4: 42 fields, expected 41: image_id, 5_o_Clock_Shadow, "),
        (4, lambda text: text.rpartition(",")[0] + ",", "line 4: 000003.jpg, Young: ''; expected 1 or -1"),
        (
            5,
            lambda text: text.replace("000004", "000002"),
            "line 5: 000002.jpg is listed a second time, first in line 3",
        ),
    ],
)
def test_a_malformed_csv_list_is_refused(kaggle: Path, line: int, change: Callable[[str], str], message: str) -> None:
    edit(kaggle / "list_attr_celeba.csv", line, change)
    found = error(kaggle)
    assert found.startswith(f"{kaggle / 'list_attr_celeba.csv'}")
    assert message in found


@pytest.mark.parametrize(
    ("line", "change", "message"),
    [
        (2, lambda _: "000002.jpg 3", "line 2: '000002.jpg 3'; expected an image and 0 (train), 1 (valid) or 2 (test)"),
        (2, lambda _: "000002.jpg", "line 2: '000002.jpg'; expected an image and 0 (train)"),
        (3, lambda _: "000001.jpg 0", "line 3: 000001.jpg is listed a second time"),
        (
            3,
            lambda _: "000099.jpg 0",
            "line 3: 000099.jpg is not in list_attr_celeba.txt; the lists must be of one edition",
        ),
        (3, lambda _: "", "000003.jpg of list_attr_celeba.txt is missing; the lists must be of one edition"),
    ],
)
def test_a_partition_that_contradicts_is_refused(
    official: Path, line: int, change: Callable[[str], str], message: str
) -> None:
    edit(official / "list_eval_partition.txt", line, change)
    found = error(official)
    assert found.startswith(f"{official / 'list_eval_partition.txt'}")
    assert message in found


def test_a_partition_csv_with_other_columns_is_refused(kaggle: Path) -> None:
    edit(kaggle / "list_eval_partition.csv", 1, lambda _: "image_id,split")
    assert "list_eval_partition.csv: its first line is image_id, split; expected image_id, partition" in error(kaggle)


@pytest.mark.parametrize(("layout", "suffix"), [("official", ".txt"), ("kaggle", ".csv")])
def test_without_a_partition_there_is_one_set(
    draw: Callable[[Layout], tuple[Path, np.ndarray]], layout: Layout, suffix: str
) -> None:
    folder, _ = draw(layout)
    (folder / f"list_eval_partition{suffix}").unlink()
    message = error(folder, "train")
    assert f"{folder}: list_eval_partition{suffix} is missing." in message
    assert f"list_attr_celeba{suffix} alone does not say which image is for training; --split all takes" in message
    assert len(celeba.load(folder, "all")) == COUNT


def test_a_missing_attribute_list_is_named(official: Path) -> None:
    (official / "list_attr_celeba.txt").rename(official / "list_atr_celeba.txt")
    message = error(official)
    assert "list_attr_celeba.txt or list_attr_celeba.csv is missing. Did you mean 'list_atr_celeba.txt'?" in message


def test_a_missing_image_is_named_with_its_line(official: Path) -> None:
    for name in ("000004.jpg", "000019.jpg"):
        (official / "img_align_celeba" / name).unlink()
    message = error(official)
    assert (
        "img_align_celeba: 000004.jpg is missing, which list_attr_celeba.txt lists in line 6; 2 of 20 images" in message
    )
    assert "000019.jpg is missing" in error(official, "test")
    assert len(celeba.load(official, "valid")) == 2  # those of other splits do not matter


def test_a_missing_folder_of_images_says_what_to_unpack(official: Path) -> None:
    shutil.rmtree(official / "img_align_celeba")
    assert f"{official}: img_align_celeba/ is missing; unpack img_align_celeba.zip there" in error(official)


def test_a_list_in_another_encoding_is_refused(official: Path) -> None:
    path = official / "list_attr_celeba.txt"
    path.write_bytes(path.read_bytes().replace(b"Young", b"Jeun\xe9"))
    assert "list_attr_celeba.txt: not a text file in UTF-8" in error(official)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_attributes_may_be_1_and_0(draw: Callable[[Layout], tuple[Path, np.ndarray]], layout: Layout) -> None:
    folder, bits = draw(layout)
    for path in folder.glob("list_attr_celeba.*"):
        path.write_text(path.read_text().replace("-1", "0"))
    assert np.array_equal(celeba.load(folder, "all").labels, bits)


def test_a_part_of_the_images_is_enough_where_that_is_said(official: Path, caplog: pytest.LogCaptureFixture) -> None:
    whole = celeba.load(official, "all")
    for number in range(1, 19):
        (official / "img_align_celeba" / f"{number:06d}.jpg").unlink()
    assert "take those that are there with --option missing=skip" in error(official)
    part = celeba.load(official, "all", missing="skip")
    assert np.array_equal(part.labels, whole.labels[18:])
    assert np.array_equal(part.read(1), whole.read(19))
    assert caplog.messages == [f"{official / 'img_align_celeba'}: 18 of 20 listed images are not there; skipped."]
    assert "16 of 16 images are not there" in error(official, "train", missing="skip")
    assert error(official, missing="no") == "missing: 'no'; expected error or skip."


@pytest.mark.parametrize("images", ["img_align_celeba", "img_align_celeba_png"])
def test_images_may_be_png(official: Path, images: str) -> None:
    (official / "img_align_celeba").rename(official / images)
    for path in (official / images).iterdir():
        Image.open(path).save(path.with_suffix(".png"))
        path.unlink()
    assert celeba.load(official, "train").read(15).shape == (30, 24, 3)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_folder_above_will_do(tmp_path: Path, layout: Layout) -> None:
    draw_celeba(tmp_path / "celeba", COUNT, layout, size=SIZE)
    (tmp_path / "other").mkdir()
    assert len(celeba.load(tmp_path, "valid")) == 2
