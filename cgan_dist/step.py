"""One iteration of the update plan: what happens to D, to G and to the average between two ticks of the clock."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import torch
from accelerate import Accelerator
from accelerate.optimizer import AcceleratedOptimizer
from torch import Tensor, nn

from cgan_dist.augment.base import Pipeline
from cgan_dist.conditioning.base import LabelSpace
from cgan_dist.config import Config
from cgan_dist.data.pixels import PixelRange
from cgan_dist.distributed import frozen, gradient_sync
from cgan_dist.ema import Ema
from cgan_dist.losses.objective import Objective, View
from cgan_dist.randomness import draw_latent, torch_generator
from cgan_dist.tracking import Meter
from cgan_dist.types import Batch


class Micro(NamedTuple):
    """What one forward pass takes: normalized images, condition, z, and what D is shown of reals and of fakes."""

    real: Tensor
    condition: Tensor
    z: Tensor
    view_real: View
    view_fake: View


@dataclass(kw_only=True)
class TrainStep:
    """The networks, their optimizers, and how one iteration changes them.

    Attributes:
        generator: prepared by Accelerate (in DDP where there are several processes).
        discriminator: likewise.
        ema: of the generator.
        augment: of what D is shown.
        meter: collects scalars, on the device.
        waited_seconds: time spent waiting for data since it was last set to 0.
    """

    config: Config
    accelerator: Accelerator
    generator: nn.Module
    discriminator: nn.Module
    optimizer_g: AcceleratedOptimizer
    optimizer_d: AcceleratedOptimizer
    ema: Ema
    objective: Objective
    label_space: LabelSpace
    pixels: PixelRange
    augment: Pipeline
    meter: Meter = field(default_factory=Meter)
    waited_seconds: float = 0.0

    def __post_init__(self) -> None:
        self.raw_generator: nn.Module = self.accelerator.unwrap_model(self.generator)
        self.raw_discriminator: nn.Module = self.accelerator.unwrap_model(self.discriminator)
        train = self.config.train
        self.images_per_iteration = train.batch_size * train.plan.count("D")
        self.share = train.batch_size // self.accelerator.num_processes
        self.rounds = self.share // (train.micro_batch or self.share)

    def iterate(self, batches: Iterator[Batch], images_seen: int) -> None:
        """Carries out the plan once with batches on the device; every rank calls it at the same `images_seen`.

        Each D consumes a new batch. A G takes labels (and z, if shared) of the batch that the next D will consume, or
        of the last one, so [G, G, D] is the original program: one batch and one z for all three.
        """
        plan = self.config.train.plan
        current: list[Batch] = []
        for phase, net in enumerate(plan):
            index = min(plan[:phase].count("D"), plan.count("D") - 1)
            if index == len(current):
                current.append(self._next(batches))
            position = images_seen + index * self.config.train.batch_size
            micro_batches = self._micro_batches(current[index], position, phase)
            self.generator_step(micro_batches) if net == "G" else self.discriminator_step(micro_batches)
        self.ema.update(self.raw_generator, self.images_per_iteration)

    def discriminator_step(self, micro_batches: list[Micro]) -> None:
        """One update of D: only D goes through DDP, and its gradients are reduced once."""
        G, D = self.raw_generator, self.discriminator
        for number, (real, condition, z, *views) in enumerate(micro_batches, start=1):
            with torch.no_grad():
                fake = G(z, condition)
            with gradient_sync(self.accelerator, D, when=number == self.rounds):
                loss, scalars = self.objective.discriminator(D, real, fake, condition, *views)
                self.accelerator.backward(loss / self.rounds)
            self.meter.add(scalars)
        self.optimizer_d.step()
        self.optimizer_d.zero_grad(set_to_none=True)

    def generator_step(self, micro_batches: list[Micro]) -> None:
        """One update of G: only G goes through DDP; D is raw and frozen, gradients pass through it."""
        G, D = self.generator, self.raw_discriminator
        for number, (real, condition, z, *views) in enumerate(micro_batches, start=1):
            with frozen(D), gradient_sync(self.accelerator, G, when=number == self.rounds):
                loss, scalars = self.objective.generator(D, real, G(z, condition), condition, *views)
                self.accelerator.backward(loss / self.rounds)
            self.meter.add(scalars)
        self.optimizer_g.step()
        self.optimizer_g.zero_grad(set_to_none=True)

    def _next(self, batches: Iterator[Batch]) -> Batch:
        started = time.perf_counter()
        batch = next(batches)
        self.waited_seconds += time.perf_counter() - started
        return batch

    def _latents(self, position: int, phase: int) -> Tensor:
        """Draws z for the global batch at `position` and returns this rank's slice, (B, Z)."""
        train, net = self.config.train, self.config.generator
        draw = (position,) if train.share_z else (position, phase)
        z = draw_latent(
            (train.batch_size, net.latent_dim), net.latent, torch_generator(self.config.run.seed, "latent", *draw)
        )
        first = self.accelerator.process_index * self.share
        return z[first : first + self.share].to(self.accelerator.device, non_blocking=True)

    def _views(self, images: str, position: int, phase: int) -> list[View]:
        """One augmentation with its parameters per micro-batch, drawn for the global batch and sliced."""
        parameters = self.augment.draw(
            self.config.run.seed, f"{images} {phase}", position, self.config.train.batch_size
        )
        first, count = self.accelerator.process_index * self.share, self.share // self.rounds
        return [
            partial(self.augment, parameters=self.augment.slice(parameters, first + number * count, count))
            for number in range(self.rounds)
        ]

    def _micro_batches(self, batch: Batch, position: int, phase: int) -> list[Micro]:
        real = self.pixels.normalize(batch.images, self.config.data.channels)
        condition, z = self.label_space.encode(batch.labels), self._latents(position, phase)
        views = (self._views(images, position, phase) for images in ("real", "fake"))
        parts = (part.chunk(self.rounds) for part in (real, condition, z))
        return [Micro(*micro) for micro in zip(*parts, *views, strict=True)]
