"""A whole run on the card: saved, gone on from exactly, on all cards at once, scored, exported."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from cgan_dist import Generator
from tests.gpu.running import NETWORKS, Run, run, train
from tests.launching import BIN

LENGTH, HALF = "train.total_images=128", "train.total_images=64"
DIFFERENT_LEVELS = 2
"""Of 255, that a pixel may have by another device's rounding."""


@pytest.fixture(scope="session")
def trained(device: str, data: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """128 images with r3, bf16."""
    return train(device, tmp_path_factory.mktemp("trained"), data, *NETWORKS["r3"], "train.precision=bf16", LENGTH)


@pytest.mark.parametrize(
    ("network", "precision"), [("dcgan", "no"), ("resnet", "bf16"), ("r3", "bf16"), ("r3", "fp16")]
)
def test_a_run_that_stops_and_goes_on_ends_as_a_straight_one(
    network: str, precision: str, device: str, data: Path, tmp_path: Path
) -> None:
    own = [*NETWORKS[network], f"train.precision={precision}", "train.deterministic=true"]
    straight = train(device, tmp_path / "straight", data, *own, LENGTH)
    train(device, tmp_path / "halves", data, *own, HALF)
    halves = train(device, tmp_path / "halves", data, *own, LENGTH)
    assert [line["images"] for line in halves.lines] == [line["images"] for line in straight.lines]
    expected, found = straight.tensors, halves.tensors
    assert [name for name in expected if not torch.equal(found[name], expected[name])] == []


def test_all_cards_have_the_numbers_of_one(device: str, data: Path, tmp_path: Path) -> None:
    cards = torch.cuda.device_count()
    processes = max(count for count in (1, 2, 4, 8) if count <= cards)
    one = train(device, tmp_path / "one", data, *NETWORKS["r3"])
    all_of_them = train(device, tmp_path / "all", data, *NETWORKS["r3"], processes=processes)
    for name in ("loss/d", "loss/g", "logits/real"):
        assert all_of_them.lines[0][name] == pytest.approx(one.lines[0][name], rel=2e-3, abs=1e-4)


def test_scores_are_those_of_the_cpu(device: str, trained: Run) -> None:
    found = {}
    for where in (device, "cpu"):
        metrics = "label_accuracy,frechet_distance,kid@classifier,precision@classifier"
        run(where, str(BIN / "cgan-dist"), "evaluate", str(trained.folder), "--metrics", metrics, "--count", "256")
        found[where] = json.loads((trained.folder / "evaluation.json").read_text())[-1]["scores"]
    assert found[device] == pytest.approx(found["cpu"], rel=0.02, abs=0.02)


def test_an_export_draws_on_the_cpu_what_the_card_draws(device: str, trained: Run, tmp_path: Path) -> None:
    out = tmp_path / "model"
    run(device, str(BIN / "cgan-dist"), "export", str(trained.folder), "--out", str(out), "--format", "all")
    drawn = {
        where: Generator.from_pretrained(out, map_location=where).sample("0,1,2", count=24, seed=3).astype(int)
        for where in ("cpu", device)
    }
    assert np.abs(drawn["cpu"] - drawn[device]).max() <= DIFFERENT_LEVELS
