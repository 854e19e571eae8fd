"""What changes along the clock reaches the step at the right point of it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.training.test_step import ConfigMaker, make_step, numbered_batches


def test_lazy_penalties_and_their_schedules_go_by_updates_of_d(make_config: ConfigMaker) -> None:
    step = make_step(
        make_config(
            "train.plan=[D, D, G]",
            "discriminator.args.norm=none",
            "loss.lazy_updates=2",
            "loss.penalties={r1: 1.0, r2: {start: 1, end: 0, end_images: 16, shape: step}, gp: 0.0}",
        )
    )
    batches = numbered_batches()
    step.iterate(batches, 0)
    assert {name: n for name, n in step.meter.counts.items() if "penalty" in name} == {"penalty/r1": 1, "penalty/r2": 1}
    step.iterate(batches, 16)
    assert {name: n for name, n in step.meter.counts.items() if "penalty" in name} == {"penalty/r1": 2, "penalty/r2": 1}


def test_schedules_of_augmentation_and_average(make_config: ConfigMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    slope = "{start: 0, end: 1, end_images: 32, shape: linear}"
    options = ("train.plan=[D, D, G]", f"data.augment_probability={slope}", f"ema.half_life_images={slope}")
    step = make_step(make_config("data.augment=[flip]", *options))
    drawn, averaged = [], []
    real_draw, real_update = step.augment.draw, step.ema.update

    def draw(*args: Any) -> Any:
        drawn.append((args[2], args[4]))  # position, probability
        return real_draw(*args)

    def update(network: Any, images: int, half_life_images: float) -> None:
        averaged.append((images, half_life_images))
        real_update(network, images, half_life_images)

    monkeypatch.setattr(step.augment, "draw", draw)
    monkeypatch.setattr(step.ema, "update", update)
    batches = numbered_batches()
    step.iterate(batches, 0)
    step.iterate(batches, 16)
    assert list(dict.fromkeys(drawn)) == [(0, 0.0), (8, 0.25), (16, 0.5), (24, 0.75)]
    assert averaged == [(16, 0.0), (16, 0.5)]


def test_the_weight_of_a_way_is_that_of_each_update(make_config: ConfigMaker, monkeypatch: pytest.MonkeyPatch) -> None:
    slope = "{start: 1, end: 0, end_images: 32, shape: linear}"
    ways = f"[projection, {{name: auxiliary, args: {{weight: {slope}}}}}]"
    step = make_step(make_config("train.plan=[D, D, G]", f"conditioning.discriminator={ways}"))
    shares: dict[str, list[float]] = {"discriminator": [], "generator": []}

    def watched(net: str) -> Any:
        real = getattr(step.objective, net)

        def look(*args: Any) -> Any:
            loss, scalars = real(*args)
            short = net[0]
            added = scalars[f"loss/{short}"] - scalars[f"loss/{short}_adversarial"]
            shares[net].append(round((added / scalars[f"aux/auxiliary_{short}"]).item(), 3))
            return loss, scalars

        return look

    for net in shares:
        monkeypatch.setattr(step.objective, net, watched(net))
    batches = numbered_batches()
    step.iterate(batches, 0)
    step.iterate(batches, 16)
    assert shares == {"discriminator": [1.0, 0.75, 0.5, 0.25], "generator": [0.75, 0.25]}
