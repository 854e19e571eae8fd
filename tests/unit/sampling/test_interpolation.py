from __future__ import annotations

import math

import pytest
import torch

from cgan_dist.randomness import Latent, draw_latent, torch_generator
from cgan_dist.sampling.interpolation import Place, along, between, places, way


def test_places_of_an_open_way_have_every_stop_once() -> None:
    assert places(3, 3, closed=False) == [
        Place(0, 1, 0.0),
        Place(0, 1, 0.5),
        Place(1, 2, 0.0),
        Place(1, 2, 0.5),
        Place(2, 2, 0.0),
    ]


def test_a_closed_way_comes_back_without_repeating_its_beginning() -> None:
    found = places(3, 3, closed=True)
    assert [(place.before, place.after) for place in found] == [(0, 1), (0, 1), (1, 2), (1, 2), (2, 0), (2, 0)]
    assert [place.share for place in found] == [0.0, 0.5] * 3


@pytest.mark.parametrize("closed", [False, True])
def test_a_single_stop_is_one_place(closed: bool) -> None:
    assert places(1, 5, closed) == [Place(0, 0, 0.0)]


def test_two_steps_are_the_stops_alone() -> None:
    assert places(3, 2, closed=False) == [Place(0, 1, 0.0), Place(1, 2, 0.0), Place(2, 2, 0.0)]


def test_a_normal_z_moves_on_an_arc_at_even_speed() -> None:
    one, other = torch.tensor([[2.0, 0.0]]), torch.tensor([[0.0, 2.0]])
    for share in (0.0, 0.25, 0.5, 1.0):
        angle = share * math.pi / 2
        expected = torch.tensor([[2 * math.cos(angle), 2 * math.sin(angle)]])
        torch.testing.assert_close(between(one, other, share, "normal"), expected, atol=1e-6, rtol=0)


def test_the_arc_keeps_the_length_that_a_straight_line_would_lose() -> None:
    z = draw_latent((2, 64, 100), "normal", torch_generator(0, "z"))
    middle = between(z[0], z[1], 0.5, "normal").norm(dim=-1)
    straight = torch.lerp(z[0], z[1], 0.5).norm(dim=-1)
    ends = z.norm(dim=-1).mean(0)
    torch.testing.assert_close(middle, ends, rtol=0.05, atol=0)
    assert (straight < 0.8 * ends).all()


def test_a_uniform_z_moves_straight_and_stays_in_the_cube() -> None:
    z = draw_latent((2, 64, 10), "uniform", torch_generator(0, "z"))
    assert torch.equal(between(z[0], z[1], 0.25, "uniform"), torch.lerp(z[0], z[1], 0.25))


@pytest.mark.parametrize("other", [torch.tensor([[1.0, 2.0]]), torch.tensor([[-1.0, -2.0]]), torch.zeros(1, 2)])
def test_directions_without_an_arc_between_them_give_numbers(other: torch.Tensor) -> None:
    assert between(torch.tensor([[1.0, 2.0]]), other, 0.5, "normal").isfinite().all()


def test_a_step_along_a_direction_is_in_deviations_and_stays_in_the_cube() -> None:
    z, direction = torch.tensor([[0.5, -0.5], [0.0, 0.9]]), torch.tensor([0.6, 0.8])
    torch.testing.assert_close(along(z, direction, -2.0, "normal"), z - 2 * direction)
    moved = along(z, direction, 1.0, "uniform")
    torch.testing.assert_close(moved, (z + direction / math.sqrt(3)).clamp(max=1))
    assert moved.max() == 1
    deviations = draw_latent((4_000, 3), "uniform", torch_generator(0, "z")).std()
    assert deviations == pytest.approx(1 / math.sqrt(3), rel=0.02)
    assert torch.equal(along(z, direction, 0.0, "normal"), z)


@pytest.mark.parametrize("latent", ["normal", "uniform"])
def test_a_way_passes_its_stops_exactly(latent: Latent) -> None:
    stops = draw_latent((3, 4, 6), latent, torch_generator(0, "z"))
    open_way = way(stops, 5, False, latent)
    assert open_way.shape == (9, 4, 6)
    assert torch.equal(open_way[[0, 4, 8]], stops)
    closed = way(stops, 5, True, latent)
    assert closed.shape == (12, 4, 6)
    steps = (closed - closed.roll(1, dims=0)).norm(dim=-1)
    assert steps.max() < 0.5 * (stops[0] - stops[1]).norm(dim=-1).max(), "no jump, from the end to the beginning either"
