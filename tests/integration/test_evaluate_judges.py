"""GAN-train, GAN-test, diversity and memorization as a user asks for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cgan_dist.cli import main
from tests.conftest import CONFIG
from tests.integration.conftest import Cli


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, shards_folder: Path) -> Path:
    folder = tmp_path_factory.mktemp("judged")
    (folder / "config.yaml").write_text(CONFIG.format(runs=folder / "runs", data=shards_folder))
    result = CliRunner().invoke(main, ["train", "--config", str(folder / "config.yaml")])
    assert result.exit_code == 0, result.output
    return folder / "runs" / "test"


def last_scores(run: Path) -> dict[str, Any]:
    return json.loads((run / "evaluation.json").read_text())[-1]["scores"]  # type: ignore[no-any-return]


def test_samples_are_judged_and_a_lone_gan_test_needs_no_features(cli: Cli, run: Path) -> None:
    result = cli("evaluate", run, "--metrics", "gan_train,gan_test,diversity,memorization", "--count", 90)
    assert result.exit_code == 0, result.output
    scores = last_scores(run)
    assert {"gan_train/real/class_2", "gan_test/class_2", "diversity/class_2", "memorization/z"} <= scores.keys()
    assert scores["gan_test"] < 0.9  # after 64 images it has learned nothing
    assert cli("evaluate", run, "--metrics", "gan_test", "--count", 90).exit_code == 0
    alone = last_scores(run)
    assert {name: value for name, value in scores.items() if name.startswith("gan_")} == alone


def test_copies_of_the_training_images_are_caught_and_obey(cli: Cli, run: Path, shards_folder: Path) -> None:
    metrics = "gan_train,diversity,memorization"
    result = cli("evaluate", run, "--metrics", metrics, "--count", 203, "--real", shards_folder)
    assert result.exit_code == 0, result.output
    scores = last_scores(run)
    assert scores["memorization"] > 0.85  # those that were not held out
    assert scores["memorization/z"] < -3
    assert scores["diversity"] == pytest.approx(1)
    assert scores["gan_test"] > 0.5
