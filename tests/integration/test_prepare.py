"""`prepare`, `inspect` and `verify`, as a user types them, from trees of picture files to shards."""

from __future__ import annotations

import csv
import gzip
import json
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
from PIL import Image

from cgan_dist.data.fitting import Fitting
from cgan_dist.data.shards import ShardSet
from cgan_dist.data.sources.picture import read_picture
from cgan_dist.data.storage import Storage
from cgan_dist.data.writer import Plan, write_shards
from cgan_dist.labels import AttributeLabels, ClassLabels, ContinuousLabels, NoLabels
from examples.draw_celeba import NAMES, draw_celeba
from tests.conftest import striped_images
from tests.integration.conftest import Cli
from tests.unit.data.test_shards import damage_picture

COUNT = 40
CHOSEN = ["Smiling", "Eyeglasses"]
OPTION = f"attributes=[{','.join(CHOSEN)}]"


@pytest.fixture(params=["official", "kaggle"])
def layout(request: pytest.FixtureRequest) -> Any:
    return request.param


def opened(folder: Path) -> ShardSet:
    return ShardSet(Storage(folder), cache="none")


def assert_sheet(path: Path) -> None:
    with Image.open(path) as sheet:
        assert (sheet.format, sheet.mode) == ("PNG", "RGB")
        assert len(np.unique(np.asarray(sheet))) > 2


@pytest.mark.parametrize("encoding", ["png", "raw"])
def test_celeba_from_files_to_shards_and_back(cli: Cli, tmp_path: Path, layout: Any, encoding: str) -> None:
    bits = draw_celeba(tmp_path / "faces", COUNT, layout)
    result = cli(
        "prepare", "celeba", "--source", tmp_path / "faces", "--out", tmp_path / "out", "--split", "all",
        "--size", 32, "--shards", 3, "--encoding", encoding, "--option", OPTION, "--processes", 1,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    shards = opened(tmp_path / "out")
    shards.verify()
    manifest = shards.manifest
    assert manifest.labels == AttributeLabels(names=CHOSEN)
    assert (manifest.count, manifest.image.encoding) == (COUNT, encoding)
    assert (manifest.image.height, manifest.image.width, manifest.image.channels) == (32, 32, 3)

    columns = [NAMES.index(name) for name in CHOSEN]
    images = tmp_path / "faces" / "img_align_celeba" / ("img_align_celeba" if layout == "kaggle" else "")
    expected = {
        Fitting(size=(32, 32))(read_picture(images / f"{number + 1:06d}.jpg")).tobytes(): bits[number, columns].tolist()
        for number in range(COUNT)
    }
    assert len(expected) == COUNT
    found = shards.load_all()
    for image, label in zip(found.images, found.labels, strict=True):
        assert expected.pop(image.tobytes()) == label.tolist()
    assert not expected

    assert "labels: attributes" in result.output
    for name, count in zip(CHOSEN, bits[:, columns].sum(0).tolist(), strict=True):
        assert manifest.histogram[name] == count
        assert f"  {name:24} {count:>9,} #" in result.output
    assert f"contact sheet: {tmp_path / 'out' / 'contact-sheet.png'}" in result.output
    assert_sheet(tmp_path / "out" / "contact-sheet.png")


def test_a_split_of_celeba_keeps_to_the_partition(cli: Cli, tmp_path: Path, layout: Any) -> None:
    bits = draw_celeba(tmp_path / "faces", COUNT, layout)
    for split, part in (("train", slice(0, 32)), ("valid", slice(32, 36)), ("test", slice(36, 40))):
        result = cli(
            "prepare", "celeba", "--source", tmp_path / "faces", "--out", tmp_path / split, "--split", split,
            "--size", 16, "--shards", 1, "--processes", 1,
        )  # fmt: skip
        assert result.exit_code == 0, result.output
        shards = opened(tmp_path / split)
        assert shards.manifest.labels == AttributeLabels(names=NAMES)
        assert sorted(shards.load_all().labels.tolist()) == sorted(bits[part].tolist())


def test_celeba_as_jpeg(cli: Cli, tmp_path: Path) -> None:
    draw_celeba(tmp_path / "faces", COUNT, "official")
    result = cli(
        "prepare", "celeba", "--source", tmp_path / "faces", "--out", tmp_path / "out",
        "--encoding", "jpeg", "--size", 80, "--shards", 2, "--processes", 1, "--option", OPTION,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    shards = opened(tmp_path / "out")
    shards.verify()
    assert (shards.manifest.count, shards.manifest.image.encoding) == (32, "jpeg")
    found = shards.load_all().images.astype(int)
    for number in range(3):
        wanted = Fitting(size=(80, 80))(read_picture(tmp_path / "faces/img_align_celeba" / f"{number + 1:06d}.jpg"))
        nearest = np.abs(found - wanted).mean(axis=(1, 2, 3))
        assert nearest.min() < 3
        assert np.partition(nearest, 1)[1] > 6


def test_folder(cli: Cli, tmp_path: Path, pictures: Path) -> None:
    result = cli("prepare", "folder", "--source", pictures, "--out", tmp_path / "out", "--shards", 2, "--processes", 1)
    assert result.exit_code == 0, result.output
    shards = opened(tmp_path / "out")
    assert shards.manifest.labels == ClassLabels(names=["ant", "bee"])
    assert shards.manifest.histogram == {"ant": 4, "bee": 4}
    found = shards.load_all()
    assert found.images.shape == (8, 10, 12, 3)
    assert ((found.images[:, 0, 0, 2] == 200) == (found.labels == 1)).all()
    assert "  ant                              4 ####" in result.output
    assert_sheet(tmp_path / "out" / "contact-sheet.png")


ROWS = [
    {"path": "ant/0.png", "label": "dark", "angle": -30.0, "happy": 1, "sad": 0},
    {"path": "ant/1.png", "label": "dark", "angle": 0.0, "happy": 0, "sad": 0},
    {"path": "bee/0.png", "label": "bright", "angle": 12.5, "happy": 1, "sad": 1},
    {"path": "bee/3.png", "label": "bright", "angle": 30.0, "happy": 0, "sad": 1},
]
FIRST_PIXEL = {0: 0, 10: 1, 200: 2, 230: 3}
"""Row of ROWS by the red value of its picture."""


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
@pytest.mark.parametrize(
    ("options", "schema", "labels"),
    [
        ([], ClassLabels(names=["bright", "dark"]), [1, 1, 0, 0]),
        (["attributes=[happy,sad]"], AttributeLabels(names=["happy", "sad"]), [[1, 0], [0, 0], [1, 1], [0, 1]]),
        (
            ["continuous=[angle]", "ranges=[[-45, 45]]"],
            ContinuousLabels(names=["angle"], ranges=[(-45.0, 45.0)]),
            [[-30.0], [0.0], [12.5], [30.0]],
        ),
    ],
)
def test_tables(
    cli: Cli, tmp_path: Path, pictures: Path, kind: str, options: list[str], schema: object, labels: list[object]
) -> None:
    with (pictures / f"labels.{kind}").open("w", newline="") as file:
        if kind == "csv":
            csv.writer(file).writerows([list(ROWS[0]), *(list(row.values()) for row in ROWS)])
        else:
            file.writelines(json.dumps(row) + "\n" for row in ROWS)
    extra = [word for option in options for word in ("--option", option)]
    result = cli(
        "prepare", kind, "--source", pictures, "--out", tmp_path / "out", "--shards", 2, "--processes", 1, *extra
    )
    assert result.exit_code == 0, result.output
    shards = opened(tmp_path / "out")
    assert shards.manifest.labels == schema
    found = shards.load_all()
    assert len(found.labels) == 4
    for image, label in zip(found.images, found.labels, strict=True):
        assert label.tolist() == labels[FIRST_PIXEL[int(image[0, 0, 0])]]
    assert_sheet(tmp_path / "out" / "contact-sheet.png")


def numbered_images(count: int, *shape: int) -> np.ndarray:
    """Random images whose first pixel is their number."""
    images = np.random.default_rng(0).integers(0, 256, (count, *shape), dtype=np.uint8)
    images.reshape(count, -1)[:, 0] = np.arange(count)
    return images


def write_npz(folder: Path, images: np.ndarray, labels: np.ndarray) -> None:
    np.savez(folder / "data.npz", images=images, labels=labels)


def write_idx(folder: Path, images: np.ndarray, labels: np.ndarray) -> None:
    for name, array in (("images-idx3", images[..., 0]), ("labels-idx1", labels.astype(np.uint8))):
        header = bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
        (folder / f"train-{name}-ubyte.gz").write_bytes(gzip.compress(header + array.tobytes()))


def write_cifar10(folder: Path, images: np.ndarray, labels: np.ndarray) -> None:
    for number, part in enumerate(np.array_split(np.arange(len(images)), 5), start=1):
        planes = images[part].transpose(0, 3, 1, 2).reshape(len(part), -1)
        records = np.concatenate([labels[part, None].astype(np.uint8), planes], axis=1)
        (folder / f"data_batch_{number}.bin").write_bytes(records.tobytes())
    (folder / "batches.meta.txt").write_text("\n".join(f"class{number}" for number in range(10)))


def write_kmnist(folder: Path, images: np.ndarray, labels: np.ndarray) -> None:
    np.savez(folder / "kmnist-train-imgs.npz", images[..., 0])
    np.savez(folder / "kmnist-train-labels.npz", labels)


def write_medmnist(folder: Path, images: np.ndarray, labels: np.ndarray) -> None:
    np.savez(folder / "bloodmnist.npz", train_images=images, train_labels=labels[:, None])


def write_parquet(folder: Path, images: np.ndarray, labels: np.ndarray) -> None:
    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(10)})
    rows = {"image": [Image.fromarray(image) for image in images], "label": labels}
    datasets.Dataset.from_dict(rows, features).to_parquet(folder / "train-00000-of-00001.parquet")


def write_stylegan(folder: Path, images: np.ndarray, labels: np.ndarray) -> None:
    for number, image in enumerate(images):
        Image.fromarray(image).save(folder / f"{number}.png")
    entries = [[f"{number}.png", int(label)] for number, label in enumerate(labels)]
    (folder / "dataset.json").write_text(json.dumps({"labels": entries}))


@pytest.mark.parametrize(
    ("kind", "write", "shape"),
    [
        ("npz", write_npz, (9, 7, 3)),
        ("idx", write_idx, (9, 7, 1)),
        ("cifar10", write_cifar10, (32, 32, 3)),
        ("kmnist", write_kmnist, (28, 28, 1)),
        ("medmnist", write_medmnist, (28, 28, 3)),
        ("huggingface", write_parquet, (9, 7, 3)),
        ("stylegan", write_stylegan, (8, 8, 3)),
    ],
)
def test_arrays(cli: Cli, tmp_path: Path, kind: str, write: Callable[..., None], shape: tuple[int, ...]) -> None:
    images, labels = numbered_images(20, *shape), np.arange(20) % 10
    (tmp_path / "in").mkdir()
    write(tmp_path / "in", images, labels)
    result = cli("prepare", kind, "--source", tmp_path / "in", "--out", tmp_path / "out", "--shards", 2)
    assert result.exit_code == 0, result.output
    shards = opened(tmp_path / "out")
    assert isinstance(shards.manifest.labels, ClassLabels)
    assert list(shards.manifest.histogram.values()) == [2] * 10
    found = shards.load_all()
    order = found.images[:, 0, 0, 0]
    assert sorted(order.tolist()) == list(range(20))
    assert (found.images == images[order]).all()
    assert (found.labels == labels[order]).all()


@pytest.mark.parametrize(
    ("args", "fragment"),
    [
        (["--option", "unlabeled=true"], "Did you mean 'unlabelled'?"),
        (["--option", "unlabelled=perhaps"], "SOURCE.args.unlabelled: found 'perhaps'"),
        (["--option", "unlabelled"], "unlabelled"),
        (["--sise", "8"], "--size"),
        (["--encoding", "gif"], "'jpeg'"),
        (["--split", "tain"], "Did you mean 'train'?"),
        (["--shards", "9"], "--shards 9: expected 1 to 8"),
    ],
)
def test_a_wrong_option_is_named_with_the_nearest(
    cli: Cli, tmp_path: Path, pictures: Path, args: list[str], fragment: str
) -> None:
    if "tain" in args:
        (pictures / "ant").rename(pictures / "train")
        (pictures / "bee").rename(pictures / "test")
    result = cli("prepare", "folder", "--source", pictures, "--out", tmp_path / "out", *args)
    assert result.exit_code == 2
    assert fragment in result.output
    assert not (tmp_path / "out").exists()


def test_inspect_prints_the_histogram_and_draws_where_it_is_told(
    cli: Cli, shards_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = cli("inspect", shards_folder, "--sheet", tmp_path / "sheet.png")
    assert result.exit_code == 0, result.output
    for name, count in opened(shards_folder).manifest.histogram.items():
        assert f"  {name:24} {count:>9,} #" in result.output
    assert "203 images of 8x8x1 (raw) in 5 shards" in result.output
    assert_sheet(tmp_path / "sheet.png")
    monkeypatch.chdir(tmp_path)
    assert cli("inspect", f"file://{shards_folder}").exit_code == 0  # a URL: the sheet cannot go beside the shards
    assert (tmp_path / "contact-sheet.png").read_bytes() == (tmp_path / "sheet.png").read_bytes()


def test_inspect_draws_through_no_link(cli: Cli, shards_folder: Path, tmp_path: Path) -> None:
    data, precious = shutil.copytree(shards_folder, tmp_path / "data"), tmp_path / "precious"
    precious.write_text("mine")
    (data / "contact-sheet.png").unlink(missing_ok=True)
    for name in ("contact-sheet.png", "contact-sheet.png.partial"):
        (data / name).symlink_to(precious)
    assert cli("inspect", data).exit_code == 0
    assert precious.read_text() == "mine"
    assert not (data / "contact-sheet.png").is_symlink()


def test_inspect_says_where_it_cannot_draw(cli: Cli, shards_folder: Path, tmp_path: Path) -> None:
    result = cli("inspect", shards_folder, "--sheet", tmp_path / "nowhere" / "sheet.png")
    assert result.exit_code == 2
    assert "sheet.png: cannot write the contact sheet: No such file" in result.output


def test_verify_passes_what_is_whole_and_names_what_is_not(cli: Cli, tmp_path: Path, pictures: Path) -> None:
    folder = tmp_path / "out"
    arguments = ("--shards", 2, "--encoding", "png", "--processes", 1)
    assert cli("prepare", "folder", "--source", pictures, "--out", folder, *arguments).exit_code == 0
    result = cli("verify", folder)
    assert result.exit_code == 0
    assert f"{folder}: 8 images in 2 shards, all as prepared." in result.output
    content = bytearray((folder / "shard-00001.tar").read_bytes())
    content[600] ^= 1
    (folder / "shard-00001.tar").write_bytes(content)
    result = cli("verify", folder)
    assert result.exit_code == 2
    assert "shard-00001.tar: sha256 is" in result.output
    assert "shard-00000" not in result.output


def test_unlabelled_pictures_are_packed_and_need_a_config_without_labels(
    cli: Cli, tmp_path: Path, pictures: Path, config_file: Path
) -> None:
    result = cli(
        "prepare", "folder", "--source", pictures, "--out", tmp_path / "out", "--size", 8, "--shards", 4,
        "--processes", 1, "--option", "unlabelled=true",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert opened(tmp_path / "out").manifest.labels == NoLabels()
    assert "labels: none" in result.output
    assert_sheet(tmp_path / "out" / "contact-sheet.png")
    result = cli("train", "--config", config_file, f"data.path={tmp_path / 'out'}")
    assert result.exit_code == 2
    assert "conditioning.labels=none" in result.output
    result = cli("train", "--config", config_file, f"data.path={tmp_path / 'out'}", "conditioning.labels=none")
    assert result.exit_code == 0, result.output


def test_damage_that_is_skipped_is_counted_by_the_image(cli: Cli, tmp_path: Path, config_file: Path) -> None:
    write_shards(striped_images(100, size=16, channels=3), tmp_path / "set", Plan(shards=4, encoding="jpeg"))
    for number in range(6):
        damage_picture(tmp_path / "set", "shard-00002", number)
    arguments = ("check", "--config", config_file, f"data.path={tmp_path / 'set'}", "data.on_error=skip")
    result = cli(*arguments, "data.max_bad_share=0.05")
    assert result.exit_code == 2
    assert "Error: data.on_error: 6 of 100 images are damaged, more than data.max_bad_share = 0.05" in result.output
    assert cli(*arguments, "data.max_bad_share=0.06").exit_code == 0


@pytest.fixture
def shapes(tmp_path: Path) -> Path:
    """Wide and tall pictures: bright in the middle third, dark beside it."""
    for name, across in (("tall", False), ("wide", True)):
        (tmp_path / "shapes" / name).mkdir(parents=True)
        for number in range(8):
            pixels = np.full((30, 60 + number, 3), 10, np.uint8)
            pixels[:, 20:40] = 220
            Image.fromarray(pixels if across else pixels.transpose(1, 0, 2)).save(
                tmp_path / "shapes" / name / f"{number}.png"
            )
    return tmp_path / "shapes"


def test_pictures_of_many_sizes_become_rectangles_to_train_on(cli: Cli, shapes: Path, tmp_path: Path) -> None:
    prepare = ("prepare", "folder", "--source", shapes, "--shards", 2, "--processes", 1)
    refused = cli(*prepare, "--out", tmp_path / "all")
    assert refused.exit_code == 2
    assert "Bring all to one size: --size" in refused.output
    for fit in ("crop", "pad", "stretch"):
        result = cli(*prepare, "--out", tmp_path / fit, "--size", "24x16", "--fit", fit)
        assert result.exit_code == 0, result.output
        image = opened(tmp_path / fit).manifest.image
        assert (image.width, image.height) == (24, 16)
    for network in ("dcgan", "resnet", "r3"):
        run = tmp_path / "runs" / network
        config = tmp_path / f"{network}.yaml"
        config.write_text(
            f"run: {{name: {network}, dir: {tmp_path / 'runs'}}}\n"
            f"data: {{path: {tmp_path / 'pad'}, workers: 0, streams: 4}}\n"
            f"generator: {{name: {network}, latent_dim: 8, args: {{width: 16}}}}\n"
            f"discriminator: {{name: {network}, args: {{width: 16}}}}\n"
            "train: {batch_size: 8, total_images: 8}\ntracking: {trackers: []}\n"
        )
        result = cli("train", "--config", config)
        assert result.exit_code == 0, result.output
        assert cli("sample", run, "--out", tmp_path / "a.png", "--per-label", 2).exit_code == 0
        exported = cli("generate", run, "--count", "4", "--format", "npz", "--out", tmp_path / f"{network}.npz")
        assert exported.exit_code == 0, exported.output
        with np.load(tmp_path / f"{network}.npz") as made:
            assert made["images"].shape == (4, 16, 24, 3)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["--size", "24*16"], "found '24*16'; expected pixels, of a side as in 64, or WIDTHxHEIGHT as in 96x64"),
        (["--size", "0"], "found '0'; expected pixels"),
        (["--fit", "pad"], "--fit: found pad, but no --size to fit to; add one"),
        (["--fit", "fill", "--size", "8"], "'fill' is not one of 'crop', 'pad', 'stretch'"),
        (["--size", "8", "--fill", "black"], "--fill: found black, but nothing is filled without --fit pad"),
    ],
)
def test_a_size_that_cannot_be_is_refused(cli: Cli, shapes: Path, tmp_path: Path, typed: list[str], said: str) -> None:
    result = cli("prepare", "folder", "--source", shapes, "--out", tmp_path / "out", *typed)
    assert result.exit_code == 2
    assert said in " ".join(result.output.split())
    assert not (tmp_path / "out").exists()


def test_parts_of_a_set_are_prepared_apart_and_ended_together(cli: Cli, pictures: Path, tmp_path: Path) -> None:
    prepare = ("prepare", "folder", "--source", pictures, "--shards", 4, "--processes", 1)
    assert cli(*prepare, "--out", tmp_path / "whole").exit_code == 0
    for number in (2, 1):
        result = cli(*prepare, "--out", tmp_path / "out", "--part", f"{number}/2")
        assert result.exit_code == 0, result.output
        assert f"Part {number}/2 is in {tmp_path / 'out.partial'}. When all parts are" in result.output
    result = cli(*prepare, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    for path in (tmp_path / "whole").iterdir():
        assert (tmp_path / "out" / path.name).read_bytes() == path.read_bytes(), path.name
    for part in ("0/2", "3/2", "2", "a/b"):
        refused = cli(*prepare, "--out", tmp_path / "other", "--part", part)
        assert refused.exit_code == 2
        assert f"found '{part}'; expected I/N" in refused.output
