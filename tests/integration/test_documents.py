"""What is shipped and what is written down must work: every config, every command in the README."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from click.testing import CliRunner

from cgan_dist import cli
from cgan_dist.config.document import load_config
from cgan_dist.data.sources import celeba
from cgan_dist.data.writer import Plan, write_shards
from cgan_dist.labels import AttributeLabels, ProductLabels
from examples import glyphs
from examples.draw_celeba import draw_celeba
from examples.draw_celeba import main as draw_main
from tests.autoencoders import encoded
from tests.blocks import DOCUMENTS, blocks, statements, words
from tests.conftest import striped_images
from tests.launching import ROOT

CONFIGS = sorted((ROOT / "configs").glob("**/*.yaml"))
LARGE = ("imagenet256", "celeba_128")
"""Configs whose networks take their time to be built and tried; `tests/fake_gpu` has their iterations."""
UNPARSED = ("apt-get", "cat", "make", "npm", "sbatch", "source", "tar", "wandb")
"""Programs of others; what they are given is theirs to understand."""


@pytest.fixture(scope="session")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn faces in the tree of CelebA."""
    root = tmp_path_factory.mktemp("data") / "celeba"
    draw_celeba(root, 32, "official", size=(89, 109))
    return root


@pytest.fixture
def shards_for(
    digits_folder: Path, faces: Path, autoencoder_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], Path]:
    """Makes a little of what a config's `data.path` names, in its size and with its labels."""

    def make(path: str) -> Path:
        out = tmp_path_factory.mktemp("shards") / "set"
        if size := re.search(r"celeba(\d+)$", path):
            write_shards(celeba.load(faces, "all"), out, Plan(shards=2, size=(int(size[1]), int(size[1]))))
            return out
        if path == "data/imagenet256-latents":
            pictures = tmp_path_factory.mktemp("shards") / "pictures"
            write_shards(striped_images(4, size=64, channels=3), pictures, Plan(shards=2))
            return encoded(pictures, autoencoder_folder, out)
        if path in ("data/emoji", "data/emoji64"):
            pictures = striped_images(32, size=64 if "64" in path else 32, channels=3)
            schema = ProductLabels(parts=[pictures.schema, AttributeLabels(names=["twitter"])])
            labels = np.stack([pictures.labels, pictures.labels % 2], axis=1).astype(schema.dtype)
            write_shards(replace(pictures, labels=labels, schema=schema), out, Plan(shards=2))
            return out
        if path == "data/glyphs":
            fonts = Path(matplotlib.get_data_path(), "fonts", "ttf")
            write_shards(glyphs.load(fonts, "train", characters="ABCDEFGH"), out, Plan(shards=2))
            return out
        if path in ("data/cifar10", "data/my_pictures"):
            write_shards(striped_images(32, size=32 if "cifar" in path else 64, channels=3), out, Plan(shards=2))
            return out
        assert path in ("data/mnist5k", "data/fashion_mnist"), f"no data for {path}"
        return digits_folder

    return make


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=[pytest.mark.long] if path.stem in LARGE else []) for path in CONFIGS],
    ids=[str(path.relative_to(ROOT)) for path in CONFIGS],
)
def test_every_config_passes_the_check(
    path: Path, shards_for: Callable[[str], Path], autoencoder_folder: Path, tmp_path: Path
) -> None:
    config = load_config(path)
    latents = [f"data.autoencoder={autoencoder_folder}"] if config.data.autoencoder else []
    latents += ["evaluate.metrics=[]"] if "imagenet" in path.name else []  # Inception's weights are a download
    arguments = [
        "check",
        "--config",
        str(path),
        f"data.path={shards_for(config.data.path)}",
        *latents,
        f"run.dir={tmp_path}",
        "--processes",
        "2",
        "--no-measure",
    ]
    result = CliRunner().invoke(cli.main, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    assert "All checks passed; nothing was trained." in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_documented_command_can_be_parsed(
    document: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "runs" / "demo").mkdir(parents=True)  # where some write, after the demo
    monkeypatch.chdir(tmp_path)
    for typed in (words(statement) for block in blocks(document, "bash") for statement in statements(block.text)):
        starts = [i for i, word in enumerate(typed) if word in ("cgan-dist", "launch/local.sh") or word.endswith(".py")]
        if not starts:
            assert not typed or typed[0] in UNPARSED, f"unknown command {typed}"
            continue
        program, rest = typed[starts[0]], typed[starts[0] + 1 :]
        script = Path(program).stem if Path(program).stem in cli.main.commands else "train"
        name = rest.pop(0) if program == "cgan-dist" else script
        command = draw_main if program == "examples/draw_celeba.py" else cli.main.commands[name]
        with command.make_context(name, rest):
            pass
        for option, value in zip(rest, rest[1:], strict=False):
            bash = [block.text for block in blocks(document, "bash")]
            made = any(begin in text for text in bash for begin in (f"> {value} <<", f"--out {value}"))
            assert option != "--config" or made or (ROOT / value).is_file(), f"no {value} for {document.name}"
        assert program == "cgan-dist" or (ROOT / program).is_file()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_to_files_that_exist(document: Path) -> None:
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", document.read_text()):
        assert (document.parent / target).exists(), f"{document.name} links to {target}"


NAMED_TEST = re.compile(r"`((?:unit|distributed|integration|hostile|slurm)/[\w/]+\.py)(?:::(\w+))?`")


def test_each_promise_of_trust_names_a_test_that_is_there() -> None:
    named = NAMED_TEST.findall((ROOT / "docs" / "trust.md").read_text())
    assert len(named) > 60
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not (ROOT / "tests" / path).is_file() or f"def {name}" not in (ROOT / "tests" / path).read_text()
    ]
    assert missing == []
