from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from cgan_dist.data.sources import celeba, celeba_hq
from cgan_dist.errors import UserError
from cgan_dist.labels import AttributeLabels

ORIGINAL = [119613, 162769, 162770, 182636, 182637, 202598]
SPLITS = {"train": [0, 1], "valid": [2, 3], "test": [4, 5], "all": [0, 1, 2, 3, 4, 5]}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """CelebAMask-HQ's layout with six pictures, whose grey is 10 times their number, and both ends of each split."""
    (tmp_path / "CelebA-HQ-img").mkdir()
    for number in range(6):
        Image.new("RGB", (4, 4), (10 * number,) * 3).save(tmp_path / "CelebA-HQ-img" / f"{number}.jpg")
    rows = [f"{number}.jpg  {2 * (number % 2) - 1} {1 - 2 * (number // 3)}" for number in range(6)]
    (tmp_path / "CelebAMask-HQ-attribute-anno.txt").write_text("\n".join(["6", "Male Smiling ", *rows]) + "\n")
    lines = [f"{place:<9}{number:<12}{number + 1:06d}.jpg" for place, number in enumerate(ORIGINAL)]
    header = "idx      orig_idx    orig_file"
    (tmp_path / "CelebA-HQ-to-CelebA-mapping.txt").write_text("\n".join([header, *lines]) + "\n")
    return tmp_path


def error(folder: Path, split: str = "train", **options: object) -> str:
    with pytest.raises(UserError) as caught:
        celeba_hq.load(folder, split, **options)  # type: ignore[arg-type]
    return str(caught.value)


@pytest.mark.parametrize("split", SPLITS)
def test_splits_are_those_of_celeba(folder: Path, split: str) -> None:
    source = celeba_hq.load(folder, split)
    assert [round(int(source.read(index)[0, 0, 0]) / 10) for index in range(len(source))] == SPLITS[split]
    assert source.schema == AttributeLabels(names=["Male", "Smiling"])
    assert source.labels.tolist() == [[number % 2, int(number < 3)] for number in SPLITS[split]]


def test_without_the_mapping_all_are_of_training(folder: Path) -> None:
    (folder / "CelebA-HQ-to-CelebA-mapping.txt").unlink()
    for split in ("train", "all"):
        assert len(celeba_hq.load(folder, split, attributes=["Smiling"])) == 6
    assert "CelebA-HQ-to-CelebA-mapping.txt is missing, which says what each picture" in error(folder, "test")


def test_near_misses_are_named(folder: Path) -> None:
    mapping = folder / "CelebA-HQ-to-CelebA-mapping.txt"
    lines = mapping.read_text().splitlines()
    mapping.write_text("\n".join(lines[1:]))
    assert "begins with 0 119613 119614.jpg; expected idx orig_idx orig_file" in error(folder)
    mapping.write_text("\n".join([lines[0], "0 119613"]))
    assert "line 2: '0 119613'; expected as in 0 119613 119614.jpg" in error(folder)
    mapping.write_text("\n".join(lines[:-1]))
    assert "5.jpg of CelebAMask-HQ-attribute-anno.txt is missing; the lists must be of one edition" in error(folder)
    mapping.unlink()
    (folder / "CelebA-HQ-img" / "3.jpg").unlink()
    assert "3.jpg is missing, which CelebAMask-HQ-attribute-anno.txt lists in line 6; 1 of 6" in error(folder)
    assert len(celeba_hq.load(folder, "train", missing="skip")) == 5
    assert "has no 'Smilling'. Did you mean 'Smiling'?" in error(folder, attributes=["Smilling"])
    (folder / "CelebAMask-HQ-attribute-anno.txt").rename(folder / "CelebAMask-HQ-attribute-anno(1).txt")
    assert "CelebAMask-HQ-attribute-anno.txt is missing. Did you mean 'CelebAMask-HQ-attribute-anno(1).txt'?" in error(
        folder
    )


def test_the_source_of_celeba_says_which_is_meant(folder: Path) -> None:
    with pytest.raises(
        UserError, match=r"list_attr_celeba.csv is missing. This is CelebA-HQ: cgan-dist prepare celeba_hq"
    ):
        celeba.load(folder, "all")


def test_the_folder_above_will_do(folder: Path) -> None:
    above = folder.parent / f"{folder.name}-above"
    above.mkdir()
    folder.rename(above / "CelebAMask-HQ")
    assert len(celeba_hq.load(above, "all")) == 6
