"""What a phase draws at random: for the global batch, ahead of time, and in one copy to the device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain
from types import MappingProxyType
from typing import NamedTuple

import torch
from torch import Tensor

from cgan_dist.augment.base import Pipeline
from cgan_dist.config.document import Config
from cgan_dist.config.schedule import value_at
from cgan_dist.randomness import draw_latent, torch_generator
from cgan_dist.training.parcel import Parcel

Key = tuple[int, int, int]
"""Seed, position and phase."""


class Noise(NamedTuple):
    """In whose phases noise is wanted, of "D" and "G", and its shape for one image."""

    phases: Set[str]
    shape: Sequence[int]


class Drawn(NamedTuple):
    """This rank's rows of what one phase draws.

    Attributes:
        z: (B, Z).
        mix: (B,) in [0, 1); None where no penalty wants it.
        real: parameters of the augmentation of reals, see `Pipeline.draw`.
        fake: of fakes.
        noise: (B, C, H, W) or (B, Z) standard normal, by the names of what wants it in this phase.
        reals: (B, C, H, W) standard normal, by which real latents are sampled; None where they are not.
        twins: parameters of another augmentation, by the names of the penalties that want it in this phase.
    """

    z: Tensor
    mix: Tensor | None
    real: list[Tensor]
    fake: list[Tensor]
    noise: dict[str, Tensor]
    reals: Tensor | None = None
    twins: Mapping[str, list[Tensor]] = MappingProxyType({})


class Draws:
    """All draws of training, each a function of (seed, position, phase) alone.

    Args:
        config: of the run.
        augment: of what D is shown.
        mixes: whether a penalty looks between reals and fakes.
        rows: this rank's, of the global batch.
        device: where they are wanted.
        noisy: what wants noise, by name.
        reals_shape: (C, H, W) of reals that are sampled, as latents are of which moments are kept; else null.
        twins: names of penalties, to the augmentation that they want parameters of in phases of D.
    """

    def __init__(
        self,
        config: Config,
        augment: Pipeline,
        mixes: bool,
        rows: slice,
        device: torch.device,
        noisy: Mapping[str, Noise] = MappingProxyType({}),
        reals_shape: Sequence[int] | None = None,
        twins: Mapping[str, Pipeline] = MappingProxyType({}),
    ) -> None:
        self.config, self.augment, self.mixes, self.rows, self.device = config, augment, mixes, rows, device
        self.noisy, self.reals_shape, self.twins = noisy, reals_shape, twins
        # where the CPU is the device, a thread would take from training what it gives to it
        self.thread = None if device.type == "cpu" else ThreadPoolExecutor(1, "draws")
        self._begun: tuple[Key, Future[tuple[Drawn, Parcel]]] | None = None
        self._last_z: tuple[tuple[int, ...], Tensor] | None = None

    def begin(self, seed: int, position: int, phase: int) -> None:
        """Has a thread draw what `take` will be asked for next; on a CPU nothing is begun."""
        if self.thread is not None:
            key = (seed, position, phase)
            self._begun = key, self.thread.submit(self._packed, *key)

    def take(self, seed: int, position: int, phase: int) -> Drawn:
        """Returns what a phase draws, on the device: the same numbers whether they were begun or not.

        Args:
            seed: of the run, or another after it had to go back to a checkpoint.
            position: images_seen at the phase's batch.
            phase: its number in the plan.
        """
        key, begun = (seed, position, phase), self._begun
        if self.thread is None:
            return self._drawn(*key)
        self._begun = None
        drawn, parcel = begun[1].result() if begun is not None and begun[0] == key else self._packed(*key)
        there = iter(parcel.to(self.device))
        return Drawn(
            z=next(there),
            mix=None if drawn.mix is None else next(there),
            reals=None if drawn.reals is None else next(there),
            real=[next(there) for _ in drawn.real],
            fake=[next(there) for _ in drawn.fake],
            noise={name: next(there) for name in drawn.noise},
            twins={name: [next(there) for _ in parameters] for name, parameters in drawn.twins.items()},
        )

    def _packed(self, seed: int, position: int, phase: int) -> tuple[Drawn, Parcel]:
        drawn = self._drawn(seed, position, phase)
        some = [tensor for tensor in (drawn.mix, drawn.reals) if tensor is not None]
        tensors = [drawn.z, *some, *drawn.real, *drawn.fake, *drawn.noise.values(), *chain(*drawn.twins.values())]
        return drawn, Parcel(tensors, pin_memory=self.device.type == "cuda")

    def _drawn(self, seed: int, position: int, phase: int) -> Drawn:
        key, reals, net = (seed, position, phase), self.reals_shape, self.config.train.plan[phase]
        probability = value_at(self.config.data.augment_probability, position)
        return Drawn(
            z=self._latents(seed, position, phase),
            mix=self._mix(seed, position, phase) if self.mixes else None,
            real=self._parameters(self.augment, "real", key, probability),
            fake=self._parameters(self.augment, "fake", key, probability),
            noise={name: self._noise(name, key, of.shape) for name, of in self.noisy.items() if net in of.phases},
            reals=None if reals is None else self._noise("moments", key, reals),
            twins={name: self._parameters(of, name, key) for name, of in self.twins.items() if net == "D"},
        )

    def _noise(self, name: str, key: Key, shape: Sequence[int]) -> Tensor:
        """(B, *shape), each row by a key of its own, so that a rank need not draw those of others to come to it."""
        rows = range(self.rows.start, self.rows.stop)
        generators = (torch_generator(key[0], name, *key[1:], row) for row in rows)
        return torch.stack([torch.randn(*shape, generator=generator) for generator in generators])

    def _latents(self, seed: int, position: int, phase: int) -> Tensor:
        """(B, Z); phases that share it have it drawn once."""
        train, net = self.config.train, self.config.generator
        key = (seed, position) if train.share_z else (seed, position, phase)
        last = self._last_z
        if last is None or last[0] != key:
            generator = torch_generator(seed, "latent", *key[1:])
            z = draw_latent((train.batch_size, net.latent_dim), net.latent, generator)[self.rows]
            self._last_z = last = key, z
        return last[1].clone()  # each phase's own, whatever a network does to its input

    def _mix(self, seed: int, position: int, phase: int) -> Tensor:
        """(B,)."""
        generator = torch_generator(seed, "mix", position, phase)
        return torch.rand(self.config.train.batch_size, generator=generator)[self.rows]

    def _parameters(self, augment: Pipeline, purpose: str, key: Key, probability: float = 1.0) -> list[Tensor]:
        """Of an augmentation in one phase, see `Pipeline.draw`."""
        seed, position, phase = key
        size = self.config.train.batch_size
        return [rows[self.rows] for rows in augment.draw(seed, f"{purpose} {phase}", position, size, probability)]
