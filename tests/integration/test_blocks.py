"""What stands in the documents' blocks is run, from top to bottom, as a reader would type it; but smaller."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest
import webdataset
from accelerate.state import AcceleratorState
from click.testing import CliRunner
from PIL import Image

from cgan_dist import cli
from cgan_dist.config.document import parse_config
from cgan_dist.config.yaml_text import read_yaml
from cgan_dist.data.codecs import encode
from cgan_dist.data.source import InMemory, Source
from cgan_dist.data.sources import mnist5k
from examples.draw_celeba import draw_celeba
from tests.blocks import DOCUMENTS, Block, blocks, statements, words
from tests.launching import ROOT, environment

CODE = ("bash", "python", "yaml")
OTHERS = ("json", "text")
ELSEWHERE = {
    ("cgan-dist", "demo"): "serves until it is stopped; test_playground.py asks it for pages",
    ("cgan-dist", "submit"): "needs Slurm; tests/slurm has a cluster",
    ("cgan-dist", "status"): "the same",
    ("sbatch",): "the same",
    ("accelerate", "launch", "--multi_gpu"): "test_launchers.py and tests/distributed start it, on CPUs",
    ("torchrun",): "test_launchers.py starts it",
    ("python", "launch/train.py"): "the same",
    ("make",): "make runs these tests; that there is such a target is tested below",
    ("source",): "changes the shell that it is typed in",
    ("wandb",): "needs an account; test_tracking.py uploads to a server of its own",
}
"""Commands that are not run here, by how they begin; a block that is not run says why in its document."""
SMALLER = "train.batch_size=8 train.total_images={} sample.per_class=2 checkpoint.interval_images=16 evaluate.count=20"
pytestmark = pytest.mark.filterwarnings("ignore:Pydantic V1 style `@validator`")  # of wandb-workspaces, at its import
PICTURES = 200
YAML = [block for document in DOCUMENTS for block in blocks(document, "yaml")]
TRAINS = re.compile(r"(cgan-dist train|launch/train\.py|launch/local\.sh) ")
PREPARES = re.compile(r"(cgan-dist prepare|launch/prepare\.py) ")
CHECKS = re.compile(r"cgan-dist check ")


def test_every_block_says_what_it_is_in() -> None:
    for document in DOCUMENTS:
        assert [str(block) for block in blocks(document) if block.language not in CODE + OTHERS] == []
        commands = re.findall(
            r"^    (?:cgan-dist|python|accelerate|sbatch|make) .*", document.read_text(), re.MULTILINE
        )
        assert commands == [], f"{document.name}: a command outside of a block is tried by nobody"


@pytest.fixture(scope="module", autouse=True)
def _few_digits() -> Iterator[None]:
    """Of `mnist5k` a twelfth is there, so that a classifier of them takes a second."""
    whole = mnist5k.load(None, "train")
    some = range(0, len(whole), 12)
    read = InMemory(np.stack([whole.read(index) for index in some]))
    digits = Source(labels=whole.labels[some], schema=whole.schema, read=read, description=whole.description)

    def load(folder: Path | None, split: str) -> Source:
        return digits

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mnist5k, "load", load)
        yield


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures of a user: in folders, a table, CelebA's tree, Parquet, a zip of StyleGAN's and tars of WebDataset's."""
    folder = tmp_path_factory.mktemp("home")
    draw_celeba(folder / "celeba", 40, "official", size=(89, 109))
    for number in range(PICTURES):
        picture = Image.new("RGB", (40, 30), (number, 128, 255 - number))
        for name in (f"pictures/{('cat', 'dog')[number % 2]}/{number}.jpg", f"plants/{number:04}.jpg"):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            picture.save(folder / name)
    (folder / "shards").mkdir()
    with webdataset.ShardWriter(f"{folder}/shards/train-%06d.tar", maxcount=64, verbose=0) as shards:
        for number in range(PICTURES):
            square = np.full((32, 32, 3), (number, 128, 255 - number), np.uint8)
            shards.write({"__key__": f"{number:06}", "jpg": encode(square, "jpeg", 95), "cls": number % 2})
    with (folder / "plants" / "labels.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["path", "species", "Flowering", "Potted", "height"])
        table.writerows([f"{n:04}.jpg", ("fern", "oak", "rose")[n % 3], n % 2, n // 2 % 2, n] for n in range(PICTURES))
    plants = [Image.open(path).copy() for path in sorted((folder / "plants").glob("*.jpg"))]  # a copy has no path
    rows = {"image": plants, "label": [0, 1] * (PICTURES // 2)}
    kinds = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=["cat", "dog"])})
    (folder / "pets").mkdir()
    datasets.Dataset.from_dict(rows, kinds).to_parquet(folder / "pets" / "train-00000-of-00001.parquet")
    labels = [[f"{n:04}.jpg", n % 2] for n in range(PICTURES)]
    with zipfile.ZipFile(folder / "animals.zip", "w") as archive:
        archive.writestr("dataset.json", json.dumps({"labels": labels}))
        for name, _ in labels:
            archive.write(folder / "plants" / str(name), name)
    return folder


@pytest.fixture(scope="module")
def workshop(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data and runs that documents speak of and do not make."""
    folder = tmp_path_factory.mktemp("workshop")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for name, source in {
            "mnist5k": "mnist5k",
            "celeba": f"celeba --source {home}/celeba --size 32 --option attributes=[Male,Smiling,Eyeglasses]",
            "plants": f"csv --source {home}/plants --size 16 --option label=species "
            "--option attributes=[Flowering,Potted] --option continuous=[height]",
        }.items():
            _type(f"cgan-dist prepare {source} --out data/{name}")
        train = f"cgan-dist train --config {ROOT}/configs/demo.yaml"
        for name in ("celeba", "plants"):
            _type(f"{train} run.name={name} data.path=data/{name} conditioning.labels=auto", images=8)
        _type(f"{train} evaluate.metrics=[label_accuracy] checkpoint.keep_best=label_accuracy", images=8)
        shutil.copytree("runs/celeba", "runs/drawn-celeba")
    return folder


@pytest.fixture
def place(request: pytest.FixtureRequest, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder is one where a document's commands can be typed; what it does not make is there."""
    document: Path = request.getfixturevalue("document")
    for name in ("configs", "examples", "launch"):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "digits").mkdir()
    for name in ("digit.png", "digits/0.png", "digits/1.png"):
        Image.effect_noise((28, 28), 60).save(tmp_path / name)
    typed = [block.text for block in blocks(document, "bash") if block.reason is None]
    if not any("cgan-dist prepare" in text for text in typed):
        workshop: Path = request.getfixturevalue("workshop")
        shutil.copytree(workshop / "runs", tmp_path / "runs")
        (tmp_path / "data").mkdir()
        for path in (workshop / "data").iterdir():
            (tmp_path / "data" / path.name).symlink_to(path)  # what is learned of it is kept beside it, for all
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return tmp_path


@pytest.mark.slow
@pytest.mark.timeout(2000)
@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_blocks_of_a_document_run(document: Path, place: Path) -> None:
    for block in blocks(document, "bash", "python"):
        if block.reason is not None:
            continue
        if block.language == "python":
            exec(compile(block.text, str(block), "exec", dont_inherit=True), {"__name__": "block"})
            continue
        for statement in statements(block.text):
            if not _is_tried_elsewhere(statement):
                _type(statement, str(block))


def _is_tried_elsewhere(statement: str) -> bool:
    return any(tuple(words(statement)[: len(start)]) == start for start in ELSEWHERE)


def _smaller(statement: str, images: int) -> str:
    """The same in seconds."""
    statement = re.sub(r"--count \d+", "--count 40", statement.split("  #")[0])
    added = ((TRAINS, SMALLER.format(images)), (PREPARES, "--processes 1"), (CHECKS, "--no-measure"))
    for begins, more in added:
        statement += f" {more}" if begins.search(statement) else ""
    return statement


def _type(statement: str, where: str = "", images: int = 16) -> None:
    """Does what a shell would; commands of ours that need no shell are called here, which saves a start of torch."""
    statement = _smaller(statement, images)
    typed = [os.path.expanduser(word) for word in words(statement)]
    if typed[:1] == ["cgan-dist"] and not re.match(r"[A-Z_]+=", statement):
        AcceleratorState._reset_state(reset_partial_state=True)
        result = CliRunner().invoke(cli.main, typed[1:], catch_exceptions=False)
        assert result.exit_code == 0, f"{where}: {statement}\n{result.output}"
        return
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", statement], env=environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{where}: {statement}\n{done.stdout}{done.stderr}"


def test_makefile_has_the_targets_of_the_documents() -> None:
    for statement in (s for path in DOCUMENTS for block in blocks(path, "bash") for s in statements(block.text)):
        typed = words(statement)
        if typed[:1] == ["make"]:
            subprocess.run([*typed, "--dry-run"], cwd=ROOT, check=True, capture_output=True)


@pytest.mark.parametrize("block", YAML, ids=str)
def test_a_block_of_yaml_is_a_piece_of_a_config(block: Block, tmp_path: Path) -> None:
    path = tmp_path / "piece.yaml"
    path.write_text(block.text)
    values: dict[str, Any] = {"data": {"path": "data"}} | read_yaml(path)
    parse_config(values, str(block))
