"""What a config and its data are found to be; everything that can be wrong is found here or while networks are built.

No process group and no GPU is touched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import psutil

from cgan_dist.assembly.decoding import pixels_of
from cgan_dist.augment import AUGMENTATIONS
from cgan_dist.augment.ada import Ada
from cgan_dist.augment.base import Augmentation, Pipeline
from cgan_dist.conditioning.spaces import LABEL_SPACES
from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.config.document import Config
from cgan_dist.config.sections import DataConfig
from cgan_dist.config.values import Named
from cgan_dist.data.balance import Balance
from cgan_dist.data.pixels import PIXEL_RANGES, ImageRange
from cgan_dist.data.room import check_room
from cgan_dist.data.shards import ShardSet
from cgan_dist.data.spec import DataSpec
from cgan_dist.data.storage import Storage
from cgan_dist.distributed.launch import launched_local_world_size, resolve_precision
from cgan_dist.errors import UserError, shown
from cgan_dist.evaluation.evaluator import check_extractors, check_metrics
from cgan_dist.latents.latent_range import LatentRange
from cgan_dist.runs.folder import check_config_unchanged
from cgan_dist.training.tracking import check_trackers

FLOAT_BYTES, GB = 4, 1e9


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What a config and its data have been found to be."""

    shards: ShardSet
    spec: DataSpec
    label_space: LabelSpace
    augment: Pipeline
    bcr_augment: Pipeline
    precision: str
    balance: Balance | None
    pixels: ImageRange


def check_inputs(
    config: Config, world_size: int, rank: int, everything: bool = False, on_this_machine: bool = True
) -> Inputs:
    """Checks the config against the launcher, this machine, the shards and the run folder.

    Args:
        config: to check.
        world_size: processes to be.
        rank: 0 reads every shard of a set below 256 MiB; the others check names and sizes. Larger sets are checked
            shard by shard as they are opened.
        everything: read every shard, however large the set is.
        on_this_machine: whether it will train here; else it is not asked whether it can do the precision.

    Raises:
        UserError: for the first thing that is wrong.
    """
    config.check_world_size(world_size)
    precision = resolve_precision(config.train.precision) if on_this_machine else config.train.precision
    shards = open_shards(config.data)
    spec = shards.manifest.spec
    _check_channels(config.data, spec)
    pixels = pixels_of(config.data, spec, config.data.autoencoder, "data.autoencoder")
    shards.decoder = pixels if isinstance(pixels, LatentRange) else None
    if on_this_machine:
        _check_memory(config, spec, world_size)
        check_room(shards, config.train.batch_size // world_size, config.data.workers, launched_local_world_size())
    balance = Balance.of(config.data.balance, shards)
    label_space = build_label_space(config, spec)
    if rank == 0:
        shards.verify() if everything else shards.verify_if_small()
    else:
        shards.check_files()
    check_config_unchanged(config)
    check_trackers(config.tracking.trackers)
    check_metrics(config.evaluate.metrics, label_space)
    if rank == 0:
        check_extractors(config.evaluate, label_space)
    half_range = 1.0 if spec.latents else -PIXEL_RANGES[config.data.pixels].offset
    augment = _augment(config.data.augment, "data.augment", half_range)
    bcr_augment = _augment(config.loss.bcr_augment, "loss.bcr_augment", half_range)
    _check_adaptation(config, spec, augment, bcr_augment)
    return Inputs(
        shards=shards,
        spec=spec,
        label_space=label_space,
        augment=augment,
        bcr_augment=bcr_augment,
        precision=precision,
        balance=balance,
        pixels=pixels,
    )


def open_shards(config: DataConfig) -> ShardSet:
    """Opens what `data.path` names; reads the manifest only."""
    storage = Storage(config.path, config.cache_dir, config.allow_pipe)
    return ShardSet(storage, config.cache, config.on_error, config.max_bad_share)


def build_label_space(config: Config, spec: DataSpec) -> LabelSpace:
    """Builds the label space over the data's labels.

    Raises:
        UserError: for an unknown name or argument, or labels that do not fit.
    """
    labels = config.conditioning.labels
    return LABEL_SPACES.build(  # type: ignore[no-any-return]
        labels.name, "conditioning.labels", labels.args, schema=spec.labels
    )


def _augment(parts: Sequence[Named], where: str, half_range: float) -> Pipeline:
    built: dict[str, Augmentation] = {}
    for number, part in enumerate(parts):
        if part.name in built:
            raise UserError(f"{where}.{number}: '{part.name}' is there twice; name each augmentation once.")
        built[part.name] = AUGMENTATIONS.build(part.name, f"{where}.{number}", part.args)
    return Pipeline(built, half_range)


def _check_adaptation(config: Config, spec: DataSpec, augment: Pipeline, bcr_augment: Pipeline) -> None:
    """Refuses an augmentation that adapts where nothing would adapt it, and one that changes colours of latents."""
    if bcr_augment.adaptation is not None:
        raise UserError(
            f"loss.bcr_augment: found {', '.join(bcr_augment.augmentations)}, of which one finds its probability by "
            "itself; expected those that come always, such as flip and translation."
        )
    if augment.adaptation is not None and config.data.augment_probability != 1:
        raise UserError(
            f"data.augment_probability: found {shown(config.data.augment_probability)}, but an augmentation of "
            f"data.augment ({', '.join(augment.augmentations)}) finds the probability by itself; expected one of the "
            "two. Leave it out."
        )
    for number, part in enumerate(augment.augmentations.values()):
        if spec.latents is not None and isinstance(part, Ada) and not part.only_moves:
            raise UserError(
                f"data.augment.{number}: found ada with the pipeline {part.pipeline}, which changes colours, but "
                f"{config.data.path} holds latents, which have none; expected b or bg, as "
                "{name: ada, args: {pipeline: bg}}."
            )


def _check_memory(config: Config, spec: DataSpec, world_size: int) -> None:
    """Refuses a batch whose pixels alone are more than there is: stored ones, and reals and fakes of a pass."""
    share = config.train.batch_size // world_size
    values = (config.data.channels or spec.channels) * spec.height * spec.width
    stored = share * spec.stored_channels * spec.height * spec.width
    taken = stored + values * (2 * FLOAT_BYTES * min(config.train.micro_batch or share, share))
    there = psutil.virtual_memory().total
    if taken > there:
        raise UserError(
            f"train.batch_size: the pixels of {share:,} images of {spec.height}x{spec.width} in a process are "
            f"{taken / GB:,.1f} GB, expected less than the {there / GB:,.1f} GB of memory of this machine. Lower it, "
            "give train.micro_batch, or prepare the images with a smaller --size."
        )


def _check_channels(config: DataConfig, spec: DataSpec) -> None:
    if spec.latents is not None:
        for key, found, default in (("channels", config.channels, None), ("pixels", config.pixels, "unit")):
            if found != default:
                raise UserError(
                    f"data.{key}: found {found}, but {config.path} holds latents, whose channels and scale are those "
                    "of their autoencoder. Leave it out."
                )
        return
    if config.channels not in (None, spec.channels) and spec.channels != 1:
        raise UserError(
            f"data.channels: found {config.channels}, but the images in {config.path} have {spec.channels} "
            "channels; only grey images can be repeated. Leave it out."
        )
