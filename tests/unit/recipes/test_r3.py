from __future__ import annotations

import pytest

from cgan_dist.config.document import load_config
from cgan_dist.recipes.machine import find_machine
from cgan_dist.recipes.r3 import R3, gamma
from tests.launching import ROOT
from tests.unit.recipes.sets import facts_of


@pytest.mark.parametrize(
    ("side", "expected"), [(8, 1.0), (28, 1.0), (64, 2.0), (128, 15.0), (256, 150.0), (400, 150.0), (90.5, 5.5)]
)
def test_gamma_goes_through_what_was_tried(side: float, expected: float) -> None:
    assert gamma(side) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize(
    ("name", "side", "count"), [("celeba", 64, 200_000), ("celeba_128", 128, 200_000), ("imagefolder", 64, 3_000)]
)
def test_it_is_that_of_the_configs(name: str, side: int, count: int) -> None:
    """For data like theirs, so that whoever changes one of the two sees the other."""
    model = load_config(ROOT / "configs" / f"{name}.yaml").model_dump()
    recipe = R3(facts_of((side, side), count=count), find_machine("gpu:16"))
    found = {choice.key: choice.value for choice in recipe.choices(recipe.widths[0], recipe.longest_images)}
    assert recipe.longest_images == model["train"]["total_images"]
    for key in ("generator.args", "discriminator.args", "loss.adversarial", "train.batch_size"):
        section, name = key.split(".")
        assert found[key] == model[section][name]
    for penalty in ("r1", "r2"):
        expected = model["loss"]["penalties"][penalty]
        assert _start(found["loss.penalties"][penalty]) == pytest.approx(_start(expected))


def _start(value: object) -> float:
    return float(value["start"] if isinstance(value, dict) else value)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("gib", "side", "fits"), [(16, 64, 64), (16, 128, 16), (80, 128, 64), (1, 256, 1), (80, 64, None)]
)
def test_a_pass_fits_into_the_memory(gib: int, side: int, fits: int | None) -> None:
    """64 and 16 images in about 12 GB are what the configs for CelebA have."""
    recipe = R3(facts_of((side, side), count=200_000), find_machine(f"gpu:{gib}"))
    found = {choice.key: choice.value for choice in recipe.choices(64, 1_000_000)}
    assert found.get("train.micro_batch") == fits
