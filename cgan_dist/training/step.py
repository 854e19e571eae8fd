"""One iteration of the update plan: what happens to D, to G and to the average between two ticks of the clock."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from cgan_dist.augment.base import Pipeline
from cgan_dist.conditioning.condition import Condition
from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.config.document import Config
from cgan_dist.config.schedule import value_at
from cgan_dist.data.batch import Batch
from cgan_dist.data.pixels import ImageRange
from cgan_dist.distributed.gradients import frozen, gradient_sync, reduce_rows
from cgan_dist.losses.adversarial import Terms
from cgan_dist.losses.consistency_regularization import AUGMENTED, NEARBY_D, NEARBY_G, nearby
from cgan_dist.losses.objective import Objective, View
from cgan_dist.losses.top_k import AmongAll
from cgan_dist.models.spectral_norm import PowerIteration
from cgan_dist.training.all_logits import all_logits
from cgan_dist.training.draws import Draws, Noise
from cgan_dist.training.ema import Ema
from cgan_dist.training.guard import KeptBuffers, spread_nonfinite
from cgan_dist.training.levels import Levels
from cgan_dist.training.meter import Meter
from cgan_dist.training.optimizer import NetworkOptimizer

NEARBY = "nearby z"
"""Name of the noise that moves z."""


class Micro(NamedTuple):
    """What one forward pass takes.

    Attributes:
        real: (B, L * C, H, W), normalized; L is 1 but for networks that show several levels.
        condition: of the real images, and asked of the fakes.
        z: (B, Z).
        mix: (B,) in [0, 1), where between real and fake a penalty looks; None where none does.
        view_real: what D is shown of reals.
        view_fake: what D is shown of fakes.
        noise: (B, C, H, W) each, by the names of the penalties that want it, and (B, Z) that moves z.
        twins: what penalties compare a real or a fake image with, by their names.
    """

    real: Tensor
    condition: Condition
    z: Tensor
    mix: Tensor | None
    view_real: View
    view_fake: View
    noise: dict[str, Tensor]
    twins: dict[str, View]


@dataclass(kw_only=True)
class TrainStep:
    """The networks, their optimizers, and how one iteration changes them.

    Attributes:
        generator: prepared by Accelerate (in DDP where there are several processes).
        discriminator: likewise.
        ema: of the generator.
        augment: of what D is shown.
        bcr_augment: of what D is to judge as the image itself.
        image_shape: (C, H, W) of a picture.
        levels: how many levels of it D judges.
        meter: collects scalars, on the device.
        waited_seconds: time spent waiting for data since it was last set to 0.
        seed: of every draw; the run's until it had to go back to a checkpoint.
        networks: raw, by name: what a checkpoint holds.
        optimizers: by the network's name.
    """

    config: Config
    accelerator: Accelerator
    generator: nn.Module
    discriminator: nn.Module
    optimizer_g: NetworkOptimizer
    optimizer_d: NetworkOptimizer
    ema: Ema
    objective: Objective
    label_space: LabelSpace
    pixels: ImageRange
    augment: Pipeline
    bcr_augment: Pipeline
    image_shape: tuple[int, ...]
    levels: Levels = Levels()
    meter: Meter = field(default_factory=Meter)
    waited_seconds: float = 0.0

    def __post_init__(self) -> None:
        self.raw_generator: nn.Module = self.accelerator.unwrap_model(self.generator)
        self.raw_discriminator: nn.Module = self.accelerator.unwrap_model(self.discriminator)
        self.networks = {
            "generator": self.raw_generator,
            "discriminator": self.raw_discriminator,
            "ema": self.ema.network,
        }
        self.optimizers = {"generator": self.optimizer_g, "discriminator": self.optimizer_d}
        self.seed = self.config.run.seed
        self.restore({})
        self.kept = KeptBuffers([self.raw_generator, self.raw_discriminator])
        self.power_iteration = PowerIteration(self.raw_discriminator)
        train, rank = self.config.train, self.accelerator.process_index
        self.images_per_iteration = train.batch_size * train.plan.count("D")
        self.share = train.batch_size // self.accelerator.num_processes
        self.rows = self.share * len(self.label_space.layout.classes)
        self.rounds = self.share // min(train.micro_batch or self.share, self.share)
        own = slice(rank * self.share, (rank + 1) * self.share)
        self.draws = Draws(
            self.config,
            self.augment,
            self.objective.needs_mix,
            own,
            self.accelerator.device,
            self._noise_of_phases(),
            self.image_shape if self.pixels.needs_draw else None,
            dict.fromkeys(self.objective.penalties.augmented, self.bcr_augment),
        )

    def iterate(self, batches: Iterator[Batch], images_seen: int) -> None:
        """Carries out the plan once with batches on the device; every rank calls it at the same `images_seen`.

        Each D consumes a new batch. A G takes labels (and z, if shared) of the batch that the next D will consume, or
        of the last one, so [G, G, D] is the original program: one batch and one z for all three.
        """
        current: list[Batch] = []
        for phase, net in enumerate(self.config.train.plan):
            index = self._batch_of(phase)
            if index == len(current):
                current.append(self._next(batches))
            position = self._position(images_seen, phase)
            micro_batches = self._micro_batches(current[index], position, phase)
            self._begin_draws(images_seen, phase + 1)
            self.kept.keep()
            update = self.generator_step if net == "G" else self.discriminator_step
            with self.power_iteration.once():
                skipped = update(micro_batches, position)
            self.kept.put_back(skipped)
            optimizer = self.optimizer_g if net == "G" else self.optimizer_d
            self.meter.add({f"skipped/{net.lower()}": skipped, f"gradient/{net.lower()}": optimizer.gradient_norm})
        half_life = value_at(self.config.ema.half_life_images, images_seen)
        self.ema.update(self.raw_generator, self.images_per_iteration, half_life)

    def settle_buckets(self, batch: Batch) -> None:
        """Has DDP lay out its buckets by a backward pass that changes nothing; every rank calls it, before a restore.

        DDP lays them out anew after the first backward pass of a process. With three processes or more the layout
        decides in which order gradients are summed, so the first iteration after a resume would differ from that of a
        run that was never stopped, in the last bits.
        """
        self.kept.keep()
        state, plan = self.state(), self.config.train.plan
        of_d, of_g = (self._micro_batches(batch, 0, phase)[0] for phase in (plan.index("D"), plan.index("G")))
        weights = self.objective.weights(0, 0)
        loss, _ = self._loss_of_d(of_d, weights)
        self.optimizer_d.backward(loss)
        with frozen(self.raw_discriminator):
            loss, _ = self._loss_of_g(of_g, weights)
            self.optimizer_g.backward(loss)
        self.generator.zero_grad(set_to_none=True)
        self.discriminator.zero_grad(set_to_none=True)
        self.restore(state)
        self.kept.put_back(torch.ones((), device=self.accelerator.device))

    def discriminator_step(self, micro_batches: list[Micro], position: int) -> Tensor:
        """One update of D: only D goes through DDP, and its gradients are reduced once.

        Returns:
            1 if the update was skipped, see `NetworkOptimizer.step`.
        """
        weights = self.objective.weights(position, position // self.config.train.batch_size)
        for number, micro in enumerate(micro_batches, start=1):
            with gradient_sync(self.accelerator, self.discriminator, when=number == self.rounds):
                loss, scalars = self._loss_of_d(micro, weights)
                self.optimizer_d.backward(spread_nonfinite(loss / self.rounds))
            self.meter.add(scalars)
        self.objective.finish_update(partial(self.accelerator.reduce, reduction="mean"))
        self._adapt(position)
        reduce_rows(self.accelerator, self.optimizer_d.tables, self.rows)
        return self.optimizer_d.step(position)

    def generator_step(self, micro_batches: list[Micro], position: int) -> Tensor:
        """One update of G: only G goes through DDP; D is raw and frozen, gradients pass through it.

        Returns:
            1 if the update was skipped, see `NetworkOptimizer.step`.
        """
        G, D = self.generator, self.raw_discriminator
        weights = self.objective.weights(position, update=0)
        among_all = self._among_all(micro_batches, weights)
        for number, (micro, among) in enumerate(zip(micro_batches, among_all, strict=True), start=1):
            with frozen(D), gradient_sync(self.accelerator, G, when=number == self.rounds):
                loss, scalars = self._loss_of_g(micro, weights, among)
                self.optimizer_g.backward(spread_nonfinite(loss / self.rounds))
            self.meter.add(scalars)
        reduce_rows(self.accelerator, self.optimizer_g.tables, self.rows)
        return self.optimizer_g.step(position)

    def state(self) -> dict[str, Tensor]:
        """Returns what a checkpoint holds beside networks and optimizers, the same on every rank; mostly nothing."""
        adaptation = self.augment.adaptation
        return self.objective.state() | (adaptation.state() if adaptation is not None else {})

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Takes back what `state` returned; what is missing begins afresh."""
        self.objective.restore(state, self.accelerator.device)
        if self.augment.adaptation is not None:
            self.augment.adaptation.restore(state, self.accelerator.device)

    def skipped_in_a_row(self) -> dict[str, Tensor]:
        """By the network's name, how many of its last updates were skipped; scalars on the device."""
        return {name: optimizer.skips[1] for name, optimizer in self.optimizers.items()}

    def _loss_of_d(self, micro: Micro, weights: Mapping[str, float]) -> tuple[Tensor, Terms]:
        with torch.no_grad():
            fake = self.levels.of_fakes(self.raw_generator, micro.z, micro.condition)
            images = {"real": micro.real, "fake": fake}
            twins = {name: view(images[AUGMENTED[name]]) for name, view in micro.twins.items() if weights.get(name)}
            if weights.get(NEARBY_D):
                twins[NEARBY_D] = self._of_nearby(self.raw_generator, micro)
        views = micro.view_real, micro.view_fake
        return self.objective.discriminator(
            self.discriminator, micro.real, fake, micro.condition, weights, *views, micro.mix, micro.noise, twins
        )

    def _loss_of_g(
        self, micro: Micro, weights: Mapping[str, float], among_all: AmongAll | None = None
    ) -> tuple[Tensor, Terms]:
        fake = self.levels.of_fakes(self.generator, micro.z, micro.condition)
        twin = self._of_nearby(self.generator, micro) if weights.get(NEARBY_G) else None
        views, levels = (micro.view_real, micro.view_fake), self.levels.count
        return self.objective.generator(
            self.raw_discriminator, micro.real, fake, micro.condition, weights, *views, levels, twin, among_all
        )

    def _of_nearby(self, G: nn.Module, micro: Micro) -> Tensor:
        """The fakes of z a little way off, under the same condition."""
        z = nearby(micro.z, micro.noise[NEARBY], self.config.loss.zcr_noise)
        return self.levels.of_fakes(G, z, micro.condition)

    def _among_all(self, micro_batches: list[Micro], weights: Mapping[str, float]) -> list[AmongAll | None]:
        """For each micro-batch, what puts its logits among those of the global batch; None where all fakes count."""
        if weights.get("top_k", 1.0) == 1:
            return [None] * self.rounds
        looks = [partial(self._logits_of_g, micro) for micro in micro_batches]
        return [*all_logits(self.accelerator, self.share, looks)]

    def _logits_of_g(self, micro: Micro) -> tuple[Tensor | None, Tensor]:
        """What `_loss_of_g` will see."""
        fake = self.levels.of_fakes(self.raw_generator, micro.z, micro.condition)
        views = micro.view_real, micro.view_fake
        D = self.raw_discriminator
        real, judgement = self.objective.judge_for_generator(D, micro.real, fake, micro.condition, *views)
        return real, judgement.logits

    def _adapt(self, position: int) -> None:
        """Tells augmentation how well D knows its training pictures, where it wants to know."""
        adaptation, overfitting = self.augment.adaptation, self.objective.overfitting
        if adaptation is not None and overfitting is not None and overfitting.latest is not None:
            self.meter.add(adaptation.follow(overfitting.latest, position, self.config.train.batch_size))

    def _next(self, batches: Iterator[Batch]) -> Batch:
        started = time.perf_counter()
        batch = next(batches)
        self.waited_seconds += time.perf_counter() - started
        return batch

    def _batch_of(self, phase: int) -> int:
        """The number in its iteration of the batch that a phase takes."""
        plan = self.config.train.plan
        return min(plan[:phase].count("D"), plan.count("D") - 1)

    def _position(self, images_seen: int, phase: int) -> int:
        return images_seen + self._batch_of(phase) * self.config.train.batch_size

    def _begin_draws(self, images_seen: int, phase: int) -> None:
        """While a phase runs, the next one's numbers are drawn; after the last one comes the next iteration's first."""
        if phase == len(self.config.train.plan):
            images_seen, phase = images_seen + self.images_per_iteration, 0
        self.draws.begin(self.seed, self._position(images_seen, phase), phase)

    def _noise_of_phases(self) -> dict[str, Noise]:
        """What wants noise, by name."""
        shape = self.levels.count * self.image_shape[0], *self.image_shape[1:]
        pairs = "GD" if self.objective.adversarial.generator_needs_real else "D"
        phases = dict.fromkeys(self.objective.noisy_penalties, "D")
        phases |= {"guidance_real": pairs, "guidance_fake": "GD"} if self.levels.guidance else {}
        found = {name: Noise(set(nets), shape) for name, nets in phases.items()}
        of_z = Noise(set(self.objective.penalties.nearby), [self.config.generator.latent_dim])
        return found | ({NEARBY: of_z} if of_z.phases else {})

    def _views(self, of: str, parameters: list[Tensor], noise: dict[str, Tensor]) -> list[View]:
        """One augmentation with its parameters, and the noise of the guidance, per micro-batch."""
        own = noise.pop(f"guidance_{of}", None)
        noises = [None] * self.rounds if own is None else own.chunk(self.rounds)
        return [self._view(self.augment, parameters, *numbered) for numbered in enumerate(noises)]

    def _view(self, augment: Pipeline, parameters: list[Tensor], number: int, noise: Tensor | None = None) -> View:
        """An augmentation with the parameters of one micro-batch."""
        count = self.share // self.rounds
        own = augment.slice(parameters, number * count, count)
        return partial(self.levels.shown, augment=augment, parameters=own, noise=noise)

    def _micro_batches(self, batch: Batch, position: int, phase: int) -> list[Micro]:
        drawn = self.draws.take(self.seed, position, phase)
        real = self.levels.of_reals(self.pixels.normalize(batch.images, self.config.data.channels, drawn.reals))
        condition = self.label_space.encode(self.label_space.select(batch.labels))
        parts = (part.chunk(self.rounds) for part in (real, condition, drawn.z))
        mix = [None] * self.rounds if drawn.mix is None else drawn.mix.chunk(self.rounds)
        left = dict(drawn.noise)
        views = [self._views(of, parameters, left) for of, parameters in (("real", drawn.real), ("fake", drawn.fake))]
        noises = [tensor.chunk(self.rounds) for tensor in left.values()]
        noise = [dict(zip(left, own, strict=True)) for own in zip(*noises, strict=True)] or [{}] * self.rounds
        twins = [
            {name: self._view(self.bcr_augment, parameters, number) for name, parameters in drawn.twins.items()}
            for number in range(self.rounds)
        ]
        return [Micro(*micro) for micro in zip(*parts, mix, *views, noise, twins, strict=True)]
