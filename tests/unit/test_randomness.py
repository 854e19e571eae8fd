from __future__ import annotations

import subprocess
import sys

import torch

from cgan_dist.randomness import derive_seed, draw_latent, numpy_generator, torch_generator


def test_a_seed_is_the_same_in_another_process() -> None:
    code = "from cgan_dist.randomness import derive_seed; print(derive_seed(7, 'latent', 64, 1))"
    printed = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "123"}
    )
    assert int(printed.stdout) == derive_seed(7, "latent", 64, 1)


def test_every_part_of_the_key_matters() -> None:
    keys = [(0, "a", 1, 2), (1, "a", 1, 2), (0, "b", 1, 2), (0, "a", 12), (0, "a", 2, 1), (0, "a1", 2)]
    assert len({derive_seed(*key) for key in keys}) == len(keys)


def test_draws_depend_on_nothing_else() -> None:
    torch.manual_seed(1)
    first = draw_latent((4, 3), "normal", torch_generator(0, "latent", 5))
    torch.rand(10)
    assert torch.equal(first, draw_latent((4, 3), "normal", torch_generator(0, "latent", 5)))
    assert (numpy_generator(0, "x").permutation(9) == numpy_generator(0, "x").permutation(9)).all()


def test_uniform_latents_fill_minus_one_to_one() -> None:
    z = draw_latent((1000, 10), "uniform", torch_generator(0, "latent", 0))
    assert z.min() < -0.99
    assert z.max() > 0.99
    assert z.abs().max() <= 1
    assert abs(z.mean()) < 0.02


def test_normal_latents_have_unit_variance() -> None:
    z = draw_latent((1000, 10), "normal", torch_generator(0, "latent", 0))
    assert abs(z.std() - 1) < 0.03
