"""What every form must do, and what each makes of a set."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cgan_dist.data.shards import ShardSet
from cgan_dist.data.sources import csv_table, npz
from cgan_dist.data.sources import folder as folder_source
from cgan_dist.data.storage import Storage
from cgan_dist.errors import UserError
from cgan_dist.image_sets import SET_FORMS
from cgan_dist.image_sets.base import SetFacts, SetForm
from cgan_dist.image_sets.folder import PictureFolder, safe_names
from cgan_dist.image_sets.npz import NpzFile
from cgan_dist.image_sets.shards import Shards
from cgan_dist.labels import AttributeLabels, ClassLabels, ContinuousLabels, NoLabels, ProductLabels
from tests.conftest import pixels_of
from tests.unit.image_sets.sets import facts_of, files_of, noise

COUNT = 9
PETS = ClassLabels(names=["dog", "cat", "owl/day"])
PET = np.array([0, 1, 2, 0, 1, 2, 0, 1, 1], np.int64)
BITS = AttributeLabels(names=["hat", "path"])
BIT = np.array([[0, 1], [1, 1], [0, 0]] * 3, np.uint8)
POSE = ContinuousLabels(names=["pose", "zoom"], ranges=[(0.0, 1.0), (-2.0, 2.0)])
VALUE = np.random.default_rng(1).uniform(0, 1, (COUNT, 2)).astype(np.float32)
EVERYTHING = ProductLabels(parts=[POSE, PETS, BITS])
ALL = EVERYTHING.join([VALUE, PET, BIT])


def build(name: str, folder: Path, facts: SetFacts, **options: object) -> SetForm:
    folder.mkdir(parents=True, exist_ok=True)
    return SET_FORMS.build(name, "--format", options, folder=folder, facts=facts)  # type: ignore[no-any-return]


def made(name: str, folder: Path, facts: SetFacts, **options: object) -> Path:
    """A finished set of noise, where it was made."""
    form = build(name, folder, facts, **options)
    images = noise(len(facts), facts.image_shape)
    for first in range(0, len(facts), 4):
        form.write(first, images[first : first + 4])
    return form.finish()


@pytest.mark.parametrize("name", ["folder", "npz", "shards"])
def test_every_form_knows_what_it_has_of_a_set(name: str, tmp_path: Path) -> None:
    form = build(name, tmp_path / "work", facts_of(PETS, PET), **({"shards": 2} if name == "shards" else {}))
    images = noise(COUNT)
    assert form.digest(0, 4) is None
    digest = form.write(0, images[:4])
    assert form.digest(0, 4) == digest
    assert form.digest(4, 4) is None
    assert form.write(4, images[4:8]) != digest
    assert form.write(0, images[:4]) == digest
    form.write(0, images[1:5])
    assert form.digest(0, 4) != digest


@pytest.mark.parametrize("name", ["folder", "npz", "shards"])
def test_the_same_images_make_the_same_bytes_and_finishing_twice_does_no_harm(name: str, tmp_path: Path) -> None:
    options = {"shards": 2} if name == "shards" else {}
    paths = [made(name, tmp_path / place, facts_of(PETS, PET), **options) for place in ("one", "other")]
    again = build(name, tmp_path / "one", facts_of(PETS, PET), **options).finish()
    assert again == paths[0]
    contents = [files_of(path) if path.is_dir() else {"": path.read_bytes()} for path in paths]
    assert contents[0] == contents[1]


def test_npz_is_what_numpy_and_prepare_read(tmp_path: Path) -> None:
    path = made("npz", tmp_path / "work", facts_of(PETS, PET))
    with np.load(path) as found:
        assert np.array_equal(found["images"], noise(COUNT))
        assert np.array_equal(found["labels"], PET)
        assert found["labels"].dtype == np.int64
        assert found["class_names"].tolist() == PETS.names
    source = npz.load(path.parent, "train", file=path.name)
    assert source.schema == PETS
    assert np.array_equal(pixels_of(source), noise(COUNT))


def test_npz_of_labels_of_several_kinds(tmp_path: Path) -> None:
    with np.load(made("npz", tmp_path / "work", facts_of(EVERYTHING, ALL))) as found:
        assert np.array_equal(found["labels"], ALL)
        assert set(found) == {"images", "labels"}


def test_an_npz_that_is_cut_off_is_missing(tmp_path: Path) -> None:
    path = made("npz", tmp_path / "work", facts_of(PETS, PET))
    form = NpzFile(tmp_path, facts_of(PETS, PET))
    assert form.missing(path) == []
    path.write_bytes(path.read_bytes()[:-30])
    assert form.missing(path) == ["set.npz"]


@pytest.mark.parametrize(
    ("schema", "labels"),
    [(PETS, PET), (BITS, BIT), (POSE, VALUE), (EVERYTHING, ALL), (NoLabels(), np.zeros((COUNT, 0), np.uint8))],
    ids=["classes", "attributes", "continuous", "product", "none"],
)
def test_shards_hold_images_and_labels_of_every_kind(schema: object, labels: np.ndarray, tmp_path: Path) -> None:
    path = made("shards", tmp_path / "work", facts_of(schema, labels), shards=3)  # type: ignore[arg-type]
    shards = ShardSet(Storage(path), cache="none")
    shards.verify()
    assert shards.manifest.labels == schema
    assert shards.manifest.image.encoding == "raw"
    assert [shard.count for shard in shards.manifest.shards] == [3, 3, 3]
    found = shards.load_all()
    order = {image.tobytes(): number for number, image in enumerate(noise(COUNT))}
    numbers = [order[image.tobytes()] for image in found.images]
    assert sorted(numbers) == list(range(COUNT))
    assert np.array_equal(found.labels, labels[numbers])


def test_large_images_lose_nothing_in_shards(tmp_path: Path) -> None:
    assert Shards(tmp_path, facts_of(PETS, PET, (65, 64, 3))).plan.encoding == "png"
    assert Shards(tmp_path, facts_of(PETS, PET, (64, 64, 3)), encoding="webp").plan.encoding == "webp"


def test_shards_that_miss_one_say_so(tmp_path: Path) -> None:
    path = made("shards", tmp_path / "work", facts_of(PETS, PET), shards=3)
    form = Shards(tmp_path, facts_of(PETS, PET))
    assert form.missing(path) == []
    (path / "shard-00001.tar").unlink()
    assert "shard-00001.tar" in form.missing(path)[0]


def test_options_of_a_form_are_checked(tmp_path: Path) -> None:
    facts = facts_of(PETS, PET)
    with pytest.raises(UserError, match=r"--option shards=10: expected 1 to 9"):
        build("shards", tmp_path, facts, shards=10)
    with pytest.raises(UserError, match="Did you mean 'shards'?"):
        build("shards", tmp_path, facts, shard=2)
    with pytest.raises(UserError, match="unknown argument for form of a set 'npz'"):
        build("npz", tmp_path, facts, shards=2)
    with pytest.raises(UserError, match="unknown form of a set 'folders'. Did you mean 'folder'?"):
        build("folders", tmp_path, facts)


def test_a_folder_of_classes(tmp_path: Path) -> None:
    path = made("folder", tmp_path / "work", facts_of(PETS, PET))
    assert sorted(str(file.relative_to(path)) for file in path.rglob("*.png")) == [
        *(f"cat/{number:06d}.png" for number in (1, 4, 7, 8)),
        *(f"dog/{number:06d}.png" for number in (0, 3, 6)),
        *(f"owl_day/{number:06d}.png" for number in (2, 5)),
    ]
    with Image.open(path / "cat" / "000004.png") as picture:
        assert np.array_equal(np.asarray(picture), noise(COUNT)[4])
    rows = list(csv.reader(io.StringIO((path / "labels.csv").read_text())))
    assert rows[:4] == [
        ["path", "label"],
        ["dog/000000.png", "dog"],
        ["cat/000001.png", "cat"],
        ["owl_day/000002.png", "owl/day"],
    ]
    source = folder_source.load(path, "train", ignore_others=True)
    assert source.schema == ClassLabels(names=["cat", "dog", "owl_day"])
    assert len(source) == COUNT


def test_a_folder_of_labels_of_several_kinds_is_read_again_by_prepare(tmp_path: Path) -> None:
    path = made("folder", tmp_path / "work", facts_of(EVERYTHING, ALL))
    assert (path / "owl_day" / "000002.png").is_file()
    source = csv_table.load(
        path,
        "train",
        file="labels.csv",
        path="path_",
        label="label",
        attributes=["hat", "path"],
        continuous=["pose", "zoom"],
        ranges=[[0, 1], [-2, 2]],
    )
    assert isinstance(source.schema, ProductLabels)
    pets, bits, values = source.schema.split(source.labels)
    assert [source.schema.parts[0].names[number] for number in pets] == [PETS.names[number] for number in PET]
    assert np.array_equal(bits, BIT)
    assert np.array_equal(values, VALUE), "to the last bit"
    assert np.array_equal(pixels_of(source), noise(COUNT))


def test_a_folder_without_classes(tmp_path: Path) -> None:
    for schema, labels in ((BITS, BIT), (NoLabels(), np.zeros((COUNT, 0), np.uint8))):
        path = made("folder", tmp_path / schema.kind, facts_of(schema, labels))
        assert sorted(file.name for file in (path / "images").iterdir()) == [f"{n:06d}.png" for n in range(COUNT)]
        assert len((path / "labels.csv").read_text().splitlines()) == COUNT + 1


def test_a_folder_says_what_it_misses(tmp_path: Path) -> None:
    path = made("folder", tmp_path / "work", facts_of(PETS, PET))
    form = PictureFolder(tmp_path, facts_of(PETS, PET))
    assert form.missing(path) == []
    (path / "cat" / "000004.png").unlink()
    (path / "labels.csv").unlink()
    assert form.missing(path) == ["labels.csv", "cat/000004.png"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["cat", "Cat", "CAT_1"], ["cat", "Cat_1", "CAT_1_2"]),
        (["a/b", "a\\b", "a:b"], ["a_b", "a_b_1", "a_b_2"]),
        (["..", ".", "", " x "], ["_", "__1", "__2", "x"]),
        (["../../etc/passwd", "-rf", "a\nb"], ["_.._etc_passwd", "-rf", "a_b"]),
        (["Labels.csv", "generated.json"], ["Labels.csv_0", "generated.json_1"]),
        (["con", "LPT1.txt", "control"], ["con_", "LPT1.txt_", "control"]),
        (["größe", "猫", "T-shirt/top"], ["größe", "猫", "T-shirt_top"]),
        (["x" * 300, "x" * 299], ["x" * 80, "x" * 80 + "_1"]),
    ],
)
def test_names_of_folders_are_safe_and_different(names: list[str], expected: list[str]) -> None:
    found = safe_names(names)
    assert len({name.casefold() for name in found}) == len(found)
    assert found == expected
