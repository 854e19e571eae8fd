"""Which transforms come to which images, and that all of them together are differentiable."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from cgan_dist.augment import AUGMENTATIONS
from cgan_dist.augment.ada import CHANGES, GROUPS, TRANSFORMS, VALUES, Ada, Transform, cut, noisy
from cgan_dist.augment.adaptation import STATE
from cgan_dist.augment.base import Pipeline
from cgan_dist.augment.cutout import Cutout
from cgan_dist.errors import UserError
from cgan_dist.training.levels import Levels

EVERYTHING = "bgcfnc"


def ada(p: float, pipeline: str = EVERYTHING, without: tuple[Transform, ...] = ()) -> Ada:
    found = Ada(pipeline, without)  # type: ignore[arg-type]
    found.adaptation.restore({STATE: torch.tensor([p, 0, 0])}, torch.device("cpu"))
    return found


def only(transform: Transform) -> Ada:
    return ada(1.0, without=tuple(other for other in TRANSFORMS if other != transform))


def drawn(count: int, augmentation: Ada | None = None) -> Tensor:
    return (augmentation or ada(1.0)).draw(count, torch.Generator().manual_seed(3))


def images_of(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return (torch.rand(*shape, generator=torch.Generator().manual_seed(1)) * 2 - 1).to(dtype)


def named(parameters: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    chances, values = parameters.chunk(2, dim=1)
    return dict(zip(VALUES, chances.unbind(1), strict=True)), dict(zip(VALUES, values.unbind(1), strict=True))


def test_every_transform_is_in_one_group_and_in_one_change() -> None:
    assert [transform for group in GROUPS for transform in group] == list(TRANSFORMS)
    members = [transform for part in CHANGES.values() for transform in part]
    assert sorted(members) == sorted(TRANSFORMS)
    assert [len(ada(1, EVERYTHING[:letters]).changes) for letters in range(1, 7)] == [2, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(8, 8), (7, 12)])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_at_p_0_images_are_exactly_what_they_were(channels: int, size: tuple[int, int], dtype: torch.dtype) -> None:
    images = images_of(16, channels, *size, dtype=dtype)
    assert torch.equal(ada(0.0).apply(images, drawn(16)), images)
    changed = ada(1.0).apply(images, drawn(16))
    assert changed.dtype == dtype
    assert changed.shape == images.shape
    assert not (changed == images).flatten(1).all(1).any()


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_alone_a_transform_is_its_change_with_the_values_drawn(transform: Transform) -> None:
    images, alone = images_of(12, 3, 9, 9), only(transform)
    parameters = drawn(12, alone)
    values = {
        name: value.double() if name in TRANSFORMS[transform] else torch.zeros(12, dtype=torch.float64)
        for name, value in named(drawn(12))[1].items()
    }
    (change,) = alone.changes
    expected = change(images, values)
    assert torch.equal(alone.apply(images, parameters), expected)
    assert not torch.equal(expected, images)


def test_draws_are_the_same_whatever_the_pipeline_is() -> None:
    chances, values = drawn(32).chunk(2, 1)
    for pipeline in ("b", "bg", "bgc"):
        fewer, same = drawn(32, ada(1.0, pipeline)).chunk(2, 1)
        assert torch.equal(same, values)
        kept = fewer[0] < 1
        assert torch.equal(fewer[:, kept], chances[:, kept])
        assert kept.sum() == sum(len(TRANSFORMS[name]) for group in GROUPS[: len(pipeline)] for name in group)


@pytest.mark.parametrize("p", [0.2, 0.7])
def test_each_transform_comes_with_probability_p(p: float) -> None:
    count = 20_000
    chosen = {name: chance < p for name, chance in named(drawn(count))[0].items()}
    tolerance = 5 * (p * (1 - p) / count) ** 0.5
    either = chosen.pop("turn_before") | chosen.pop("turn_after")
    for name, rows in {**chosen, "either turn": either}.items():
        assert abs(rows.double().mean() - p) < tolerance, name
    for one, other in (("shift_down", "shift_right"), ("noise", "noise_seed"), ("cutout", "cutout_row")):
        assert torch.equal(chosen[one], chosen[other])
    both = (chosen["flip"] & chosen["hue"]).double().mean()
    assert abs(both - p * p) < tolerance


def test_values_have_the_papers_distributions() -> None:
    count = 20_000
    values = {name: value.double() for name, value in named(drawn(count))[1].items()}
    normal = {"scale": 0.2, "stretch": 0.2, "slide_down": 0.125, "brightness": 0.2, "contrast": 0.5}
    normal |= {"saturation": 1.0, "band_1": 1.0, "band_4": 1.0, "noise": 0.1}
    for name, deviation in normal.items():
        assert values[name].mean() == pytest.approx(0, abs=5 * deviation / count**0.5)
        assert values[name].std() == pytest.approx(deviation, rel=0.03)
    for name, reach in {"shift_down": 1 / 8, "turn_before": math.pi, "turn_after": math.pi, "hue": math.pi}.items():
        assert -reach <= values[name].min() < -0.99 * reach
        assert 0.99 * reach < values[name].max() <= reach
        assert values[name].std() == pytest.approx(reach / 3**0.5, rel=0.03)
    for name, number in {"flip": 2, "quarter": 4, "luma_flip": 2}.items():
        assert set(values[name].tolist()) == set(range(number))
        assert values[name].mean() == pytest.approx((number - 1) / 2, abs=0.05)


def test_a_window_is_that_of_cutout_and_noise_has_its_deviation() -> None:
    images, values = images_of(8, 1, 6, 10), named(drawn(8))[1]
    centre = torch.stack([values["cutout_row"], values["cutout_column"]], dim=1)
    assert torch.equal(cut(images, values), Cutout().apply(images, centre))
    large = torch.zeros(8, 1, 64, 64)
    torch.testing.assert_close(noisy(large, values).flatten(1).std(1), values["noise"].abs(), rtol=0.05, atol=1e-3)


def test_ranks_together_do_what_one_process_does() -> None:
    chosen, images = Pipeline({"ada": ada(0.8)}, 0.5), images_of(12, 3, 8, 10)
    parameters = chosen.draw(3, "fake", 128, 12)
    whole = chosen(images, parameters)
    parts = [chosen(images[n : n + 3], chosen.slice(parameters, n, 3)) for n in range(0, 12, 3)]
    torch.testing.assert_close(torch.cat(parts), whole, rtol=0, atol=1e-12)


@pytest.mark.parametrize(("channels", "size"), [(3, (6, 5)), (1, (4, 4))])
def test_it_can_be_differentiated_twice(channels: int, size: tuple[int, int]) -> None:
    images, parameters = images_of(2, channels, *size).requires_grad_(), drawn(2)
    assert gradcheck(lambda x: ada(1.0).apply(x, parameters), images)
    assert gradgradcheck(lambda x: ada(1.0).apply(x, parameters).square(), images)


def test_nothing_waits_for_the_device() -> None:
    """A meta tensor has no values, so whatever would read one raises."""
    found, images = ada(1.0), torch.empty(4, 3, 8, 12, device="meta", requires_grad=True)
    found.adaptation.restore({}, torch.device("meta"))
    changed = found.apply(images, drawn(4).to("meta"))
    assert (changed.device.type, changed.shape) == ("meta", images.shape)
    changed.sum().backward()
    assert images.grad is not None


def test_autocast_changes_nothing() -> None:
    images, parameters = images_of(4, 3, 8, 8, dtype=torch.float32), drawn(4)
    expected = ada(1.0).apply(images, parameters)
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(ada(1.0).apply(images, parameters), expected)
    halves = ada(1.0).apply(images.bfloat16(), parameters).float()
    torch.testing.assert_close(halves, ada(1.0).apply(images.bfloat16().float(), parameters), rtol=1e-2, atol=1e-2)


def test_levels_of_a_picture_are_changed_alike() -> None:
    augment, pictures = Pipeline({"ada": ada(1.0)}, 1.0), images_of(3, 3, 6, 6)
    parameters = augment.draw(0, "real", 0, 3)
    shown = Levels(2).shown(torch.cat([pictures, pictures], dim=1), augment, parameters, None)
    torch.testing.assert_close(shown, augment(pictures, parameters).repeat(1, 2, 1, 1))


@pytest.mark.parametrize(
    ("args", "told"),
    [
        ({"pipeline": "gbc"}, "found 'gbc'"),
        ({"without": ["flp"]}, "expects 'flip', 'quarter'"),
        ({"target": 1.0}, "less than 1"),
        ({"adaptation_images": 0}, "greater than 0"),
        ({"interval_images": 0.5}, "args.interval_images: found 0.5"),
        ({"limit": 1.5}, "less than or equal to 1"),
        ({"speed": 1}, "unknown argument"),
    ],
)
def test_arguments_are_checked(args: dict[str, object], told: str) -> None:
    with pytest.raises(UserError, match=told):
        AUGMENTATIONS.build("ada", "data.augment.0", args)
    assert isinstance(AUGMENTATIONS.build("ada", "data.augment.0", {"without": ["flip"], "interval_images": 1}), Ada)
