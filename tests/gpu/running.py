"""Training and scoring in processes of their own, on the card or on the CPU of the same machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from cgan_dist import Checkpoint, find_checkpoint
from tests.launching import BIN, ROOT

TIMEOUT_SECONDS = 1200
NETWORKS = {
    "dcgan": [],
    "resnet": ["generator.name=resnet", "discriminator.name=resnet", "loss.adversarial=hinge"],
    "r3": [
        "generator.name=r3",
        "discriminator.name=r3",
        "loss.adversarial=relativistic",
        "loss.penalties={r1: 1.0, r2: 1.0}",
    ],
}
CONFIG = """\
run: {{name: run, dir: {folder}}}
data: {{path: {data}, workers: 0, augment: [color, translation, cutout, flip]}}
conditioning: {{generator: [concat, film], discriminator: [channels, projection, auxiliary]}}
generator: {{latent_dim: 16, args: {{width: 16}}}}
discriminator: {{args: {{width: 16}}}}
train: {{batch_size: 16, total_images: 16, plan: [D, G], precision: "no", tf32: false}}
sample: {{interval_images: 1_000_000}}
checkpoint: {{interval_images: 1_000_000}}
tracking: {{trackers: [], interval_images: 16}}
"""


def environment(device: str) -> dict[str, str]:
    """Without what a launcher around the test has set; `cpu` hides the card."""
    kept = {k: v for k, v in os.environ.items() if k not in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "ACCELERATE_USE_CPU")}
    kept |= {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "CUBLAS_WORKSPACE_CONFIG": ":4096:8"}
    return kept | ({"ACCELERATE_USE_CPU": "true", "CUDA_VISIBLE_DEVICES": ""} if device == "cpu" else {})


def run(device: str, *command: str) -> str:
    """Runs to the end and returns what it printed; shows it if it fails."""
    done = subprocess.run(
        command, cwd=ROOT, env=environment(device), capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@dataclass(frozen=True)
class Run:
    """A run folder, and what was typed to get it."""

    folder: Path
    config: Path

    @property
    def lines(self) -> list[dict[str, Any]]:
        """Of `metrics.jsonl`."""
        return [json.loads(line) for line in (self.folder / "metrics.jsonl").read_text().splitlines()]

    @property
    def checkpoint(self) -> Checkpoint:
        """The newest."""
        return find_checkpoint(self.folder)

    @property
    def tensors(self) -> dict[str, Tensor]:
        """Of G, D and the average."""
        return {
            f"{name}.{key}": tensor
            for name in ("generator", "discriminator", "ema")
            for key, tensor in self.checkpoint.tensors(name).items()
        }


def train(device: str, folder: Path, data: Path, *overrides: str, processes: int = 1) -> Run:
    """Trains, or goes on, in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    config = folder / "config.yaml"
    config.write_text(CONFIG.format(folder=folder, data=data))
    several = ["--multi_gpu"] if processes > 1 else []
    launcher = [sys.executable]
    if processes > 1:
        launcher = [str(BIN / "accelerate"), "launch", *several, "--num_processes", str(processes)]
        launcher += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]
        launcher += ["--main_process_port", "0"]
    run(device, *launcher, str(ROOT / "launch" / "train.py"), "--config", str(config), *overrides)
    return Run(folder / "run", config)
