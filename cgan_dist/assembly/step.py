"""From networks to a training step: Accelerate's wrappers, optimizers, compilation."""

from __future__ import annotations

import torch
from accelerate import Accelerator
from torch.nn.utils.parametrize import is_parametrized

from cgan_dist.assembly.inputs import Inputs
from cgan_dist.assembly.networks import Networks, image_shape
from cgan_dist.conditioning.linear import compile_around_rows_
from cgan_dist.config.document import Config
from cgan_dist.distributed.gradients import leave_out_of_ddp
from cgan_dist.losses.second_derivative import leaves_autocast_
from cgan_dist.models.global_batch_norm import convert_batch_norm_
from cgan_dist.training.ema import Ema
from cgan_dist.training.half_weights import casts_weights_at_once_
from cgan_dist.training.optimizer import NetworkOptimizer, large_tables
from cgan_dist.training.step import TrainStep


def build_step(config: Config, inputs: Inputs, networks: Networks, accelerator: Accelerator) -> TrainStep:
    """Hands networks and optimizers to Accelerate and assembles the training step; every rank calls it."""
    if config.train.channels_last:
        for network in (networks.generator, networks.discriminator):
            network.to(memory_format=torch.channels_last)
    ema = Ema(networks.generator)
    ema.network.to(accelerator.device)
    if batch_norm_is_global(config, accelerator):
        convert_batch_norm_(networks.generator)
        convert_batch_norm_(networks.discriminator)
    g_tables, d_tables = (
        large_tables(net, config.optim.tables) for net in (networks.generator, networks.discriminator)
    )
    leave_out_of_ddp(networks.generator, g_tables)
    leave_out_of_ddp(networks.discriminator, d_tables)
    if config.train.compile:
        _compile(networks)
    if accelerator.mixed_precision != "no":
        for network in (networks.generator, networks.discriminator):
            casts_weights_at_once_(network, accelerator.device.type)
    if accelerator.mixed_precision == "fp16" and networks.objective.gradient_penalties:
        leaves_autocast_(networks.discriminator, accelerator.device.type)
    if inputs.augment.adaptation is not None:
        networks.objective.measure_overfitting()
    generator, discriminator = accelerator.prepare(networks.generator, networks.discriminator)
    g_config, d_config = config.optim.generator or config.optim, config.optim.discriminator or config.optim
    return TrainStep(
        config=config,
        accelerator=accelerator,
        generator=generator,
        discriminator=discriminator,
        optimizer_g=NetworkOptimizer(accelerator, accelerator.unwrap_model(generator), g_config, g_tables),
        optimizer_d=NetworkOptimizer(accelerator, accelerator.unwrap_model(discriminator), d_config, d_tables),
        ema=ema,
        objective=networks.objective,
        label_space=inputs.label_space,
        pixels=inputs.pixels,
        augment=inputs.augment,
        bcr_augment=inputs.bcr_augment,
        image_shape=image_shape(config, inputs.spec),
        levels=networks.levels,
    )


def batch_norm_is_global(config: Config, accelerator: Accelerator) -> bool:
    """Whether batch norm sees the global batch, and not each process its own share."""
    return config.train.sync_batch_norm and accelerator.device.type == "cuda" and accelerator.num_processes > 1


def _compile(networks: Networks) -> None:
    """Compiles G, and D but for the passes that penalties differentiate twice (`losses.second_derivative`).

    A D with spectral norm stays as it is: compiled code does not tell its layers that a backward pass has run.
    """
    for network in (networks.generator, networks.discriminator):
        compile_around_rows_(network)
    networks.generator.compile()
    if not any(map(is_parametrized, networks.discriminator.modules())):
        networks.discriminator.compile()
