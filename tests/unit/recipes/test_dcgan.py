from __future__ import annotations

import pytest

from cgan_dist.config.document import load_config
from cgan_dist.recipes.dcgan import Dcgan
from cgan_dist.recipes.machine import find_machine
from tests.launching import ROOT
from tests.unit.recipes.sets import facts_of


@pytest.mark.parametrize(("name", "channels", "total_images"), [("mnist", 1, 1_500_000), ("drawn_celeba", 3, 96_000)])
def test_it_is_that_of_the_configs(name: str, channels: int, total_images: int) -> None:
    """For data like theirs, so that whoever changes one of the two sees the other."""
    model = load_config(ROOT / "configs" / f"{name}.yaml").model_dump()
    recipe = Dcgan(facts_of((32, 32), channels=channels), find_machine("cpu"))
    found = {choice.key: choice.value for choice in recipe.choices(recipe.widths[0], total_images)}
    for key in ("generator.args", "discriminator.args", "loss.adversarial", "optim.betas", "train.batch_size"):
        section, part = key.split(".")
        assert found[key] == model[section][part]
    rate = found["optim.lr"]
    assert {key: model["optim"]["lr"][key] for key in rate} == rate


@pytest.mark.parametrize(
    ("total_images", "half_life"),
    [
        (1_500_000, {"start": 8_000, "end": 40_000, "end_images": 500_000, "shape": "linear"}),
        (243_200, 10_000),
        (30_000, 3_000),
        (5, 1),
    ],
)
def test_the_average_is_never_longer_than_the_run(total_images: int, half_life: object) -> None:
    recipe = Dcgan(facts_of(), find_machine("cpu"))
    found = {choice.key: choice.value for choice in recipe.choices(24, total_images)}
    assert found["ema.half_life_images"] == half_life
