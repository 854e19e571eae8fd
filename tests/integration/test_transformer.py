"""Transformers with levels, guidance and truncation, through the commands that a user types."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from cgan_dist import Generator
from cgan_dist.checkpoints.store import find_checkpoint
from tests.integration.conftest import Cli

NETWORKS = (
    "generator={name: transformer, latent_dim: 8, latent: normal, args: {width: 8, depth: 2, heads: 1, patch: 4, "
    "levels: 2, checkpoint: true}}",
    "discriminator={name: transformer, args: {width: 8, depth: 1, heads: 1, patch: 4, levels: 2, apart: true}}",
    "conditioning={labels: classes, generator: [embedding, film], discriminator: [projection, auxiliary]}",
    "loss={adversarial: relativistic, guidance: true, consistency: 1, penalties: {r1_approximate: 0.1, r2: 0.1}}",
    "optim={weight_decay: 0.01, clip_norm: 1, width_aware: 16, warmup_images: 32, multipliers: {mapping: 0.01}}",
    "data.augment=[flip, color]",
    "train.plan=[D, G]",
)


@pytest.fixture
def run(cli: Cli, config_file: Path, tmp_path: Path) -> Path:
    result = cli("train", "--config", config_file, *NETWORKS)
    assert result.exit_code == 0, result.output
    return tmp_path / "runs" / "test"


def test_a_resumed_run_is_exact(cli: Cli, run: Path, config_file: Path, tmp_path: Path) -> None:
    longer = (*NETWORKS, "train.total_images=128")
    assert cli("train", "--config", config_file, *longer).exit_code == 0
    assert cli("train", "--config", config_file, *longer, "run.name=straight").exit_code == 0
    resumed, straight = find_checkpoint(run), find_checkpoint(tmp_path / "runs" / "straight")
    assert resumed.images_seen == straight.images_seen == 128
    for name in ("generator", "discriminator", "ema"):
        ours, theirs = resumed.tensors(name), straight.tensors(name)
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs), name
    for name in ("optimizer_g_adam", "optimizer_d_adam"):
        torch.testing.assert_close(resumed.optimizer(name), straight.optimizer(name), rtol=0, atol=0)


def test_truncated_samples_are_nearer_to_each_other(cli: Cli, run: Path, tmp_path: Path) -> None:
    spread = {}
    for share in (None, 1.0, 0.01):
        out = tmp_path / f"{share}.png"
        options = [] if share is None else ["--truncation", share]
        result = cli("sample", run, "--labels", "0", "--per-label", 8, "--out", out, *options)
        assert result.exit_code == 0, result.output
        spread[share] = np.asarray(Image.open(out).convert("L"), dtype=float)
    assert np.array_equal(spread[None], spread[1.0])
    assert not np.array_equal(spread[None], spread[0.01])
    refused = cli("sample", run, "--labels", "0", "--out", tmp_path / "no.png", "--truncation", 2)
    assert refused.exit_code == 2
    assert "this generator has a style" in refused.output


def test_what_is_exported_shows_the_picture(cli: Cli, run: Path, tmp_path: Path) -> None:
    """The export compares each form with the network by itself, and refuses one that differs."""
    result = cli("export", run, "--format", "all", "--out", tmp_path / "model")
    assert result.exit_code == 0, result.output
    generator = Generator.from_pretrained(tmp_path / "model")
    whole, cut = (generator.sample("0", count=6, seed=0, truncation=share) for share in (None, 0.05))
    assert whole.shape == (6, 8, 8, 1)
    assert np.std(cut, axis=0).mean() < np.std(whole, axis=0).mean()
