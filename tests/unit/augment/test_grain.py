"""Noise out of hashes is noise."""

from __future__ import annotations

import torch

from cgan_dist.augment.grain import grain


def test_it_is_standard_normal_and_nothing_in_it_goes_together() -> None:
    noise = grain(torch.rand(64, generator=torch.Generator().manual_seed(0)), torch.empty(64, 3, 32, 32)).double()
    count = noise.numel()
    for power, expected in ((1, 0), (2, 1), (3, 0), (4, 3)):
        assert abs(noise.pow(power).mean() - expected) < 6 * (noise.pow(power).var() / count).sqrt()
    rows = noise.flatten(1)
    for other in (rows.roll(1, 0), rows.roll(1, 1), rows.roll(32, 1), rows.roll(1024, 1)):
        assert abs((rows * other).mean()) < 6 / count**0.5
    assert 4 < noise.abs().max() < 7


def test_it_is_a_function_of_the_seed_alone() -> None:
    seeds = torch.tensor([0.0, 0.25, 0.25, 1 - 2**-24])
    noise = grain(seeds, torch.empty(4, 1, 8, 8))
    assert torch.equal(noise, grain(seeds, torch.empty(4, 1, 8, 8)))
    assert torch.equal(noise[1], noise[2])
    assert torch.equal(noise[3:], grain(seeds[3:], torch.empty(1, 1, 8, 8)))
    assert len(noise.flatten(1).unique(dim=0)) == 3
    assert noise.isfinite().all()
