"""What the playground shows: a run, one of its checkpoints, or a model folder."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import torch

from cgan_dist.assembly.saved import load_sampler
from cgan_dist.checkpoints.store import CHECKPOINTS, find_checkpoint
from cgan_dist.data.spec import DataSpec
from cgan_dist.directions.directions_file import read_directions_file
from cgan_dist.directions.factorization import factorized, first_layers
from cgan_dist.directions.found_directions import Directions
from cgan_dist.errors import UserError
from cgan_dist.playground.finder import Finder
from cgan_dist.playground.found_pictures import FoundPictures
from cgan_dist.playground.progress import Progress
from cgan_dist.playground.results import Results
from cgan_dist.playground.studio import MAX_MOVES, Studio
from cgan_dist.runs.folder import CONFIG
from cgan_dist.sampling.sampler import Sampler
from cgan_dist.sharing.folder import is_model_folder
from cgan_dist.sharing.pretrained import Generator


class Subject(NamedTuple):
    """What a page is of.

    Attributes:
        name: of the run or model.
        text: a line that says what it is.
        studio: what draws.
        progress: what tells of training; null without a run folder.
        results: likewise.
        finder: what finds pictures; null where none can be dropped.
        found: pictures of a file; null without one.
    """

    name: str
    text: str
    studio: Studio
    progress: Progress | None
    results: Results | None
    finder: Finder | None = None
    found: FoundPictures | None = None


def open_subject(
    path: Path,
    device: torch.device,
    trust_code: bool = False,
    autoencoder: Path | None = None,
    directions: Path | None = None,
    found: Path | None = None,
) -> Subject:
    """Loads a generator from wherever it is on this machine; no network is touched.

    Args:
        path: run folder, checkpoint, or model folder.
        device: of the generator.
        trust_code: import the plug-ins that it names, whoever made it.
        autoencoder: folder of the one that decodes a checkpoint's latents; null takes the config's, of a trusted one.
        directions: file of those to move z along; null takes the strongest of the generator's first layer.
        found: file of pictures that `invert` has found.

    Raises:
        UserError: if there is no generator, or it is damaged, or names a stranger's plug-ins; or for a file of
            directions or of pictures that is none, or of other z.
    """
    if is_model_folder(path):
        generator = Generator.from_pretrained(path, map_location=device, trust_code=trust_code)
        text = _text("Model folder", generator.config.origin.images_seen, generator.config.spec)
        sampler, shape = generator.sampler(), generator.config.spec.picture
        studio = Studio(sampler, _directions(sampler, directions))
        return Subject(path.resolve().name, text, studio, None, None, Finder(sampler, shape), _pictures(sampler, found))
    checkpoint = find_checkpoint(path)
    spec = DataSpec.from_dict(checkpoint.state["data"])
    text = _text(f"Checkpoint {checkpoint.folder.name}", checkpoint.images_seen, spec)
    holder = checkpoint.folder.resolve().parent
    run = holder.parent if holder.name == CHECKPOINTS else None
    progress = Progress(run) if run is not None and (run / CONFIG).is_file() else None
    name = run.name if run is not None else checkpoint.folder.name
    results = Results(checkpoint, progress) if progress is not None else None
    sampler = load_sampler(checkpoint, 0, device, trust_code, autoencoder)
    studio = Studio(sampler, _directions(sampler, directions))
    finder = Finder(sampler, spec.picture)
    return Subject(name, text, studio, progress, results, finder, _pictures(sampler, found))


def _pictures(sampler: Sampler, file: Path | None) -> FoundPictures | None:
    return FoundPictures(file, sampler) if file is not None else None


def _directions(sampler: Sampler, file: Path | None) -> Directions | None:
    """Those of a file, or of the weights; null for a plug-in that has no such weights."""
    if file is not None:
        found, facts = read_directions_file(file)
        facts.check_z(sampler, f"--directions {file}")
        return found
    try:
        return factorized(first_layers(sampler.generator), MAX_MOVES)
    except UserError:
        return None


def _text(what: str, images_seen: int, spec: DataSpec) -> str:
    _, height, width = spec.picture
    return f"{what}, {images_seen:,} images seen, {width}x{height} pixels"
