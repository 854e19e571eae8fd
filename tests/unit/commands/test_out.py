"""Names of files and folders to write, as they are typed."""

from __future__ import annotations

from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from cgan_dist.commands.base import UserCommand
from cgan_dist.commands.out import OutFile, OutFolder


@click.command(cls=UserCommand)
@click.option("--out", "-o", type=OutFile("the list", [".csv", ".json"]), help="List to write.")
@click.option("--to", type=OutFolder(), help="Folder to make.")
def write(out: Path | None, to: Path | None) -> None:
    click.echo(f"{out!r} {to!r}")


def typed(*words: object) -> Result:
    return CliRunner().invoke(write, list(map(str, words)))


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "file").touch()


@pytest.mark.parametrize("name", ["a.csv", "b.JSON", "folder.csv/c.Json", "./file.csv"])
def test_a_file_that_can_be_written(name: str) -> None:
    assert typed("--out", name).output == f"{Path(name)!r} None\n"


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("a.txt", "--out a.txt: found '.txt'; expected a name that ends in .csv or .json."),
        ("a", "--out a: found no suffix; expected a name that ends in .csv or .json."),
        ("", "--out .: found no suffix; expected a name that ends in .csv or .json."),
        ("no/a.csv", "--out no/a.csv: cannot write the list: No such file or directory: 'no'. Make that folder"),
        ("file/a.csv", "--out file/a.csv: cannot write the list: Not a directory: 'file'."),
        ("folder.csv", "--out folder.csv: cannot write the list: there is a folder of that name"),
    ],
)
def test_a_file_that_cannot(name: str, error: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CGAN_DIST_ERROR_FILE", str(tmp_path / "error"))
    result = typed("-o", name)
    assert (result.exit_code, error in result.output) == (2, True), result.output
    assert "Traceback" not in result.output
    assert (tmp_path / "error").read_text().startswith(error), "a job script reads it there"


@pytest.mark.parametrize("name", ["a", "a/b/c", "v1.0", "digits.2024", "folder.csv/a", "."])
def test_a_folder_that_can_be_made(name: str) -> None:
    assert typed("--to", name).output == f"None {Path(name)!r}\n"


@pytest.mark.parametrize("name", ["a.png", "a/b.NPZ", "model.onnx", "model.safetensors", "film.gif", "shards.tar"])
def test_a_name_that_promises_a_file_is_no_folder(name: str) -> None:
    error = f"--to {name}: found '{Path(name).suffix}', as a file's name ends; expected the name of a folder."
    result = typed("--to", name)
    assert (result.exit_code, error in result.output) == (2, True), result.output


def test_help_says_file_or_folder() -> None:
    text = typed("--help").output
    assert "--out FILE" in text
    assert "--to FOLDER" in text
