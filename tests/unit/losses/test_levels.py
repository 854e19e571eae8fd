from __future__ import annotations

import pytest
import torch

from cgan_dist.losses.levels import guided, inconsistency, noise_levels


def test_the_noise_of_four_levels_is_the_papers() -> None:
    assert noise_levels(4) == pytest.approx([0.885, 0.76, 0.51, 0.01])
    assert noise_levels(1) == pytest.approx([0.01])
    assert noise_levels(2) == pytest.approx([0.885, 0.01])


def test_levels_are_mixed_with_noise_of_which_the_noisier_ones_have_all() -> None:
    torch.manual_seed(0)
    images, noise = torch.randn(40_000, 8, 1, 1, dtype=torch.float64), torch.randn(40_000, 8, 1, 1, dtype=torch.float64)
    t = torch.tensor(noise_levels(4), dtype=torch.float64)
    found = guided(images, noise, 4)
    added = (found - images * (1 - t).repeat_interleave(2)[:, None, None]).view(40_000, 4, 2)
    torch.testing.assert_close(added.std((0, 2)), t, rtol=0.02, atol=0)
    # what a level has beyond the next one does not depend on it: their covariance is the cleaner one's variance
    for noisier in range(3):
        for cleaner in range(noisier + 1, 4):
            shared = (added[:, noisier] * added[:, cleaner]).mean()
            torch.testing.assert_close(shared, t[cleaner] ** 2, rtol=0.05, atol=2e-4)
    zeros = torch.zeros_like(noise)
    torch.testing.assert_close(guided(images, zeros, 4), images * (1 - t).repeat_interleave(2)[:, None, None])


def test_noise_of_the_last_level_is_in_all_and_that_of_the_first_in_itself() -> None:
    noise = torch.zeros(1, 4, 1, 1, dtype=torch.float64)
    for level in range(4):
        noise.zero_()[0, level] = 1
        reached = guided(torch.zeros_like(noise), noise, 4).flatten().bool().tolist()
        assert reached == [i <= level for i in range(4)]


def test_levels_are_compared_with_the_last_at_their_own_sizes() -> None:
    torch.manual_seed(0)
    stack = torch.randn(2, 6, 8, 8, requires_grad=True)
    first, second, last = stack.detach().chunk(3, dim=1)

    def coarse(images: torch.Tensor, by: int) -> torch.Tensor:
        return images.unfold(2, by, by).unfold(3, by, by).mean((4, 5))

    distances = [(coarse(one, by) - coarse(last, by)).square().mean() for one, by in ((first, 4), (second, 2))]
    found = inconsistency(stack, 3)
    torch.testing.assert_close(found, sum(distances) / 2)
    found.backward()
    assert stack.grad is not None
    assert stack.grad[:, :4].any()
    assert not stack.grad[:, 4:].any()  # the picture is the anchor
    same = torch.cat([last.repeat_interleave(1, 1)] * 3, dim=1)
    assert inconsistency(same, 3) == 0
