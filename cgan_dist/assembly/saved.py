"""From a checkpoint to what can be done with it: sample, evaluate, go on."""

from __future__ import annotations

import logging
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import nn

from cgan_dist.assembly.contents import check_contents, config_of, labels_of
from cgan_dist.assembly.decoding import pixels_of_saved
from cgan_dist.assembly.inputs import Inputs, build_label_space, open_shards
from cgan_dist.assembly.networks import Networks, build_generator, generator_on_meta
from cgan_dist.assembly.trust import GENERATOR, LABELS, check_opened, trusted_config
from cgan_dist.checkpoints.store import Checkpoint
from cgan_dist.conditioning.linear import large_maps
from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.conditioning.spaces.distribution import LabelDistribution
from cgan_dist.conditioning.spaces.stored import listed
from cgan_dist.config.document import Config
from cgan_dist.config.watching import EvaluateConfig
from cgan_dist.data.pixels import PIXEL_RANGES, ImageRange
from cgan_dist.data.shards import ShardSet
from cgan_dist.data.spec import DataSpec
from cgan_dist.distributed.main_alone import on_main
from cgan_dist.errors import UserError
from cgan_dist.evaluation.evaluator import Evaluator, check_extractors
from cgan_dist.labels import LabelSchema
from cgan_dist.latents.facts import LatentFacts
from cgan_dist.latents.latent_range import LatentRange
from cgan_dist.sampling.sampler import Sampler
from cgan_dist.training.optimizer import rows_of_large_tables

METRICS_OPTION = "--metrics"
FORM = ("generator.", "discriminator.")
"""Keys that decide the form of the networks, beside data and labels."""

logger = logging.getLogger(__name__)


def load_sampler(
    checkpoint: Checkpoint,
    seed: int,
    device: torch.device,
    trust_code: bool = False,
    autoencoder: Path | None = None,
) -> Sampler:
    """Builds the EMA generator that a checkpoint holds; the shards are not needed.

    Args:
        checkpoint: of any run.
        seed: of the draws.
        device: of the generator.
        trust_code: import the plug-ins that the checkpoint names, whoever trained it; those of a run that this user
            trained need no such word.
        autoencoder: folder of the one that decodes its latents; null takes the config's, of a trusted one.

    Raises:
        UserError: naming all plug-ins that were not imported, or for one that cannot be; if its latents cannot be
            decoded.
    """
    config = trusted_config(checkpoint, GENERATOR, trust_code)
    spec = DataSpec.from_dict(checkpoint.state["data"])
    pixels = pixels_of_saved(config, spec, str(checkpoint.folder), autoencoder, trust_code)
    label_space = build_label_space(config, spec)
    check_average(checkpoint, config, spec, label_space)
    generator = build_generator(config, spec, label_space)
    check_form(checkpoint, config, "ema", generator)
    generator.load_state_dict(checkpoint.tensors("ema"))
    distribution = labels_of(checkpoint, label_space)
    if isinstance(pixels, LatentRange):
        pixels.autoencoder.to(device)  # real latents may be decoded before any sample is
    return build_sampler(config, generator.to(device), label_space, distribution, seed, pixels)


def load_evaluation(
    checkpoint: Checkpoint,
    evaluate: EvaluateConfig,
    seed: int,
    data: Path | str | None,
    accelerator: Accelerator,
    trust_code: bool = False,
    autoencoder: Path | None = None,
) -> tuple[Evaluator, Sampler]:
    """Builds what scores a checkpoint's EMA generator against the shards it was trained on, or against `data`.

    Every rank must call it.

    Raises:
        UserError: if the shards are missing or damaged, or a metric is unknown or cannot be computed here; for what is
            a stranger's, as `load_sampler` and `load_shards`.
    """
    sampler = load_sampler(checkpoint, seed, accelerator.device, trust_code, autoencoder)
    shards = load_shards(checkpoint, data, "--data", trust_code, sampler)

    def check() -> None:
        shards.verify_if_small()
        check_extractors(evaluate, sampler.label_space, METRICS_OPTION)

    on_main(accelerator, check)
    return Evaluator(shards, sampler.label_space, evaluate, accelerator, METRICS_OPTION), sampler


def load_shards(
    checkpoint: Checkpoint, data: Path | str | None, option: str, trust_code: bool, sampler: Sampler
) -> ShardSet:
    """Opens the shards that a checkpoint was trained on, or others with pictures and labels of the same form.

    The sampler's autoencoder decodes them, where they are latents.

    Raises:
        UserError: if they are missing, or of another form, or lie at an address that a stranger's checkpoint names;
            `option` is named.
    """
    config = config_of(checkpoint)
    if data is None:
        check_opened(config, str(checkpoint.folder), "data.path", option, trust_code)
        shards = open_shards(config.data)
    else:  # what was typed is meant, a command too; where the saved data was kept is nothing to it
        typed = {"path": str(data), "allow_pipe": True, "cache_dir": None}
        shards = open_shards(config.data.model_copy(update=typed))
    before, now = DataSpec.from_dict(checkpoint.state["data"]), shards.manifest.spec
    (*there, latents), (*here, of_these) = _form_of(before), _form_of(now)
    for what, old, new in zip(("labels", "channels", "height", "width"), there, here, strict=True):
        if old != new:
            raise UserError(
                f"{option} {shards.storage.location}: found {what} {new}, expected those that "
                f"{checkpoint.folder} was trained on, {old}."
            )
    if of_these is not None and of_these.differs_from(latents):
        raise UserError(
            f"{option} {shards.storage.location}: found latents of the autoencoder '{of_these.autoencoder.name}', "
            f"expected pictures, or latents as {checkpoint.folder} was trained on."
        )
    shards.decoder = sampler.pixels if isinstance(sampler.pixels, LatentRange) else None
    return shards


def _form_of(spec: DataSpec) -> tuple[LabelSchema, int, int, int, LatentFacts | None]:
    """What sets must have in common to be compared: labels, and the size of pictures."""
    return spec.labels, *spec.picture, spec.latents


def check_resumable(
    checkpoint: Checkpoint, config: Config, inputs: Inputs, networks: Networks, trust_code: bool = False
) -> None:
    """Checks that a checkpoint is of this data and of these networks, before a process group starts.

    Raises:
        UserError: saying what differs, or for a label space that is a stranger's and not the config's too.
    """
    before, now = checkpoint.state["data"]["fingerprint"], inputs.spec.fingerprint
    if before != now:
        raise UserError(
            f"data.path: {checkpoint.folder} was trained on other data (manifest {before[:12]}, now {now[:12]}). "
            "Give the old data.path, or begin another run with its networks: another run.name, and --from without "
            "--keep-clock."
        )
    generator, discriminator = networks.generator, networks.discriminator
    for name, network in {"generator": generator, "discriminator": discriminator, "ema": generator}.items():
        check_form(checkpoint, config, name, network)
    _check_tables(checkpoint, config, networks)
    _check_parts(checkpoint, config)
    check_contents(checkpoint, config, networks)
    _compare_labels(checkpoint, config, inputs, trust_code)


def check_average(checkpoint: Checkpoint, config: Config, spec: DataSpec, label_space: LabelSpace) -> None:
    """Holds a saved EMA generator against its config before one is built, which may ask for any amount of memory.

    Raises:
        UserError: as `check_form`; a plug-in that has no form without numbers passes.
    """
    if (blank := generator_on_meta(config, spec, label_space)) is not None:
        check_form(checkpoint, config, "ema", blank)


def check_form(checkpoint: Checkpoint, config: Config, name: str, network: nn.Module) -> None:
    """Holds a saved network against one that a config builds.

    Raises:
        UserError: naming the first tensor of another shape, and what was other in the config that it was trained by.
    """
    tensors, own = checkpoint.tensors(name), network.state_dict()
    saved = {key: tuple(value.shape) for key, value in tensors.items()}
    built = {key: tuple(value.shape) for key, value in own.items()}
    for key in sorted(saved.keys() | built.keys()):
        if saved.get(key) != built.get(key):
            before = config_of(checkpoint)
            other = [f"{k}={there}" for k, (there, _) in before.differences(config).items() if k.startswith(FORM)]
            raise UserError(
                f"{checkpoint.folder}: its {name} is not that of this config: {key} is {saved.get(key)} there and "
                f"{built.get(key)} here." + (f" It was trained with {', '.join(other)}." if other else "")
            )
        if tensors[key].is_floating_point() != own[key].is_floating_point() or tensors[key].is_complex():
            kinds = f"{tensors[key].dtype} there and {own[key].dtype} here"
            raise UserError(f"{checkpoint.folder / name}.safetensors: {key} is {kinds}.")


def _check_tables(checkpoint: Checkpoint, config: Config, networks: Networks) -> None:
    """The moments of a table are kept either with those of the other weights or apart from them."""
    before, now = config_of(checkpoint).optim.tables, config.optim.tables
    for network in (networks.generator, networks.discriminator):
        apart = [len(large_maps(network, rows_of_large_tables(tables))) for tables in (before, now)]
        if apart[0] != apart[1]:
            raise UserError(
                f"optim.tables: found {now}, but {checkpoint.folder} was trained with {before}, by which other label "
                f"tables move by rows. Give optim.tables={before}."
            )


def _check_parts(checkpoint: Checkpoint, config: Config) -> None:
    """Moments are kept in the order of the groups that parts with a rate of their own make."""
    before = config_of(checkpoint).optim
    for network in ("generator", "discriminator"):
        then, now = ((getattr(optim, network) or optim).multipliers for optim in (before, config.optim))
        if then.keys() != now.keys():
            raise UserError(
                f"optim.multipliers: found {', '.join(now) or 'none'} for the {network}, but {checkpoint.folder} was "
                f"trained with {', '.join(then) or 'none'}; expected the same parts, whatever their factors."
            )


def _compare_labels(checkpoint: Checkpoint, config: Config, inputs: Inputs, trust_code: bool) -> None:
    """Warns where a network of the same shape learned other labels; to go on from them can be what the user wants."""
    saved = trusted_config(checkpoint, LABELS, trust_code, typed=config)
    theirs = config.model_copy(update={"conditioning": saved.conditioning})
    before = build_label_space(theirs, inputs.spec).schema
    now = inputs.label_space.schema
    if before != now:
        logger.warning(
            "conditioning.labels: %s learned the labels %s; the same weights now stand for %s.",
            checkpoint.folder,
            _shown(before),
            _shown(now),
        )


def _shown(schema: LabelSchema) -> str:
    return f"{schema.kind} {listed(list(schema.names))}"


def build_sampler(
    config: Config,
    generator: nn.Module,
    label_space: LabelSpace,
    distribution: LabelDistribution,
    seed: int,
    pixels: ImageRange | None = None,
) -> Sampler:
    """Builds what draws from a generator as its config says; `pixels` is to be given where it makes latents."""
    net = config.generator
    pixels = pixels or PIXEL_RANGES[config.data.pixels]
    return Sampler(generator, label_space, distribution, pixels, net.latent_dim, net.latent, seed)
