"""Measured with clocks and memories that are given: what is tried, and what follows of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from accelerate import Accelerator

from cgan_dist.assembly import dry_run
from cgan_dist.assembly.inputs import check_inputs
from cgan_dist.assembly.measurement import Trial
from cgan_dist.assembly.networks import build_networks
from cgan_dist.config.document import Config
from cgan_dist.data.batch import Batch
from cgan_dist.training.step import TrainStep

ConfigMaker = Callable[..., Config]
GB = 10**9


class Bench:
    """A trial whose iterations take given seconds and bytes for each image, beside a second and a GB."""

    def __init__(
        self,
        config: Config,
        monkeypatch: pytest.MonkeyPatch,
        seconds: float = 0.0,
        most: int = 10**6,
        free: int = 10**12,
    ) -> None:
        self.tried: list[tuple[int, int]] = []
        self.clock = 0.0
        self.resident = GB
        inputs = check_inputs(config, 1, 0)
        self.trial = dry_run.build_trial(config, inputs, build_networks(config, inputs.spec, inputs.label_space))
        self.trial.now = lambda: self.clock

        def iterate(step: TrainStep, batches: Iterator[Batch], images_seen: int) -> None:
            images = len(next(batches).images)
            if images > most:
                raise torch.OutOfMemoryError
            assert step.share == images
            assert step.rounds == 1
            self.tried.append((images, images_seen))
            self.clock += 1 + seconds * images
            self.resident = max(self.resident, GB + images * GB // 10)

        monkeypatch.setattr(TrainStep, "iterate", iterate)
        monkeypatch.setattr(Trial, "_memory_bytes", lambda _: self.resident)
        monkeypatch.setattr(Trial, "_limit_bytes", lambda _: free)
        monkeypatch.setattr("cgan_dist.assembly.measurement.keep_freed_memory", lambda: None)

    @property
    def sizes(self) -> list[int]:
        """Of what was tried, without repetition."""
        return list(dict.fromkeys(images for images, _ in self.tried))


def test_the_batch_of_the_config_is_measured_where_it_is_cheap(
    make_config: ConfigMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(make_config("train.batch_size=24"), monkeypatch)
    found = bench.trial.measure(world_size=1)
    assert bench.sizes == [4, 8, 16, 24]
    assert (found.seconds, found.images, found.pass_images, found.passes) == (1.0, 24, 24, 1)
    assert found.memory_bytes == GB + 24 * GB // 10
    assert found.images_per_second == 24


def test_an_iteration_is_its_micro_batches(make_config: ConfigMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    config = make_config("train.batch_size=64", "train.micro_batch=16", "train.plan=[D, D, G]")
    bench = Bench(config, monkeypatch)
    found = bench.trial.measure(world_size=2)
    assert bench.sizes == [4, 8, 16]
    assert (found.passes, found.iteration_seconds, found.images_per_second) == (4, 4.0, 32.0)


def test_what_is_slow_is_measured_with_fewer_images_and_scaled(
    make_config: ConfigMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = Bench(make_config("train.batch_size=64"), monkeypatch, seconds=0.3)
    found = bench.trial.measure(world_size=1)
    assert bench.sizes == [4, 8]
    assert (found.images, found.pass_images) == (8, 64)
    assert found.iteration_seconds == pytest.approx(8 * 3.4)
    assert found.memory_bytes == pytest.approx(GB + 64 * GB / 10, rel=1e-6)


def test_two_sizes_are_tried_however_slow(make_config: ConfigMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(make_config("train.batch_size=64"), monkeypatch, seconds=60)
    assert bench.trial.measure(world_size=1).images == 8
    assert len(bench.tried) == 3


@pytest.mark.parametrize("short", [{"most": 16}, {"free": 4 * GB}])
def test_memory_is_not_overrun(
    make_config: ConfigMaker, monkeypatch: pytest.MonkeyPatch, short: dict[str, Any]
) -> None:
    bench = Bench(make_config("train.batch_size=64"), monkeypatch, **short)
    found = bench.trial.measure(world_size=1)
    assert bench.sizes == [4, 8, 16]
    assert found.memory_bytes == pytest.approx(GB + 64 * GB / 10, rel=1e-6)


def test_lazy_penalties_are_measured_over_their_turn(make_config: ConfigMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    config = make_config("loss.penalties={r1: 1}", "loss.lazy_updates=8", "discriminator.args.norm=none")
    bench = Bench(config, monkeypatch)
    bench.trial.measure(world_size=1)
    assert [seen for images, seen in bench.tried if images == 8][1:] == [8 * number for number in range(8)]


def test_on_a_gpu_processes_share_the_batch(make_config: ConfigMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    bench = Bench(make_config("train.batch_size=64"), monkeypatch)
    bench.trial.device = torch.device("xpu")  # any but the CPU
    monkeypatch.setattr(Trial, "_batch", lambda self, images: Batch(torch.zeros(images), torch.zeros(images)))
    found = bench.trial.measure(world_size=4)
    assert (found.pass_images, found.passes, found.global_images) == (16, 1, 64)
    assert found.images_per_second == 64


def test_a_real_step_is_measured_and_changes_nothing_of_the_config(
    make_config: ConfigMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    config = make_config("train.batch_size=16", "train.micro_batch=8", "train.compile=true")
    text = dry_run.dry_run(config, 1, measures=True)
    lines = {line[:16].strip(): line[16:] for line in text.splitlines()}
    assert "images/s, measured on this CPU" in lines["speed"]
    assert lines["speed"].endswith(", not compiled")
    assert float(lines["memory"].removesuffix(" GB")) > 0
    assert text.splitlines()[-1] == "All checks passed; nothing was trained."
    assert Accelerator().device.type == "cpu"
    assert not config.run.folder.exists()
