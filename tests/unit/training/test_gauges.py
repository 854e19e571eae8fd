from __future__ import annotations

import mmap
from collections.abc import Callable

import pytest
import torch
from torch import nn

from cgan_dist.conditioning.condition import Layout
from cgan_dist.conditioning.discriminator.auxiliary import Auxiliary
from cgan_dist.config.document import Config
from cgan_dist.config.schedule import Schedule
from cgan_dist.training.ema import Ema
from cgan_dist.training.gauges import GIB, ema_values, memory_values, scheduled_values

MakeConfig = Callable[..., Config]


def test_every_key_with_a_schedule_is_a_number_of_its_own(make_config: MakeConfig) -> None:
    linear = "{start: 0.2, end: 0.4, end_images: 100, shape: linear}"
    config = make_config(
        f"optim.lr={linear}",
        f"optim.betas=[0.5, {linear}]",
        f"loss.penalties={{r1: {linear}, lecam: 0.1}}",
        f"data.augment_probability={linear}",
        "discriminator.args.norm=none",
    )
    assert scheduled_values(config, {}, 50) == pytest.approx(
        {
            "schedule/optim/lr": 0.3,
            "schedule/optim/betas/1": 0.3,
            "schedule/loss/penalties/r1": 0.3,
            "schedule/data/augment_probability": 0.3,
        }
    )


def test_so_is_a_weight_of_a_way(make_config: MakeConfig) -> None:
    weight = Schedule(start=1.0, end=0.0, end_images=100, shape="linear")
    way = Auxiliary(Layout(classes=(3,)), weight=weight)
    assert scheduled_values(make_config(), {"mine": way}, 25) == {"schedule/aux/mine": 0.75}


def test_what_does_not_change_is_not_logged(make_config: MakeConfig) -> None:
    assert scheduled_values(make_config(), {"auxiliary": Auxiliary(Layout(classes=(3,)))}, 50) == {}


def test_the_rates_of_one_network_have_their_own_name(make_config: MakeConfig) -> None:
    config = make_config("optim.discriminator={lr: {start: 0.1, end: 0.2, end_images: 100}}")
    assert scheduled_values(config, {}, 100) == {"schedule/optim/discriminator/lr": 0.2}


def test_the_distance_of_the_average_is_a_share_of_the_weights(make_config: MakeConfig) -> None:
    generator = nn.Linear(2, 1, bias=False)
    with torch.no_grad():
        generator.weight.copy_(torch.tensor([[3.0, 4.0]]))
    ema = Ema(generator)
    config = make_config("ema.half_life_images={start: 0, end: 1000, end_images: 100, shape: linear}")
    assert ema_values(ema, generator, config, 10) == {"ema/half_life_images": 100.0, "ema/distance": 0.0}
    with torch.no_grad():
        generator.weight.mul_(2)  # the average is half of it now
    assert ema_values(ema, generator, config, 200) == {"ema/half_life_images": 1000.0, "ema/distance": 0.5}
    assert ema_values(ema, generator, make_config("ema.half_life_images=0"), 10) == {}


def test_resident_memory_follows_what_is_held() -> None:
    before = memory_values(torch.device("cpu"))["perf/resident_gib"]
    held = torch.frombuffer(mmap.mmap(-1, GIB // 4), dtype=torch.uint8).fill_(1)  # the heap may have as much to spare
    after = memory_values(torch.device("cpu"))["perf/resident_gib"]
    assert held.sum() > 0
    assert 0.2 < after - before < 0.4
