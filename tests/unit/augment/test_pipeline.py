from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.autograd import gradcheck, gradgradcheck

from cgan_dist.augment import AUGMENTATIONS
from cgan_dist.augment.base import Pipeline, pick
from cgan_dist.errors import UserError
from cgan_dist.losses.gradient_penalties import gradient_penalty
from cgan_dist.randomness import torch_generator

NAMES = ("flip", "color", "translation", "cutout")


def pipeline(*names: str, half_range: float = 1.0) -> Pipeline:
    return Pipeline({name: AUGMENTATIONS.build(name, "augment", {}) for name in names}, half_range)


def images_of(*shape: int, dtype: torch.dtype = torch.float64) -> Tensor:
    return (torch.rand(*shape, generator=torch.Generator().manual_seed(1)) * 2 - 1).to(dtype)


class Recorder:
    """An augmentation of the user's own: adds its parameter and remembers what it was given."""

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        return torch.rand(count, 1, generator=generator)

    def apply(self, images: Tensor, parameters: Tensor) -> Tensor:
        self.images, self.parameters = images, parameters
        return images + parameters[:, :, None, None]


def test_the_table_is_what_the_room_offers() -> None:
    assert set(AUGMENTATIONS.table) == {*NAMES, "ada"}
    with pytest.raises(UserError, match="unknown augmentation 'cutuot'"):
        AUGMENTATIONS.build("cutuot", "augment", {})


def test_an_empty_pipeline_returns_its_input() -> None:
    empty, images = pipeline(half_range=0.5), images_of(2, 1, 4, 4)
    assert empty.draw(0, "real", 0, 2) == []
    assert empty(images, []) is images


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_shape_type_and_input_are_kept(name: str, channels: int, dtype: torch.dtype) -> None:
    chosen, images = pipeline(name, half_range=0.5), images_of(16, channels, 8, 12, dtype=dtype) / 2
    before = images.clone()
    changed = chosen(images, chosen.draw(0, "real", 0, 16))
    assert changed.shape == images.shape
    assert changed.dtype == dtype
    assert torch.equal(images, before)
    assert not torch.equal(changed, images)


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_float32_on_the_cpu_in_the_unit_interval(name: str) -> None:
    (drawn,) = pipeline(name).draw(0, "real", 0, 1000)
    assert len(drawn) == 1000
    assert drawn.dtype == torch.float32
    assert drawn.device.type == "cpu"
    assert drawn.min() >= 0
    assert drawn.max() < 1
    assert len(drawn.unique(dim=0)) > 990


def test_a_draw_is_keyed_by_seed_purpose_name_and_position() -> None:
    (drawn,) = pipeline("flip").draw(5, "real", 640, 8)
    assert torch.equal(drawn, torch.rand(8, 1, generator=torch_generator(5, "augment real flip", 640)))
    assert torch.equal(drawn, pipeline("flip").draw(5, "real", 640, 8)[0])
    for other in ((6, "real", 640), (5, "fake", 640), (5, "real", 704)):
        assert not torch.equal(drawn, pipeline("flip").draw(*other, 8)[0])
    translation, cutout = pipeline("translation", "cutout").draw(5, "real", 640, 8)
    assert translation.shape == cutout.shape
    assert not torch.equal(translation, cutout)


def test_another_augmentation_does_not_change_a_draw() -> None:
    alone = pipeline("cutout").draw(0, "real", 64, 16)[0]
    together = pipeline(*NAMES).draw(0, "real", 64, 16)
    assert torch.equal(together[NAMES.index("cutout")], alone)
    assert [rows.shape for rows in together] == [(16, 1), (16, 3), (16, 2), (16, 2)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("half_range", [0.5, 1.0])
def test_ranks_together_do_what_one_process_does(name: str, channels: int, half_range: float) -> None:
    chosen, images = pipeline(name, half_range=half_range), images_of(12, channels, 8, 20)
    parameters = chosen.draw(3, "fake", 128, 12)
    whole = chosen(images, parameters)
    for ranks in (2, 3, 12):
        share = 12 // ranks
        parts = [
            chosen(images[first : first + share], chosen.slice(parameters, first, share))
            for first in range(0, 12, share)
        ]
        torch.testing.assert_close(torch.cat(parts), whole, rtol=0, atol=1e-12)
    assert not torch.allclose(whole[:6], chosen(images[:6], chosen.slice(parameters, 6, 6)))  # the rows do matter


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.8])
def test_each_augmentation_comes_to_each_image_by_itself_with_its_probability(probability: float) -> None:
    count = 20_000
    *parameters, applied = pipeline(*NAMES).draw(0, "real", 0, count, probability)
    assert applied.dtype == torch.bool
    assert applied.shape == (count, 4)
    shares, deviation = applied.double().mean(0), (probability * (1 - probability) / count) ** 0.5
    assert (shares - probability).abs().max() < 5 * deviation
    both = (applied.double().T @ applied.double()) / count  # of independent choices: the product of the two
    off_diagonal = both[~torch.eye(4, dtype=torch.bool)]
    assert (off_diagonal - probability**2).abs().max() < 5 * (probability**2 * (1 - probability**2) / count) ** 0.5
    drawn = pipeline(*NAMES).draw(0, "real", 0, count)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(parameters, drawn, strict=True))


def test_probability_one_is_exactly_what_it_was() -> None:
    chosen, images = pipeline(*NAMES), images_of(8, 3, 8, 8)
    drawn, certain = chosen.draw(0, "real", 0, 8), chosen.draw(0, "real", 0, 8, 1.0)
    assert len(certain) == len(NAMES)
    assert all(torch.equal(ours, theirs) for ours, theirs in zip(certain, drawn, strict=True))
    assert torch.equal(chosen(images, certain), chosen(images, [*drawn, torch.ones(8, 4, dtype=torch.bool)]))


def test_a_choice_is_keyed_as_a_draw_and_grows_with_the_probability() -> None:
    def choice(*names: str, key: tuple[int, str, int] = (5, "real", 640), probability: float = 0.5) -> Tensor:
        return pipeline(*names).draw(*key, 64, probability)[-1]

    assert torch.equal(choice("flip"), choice("flip"))
    assert torch.equal(choice(*NAMES)[:, 3:], choice("cutout"))
    assert not torch.equal(choice("flip"), choice("cutout"))
    for other in ((6, "real", 640), (5, "fake", 640), (5, "real", 704)):
        assert not torch.equal(choice("flip"), choice("flip", key=other))
    assert not (choice("flip", probability=0.3) & ~choice("flip", probability=0.6)).any()


def test_an_image_that_is_not_chosen_stays_as_it_is() -> None:
    chosen, images = pipeline(*NAMES, half_range=0.5), images_of(64, 3, 8, 8) / 2
    *parameters, applied = chosen.draw(0, "real", 0, 64, 0.4)
    changed = chosen(images, [*parameters, applied])
    for b in range(64):
        expected = images[b : b + 1]
        for number, name in enumerate(NAMES):
            if applied[b, number]:
                expected = pipeline(name, half_range=0.5)(expected, [parameters[number][b : b + 1]])
        torch.testing.assert_close(changed[b : b + 1], expected, rtol=0, atol=1e-12)
    assert any(torch.equal(changed[b], images[b]) for b in range(64))
    nothing = chosen.draw(0, "real", 0, 64, 0.0)
    assert torch.equal(chosen(images, nothing), images)


def test_ranks_share_the_choice() -> None:
    chosen, images = pipeline(*NAMES), images_of(12, 3, 8, 8)
    parameters = chosen.draw(3, "fake", 128, 12, 0.5)
    parts = [chosen(images[n : n + 3], chosen.slice(parameters, n, 3)) for n in range(0, 12, 3)]
    torch.testing.assert_close(torch.cat(parts), chosen(images, parameters), rtol=0, atol=1e-12)


def test_gradients_pass_through_a_choice_twice_and_nothing_waits_for_the_device() -> None:
    chosen = pipeline(*NAMES, half_range=0.5)
    parameters = chosen.draw(0, "real", 0, 3, 0.5)
    images = images_of(3, 3, 5, 4).requires_grad_()
    assert gradcheck(lambda x: chosen(x, parameters), images)
    assert gradgradcheck(lambda x: chosen(x, parameters), images)
    changed = chosen(torch.empty(3, 3, 5, 4, device="meta"), parameters)
    assert changed.device.type == "meta"


@pytest.mark.parametrize("probability", [-0.1, 1.1, float("nan")])
def test_a_probability_is_a_share(probability: float) -> None:
    with pytest.raises(ValueError, match="expected a number from 0 to 1"):
        pipeline("flip").draw(0, "real", 0, 4, probability)


def test_without_augmentations_there_is_nothing_to_choose() -> None:
    assert pipeline().draw(0, "real", 0, 4, 0.5) == []


def test_augmentations_are_applied_in_order() -> None:
    images = torch.zeros(1, 1, 4, 4)
    rows = {"color": torch.tensor([[1.0, 0.5, 0.5]]), "cutout": torch.tensor([[0.5, 0.5]])}
    color_first = pipeline("color", "cutout")(images, [rows["color"], rows["cutout"]])
    assert color_first[0, 0].tolist() == [[0.5] * 4, [0.5, 0, 0, 0.5], [0.5, 0, 0, 0.5], [0.5] * 4]
    cutout_first = pipeline("cutout", "color")(images, [rows["cutout"], rows["color"]])
    assert cutout_first[0, 0].tolist() == [[0.5] * 4] * 4


def test_the_range_scales_with_the_images() -> None:
    recorder, images = Recorder(), images_of(3, 1, 2, 2, dtype=torch.float32) / 2
    parameters = torch.tensor([[0.0], [0.25], [0.5]])
    changed = Pipeline({"mine": recorder}, 0.5)(images, [parameters])
    assert torch.equal(recorder.images, images * 2)
    torch.testing.assert_close(changed, images + parameters[:, :, None, None] / 2)
    wide, narrow = pipeline(*NAMES), pipeline(*NAMES, half_range=0.5)
    drawn = wide.draw(0, "real", 0, 3)
    assert torch.equal(wide(images * 2, drawn), narrow(images, drawn) * 2)


def test_gradients_of_all_together() -> None:
    chosen = pipeline(*NAMES, half_range=0.5)
    parameters = chosen.draw(0, "real", 0, 3)
    images = images_of(3, 3, 5, 4).requires_grad_()
    assert gradcheck(lambda x: chosen(x, parameters), images)
    assert gradgradcheck(lambda x: chosen(x, parameters), images)


def test_r1_passes_through() -> None:
    chosen = pipeline("flip", "cutout")
    images = images_of(4, 1, 4, 6).requires_grad_()
    weight = torch.tensor(0.5, dtype=torch.float64, requires_grad=True)
    changed = chosen(images, chosen.draw(0, "real", 0, 4))
    penalty = gradient_penalty(images, weight * changed.square().flatten(1).sum(1))
    kept = changed.detach().square().flatten(1).sum(1)
    torch.testing.assert_close(penalty, 4 * weight**2 * kept)  # D = a |Tx|^2, and T moves pixels or drops them
    penalty.sum().backward()
    torch.testing.assert_close(weight.grad, 8 * weight.detach() * kept.sum())


@pytest.mark.parametrize("name", NAMES)
def test_nothing_waits_for_the_device(name: str) -> None:
    """A meta tensor has no values, so whatever would read one raises."""
    chosen = pipeline(name, half_range=0.5)
    images = torch.empty(4, 3, 8, 12, device="meta", requires_grad=True)
    changed = chosen(images, chosen.draw(0, "real", 0, 4))
    assert changed.device.type == "meta"
    assert changed.shape == images.shape
    changed.sum().backward()
    assert images.grad is not None
    assert images.grad.shape == images.shape


def test_parameters_follow_the_images_device() -> None:
    recorder = Recorder()
    Pipeline({"mine": recorder}, 1.0)(torch.empty(2, 1, 2, 2, device="meta"), [torch.zeros(2, 1)])
    assert recorder.parameters.device.type == "meta"


CHOICE = torch.ones(4, 1, dtype=torch.bool)


@pytest.mark.parametrize(
    "parameters",
    [
        [],
        [torch.zeros(1, 1)],
        [torch.zeros(4, 1)] * 2,
        [torch.zeros(4, 1), CHOICE[:1]],
        [torch.zeros(4, 1), CHOICE.expand(4, 2)],
        [torch.zeros(4, 1), CHOICE, CHOICE],
    ],
)
def test_parameters_that_do_not_fit_are_refused(parameters: list[Tensor]) -> None:
    with pytest.raises(ValueError, match="expected one tensor for each augmentation, one row for each image"):
        pipeline("flip")(images_of(4, 1, 2, 2), parameters)


@pytest.mark.parametrize("half_range", [0.0, -1.0, float("nan")])
def test_a_range_must_be_positive(half_range: float) -> None:
    with pytest.raises(ValueError, match="expected a positive number"):
        pipeline("flip", half_range=half_range)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 9, 33, 129, 1000])
def test_pick_never_leaves_its_interval(count: int) -> None:
    assert pick(torch.tensor([0.0, 1 - 2**-24]), count).tolist() == [0, count - 1]
