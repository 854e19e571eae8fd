from __future__ import annotations

import numpy as np
import pytest
import torch

from cgan_dist.conditioning.condition import Condition
from cgan_dist.conditioning.spaces.continuous import Continuous
from cgan_dist.errors import UserError
from cgan_dist.pictures.sliders import draw_slider, mixture
from tests.unit.samplers import POSE, STORED, sampler_of


def test_classes_are_mixed_in_a_straight_line() -> None:
    space = sampler_of("classes").label_space
    found = mixture(space, torch.tensor([2]), torch.tensor([5]), 0.25)
    expected = torch.zeros(1, 10)
    expected[0, 2], expected[0, 5] = 0.75, 0.25
    assert torch.equal(found.values, expected)
    assert found.ones.shape == (1, 0)


def test_a_real_value_moves_itself() -> None:
    sampler = sampler_of("continuous")
    slider = draw_slider(sampler, torch.tensor([[0.0], [1.0]]), rows=2, steps=5, closed=False)
    assert slider.heads == slider.captions == ["pose 0", "pose 0.25", "pose 0.5", "pose 0.75", "pose 1"]
    z = sampler.latents(2, "fixed_z").repeat_interleave(5, dim=0)
    expected = sampler.images(z, torch.tensor([[0.0], [0.25], [0.5], [0.75], [1.0]]).repeat(2, 1))
    assert np.array_equal(slider.cells.reshape(10, 4, 4), expected[:, 0].numpy())


def test_a_value_moves_itself_even_where_its_encoding_is_not_linear() -> None:
    class Circle(Continuous):
        def encode(self, labels: torch.Tensor) -> Condition:
            return Condition.of_values((super().encode(labels).values * torch.pi).cos())

    space = Circle(POSE)
    found = mixture(space, torch.tensor([[0.0]]), torch.tensor([[1.0]]), 0.5)
    torch.testing.assert_close(found.values, torch.tensor([[1.0]]))  # the cosine of the middle, not the middle of both


def test_in_a_product_classes_are_mixed_while_values_move() -> None:
    space = sampler_of("classes and pose").label_space
    found = mixture(space, torch.tensor([[2.0, 0.0]]), torch.tensor([[5.0, 1.0]]), 0.25)
    expected = torch.zeros(1, 11)
    expected[0, 2], expected[0, 5], expected[0, 10] = 0.75, 0.25, -0.5
    torch.testing.assert_close(found.values, expected)


def test_stops_have_their_names_and_places_between_them_how_far_they_are() -> None:
    slider = draw_slider(sampler_of("classes"), torch.tensor([3, 5, 8]), rows=1, steps=3, closed=False)
    assert slider.heads == ["3", "50%", "5", "50%", "8"]
    assert slider.captions == ["3", "3 to 5: 50%", "5", "5 to 8: 50%", "8"]
    closed = draw_slider(sampler_of("classes"), torch.tensor([3, 5]), rows=1, steps=3, closed=True)
    assert closed.captions == ["3", "3 to 5: 50%", "5", "5 to 3: 50%"]


@pytest.mark.parametrize("kind", [kind for kind in STORED if kind != "none"])
def test_every_label_space_slides_from_label_to_label_with_z_held(kind: str) -> None:
    sampler = sampler_of(kind, latent="normal")
    labels = STORED[kind][1][[0, -1]]
    labels = sampler.label_space.select(labels)
    slider = draw_slider(sampler, labels, rows=3, steps=4, closed=False)
    assert slider.cells.shape == (3, 4, 4, 4, 1)
    corner = slider.cells[..., 0, 0, 0]
    assert (corner == corner[:, :1]).all(), "z is held"
    ends = sampler.images(sampler.latents(3, "fixed_z").repeat(2, 1), labels.repeat_interleave(3, dim=0))
    found = np.concatenate([slider.cells[:, 0], slider.cells[:, -1]])[..., 0]
    assert np.abs(found.astype(int) - ends[:, 0].numpy().astype(int)).max() <= 1, "stops are plain samples"


def test_rows_are_those_of_grids_with_fixed_z() -> None:
    sampler = sampler_of("classes")
    slider = draw_slider(sampler, torch.tensor([3, 5]), rows=4, steps=2, closed=False)
    assert np.array_equal(slider.cells, sampler.cells(torch.tensor([3, 5]), 4, "fixed"))


def test_nothing_to_move_between_is_refused() -> None:
    with pytest.raises(UserError, match=r"labels: found one, 4; expected two or more"):
        draw_slider(sampler_of("classes"), torch.tensor([4]), 1, 3, False)
    unlabelled = sampler_of("none")
    with pytest.raises(UserError, match="this generator has no labels"):
        draw_slider(unlabelled, unlabelled.label_space.grid(2), 1, 3, False)


def test_the_picture_has_a_row_for_each_z_and_the_film_all_of_them_in_each_frame() -> None:
    slider = draw_slider(sampler_of("classes"), torch.tensor([0, 9]), rows=10, steps=3, closed=True)
    assert slider.picture().width == 4 * 50 + 2
    film = slider.film(fps=5)
    assert film.count == 4
    first, last = (np.asarray(film.frame(number)) for number in (0, 2))
    assert first.shape == last.shape == (first.shape[0], 8 * 50 + 2, 3)
    assert last[45, 45, 0] > first[45, 45, 0]
    assert (first[90, 110:] == 255).all(), "two of eight places are taken in the second row, the others are white"
    assert (first[90, 10:45] < 255).all()
