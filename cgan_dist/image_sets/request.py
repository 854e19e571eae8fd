"""From what a person asks for to a set of generated images."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from cgan_dist import __version__
from cgan_dist.checkpoints.folder import FILES_MANIFEST
from cgan_dist.checkpoints.store import Checkpoint
from cgan_dist.image_sets import SET_FORMS
from cgan_dist.image_sets.base import SetFacts, SetForm
from cgan_dist.image_sets.draws import Draws
from cgan_dist.image_sets.generated import GeneratedSet
from cgan_dist.image_sets.record import SetRecord
from cgan_dist.sampling.sampler import Sampler


def request_set(
    checkpoint: Checkpoint,
    sampler: Sampler,
    out: Path,
    count: int,
    form: str,
    options: Mapping[str, Any],
    labels: str | None,
    as_data: bool,
) -> GeneratedSet:
    """Prepares a set; nothing is drawn but one image, and nothing is written.

    Args:
        checkpoint: of the generator.
        sampler: of its EMA generator.
        out: file or folder to be.
        count: of images.
        form: name of SET_FORMS, or `package.module:Class`.
        options: of the form.
        labels: those that take turns, as a person writes them; null for all classes, or as the data has them.
        as_data: draw classes as the data has them too.

    Raises:
        UserError: for an unknown form, option or label.
    """
    space = sampler.label_space
    draws = Draws(sampler, count, None if labels is None else space.parse(labels), as_data)
    channels, *size = sampler.images(sampler.latents(1, "shape"), space.grid(1)).shape[1:]
    facts = SetFacts(
        labels=draws.labels(),
        schema=space.schema,
        image_shape=(size[0], size[1], channels),
        description=f"samples of {checkpoint.folder}, seed {sampler.seed}",
    )
    record = SetRecord(
        form=form,
        options=dict(options),
        count=count,
        labels=draws.described if labels is None else labels,
        seed=sampler.seed,
        truncation=sampler.truncation,
        checkpoint=checkpoint.folder.name,
        checkpoint_sha256=hashlib.sha256((checkpoint.folder / FILES_MANIFEST).read_bytes()).hexdigest(),
        images_seen=checkpoint.images_seen,
        image_shape=list(facts.image_shape),
        label_schema=space.schema.model_dump(),
        made_with={"cgan_dist": __version__, "torch": torch.__version__, "device": _device_of(sampler)},
    )

    def build(folder: Path) -> SetForm:
        return SET_FORMS.build(form, "--format", options, folder=folder, facts=facts)  # type: ignore[no-any-return]

    return GeneratedSet(out, draws, record, build)


def _device_of(sampler: Sampler) -> str:
    device = next(sampler.generator.parameters()).device
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
