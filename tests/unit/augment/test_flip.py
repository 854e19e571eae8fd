from __future__ import annotations

import torch
from torch.autograd import gradcheck, gradgradcheck

from cgan_dist.augment.flip import Flip


def test_an_image_is_mirrored_left_to_right_below_one_half() -> None:
    images = torch.arange(12.0).view(2, 1, 2, 3)
    flipped = Flip().apply(images, torch.tensor([[0.4999], [0.5]]))
    assert flipped[0].tolist() == [[[2, 1, 0], [5, 4, 3]]]
    assert flipped[1].tolist() == [[[6, 7, 8], [9, 10, 11]]]


def test_all_channels_are_mirrored_together() -> None:
    images = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]).view(1, 3, 1, 2)
    assert Flip().apply(images, torch.tensor([[0.0]])).flatten().tolist() == [2, 1, 4, 3, 6, 5]


def test_half_of_the_images_are_flipped() -> None:
    parameters = Flip().draw(4000, torch.Generator().manual_seed(0))
    images = torch.tensor([0.0, 1.0]).expand(4000, 1, 1, 2)
    flipped = Flip().apply(images, parameters)[:, 0, 0, 0]
    assert 0.47 < flipped.mean().item() < 0.53  # 4 standard deviations


def test_gradients() -> None:
    images = torch.randn(2, 3, 3, 4, dtype=torch.float64, requires_grad=True)
    parameters = torch.tensor([[0.1], [0.9]])
    assert gradcheck(lambda x: Flip().apply(x, parameters), images)
    assert gradgradcheck(lambda x: Flip().apply(x, parameters), images)
    (gradient,) = torch.autograd.grad(Flip().apply(images, parameters)[:, 0, 0, 0].sum(), images)
    assert gradient.nonzero().tolist() == [[0, 0, 0, 3], [1, 0, 0, 0]]
