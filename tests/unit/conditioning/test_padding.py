from __future__ import annotations

import torch
import torch.nn.functional as F

from cgan_dist.conditioning.padding import same_padding, zero_padded


def test_what_needs_no_padding_is_not_copied() -> None:
    x = torch.randn(2, 3, 9, 8)
    assert zero_padded(x, same_padding((9, 8), 1, 1)) is x
    padding = same_padding((9, 8), 4, 2)
    assert torch.equal(zero_padded(x, padding), F.pad(x, padding))
