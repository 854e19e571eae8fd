"""What is said of seconds and bytes that are given here: no test depends on this machine's speed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from cgan_dist.assembly.measurement import Measurement
from cgan_dist.assembly.outlook import outlook, two_digits
from cgan_dist.config.document import Config
from cgan_dist.data.spec import DataSpec
from cgan_dist.labels import NoLabels

SLOW = Measurement(
    seconds=1.45, images=8, pass_images=64, passes=1, global_images=64, memory_bytes=8 * 10**9, limit_bytes=24 * 10**9
)
"""configs/imagefolder.yaml at 5.5 images a second."""
R3 = "{name: r3, args: {width: 48, max_width: 192}}"


def spec(side: int = 64) -> DataSpec:
    return DataSpec(channels=3, height=side, width=side, count=1000, labels=NoLabels(), fingerprint="0")


@pytest.fixture
def config(make_config: Callable[..., Config]) -> Config:
    return make_config(
        "train.batch_size=64",
        "train.total_images=10_000_000",
        f"generator={R3}",
        f"discriminator={R3}",
        "data.path=my set",
    )


def test_500_hours_on_a_cpu_come_with_what_makes_them_bearable(config: Config) -> None:
    assert outlook(config, spec(), SLOW) == [
        "speed           11.6 s an iteration, 5.52 images/s, measured on this CPU, 8 images at once",
        "memory          8.0 GB",
        "duration        21 days for 10,000,000 images; samples, checkpoints and scores come on top",
        "That is long for a CPU. What makes it bearable:",
        "  a config for this CPU cgan-dist new 'my set' --out NEW.yaml",
        "  12 h                  train.total_images=230_000, and every end_images of the config below it",
        "  about half the time   generator.args.width=24 generator.args.max_width=96 discriminator.args.width=24 "
        "discriminator.args.max_width=96",
        "  about a quarter       cgan-dist prepare with --size 32",
        "  less than either      a GPU",
    ]


def test_a_length_that_a_cpu_can_bear_needs_no_advice(config: Config) -> None:
    fast = replace(SLOW, seconds=0.05)
    lines = outlook(config, spec(), fast)
    assert len(lines) == 3
    assert lines[-1].split()[1:3] == ["17", "h"]


def test_nothing_is_proposed_that_would_not_help(config: Config) -> None:
    """Half of 32 pixels is too small, a width of 8 cannot be halved, and a night is too short at this speed."""
    narrow = config.model_copy(
        update={
            "generator": config.generator.model_copy(update={"args": {"width": 8}}),
            "discriminator": config.discriminator.model_copy(update={"name": "my.networks:D"}),
        }
    )
    lines = outlook(narrow, spec(side=32), replace(SLOW, seconds=15.0))
    assert [line.split("  ")[1] for line in lines if line.startswith("  ")] == [
        "a config for this CPU cgan-dist new 'my set' --out NEW.yaml",
        "less than either",
    ]


def test_a_gpu_may_take_two_weeks(config: Config) -> None:
    gpu = replace(SLOW, images=64, device="cuda", name="a card")
    assert [line.split()[0] for line in outlook(config, spec(), replace(gpu, seconds=7.0))] == [
        "speed",
        "memory",
        "duration",
    ]
    lines = outlook(config, spec(), replace(gpu, seconds=8.0))
    assert lines[3] == "That is long for one device. What makes it bearable:"
    assert lines[-1] == "  less than either      more GPUs, with a process on each"
    assert not any("cgan-dist new" in line for line in lines)


def test_what_does_not_fit_names_a_micro_batch_that_does(config: Config) -> None:
    lines = outlook(config, spec(), replace(SLOW, seconds=0.05, limit_bytes=3 * 10**9))
    assert lines[3:] == ["That is more memory than the 3.0 GB there. Give train.micro_batch=16."]


def test_a_busy_machine_is_named(config: Config) -> None:
    lines = outlook(config, spec(), replace(SLOW, seconds=0.05, load=4.93, cores=2))
    assert lines[3].strip() == "(other work was here, load 4.9 on 2 cores: alone it is faster)"
    assert len(outlook(config, spec(), replace(SLOW, seconds=0.05, load=1.0, cores=2))) == 3


@pytest.mark.parametrize(("value", "result"), [(0.5, 0), (7.9, 7), (99.9, 99), (1_234, 1_200), (238_463, 230_000)])
def test_numbers_have_two_digits(value: float, result: int) -> None:
    assert two_digits(value) == result
