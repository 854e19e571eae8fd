from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cgan_dist.conditioning.classes import Classes
from cgan_dist.data.pixels import PIXEL_RANGES
from cgan_dist.labels import ClassLabels
from cgan_dist.sampling import Sampler, save_npz


class Painter(nn.Module):
    """Paints the label as brightness and the first latent as the corner pixel; batch norm would show train mode."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.modes: list[bool] = []

    def forward(self, z: Tensor, condition: Tensor) -> Tensor:
        self.modes.append(self.training)
        image = (condition.float() / 10)[:, None, None, None].expand(-1, 1, 4, 4).clone()
        image[:, 0, 0, 0] = z[:, 0] / 2
        return image - 0.5


@pytest.fixture
def sampler() -> Sampler:
    return Sampler(
        Painter(), Classes(ClassLabels(names=[str(n) for n in range(10)])), PIXEL_RANGES["half"], 5, "uniform", seed=3
    )


def test_every_image_has_the_label_that_was_asked(sampler: Sampler) -> None:
    images, labels = sampler.balanced(torch.tensor([7, 2]), 5)
    assert labels.tolist() == [7, 2, 7, 2, 7]
    assert images.shape == (5, 4, 4, 1)
    assert images.dtype == np.uint8
    expected = PIXEL_RANGES["half"].to_uint8(torch.tensor([0.2, -0.3])).tolist()
    assert images[:, 1, 1, 0].tolist() == [expected[0], expected[1], expected[0], expected[1], expected[0]]


def test_batches_do_not_show(sampler: Sampler) -> None:
    z, labels = torch.rand(300, 5), torch.arange(300) % 10
    assert torch.equal(sampler.images(z, labels)[290:], sampler.images(z[290:], labels[290:]))


def test_sampling_is_in_inference_mode_and_restores_the_mode(sampler: Sampler) -> None:
    sampler.generator.train()
    sampler.balanced(torch.tensor([1]), 2)
    assert sampler.generator.modes == [False]
    assert sampler.generator.training


def test_fixed_z_is_one_z_a_row_for_all_labels(sampler: Sampler, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[Tensor, Tensor]] = []
    real = sampler.images
    monkeypatch.setattr(sampler, "images", lambda z, labels: seen.append((z, labels)) or real(z, labels))
    sampler.grid(torch.tensor([0, 4, 9]), 2, "fixed")
    sampler.grid(torch.tensor([0, 4, 9]), 2, "random", 640)
    (fixed, labels), (random, _) = seen
    assert labels.tolist() == [0, 4, 9, 0, 4, 9]
    assert torch.equal(fixed[0], fixed[2])
    assert not torch.equal(fixed[0], fixed[3])
    assert len({tuple(z.tolist()) for z in random}) == 6


def test_a_grid_is_reproducible_and_random_ones_depend_on_the_position(sampler: Sampler) -> None:
    labels = torch.tensor([0, 1])
    grids = [sampler.grid(labels, 3, "random", position).tobytes() for position in (64, 64, 128)]
    assert grids[0] == grids[1] != grids[2]


def test_npz_holds_both_arrays(tmp_path: Path, sampler: Sampler) -> None:
    save_npz(tmp_path / "samples.npz", *sampler.balanced(torch.arange(10), 20))
    with np.load(tmp_path / "samples.npz") as found:
        assert found["images"].shape == (20, 4, 4, 1)
        assert found["labels"].dtype == np.int64
        assert np.bincount(found["labels"]).tolist() == [2] * 10
    assert [path.name for path in tmp_path.iterdir()] == ["samples.npz"]
