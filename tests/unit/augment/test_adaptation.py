"""The rule by which p moves."""

from __future__ import annotations

import random

import pytest
import torch
from torch import Tensor

from cgan_dist.augment.adaptation import STATE, Adaptation

CPU = torch.device("cpu")


def adaptation(**given: float) -> Adaptation:
    settings = {"target": 0.6, "adaptation_images": 1000, "interval_images": 64, "limit": 1.0} | given
    return Adaptation(
        settings["target"], int(settings["adaptation_images"]), int(settings["interval_images"]), settings["limit"]
    )


def r(value: float) -> Tensor:
    return torch.tensor(value)


@pytest.mark.parametrize("interval_images", [1, 16, 40, 64])
@pytest.mark.parametrize("limit", [1.0, 0.3])
def test_p_is_what_a_loop_in_numbers_says(interval_images: int, limit: float) -> None:
    random.seed(interval_images)
    found, p, seen = adaptation(interval_images=interval_images, limit=limit), 0.0, list[float]()
    for update in range(120):
        measured = random.uniform(-0.2, 1.2) if update < 60 else random.uniform(0, 0.8)
        line = found.follow(r(measured), update * 16, 16)
        seen.append(measured)
        if (update + 1) * 16 // interval_images > update * 16 // interval_images:
            up = sum(seen) / len(seen) > 0.6
            p = min(max(p + (1 if up else -1) * len(seen) * 16 / 1000, 0), limit)
            seen = []
        assert line["augment/p"].item() == pytest.approx(p, abs=1e-5)
        assert line["augment/r"].item() == pytest.approx(measured)
        assert found.probability.item() == pytest.approx(p, abs=1e-5)


def test_p_goes_from_0_to_1_and_back_in_adaptation_images() -> None:
    found = adaptation(adaptation_images=10_000, interval_images=100)
    rising = [found.follow(r(1.0), position, 100)["augment/p"].item() for position in range(0, 12_000, 100)]
    assert rising[49] == pytest.approx(0.5, abs=1e-4)
    assert rising[98] < 0.995
    assert rising[99:] == pytest.approx([1.0] * 21, abs=1e-4)
    falling = [found.follow(r(0.0), position, 100)["augment/p"].item() for position in range(0, 12_000, 100)]
    assert falling[49] == pytest.approx(0.5, abs=1e-4)
    assert falling[100:] == [0.0] * 20


def test_what_is_not_finite_leaves_no_trace() -> None:
    ours, theirs = adaptation(), adaptation()
    for position in range(0, 640, 16):
        ours.follow(r(float("nan") if position % 64 == 16 else 0.9), position, 16)
        if position % 64 != 16:
            theirs.follow(r(0.9), position, 16)
    assert torch.equal(ours.probability, theirs.probability)
    assert ours.probability > 0
    nothing = adaptation()
    for position in range(0, 128, 16):
        nothing.follow(r(float("inf")), position, 16)
    assert nothing.probability == 0


def test_a_state_goes_on_in_the_middle_of_an_interval() -> None:
    ours, other = adaptation(), adaptation()
    for position in range(0, 160, 16):
        ours.follow(r(0.8), position, 16)
    other.restore(ours.state(), CPU)
    for position in range(160, 640, 16):
        value = r(position / 640)
        assert torch.equal(
            ours.follow(value, position, 16)["augment/p"], other.follow(value, position, 16)["augment/p"]
        )
    other.restore({}, CPU)
    assert other.state()[STATE].tolist() == [0, 0, 0]


def test_what_was_given_out_never_changes() -> None:
    """The log reads it many updates later."""
    found = adaptation(interval_images=1)
    first = found.follow(r(1.0), 0, 16)["augment/p"]
    saved, before = found.state()[STATE], first.item()
    found.follow(r(1.0), 16, 16)
    assert first.item() == before == saved[0].item() == pytest.approx(0.016)


def test_nothing_waits_for_the_device() -> None:
    found, meta = adaptation(), torch.device("meta")
    found.restore({}, meta)
    line = found.follow(torch.zeros((), device=meta), 48, 16)
    assert {value.device for value in (*line.values(), found.probability)} == {meta}
