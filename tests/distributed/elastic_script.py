"""Run by one, two or four processes: trains some steps in float64 and says what was seen and lost.

elastic_script.py CONFIG TOTAL_IMAGES OUT
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterator
from dataclasses import astuple
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import Tensor

from cgan_dist.assembly.trainer import build_trainer
from cgan_dist.config.document import Config, load_config
from cgan_dist.data.batch import Batch
from cgan_dist.data.pixels import PIXEL_RANGES, PixelRange
from cgan_dist.distributed.group import leave_group


class Doubles(PixelRange):
    """Normalizes to float64."""

    def normalize(self, images: Tensor, channels: int | None = None, draw: Tensor | None = None) -> Tensor:
        """(B, C, H, W) uint8 -> float64 in [0, 1]."""
        return images.double() / 255


def train(config: Config, out: Path) -> Accelerator:
    """Trains, and appends a line for each step."""
    PIXEL_RANGES[config.data.pixels] = Doubles(*astuple(PIXEL_RANGES[config.data.pixels]))
    trainer = build_trainer(config)
    accelerator, meter, real_iterate = trainer.accelerator, trainer.step.meter, trainer.step.iterate

    def iterate(batches: Iterator[Batch], images_seen: int) -> None:
        batch = next(batches)
        images, labels = accelerator.gather(batch.images.contiguous()), accelerator.gather(batch.labels)
        real_iterate(iter([batch]), images_seen)
        losses = {name: accelerator.reduce(value.clone(), "mean") for name, value in meter.means().items()}
        meter.reset()
        if accelerator.is_main_process:
            seen = hashlib.sha256(images.numpy().tobytes() + labels.numpy().tobytes()).hexdigest()
            line = {"images": images_seen, "seen": seen} | {name: value.item() for name, value in losses.items()}
            with out.open("a") as file:
                file.write(json.dumps(line) + "\n")

    trainer.step.iterate = iterate  # type: ignore[method-assign]
    trainer.fit()
    trainer.maintenance.close()
    return accelerator


def main(config_path: str, total_images: str, out: str) -> None:
    """Goes on from the newest checkpoint."""
    torch.set_default_dtype(torch.float64)  # networks, draws and moments; what a checkpoint holds is float64 too
    leave_group(train(load_config(Path(config_path), [f"train.total_images={total_images}"]), Path(out)))


if __name__ == "__main__":
    main(*sys.argv[1:])
