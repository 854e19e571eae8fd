from __future__ import annotations

import torch
from torch import nn

from cgan_dist.models.patches import image_of


def test_patches_are_put_side_by_side_channels_first() -> None:
    image = torch.rand(2, 3, 8, 12) - 0.5
    patches = image.unfold(2, 4, 4).unfold(3, 4, 4)  # b c down across y x
    tokens = patches.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)
    torch.testing.assert_close(image_of(tokens.atanh(), (2, 3), 4, nn.Linear(1, 1)), image)
