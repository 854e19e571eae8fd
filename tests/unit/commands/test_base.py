from __future__ import annotations

import json
import shutil
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cgan_dist.cli import main
from cgan_dist.commands import base
from cgan_dist.commands.base import UserCommand
from cgan_dist.errors import PassingError, UserError


@click.command(cls=UserCommand)
@click.option("--count", type=int)
def broken(count: int | None) -> None:
    raise UserError("train.batchsize: unknown key.")


@pytest.mark.parametrize(("rank", "text"), [("0", "Error: train.b"), ("2", "Error (rank 2): train.b")])
def test_rank_0_speaks_at_once_and_others_where_nobody_has_ended_them(
    rank: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    waited: list[float] = []
    monkeypatch.setattr("time.sleep", waited.append)
    result = CliRunner().invoke(broken, env={"RANK": rank})
    assert result.exit_code == 2
    assert text in result.output
    assert len(waited) == (rank != "0")
    assert all(seconds >= 30 for seconds in waited)


def test_a_rank_that_is_ended_while_it_waits_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def end(seconds: float) -> None:
        raise SystemExit(143)

    monkeypatch.setattr("time.sleep", end)
    result = CliRunner().invoke(broken, env={"RANK": "1"})
    assert (result.exit_code, result.output) == (143, "")


@pytest.mark.parametrize("there", [True, False])
def test_the_message_is_left_for_the_job_script_too(
    there: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "error" if there else tmp_path / "no such folder" / "error"
    monkeypatch.setenv("CGAN_DIST_ERROR_FILE", str(file))
    result = CliRunner().invoke(broken)
    assert (result.exit_code, result.output) == (2, "Error: train.batchsize: unknown key.\n")
    assert not there or file.read_text() == "train.batchsize: unknown key.\n"


def test_what_may_pass_is_no_reason_for_a_job_to_give_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    @click.command(cls=UserCommand)
    def locked() -> None:
        raise PassingError("run.name: is being trained by another process.")

    monkeypatch.setenv("CGAN_DIST_ERROR_FILE", str(tmp_path / "error"))
    result = CliRunner().invoke(locked)
    assert (result.exit_code, result.output) == (2, "Error: run.name: is being trained by another process.\n")
    assert not (tmp_path / "error").exists()


def test_a_command_line_that_makes_no_sense_is_a_reason_to_give_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CGAN_DIST_ERROR_FILE", str(tmp_path / "error"))
    assert CliRunner().invoke(broken, ["--count", "few"]).exit_code == 2
    assert "'few' is not a valid integer" in (tmp_path / "error").read_text()


@pytest.mark.parametrize("argument", ["a\nb", "\x1b[2J", "\x9b"])
def test_an_argument_with_a_control_character_is_refused(argument: str) -> None:
    for arguments in (["sample", argument], ["submit", "--config", "c.yaml", "--partition", argument]):
        result = CliRunner().invoke(main, arguments)
        assert result.exit_code == 2
        assert "found a line end or another control character in" in result.output
        assert argument not in result.output


def test_commands_print_by_the_one_function() -> None:
    folder = Path(base.__file__).parent
    others = [path.name for path in folder.glob("*.py") if "click.echo" in path.read_text() and path.name != "say.py"]
    assert others == []


def test_what_others_have_written_does_nothing_to_the_terminal(shards_folder: Path, tmp_path: Path) -> None:
    data = shutil.copytree(shards_folder, tmp_path / "data")
    manifest = json.loads((data / "manifest.json").read_text())
    (data / "manifest.json").write_text(json.dumps(manifest | {"source": "web \x1b[2J http://ada:secret@host/"}))
    result = CliRunner().invoke(main, ["inspect", str(data)])
    assert result.exit_code == 0
    assert "source: web \\x1b[2J http://***@host/\n" in result.output
    manifest["labels"]["names"][0] = "\x1b[2J"
    (data / "manifest.json").write_text(json.dumps(manifest))
    result = CliRunner().invoke(main, ["inspect", str(data)])
    assert result.exit_code == 2
    assert "found a control character in the name '\\x1b[2J'" in result.output
