from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from einops import rearrange

from cgan_dist.latents.facts import LatentFacts
from cgan_dist.latents.latent_range import LatentRange, spread
from cgan_dist.latents.stored import not_finite, to_bytes, to_floats
from tests.autoencoders import load
from tests.unit.latents.test_autoencoder import latents_of


@pytest.fixture
def latents(autoencoder_folder: Path) -> LatentRange:
    return LatentRange(latents_of(autoencoder_folder), load(autoencoder_folder))


def moments(facts: LatentFacts, count: int = 5, seed: int = 0) -> np.ndarray:
    """(N, 8, 8, K) float64 as float16 holds them."""
    generator = np.random.default_rng(seed)
    mean = generator.normal(0.1, 2, (count, 8, 8, facts.channels))
    log_variance = generator.uniform(-8, 1, mean.shape)
    return np.concatenate([mean, log_variance], axis=-1).astype(np.float16).astype(np.float64)


def batch(values: np.ndarray) -> torch.Tensor:
    """As the loader hands it over: a view with the channels in front."""
    return torch.from_numpy(to_bytes(values)).permute(0, 3, 1, 2)


def test_bytes_are_little_endian_floats() -> None:
    stored = to_bytes(np.array([1.0, -2.0]).reshape(1, 1, 1, 2))
    assert stored.tobytes() == b"\x00\x3c\x00\xc0"
    assert to_floats(stored).ravel().tolist() == [1.0, -2.0]


@pytest.mark.parametrize("value", [np.inf, -np.inf, np.nan, 1e6])
def test_what_is_not_finite_is_found(value: float) -> None:
    values = np.full((3, 2, 2, 4), 65504.0)
    values[1, 1, 0, 2] = value
    assert not_finite(to_bytes(values)).tolist() == [False, True, False]


def test_latents_are_sampled_and_scaled_as_in_float64(latents: LatentRange) -> None:
    values = moments(latents.facts)
    draw = torch.randn(5, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    mean, log_variance = np.split(rearrange(values, "n h w c -> n c h w"), 2, axis=1)
    sampled = (mean + np.exp(log_variance / 2) * draw.double().numpy() - 0.125) * 1.5
    found = latents.normalize(batch(values), None, draw)
    assert found.dtype == torch.float32
    np.testing.assert_allclose(found.numpy(), sampled, rtol=2e-6, atol=2e-6)
    np.testing.assert_allclose(latents.normalize(batch(values)).numpy(), (mean - 0.125) * 1.5, rtol=1e-6, atol=1e-6)


def test_without_moments_there_is_nothing_to_draw(latents: LatentRange) -> None:
    means = LatentRange(latents.facts.model_copy(update={"moments": False}), latents.autoencoder)
    values = moments(latents.facts)[..., :4]
    assert not means.needs_draw
    found = means.normalize(batch(values), None, torch.ones(5, 4, 8, 8))
    np.testing.assert_allclose(found.numpy(), (rearrange(values, "n h w c -> n c h w") - 0.125) * 1.5, rtol=1e-6)


def test_a_log_variance_of_somebody_else_is_bounded_as_diffusers_does(latents: LatentRange) -> None:
    values = moments(latents.facts, 1)
    values[..., 4:] = 60_000
    found = latents.normalize(batch(values), None, torch.ones(1, 4, 8, 8))
    assert found.isfinite().all()
    assert found.max() == pytest.approx(1.5 * np.exp(10), rel=1e-3)


def test_pictures_are_decoded_in_parts_and_rounded(latents: LatentRange, monkeypatch: pytest.MonkeyPatch) -> None:
    values = latents.normalize(batch(moments(latents.facts)))
    with torch.no_grad():
        decoded = latents.autoencoder.decode(values / 1.5 + 0.125)
    expected = ((decoded.double() + 1) * 127.5).round().clamp(0, 255)
    for pixels in (1, 2 * 16 * 16, 1 << 20):
        monkeypatch.setattr("cgan_dist.latents.latent_range.DECODED_PIXELS", pixels)
        found = latents.to_uint8(values)
        assert found.dtype == torch.uint8
        assert found.shape == (5, 3, 16, 16)
        assert (found.double() - expected).abs().max() <= 1
        assert (found.double() == expected).double().mean() > 0.999
        floats = ((decoded + 1) * 127.5).clamp(0, 255)
        torch.testing.assert_close(latents.to_floats(values), floats, atol=1e-3, rtol=0)


def test_a_set_is_shown_by_its_means(latents: LatentRange) -> None:
    values = moments(latents.facts)
    shown = latents.pictures(to_bytes(values))
    expected = latents.to_uint8(latents.normalize(batch(values)))
    assert np.array_equal(shown, expected.permute(0, 2, 3, 1).numpy())


def test_the_spread_is_that_of_sampled_latents(latents: LatentRange) -> None:
    values = moments(latents.facts, count=200)
    draw = torch.randn(200, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    sampled = latents.normalize(batch(values), None, draw)
    mean, deviation = spread(to_bytes(values), latents.facts)
    assert mean == pytest.approx(sampled.mean().item(), abs=0.02)
    assert deviation == pytest.approx(sampled.std().item(), rel=0.01)
