from __future__ import annotations

import math

import pytest
import torch

from cgan_dist.errors import UserError
from cgan_dist.randomness import Latent, draw_latent, torch_generator
from cgan_dist.sampling.truncation import check_truncation, truncate


def test_a_normal_z_is_drawn_again_only_where_it_was_beyond() -> None:
    z = draw_latent((2000, 16), "normal", torch_generator(0, "z"))
    cut = truncate(z, "normal", 0.7, torch_generator(0, "again"))
    within = z.abs() <= 0.7
    assert torch.equal(cut[within], z[within])
    assert cut.dtype == torch.float32
    assert cut.abs().max() <= 0.7
    assert not torch.equal(cut[~within].abs(), torch.full_like(cut[~within], 0.7)), "drawn again, not clamped"


def test_a_truncated_normal_z_has_the_variance_of_the_truncated_normal_distribution() -> None:
    z = draw_latent((20_000, 16), "normal", torch_generator(1, "z"))
    for threshold in (0.3, 1.0, 2.0):
        cut = truncate(z, "normal", threshold, torch_generator(2, "again"))
        density = math.exp(-(threshold**2) / 2) / math.sqrt(2 * math.pi)
        expected = 1 - 2 * threshold * density / math.erf(threshold / math.sqrt(2))
        assert cut.double().var().item() == pytest.approx(expected, rel=0.01)
        again = cut[z.abs() > threshold].double()
        assert again.var().item() == pytest.approx(expected, rel=0.03)


def test_a_uniform_z_is_scaled() -> None:
    z = draw_latent((100, 8), "uniform", torch_generator(0, "z"))
    assert torch.equal(truncate(z, "uniform", 0.5, torch_generator(0, "again")), z * 0.5)
    assert torch.equal(truncate(z, "uniform", 1.0, torch_generator(0, "again")), z)


def test_a_threshold_far_out_changes_nothing_and_a_tiny_one_leaves_almost_nothing() -> None:
    z = draw_latent((1000, 8), "normal", torch_generator(0, "z"))
    assert torch.equal(truncate(z, "normal", 50.0, torch_generator(0, "again")), z)
    assert truncate(z, "normal", 1e-6, torch_generator(0, "again")).abs().max() <= 1e-6


@pytest.mark.parametrize(
    ("latent", "threshold"), [("uniform", 1.01), ("uniform", 0.0), ("normal", -1.0), ("normal", math.inf)]
)
def test_thresholds_that_make_no_sense_are_refused(latent: Latent, threshold: float) -> None:
    with pytest.raises(UserError, match=rf"truncation: found {threshold:g}; .*expected"):
        check_truncation(threshold, latent)


@pytest.mark.parametrize(("latent", "threshold"), [("uniform", 1.0), ("uniform", 0.1), ("normal", 3.0)])
def test_others_are_not(latent: Latent, threshold: float) -> None:
    check_truncation(threshold, latent)
    assert not math.isnan(threshold)


def test_nan_is_refused() -> None:
    for latent in ("uniform", "normal"):
        with pytest.raises(UserError, match="truncation: found nan"):
            check_truncation(math.nan, latent)  # type: ignore[arg-type]


@pytest.mark.parametrize("share", [0.0, -0.5, 1.01, math.nan])
def test_a_share_of_a_style_is_from_0_to_1(share: float) -> None:
    with pytest.raises(UserError, match=r"truncation: found .*; this generator has a style"):
        check_truncation(share, "normal", styled=True)
    check_truncation(1.0, "normal", styled=True)
