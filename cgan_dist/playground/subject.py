"""What the playground shows: a run, one of its checkpoints, or a model folder."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch

from cgan_dist.checkpoint import CHECKPOINTS, find_checkpoint
from cgan_dist.model_config import CONFIG as MODEL_CONFIG
from cgan_dist.playground.progress import Progress
from cgan_dist.playground.studio import Studio
from cgan_dist.pretrained import Generator
from cgan_dist.run_folder import CONFIG
from cgan_dist.saved import load_sampler
from cgan_dist.types import DataSpec


class Subject(NamedTuple):
    """A name, a line that says what it is, what draws, and what tells of training, null for a model folder."""

    name: str
    text: str
    studio: Studio
    progress: Progress | None


def open_subject(path: Path, device: torch.device) -> Subject:
    """Loads a generator from wherever it is on this machine; no network is touched.

    Args:
        path: run folder, checkpoint, or model folder.
        device: of the generator.

    Raises:
        UserError: if there is no generator, or it is damaged.
    """
    if (path / MODEL_CONFIG).is_file():
        generator = Generator.from_pretrained(path, map_location=device)
        text = _text("Model folder", generator.config.origin.images_seen, generator.config.spec)
        return Subject(path.resolve().name, text, Studio(generator.sampler()), None)
    checkpoint = find_checkpoint(path)
    text = _text(
        f"Checkpoint {checkpoint.folder.name}", checkpoint.images_seen, DataSpec.from_dict(checkpoint.state["data"])
    )
    holder = checkpoint.folder.resolve().parent
    run = holder.parent if holder.name == CHECKPOINTS else None
    progress = Progress(run) if run is not None and (run / CONFIG).is_file() else None
    name = run.name if run is not None else checkpoint.folder.name
    return Subject(name, text, Studio(load_sampler(checkpoint, 0, device)), progress)


def _text(what: str, images_seen: int, spec: DataSpec) -> str:
    return f"{what}, {images_seen:,} images seen, {spec.width}x{spec.height} pixels"
