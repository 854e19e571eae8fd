"""What an iteration of a config costs on the device that it would train on: seconds and memory."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import repeat
from typing import NamedTuple

import numpy as np
import psutil
import torch
from einops import rearrange

from cgan_dist.assembly.inputs import Inputs
from cgan_dist.config.document import Config
from cgan_dist.data.batch import Batch
from cgan_dist.distributed.group import synchronize
from cgan_dist.randomness import torch_generator
from cgan_dist.training.heap import keep_freed_memory
from cgan_dist.training.step import TrainStep

TRIED_IMAGES = 2
"""Size of the fake batch of a first step: enough for batch statistics, cheap for large networks on a login node."""
MEASURED_IMAGES = 4
"""Of the first iteration that is measured."""
ITERATION_SECONDS = 5.0
"""An iteration that would take longer is measured with fewer images."""
MEMORY_SHARE = 0.8
"""Of what there is; an iteration that would take more is measured with fewer images."""
BUSY_SHARE = 0.75
"""Of the cores; with a higher load others slow what is measured."""
ENOUGH_SECONDS, MOST_SECONDS = 2.0, 10.0
ENOUGH_ITERATIONS, MOST_ITERATIONS = 3, 40


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """What was measured, and what follows for an iteration of the config.

    Attributes:
        seconds: of one iteration with so many `images`.
        images: that one pass took.
        pass_images: that one pass takes as the config has it.
        passes: of each phase of an iteration, in one process.
        global_images: real images that D consumes in an iteration, over all processes.
        memory_bytes: of one process at its peak, for passes of `pass_images`; None where that cannot be told.
        limit_bytes: of the device, or what of a machine's memory is free; None where that cannot be told.
        device: `cpu`, `cuda`, ...
        name: of the device, for a person.
        load: processes of this machine that wanted a core in the minute before.
        cores: of this machine.
    """

    seconds: float
    images: int
    pass_images: int
    passes: int
    global_images: int
    memory_bytes: int | None = None
    limit_bytes: int | None = None
    device: str = "cpu"
    name: str = "this CPU"
    load: float = 0.0
    cores: int = 1

    @property
    def was_disturbed(self) -> bool:
        """Whether others wanted the cores too, so that the run alone would be faster."""
        return self.device == "cpu" and self.load > BUSY_SHARE * self.cores

    @property
    def iteration_seconds(self) -> float:
        """Of one iteration as the config has it."""
        return self.seconds * self.pass_images / self.images * self.passes

    @property
    def images_per_second(self) -> float:
        """Real images, over all processes."""
        return self.global_images / self.iteration_seconds


class _Point(NamedTuple):
    """One iteration: so many images of a pass took so long and so much memory."""

    images: int
    seconds: float
    memory_bytes: int | None


class Trial:
    """A step that is tried on random images.

    Args:
        step: built of the config.
        config: of the run.
        inputs: of the config; their first labels are taken.
        now: reads seconds.
    """

    def __init__(
        self, step: TrainStep, config: Config, inputs: Inputs, now: Callable[[], float] = time.perf_counter
    ) -> None:
        self.step, self.config, self.inputs, self.now = step, config, inputs, now
        self.device = step.accelerator.device

    def scalars(self) -> dict[str, float]:
        """Carries out one iteration with a few images; returns what it says."""
        self.step.iterate(iter([self._batch(TRIED_IMAGES)] * self.config.train.plan.count("D")), images_seen=0)
        return {name: float(value) for name, value in self.step.meter.means().items()}

    def measure(self, world_size: int) -> Measurement:
        """Measures iterations with as many images in a pass as the config has, or fewer where those take too much.

        Args:
            world_size: processes to be. On a CPU they share the cores, so one passes the whole batch here.
        """
        train = self.config.train
        on_cpu = self.device.type == "cpu"
        load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
        if on_cpu:
            keep_freed_memory()  # as training does; what was freed stays, so what is resident is the peak
        share = train.batch_size if on_cpu else train.batch_size // world_size
        wanted = min(train.micro_batch or share, share)
        points = self._grown(wanted)
        images = points[-1].images
        return Measurement(
            seconds=self._timed(images),
            images=images,
            pass_images=wanted,
            passes=share // wanted,
            global_images=train.batch_size * train.plan.count("D"),
            memory_bytes=_at(points, wanted),
            limit_bytes=self._limit_bytes(),
            device=self.device.type,
            name=device_name(self.device),
            load=load,
            cores=os.cpu_count() or 1,
        )

    def _grown(self, wanted: int) -> list[_Point]:
        """Iterations with twice as many images each, up to those wanted or those that are bearable."""
        points: list[_Point] = []
        images = min(MEASURED_IMAGES, wanted)
        while True:
            try:
                points.append(self._point(images))
            except torch.OutOfMemoryError:
                if not points:
                    raise
                return points
            if images == wanted:
                return points
            images = min(2 * images, wanted)
            memory, limit = _at(points, images), self._limit_bytes()
            too_large = memory is not None and limit is not None and memory > MEMORY_SHARE * limit
            if len(points) > 1 and (too_large or points[-1].seconds * images / points[-1].images > ITERATION_SECONDS):
                return points

    def _point(self, images: int) -> _Point:
        if self.device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(self.device)
        seconds = self._seconds(self._sized(images), self._batch(images), number=0)
        return _Point(images, seconds, self._memory_bytes())

    def _timed(self, images: int) -> float:
        """The mean of some iterations; where penalties are computed now and then, of a whole turn of them."""
        step, batch, found = self._sized(images), self._batch(images), list[float]()
        least = max(ENOUGH_ITERATIONS, self.config.loss.lazy_updates)
        while sum(found) < MOST_SECONDS and len(found) < max(least, MOST_ITERATIONS):
            if len(found) >= least and len(found) % self.config.loss.lazy_updates == 0 and sum(found) >= ENOUGH_SECONDS:
                break
            found.append(self._seconds(step, batch, number=len(found)))
        return sum(found) / len(found)

    def _seconds(self, step: TrainStep, batch: Batch, number: int) -> float:
        synchronize(step.accelerator)
        began = self.now()
        step.iterate(repeat(batch), images_seen=number * step.images_per_iteration)
        synchronize(step.accelerator)
        return self.now() - began

    def _sized(self, images: int) -> TrainStep:
        """The same step for a batch of so many images, in one pass."""
        train = self.config.train.model_copy(update={"batch_size": images, "micro_batch": None})
        return replace(self.step, config=self.config.model_copy(update={"train": train}))

    def _batch(self, images: int) -> Batch:
        spec, shards = self.inputs.spec, self.inputs.shards
        generator = torch_generator(self.config.run.seed, "dry run")
        shape = (images, spec.channels, spec.height, spec.width)
        stored, labels = shards.take(shards.open(0), np.arange(images))
        if spec.latents is None:
            pixels = torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
        else:  # of random bytes some are no numbers
            pixels = rearrange(torch.from_numpy(stored), "n h w c -> n c h w")
        return Batch(pixels.to(self.device), torch.from_numpy(labels).to(self.device))

    def _memory_bytes(self) -> int | None:
        if self.device.type == "cuda":
            return torch.cuda.max_memory_allocated(self.device)
        return int(psutil.Process().memory_info().rss) if self.device.type == "cpu" else None

    def _limit_bytes(self) -> int | None:
        if self.device.type == "cuda":
            return int(torch.cuda.get_device_properties(self.device).total_memory)
        if self.device.type == "cpu":
            return int(psutil.virtual_memory().available + psutil.Process().memory_info().rss)
        return None


def device_name(device: torch.device) -> str:
    """Of the device of a process, for a person."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"this CPU ({threads} thread{'s' * (threads > 1)})" if device.type == "cpu" else device.type


def _at(points: list[_Point], images: int) -> int | None:
    """The memory of an iteration with so many images, on the line through the last two; None where there is none."""
    last = points[-1]
    if last.images == images or last.memory_bytes is None:
        return last.memory_bytes
    if len(points) < 2 or points[-2].memory_bytes is None:
        return None
    per_image = (last.memory_bytes - points[-2].memory_bytes) / (last.images - points[-2].images)
    return round(last.memory_bytes + max(0.0, per_image) * (images - last.images))
