"""Moved pictures, against pictures of functions that are known everywhere."""

from __future__ import annotations

import math
from functools import reduce

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from cgan_dist.augment.geometry import MOVES, blitted, warped

HEIGHT, WIDTH = 32, 40


def values(**given: float) -> dict[str, Tensor]:
    return {name: torch.tensor([given.get(name, 0.0)], dtype=torch.float64) for name in (*MOVES, "flip", "quarter")}


def waves(x: Tensor, y: Tensor) -> Tensor:
    """A picture at places in pixels from the centre; its edges are mirrors."""
    u, v = x / WIDTH + 0.5, y / HEIGHT + 0.5
    cross = torch.cos(math.pi * u) * torch.cos(2 * math.pi * v)
    return 0.4 * torch.cos(2 * math.pi * u) + 0.5 * torch.cos(math.pi * v) + 0.2 * cross


def pixels() -> tuple[Tensor, Tensor]:
    down, across = (torch.arange(size, dtype=torch.float64) + 0.5 - size / 2 for size in (HEIGHT, WIDTH))
    return across.expand(HEIGHT, -1), down[:, None].expand(-1, WIDTH)


def matrix(rows: list[list[float]]) -> Tensor:
    return torch.tensor([*rows, [0, 0, 1]], dtype=torch.float64)


def turn(angle: float) -> Tensor:
    cos, sin = math.cos(angle), math.sin(angle)
    return matrix([[cos, -sin, 0], [sin, cos, 0]])


def reference(given: dict[str, float]) -> Tensor:
    """The picture where the inverse of the product of the matrices says."""
    value = dict.fromkeys(MOVES, 0.0) | given
    scale, stretch = 2 ** value["scale"], 2 ** value["stretch"]
    steps = [
        matrix([[1, 0, round(value["shift_right"] * WIDTH)], [0, 1, round(value["shift_down"] * HEIGHT)]]),
        matrix([[scale, 0, 0], [0, scale, 0]]),
        turn(value["turn_before"]),
        matrix([[stretch, 0, 0], [0, 1 / stretch, 0]]),
        turn(value["turn_after"]),
        matrix([[1, 0, value["slide_right"] * WIDTH], [0, 1, value["slide_down"] * HEIGHT]]),
    ]
    whole = reduce(lambda done, step: step @ done, steps)
    x, y = pixels()
    source = torch.linalg.inv(whole) @ torch.stack([x.flatten(), y.flatten(), torch.ones(HEIGHT * WIDTH)])
    return waves(source[0], source[1]).view(1, 1, HEIGHT, WIDTH)


MOVED = [
    {"shift_down": 0.11, "shift_right": -0.08},
    {"scale": 0.4},
    {"scale": -0.4},
    {"turn_before": 0.7},
    {"turn_after": -2.1},
    {"stretch": 0.3},
    {"stretch": -0.3, "turn_before": 1.0},
    {"slide_down": 0.117, "slide_right": -0.309},
    {
        **{"shift_down": 0.09, "shift_right": -0.12, "scale": 0.21, "turn_before": 2.0, "stretch": -0.17},
        **{"turn_after": 0.4, "slide_down": -0.13, "slide_right": 0.05},
    },
]


@pytest.mark.parametrize("given", MOVED)
def test_each_move_is_what_its_matrix_says(given: dict[str, float]) -> None:
    picture = waves(*pixels())[None, None]
    changed = warped(picture, values(**given))
    torch.testing.assert_close(changed, reference(given), rtol=0, atol=0.01)
    assert (changed - picture).abs().max() > 0.1


def test_a_shift_moves_whole_pixels_and_changes_none() -> None:
    noise = torch.randn(1, 3, HEIGHT, WIDTH, dtype=torch.float64)
    changed = warped(noise, values(shift_down=3.2 / HEIGHT, shift_right=-4.9 / WIDTH))
    inside = (slice(None), slice(None), slice(14, HEIGHT - 14), slice(14, WIDTH - 14))
    torch.testing.assert_close(changed[inside], noise.roll((3, -5), (2, 3))[inside], rtol=0, atol=1e-3)


def test_a_turn_by_a_right_angle_is_exact() -> None:
    noise = torch.randn(1, 2, 24, 24, dtype=torch.float64)
    changed = warped(noise, values(turn_before=math.pi / 2))
    torch.testing.assert_close(changed, noise.rot90(-1, (2, 3)))


def test_a_picture_made_smaller_has_no_aliases() -> None:
    """Shrunk to half, a wave that no picture can show any more is gone; taken pixel by pixel, it becomes a slow one."""
    fast = torch.cos(0.8 * math.pi * torch.arange(64, dtype=torch.float64)).expand(1, 1, 64, 64)
    shrunk = warped(fast, values(scale=-1))[..., 20:-20, 20:-20]
    assert shrunk.abs().max() < 0.05
    assert fast[..., ::2].abs().mean() > 0.6


def test_a_turn_and_the_turn_back_lose_less_than_plain_interpolation() -> None:
    fine = torch.cos(2 * math.pi / 3 * torch.arange(64, dtype=torch.float64)).expand(1, 1, 64, 64)

    def plainly(picture: Tensor, angle: float) -> Tensor:
        grid = F.affine_grid(turn(angle)[None, :2], list(picture.shape), align_corners=False)
        return F.grid_sample(picture, grid, padding_mode="reflection", align_corners=False)

    plain = plainly(plainly(fine, 0.5), -0.5)
    ours = warped(warped(fine, values(turn_before=0.5)), values(turn_before=-0.5))
    lost, lost_plainly = ((back - fine)[..., 24:40, 24:40].abs().mean() for back in (ours, plain))
    assert lost < lost_plainly / 2


def test_a_picture_that_nothing_came_to_stays_as_it_is() -> None:
    pictures = torch.randn(2, 1, 8, 6, dtype=torch.float64)
    two = {name: torch.cat([value, torch.full_like(value, 0.1)]) for name, value in values().items()}
    assert torch.equal(warped(pictures, two)[0], pictures[0])
    assert not torch.equal(warped(pictures, two)[1], pictures[1])


@pytest.mark.parametrize("size", [(6, 6), (6, 4)])
def test_mirrors_and_quarters_move_pixels_only(size: tuple[int, int]) -> None:
    picture = torch.randn(1, 2, *size)
    assert torch.equal(blitted(picture, values()), picture)
    assert torch.equal(blitted(picture, values(flip=1)), picture.flip(3))
    for number in range(4):
        quarters = number if size[0] == size[1] else number // 2 * 2
        expected = picture.flip(3).rot90(quarters, (2, 3))
        assert torch.equal(blitted(picture, values(flip=1, quarter=number)), expected)
