from __future__ import annotations

import pytest
import torch
from torch import Tensor

from cgan_dist.directions.regression import read_directions
from cgan_dist.errors import UserError
from cgan_dist.randomness import Latent
from tests.unit.samplers import STORED, sampler_of


def corner_and_label(images: Tensor) -> Tensor:
    """The painter shows the first entry of z in the corner, and the label everywhere else."""
    values = images.float()
    return torch.stack([values[:, 0, 0, 0], -values[:, 0, 0, 0], values[:, 0, 1, 1]], dim=1)


@pytest.mark.parametrize("latent", ["uniform", "normal"])
@pytest.mark.parametrize("kind", STORED)
def test_a_direction_points_to_more_of_what_is_read_and_the_label_has_no_part_in_it(kind: str, latent: Latent) -> None:
    found = read_directions(sampler_of(kind, latent=latent), corner_and_label, ["more", "less", "label"], 2_000)
    assert found.names == ["more", "less"]  # within a label the third never changes
    assert found.vectors.dtype == torch.float32
    torch.testing.assert_close(found.vectors.norm(dim=1), torch.ones(2))
    assert found.vectors[0, 0] > 0.99
    torch.testing.assert_close(found.vectors[1], -found.vectors[0])
    assert found.strengths[0] > 0.5  # half of z is saturated


def test_the_same_seed_finds_the_same_and_another_one_nearly() -> None:
    names = ["more", "less", "label"]
    one, again, other = (
        read_directions(sampler_of("classes", seed), corner_and_label, names, 500) for seed in (3, 3, 4)
    )
    assert torch.equal(one.vectors, again.vectors)
    assert not torch.equal(one.vectors, other.vectors)
    assert (one.vectors * other.vectors).sum(1).min() > 0.95


def test_too_few_pairs_are_refused() -> None:
    with pytest.raises(UserError, match="^--pairs: found 19; expected 20 or more for z of 5 entries"):
        read_directions(sampler_of("classes"), corner_and_label, ["more", "less", "label"], 19)
