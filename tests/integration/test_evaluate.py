from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from torch import nn

from cgan_dist.cli import main
from cgan_dist.data.writer import Plan, write_shards
from cgan_dist.evaluation.features import inception
from tests.conftest import CONFIG, striped_images
from tests.integration.conftest import Cli


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory: pytest.TempPathFactory, shards_folder: Path) -> Path:
    folder = tmp_path_factory.mktemp("trained")
    (folder / "config.yaml").write_text(CONFIG.format(runs=folder / "runs", data=shards_folder))
    result = CliRunner().invoke(main, ["train", "--config", str(folder / "config.yaml")])
    assert result.exit_code == 0, result.output
    return folder / "runs" / "test"


@pytest.fixture
def trained(trained_once: Path, tmp_path: Path) -> Path:
    """A copy, so that each test has an empty scoreboard."""
    return Path(shutil.copytree(trained_once, tmp_path / "run"))


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A file like Inception's, of random weights."""
    torch.manual_seed(0)
    network = inception._without_weights()
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight)
    torch.save(network.state_dict(), tmp_path / "inception.pth")
    return tmp_path / "inception.pth"


def entries(run: Path) -> list[dict[str, Any]]:
    return json.loads((run / "evaluation.json").read_text())  # type: ignore[no-any-return]


def test_scores_are_shown_and_written_with_their_protocol(cli: Cli, trained: Path) -> None:
    metrics = "label_accuracy,frechet_distance,kid,precision"
    result = cli("evaluate", trained, "--metrics", metrics, "--features", "classifier", "--count", 60)
    assert result.exit_code == 0, result.output
    assert "60 generated images of step-000000000064 (64 images seen), seed 0" in result.output
    (entry,) = entries(trained)
    assert (entry["checkpoint"], entry["images"]) == ("step-000000000064", 64)
    names = {"label_accuracy", "frechet_distance", "kid@classifier", "precision@classifier", "coverage@classifier"}
    assert names <= entry["scores"].keys()
    assert 0 <= entry["scores"]["label_accuracy"] <= 1
    for name, value in entry["scores"].items():
        assert f"{name} " in result.output
        assert f"{value:.5g}" in result.output
    protocol = entry["protocol"]
    assert protocol["scored"] == {
        "images": "generated",
        "count": 60,
        "seed": 0,
        "truncation": None,
        "shuffled_labels": False,
    }
    assert (protocol["reference"]["split"], protocol["reference"]["count"]) == ("all", 203)
    assert len(protocol["extractors"]["classifier"]) == 64


def test_one_entry_for_each_protocol(cli: Cli, trained: Path) -> None:
    for options in ((), ("--seed", 1), ("--shuffle-labels",), ("--truncation", 0.5, "--split", "train"), ()):
        assert cli("evaluate", trained, "--count", 30, *options).exit_code == 0
    found = [entry["protocol"] for entry in entries(trained)]
    assert [protocol["scored"]["seed"] for protocol in found] == [1, 0, 0, 0]
    assert [protocol["scored"]["shuffled_labels"] for protocol in found] == [False, True, False, False]
    assert [protocol["scored"]["truncation"] for protocol in found] == [None, None, 0.5, None]
    assert [protocol["reference"]["count"] for protocol in found] == [203, 203, 183, 203]


def test_real_images_by_the_same_protocol(cli: Cli, trained: Path, shards_folder: Path, tmp_path: Path) -> None:
    result = cli("evaluate", trained, "--split", "train", "--real", shards_folder, "--real-split", "held_out")
    assert result.exit_code == 0, result.output
    assert "20 real images, against 183 real images (train of" in result.output
    write_shards(striped_images(50, seed=5), tmp_path / "test", Plan(shards=2))
    assert cli("evaluate", trained, "--real", tmp_path / "test", "--count", 40).exit_code == 0
    first, second = entries(trained)
    assert (first["protocol"]["scored"]["images"], second["protocol"]["scored"]["count"]) == ("real", 40)
    assert first["protocol"]["scored"]["data"] != second["protocol"]["scored"]["data"]
    assert second["scores"]["label_accuracy"] > 0.9


def test_a_checkpoint_inside_a_run_is_the_runs(cli: Cli, trained: Path, tmp_path: Path) -> None:
    assert cli("evaluate", trained / "checkpoints" / "step-000000000032", "--count", 30).exit_code == 0
    assert [entry["images"] for entry in entries(trained)] == [32]
    (tmp_path / "config.yaml").touch()  # of who knows what
    copy = tmp_path / "elsewhere" / "copy"
    shutil.copytree(trained / "checkpoints" / "step-000000000032", copy)
    result = cli("evaluate", copy, "--count", 30)
    assert result.exit_code == 0, result.output
    assert "written" not in result.output
    assert list(copy.parent.iterdir()) == [copy]


def test_another_place_of_the_data_and_other_data(cli: Cli, trained: Path, shards_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(shards_folder, tmp_path / "moved")
    assert cli("evaluate", trained, "--count", 30, "--data", tmp_path / "moved").exit_code == 0
    write_shards(striped_images(50, size=10), tmp_path / "larger", Plan(shards=2))
    for option in ("--data", "--real"):
        result = cli("evaluate", trained, "--count", 30, option, tmp_path / "larger")
        assert result.exit_code == 2
        assert f"{option} {tmp_path / 'larger'}: found height 10, expected" in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("options", "fragment"),
    [
        (("--metrics", "label_acuracy"), "--metrics: unknown metric 'label_acuracy'. Did you mean 'label_accuracy'?"),
        (("--metrics", "fid@inceptoin"), "Did you mean 'inception'?"),
        (("--metrics", "fid", "--inception-weights", "absent.pth"), "cannot read Inception's weights absent.pth"),
        (("--inception-sha256", "ab"), "inception_sha256"),
        (("--shuffle-labels", "--real", "anywhere"), "--shuffle-labels is about samples"),
        (("--truncation", "0.5", "--real", "anywhere"), "--truncation is about samples"),
        (("--truncation", "-1"), "truncation"),
        (("--real", "nowhere"), "nowhere"),
        (("--metrics", "frechet_distance", "--count", 1), "frechet_distance: found 1 sample"),
    ],
)
def test_what_cannot_be_done_is_refused(cli: Cli, trained: Path, options: tuple[object, ...], fragment: str) -> None:
    result = cli("evaluate", trained, *options)
    assert result.exit_code == 2
    assert fragment in result.output
    assert not (trained / "evaluation.json").exists()


def test_path_length_is_of_samples_alone(cli: Cli, trained: Path, shards_folder: Path) -> None:
    result = cli("evaluate", trained, "--metrics", "path_length", "--count", 30)
    assert result.exit_code == 0, result.output
    (entry,) = entries(trained)
    assert entry["scores"]["path_length"] > 0
    assert {"path_length/class_0", "path_length/class_2"} <= entry["scores"].keys()
    result = cli("evaluate", trained, "--metrics", "path_length", "--real", shards_folder)
    assert (result.exit_code, "--metrics: path_length measures ways through z" in result.output) == (2, True)


def test_a_scoreboard_that_is_none_is_refused_before_any_work(cli: Cli, trained: Path) -> None:
    (trained / "evaluation.json").write_text("[")
    result = cli("evaluate", trained, "--count", 30)
    assert (result.exit_code, "evaluation.json: cannot be read" in result.output) == (2, True)


@pytest.mark.slow
def test_inception_from_a_file_by_its_hash(cli: Cli, trained: Path, weights: Path) -> None:
    few = ("--metrics", "fid,inception_score", "--count", 12, "--real-count", 8, "--inception-weights", weights)
    result = cli("evaluate", trained, *few)
    assert result.exit_code == 2
    assert "the sha256 of Inception's weights" in result.output
    digest = hashlib.sha256(weights.read_bytes()).hexdigest()
    result = cli("evaluate", trained, *few, "--inception-sha256", digest)
    assert result.exit_code == 0, result.output
    (entry,) = entries(trained)
    assert entry["protocol"]["extractors"] == {"inception": digest}
    assert entry["scores"]["fid"] > 0
    assert entry["scores"]["inception_score"] >= 1


def test_training_asks_for_inceptions_weights_before_it_begins(
    cli: Cli, config_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.hub, "_hub_dir", str(tmp_path / "hub"))
    monkeypatch.setattr(inception, "URL", "http://127.0.0.1:9/weights.pth")
    result = cli("train", "--config", config_file, "evaluate.metrics=[fid]")
    assert result.exit_code == 2
    assert "evaluate.metrics: fid needs Inception's weights" in result.output
    assert not (tmp_path / "runs" / "test" / "metrics.jsonl").exists()


def test_a_config_names_features_and_arguments(cli: Cli, config_file: Path, tmp_path: Path) -> None:
    metrics = "[fid@classifier, {name: kid@classifier, args: {subsets: 3, subset_size: 20}}]"
    result = cli("train", "--config", config_file, f"evaluate={{interval_images: 32, metrics: {metrics}, count: 30}}")
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in (tmp_path / "runs" / "test" / "metrics.jsonl").read_text().splitlines()]
    assert [
        line["images"] for line in lines if "eval/fid@classifier" in line and "eval/kid@classifier/std" in line
    ] == [
        32,
        64,
    ]
    again = cli("train", "--config", config_file, f"evaluate={{metrics: {metrics}}}")
    assert again.exit_code == 0, again.output
