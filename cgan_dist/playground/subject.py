"""What the playground shows: a run, one of its checkpoints, or a model folder."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch

from cgan_dist.assembly.saved import load_sampler
from cgan_dist.checkpoints.store import CHECKPOINTS, find_checkpoint
from cgan_dist.data.spec import DataSpec
from cgan_dist.playground.progress import Progress
from cgan_dist.playground.results import Results
from cgan_dist.playground.studio import Studio
from cgan_dist.runs.folder import CONFIG
from cgan_dist.sharing.folder import is_model_folder
from cgan_dist.sharing.pretrained import Generator


class Subject(NamedTuple):
    """A name, a line that says what it is, what draws, and what tells of training; null without a run folder."""

    name: str
    text: str
    studio: Studio
    progress: Progress | None
    results: Results | None


def open_subject(
    path: Path, device: torch.device, trust_code: bool = False, autoencoder: Path | None = None
) -> Subject:
    """Loads a generator from wherever it is on this machine; no network is touched.

    Args:
        path: run folder, checkpoint, or model folder.
        device: of the generator.
        trust_code: import the plug-ins that it names, whoever made it.
        autoencoder: folder of the one that decodes a checkpoint's latents; null takes the config's, of a trusted one.

    Raises:
        UserError: if there is no generator, or it is damaged, or names a stranger's plug-ins.
    """
    if is_model_folder(path):
        generator = Generator.from_pretrained(path, map_location=device, trust_code=trust_code)
        text = _text("Model folder", generator.config.origin.images_seen, generator.config.spec)
        return Subject(path.resolve().name, text, Studio(generator.sampler()), None, None)
    checkpoint = find_checkpoint(path)
    text = _text(
        f"Checkpoint {checkpoint.folder.name}", checkpoint.images_seen, DataSpec.from_dict(checkpoint.state["data"])
    )
    holder = checkpoint.folder.resolve().parent
    run = holder.parent if holder.name == CHECKPOINTS else None
    progress = Progress(run) if run is not None and (run / CONFIG).is_file() else None
    name = run.name if run is not None else checkpoint.folder.name
    results = Results(checkpoint, progress) if progress is not None else None
    studio = Studio(load_sampler(checkpoint, 0, device, trust_code, autoencoder))
    return Subject(name, text, studio, progress, results)


def _text(what: str, images_seen: int, spec: DataSpec) -> str:
    _, height, width = spec.picture
    return f"{what}, {images_seen:,} images seen, {width}x{height} pixels"
