"""`cgan-dist resume-info` on a run as training leaves it."""

from __future__ import annotations

from pathlib import Path

from tests.integration.conftest import Cli


def test_a_run_before_and_after_damage(cli: Cli, config_file: Path, tmp_path: Path) -> None:
    run = tmp_path / "runs" / "test"
    assert cli("train", "--config", config_file).exit_code == 0
    shown = cli("resume-info", run)
    assert shown.exit_code == 0
    assert "64 of 64 images (100.0%)" in shown.output
    assert "goes on from step-000000000064" in shown.output
    assert "labels auto (data: classes), generator dcgan, discriminator dcgan" in shown.output
    assert "1 process(es)" in shown.output
    assert "at 64 images: " in shown.output
    assert shown.output.count("whole") == 2

    generator = run / "checkpoints" / "step-000000000064" / "generator.safetensors"
    generator.write_bytes(generator.read_bytes()[:-1])
    shown = cli("resume-info", run)
    assert shown.exit_code == 0
    assert "goes on from step-000000000032" in shown.output
    assert "damaged: generator.safetensors has " in shown.output
    assert cli("train", "--config", config_file).exit_code == 0
    assert "goes on from step-000000000064" in cli("resume-info", run).output


def test_no_run_folder_is_exit_code_2(cli: Cli, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "absent"):
        result = cli("resume-info", path)
        assert result.exit_code == 2
        assert "expected a run folder such as runs/demo" in result.output
