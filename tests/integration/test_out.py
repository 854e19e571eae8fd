"""Every command that writes: what its name says is written, or refused before anything is loaded."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cgan_dist.cli import main
from tests.integration.conftest import Cli

PICTURE = "expected a name that ends in .png, .jpg, .jpeg or .webp."
EITHER = "expected a name that ends in .png, .jpg, .jpeg, .webp, .gif or .mp4."
FILM = "expected a name that ends in .gif or .mp4."
FOLDER = "expected the name of a folder."
REFUSED = [
    ("sample nowhere --out a.gif", PICTURE),
    ("sample nowhere --out a", PICTURE),
    ("walk nowhere --out a.bmp", EITHER),
    ("slide nowhere --out a.npz", EITHER),
    ("neighbours nowhere --out a.mp4", PICTURE),
    ("film nowhere --out a.png", FILM),
    ("inspect nowhere --sheet a.gif", PICTURE),
    ("dashboard --project digits --out a.yaml", "expected a name that ends in .json."),
    ("prepare mnist5k --out a.tar", FOLDER),
    ("adopt nowhere --out a.tar", FOLDER),
    ("encode nowhere --autoencoder nowhere --out a.npz", FOLDER),
    ("new nowhere --out a.txt", "expected a name that ends in .yaml or .yml."),
    ("export nowhere --out a.safetensors", FOLDER),
    ("invert nowhere a.png --out a.safetensors", FOLDER),
    ("directions nowhere --out a.safetensors", FOLDER),
    ("edit nowhere --labels 3 --out a.txt", EITHER),
    ("generate nowhere --out a.npz", f"{FOLDER} It is what --format folder makes."),
    ("generate nowhere --format shards --out a.tar", FOLDER),
    ("generate nowhere --format npz --out a", "expected a name that ends in .npz. It is what --format npz makes."),
    ("generate nowhere --format npz --out a.zip", "expected a name that ends in .npz."),
]
FILES = [
    "sample nowhere --out no/a.png",
    "walk nowhere --out no/a.gif",
    "slide nowhere --out no/a.jpg",
    "neighbours nowhere --out no/a.webp",
    "film nowhere --out no/a.mp4",
    "edit nowhere --labels 3 --out no/a.png",
    "inspect nowhere --sheet no/a.png",
    "dashboard --project digits --out no/a.json",
    "new nowhere --out no/a.yaml",
]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)


def test_no_command_that_writes_is_forgotten_here() -> None:
    writers = {
        name
        for name, command in main.commands.items()
        for param in command.params
        if {"--out", "--sheet"} & set(param.opts)
    }
    assert {line.split()[0] for line, _ in REFUSED} == writers
    assert {line.split()[0] for line in FILES} == writers - {
        "prepare",
        "adopt",
        "encode",
        "export",
        "generate",
        "invert",
        "directions",
    }, "these make folders"


@pytest.mark.parametrize(("line", "expected"), REFUSED)
def test_a_name_that_says_something_else_is_refused_at_once(cli: Cli, tmp_path: Path, line: str, expected: str) -> None:
    *_, option, name = line.split()
    result = cli(*line.split())
    assert result.exit_code == 2, result.output
    found = f"'{Path(name).suffix}'" if "." in name else "no suffix"
    assert f"Error: {option} {name}: found {found}" in result.output
    assert expected in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("line", FILES)
def test_no_folder_is_made_for_a_file(cli: Cli, tmp_path: Path, line: str) -> None:
    result = cli(*line.split())
    assert result.exit_code == 2, result.output
    assert f"Error: {' '.join(line.split()[-2:])}: cannot write the " in result.output
    assert "No such file or directory: 'no'. Make that folder (mkdir -p), or give another name." in result.output
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "form"), [("a.png", "PNG"), ("a.PNG", "PNG"), ("a.jpg", "JPEG"), ("a.jpeg", "JPEG"), ("a.webp", "WEBP")]
)
def test_a_sample_is_written_as_its_name_says(cli: Cli, small_run: Path, name: str, form: str) -> None:
    assert cli("sample", small_run, "--labels", "0,flat", "--per-label", 2, "--out", name).exit_code == 0
    assert cli("sample", small_run, "--labels", "0,flat", "--per-label", 2, "--out", "whole.png").exit_code == 0
    with Image.open(name) as found, Image.open("whole.png") as whole:
        assert found.format == form
        error = np.abs(np.asarray(found).astype(int) - np.asarray(whole))
    assert error.mean() <= 2 if form == "JPEG" else error.max() == 0


@pytest.mark.parametrize("command", ["walk", "slide", "neighbours", "inspect"])
@pytest.mark.parametrize(("name", "form"), [("a.png", "PNG"), ("a.JPG", "JPEG"), ("a.WebP", "WEBP")])
def test_so_is_every_other_picture(
    cli: Cli, small_run: Path, shards_folder: Path, command: str, name: str, form: str
) -> None:
    arguments = [shards_folder, "--sheet"] if command == "inspect" else [small_run, "--labels", "0,1", "--out"]
    result = cli(command, *arguments, name)
    assert result.exit_code == 0, result.output
    with Image.open(name) as found:
        assert found.format == form


@pytest.mark.parametrize("command", ["walk", "slide", "film"])
def test_a_film_may_have_a_name_in_capitals(cli: Cli, small_run: Path, tmp_path: Path, command: str) -> None:
    for name, magic in (("A.GIF", (0, b"GIF89a")), ("A.MP4", (4, b"ftyp"))):
        assert cli(command, small_run, "--out", name).exit_code == 0
        start, expected = magic
        assert (tmp_path / name).read_bytes()[start:].startswith(expected)


def test_a_set_in_one_file_may_too(cli: Cli, small_run: Path) -> None:
    result = cli("generate", small_run, "--count", 4, "--format", "npz", "--out", "A.NPZ")
    assert result.exit_code == 0, result.output
    with np.load("A.NPZ") as found:
        assert len(found["images"]) == 4


def test_a_form_of_ones_own_says_what_its_name_ends_in(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_forms.py").write_text(
        "from cgan_dist import SetForm\nclass Zip(SetForm):\n    suffix = '.zip'\nclass Any(SetForm):\n    pass\n"
    )
    monkeypatch.delitem(sys.modules, "own_forms", raising=False)
    result = cli("generate", "nowhere", "--format", "own_forms:Zip", "--out", "a.npz")
    assert "--out a.npz: found '.npz'; expected a name that ends in .zip." in result.output
    for arguments in (["own_forms:Zip", "--out", "a.zip"], ["own_forms:Any", "--out", "a.npz"]):
        result = cli("generate", "nowhere", "--format", *arguments)
        assert (result.exit_code, "nowhere: no such folder" in result.output) == (2, True), result.output
