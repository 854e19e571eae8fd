"""The requests of the playground, without a page: labels, bounds, and what is drawn."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image

from cgan_dist.conditioning.spaces import LABEL_SPACES
from cgan_dist.directions.found_directions import Directions
from cgan_dist.errors import UserError
from cgan_dist.labels import ClassLabels
from cgan_dist.playground.controls import Choice, Span, Switches, controls_of, label_of, values_of
from cgan_dist.playground.studio import MAX_IMAGES, Studio
from cgan_dist.playground.variations import variations_of
from tests.unit.generator_samples import SCHEMAS, generator_of
from tests.unit.samplers import sampler_of

VALUES = {
    "classes": ["cat"],
    "attributes": [["smile"]],
    "continuous": [90, 2.5],
    "product": ["bee", ["hat"], 45.5, 0.25],
    "none": [],
}
LABELS = {
    "classes": [2],
    "attributes": [[0, 1]],
    "continuous": [[90, 2.5]],
    "product": [[1, 1, 0, 45.5, 0.25]],
    "none": [[]],
}


@pytest.mark.parametrize("kind", SCHEMAS)
def test_controls_make_the_label_that_they_show(kind: str) -> None:
    label = label_of(SCHEMAS[kind], VALUES[kind])
    assert label.tolist() == LABELS[kind]
    space = generator_of(kind=kind).space
    assert label.dtype == space.grid(1).dtype
    assert len(controls_of(SCHEMAS[kind])) == len(VALUES[kind])
    starts = [control.start for control in controls_of(SCHEMAS[kind])]
    assert len(space.describe(label_of(SCHEMAS[kind], starts))) == 1


@pytest.mark.parametrize(
    ("kind", "values", "said"),
    [
        ("classes", ["caat"], "Did you mean 'cat'"),
        ("classes", [2], "expected the name of a class"),
        ("classes", [["cat"]], "expected the name of a class"),
        ("classes", [], "expected 1, one for each control"),
        ("attributes", ["smile"], "expected a list"),
        ("attributes", [["smle"]], "Did you mean 'smile'"),
        ("attributes", [[["smile"]]], "name of an attribute"),
        ("continuous", [361, 0], "a number from 0 to 360"),
        ("continuous", [math.nan, 0], "a number from 0 to 360"),
        ("continuous", [True, 0], "a number from 0 to 360"),
        ("continuous", ["90", 0], "a number from 0 to 360"),
        ("none", ["cat"], "expected 0"),
    ],
)
def test_a_label_that_is_none_is_refused(kind: str, values: list[object], said: str) -> None:
    with pytest.raises(UserError, match=said):
        label_of(SCHEMAS[kind], values)


def test_the_kinds_of_controls() -> None:
    product = controls_of(SCHEMAS["product"])
    assert [type(control) for control in product] == [Choice, Switches, Span, Span]
    assert product[2].start == 180.0


@pytest.mark.parametrize("kind", SCHEMAS)
def test_a_label_sets_the_controls_that_make_it(kind: str) -> None:
    assert values_of(SCHEMAS[kind], label_of(SCHEMAS[kind], VALUES[kind])) == VALUES[kind]


def moving(kind: str = "classes") -> Studio:
    """The painter shows the first entry of z, half as far, in the corner; direction 0 is that entry."""
    vectors = torch.eye(5)
    return Studio(
        sampler_of(kind, latent="uniform"),
        Directions(
            names=[f"d{number}" for number in range(7)],
            vectors=torch.cat([vectors, vectors[:2]]),
            strengths=torch.ones(7),
        ),
    )


def test_z_moves_along_the_first_directions_in_every_picture() -> None:
    studio, still = moving(), [0, 0, 0, 0, 0]
    assert studio.moves == ["d0", "d1", "d2", "d3", "d4"]
    own = studio.one_label(["3"], 8, 0, 0).images
    assert np.array_equal(studio.one_label(["3"], 8, 0, 0, *still).images, own)
    far = studio.one_label(["3"], 8, 0, 0, 3, 0, 0, 0, 0).images
    assert (far[:, 0, 0, 0] == 128).all()  # at the side of the cube, where z is 1
    assert np.array_equal(far[:, 1:], own[:, 1:])
    assert np.array_equal(studio.one_label(["3"], 8, 0, 0, 0, 3, 0, 0, 0).images, own)  # not painted
    assert (studio.every_label(["3"], 2, 0, 0, 3, 0, 0, 0, 0).images[:, 0, 0, 0] == 128).all()
    assert (studio.between(["3"], ["5"], 0.5, 4, 0, 0, 3, 0, 0, 0, 0).images[:, 0, 0, 0] == 128).all()


@pytest.mark.parametrize(
    "moves", [[1], [0] * 6, [0, 0, 0, 0, 3.1], [0, 0, 0, 0, None], ["1", 0, 0, 0, 0], [math.nan] * 5]
)
def test_moves_that_are_none_are_refused(moves: list[object]) -> None:
    with pytest.raises(UserError, match="found"):
        moving().one_label(["3"], 4, 0, 0, *moves)
    with pytest.raises(UserError, match="found"):
        Studio(sampler_of("classes")).one_label(["3"], 4, 0, 0, 1.0)


def test_a_found_z_is_drawn_under_the_label_and_under_all_others() -> None:
    studio, z = moving(), torch.tensor([[-0.5, 0.1, 0.2, 0.3, 0.4]])
    picture = studio.edited(["3"], z)
    assert picture.labels.tolist() == [3, *range(10)]
    expected = studio.sampler.images(z.expand(11, -1), torch.tensor([3, *range(10)]))
    assert np.array_equal(picture.images, expected.permute(0, 2, 3, 1).numpy())
    assert (studio.edited(["3"], z, 3, 0, 0, 0, 0).images[:, 0, 0, 0] == 128).all()
    assert len(Studio(sampler_of("none")).edited([], z).images) == 1


def test_the_row_of_a_found_z_is_bounded() -> None:
    many = ClassLabels(names=[str(number) for number in range(1_000)])
    sampler = sampler_of("classes")
    sampler.label_space = LABEL_SPACES.build("auto", "", {}, schema=many)
    sampler.generator.shades = torch.zeros(1_000)  # type: ignore[assignment]
    picture = Studio(sampler).edited(["7"], torch.zeros(1, 5))
    assert len(picture.images) == MAX_IMAGES
    assert picture.labels[:3].tolist() == [7, 7, 8]


@pytest.mark.parametrize("kind", SCHEMAS)
@pytest.mark.parametrize("count", [1, 5, 8, 13, MAX_IMAGES])
def test_one_label_draws_as_many_as_asked(kind: str, count: int) -> None:
    picture = Studio(generator_of(kind=kind).sampler()).one_label(VALUES[kind], count, 0, 0)
    assert picture.images.shape == (count, 13, 14, 1)
    assert picture.labels.tolist() == LABELS[kind] * count
    assert Image.open(io.BytesIO(picture.png())).size == picture.grid.size


@pytest.mark.parametrize("count", [0, -1, 65, 10**9, 1.5, math.inf, math.nan, "4", None, True, [4]])
def test_more_images_than_the_bound_are_refused(count: object) -> None:
    studio = Studio(sampler_of("classes"))
    for ask in (
        lambda: studio.one_label(["3"], count, 0, 0),
        lambda: studio.every_label(["3"], count, 0, 0),
        lambda: studio.between(["3"], ["5"], 0.5, count, 0, 0),
    ):
        with pytest.raises(UserError, match="whole number from 1 to 64"):
            ask()


@pytest.mark.parametrize(("seed", "truncation"), [(-1, 0), (2**31, 0), (0.5, 0), ("1", 0), (0, -1), (0, math.nan)])
def test_seed_and_truncation_are_bounded(seed: object, truncation: object) -> None:
    with pytest.raises(UserError, match="seed|truncation"):
        Studio(sampler_of("classes")).one_label(["3"], 4, seed, truncation)


def test_a_uniform_z_has_its_own_largest_truncation() -> None:
    with pytest.raises(UserError, match="at most 1"):
        Studio(sampler_of("classes", latent="uniform")).one_label(["3"], 4, 0, 1.5)


def test_the_seed_decides_and_a_request_leaves_nothing_behind() -> None:
    studio = Studio(generator_of().sampler())
    first = studio.one_label(["ant"], 6, 7, 0).images
    assert not np.array_equal(studio.one_label(["ant"], 6, 8, 0.3).images, first)
    assert not np.array_equal(studio.one_label(["ant"], 6, 7, 0.3).images, first)
    assert np.array_equal(studio.one_label(["ant"], 6, 7, 0).images, first)


def test_every_label_shows_one_z_under_all_classes() -> None:
    picture = Studio(sampler_of("classes")).every_label(["3"], 2, 0, 0)
    assert picture.labels.tolist() == [*range(10)] * 2
    corners = picture.images[:, 0, 0, 0].astype(int) - picture.images[:, 1, 1, 0]
    shades = picture.images[:10, 1, 1, 0].astype(int)
    assert (np.diff(shades) > 0).all()
    rest = picture.images[:10]
    assert len({image.tobytes() for image in rest}) == 10
    assert corners.shape == (20,)
    own = Studio(sampler_of("classes")).one_label(["4"], 2, 0, 0).images
    assert np.array_equal(own, picture.images[[4, 14]])  # the same seed is the same z in each kind of picture


def test_rows_times_labels_are_bounded() -> None:
    with pytest.raises(UserError, match=r"7 of 10 labels, 70 images; expected at most 64 images, so 1 to 6 rows"):
        Studio(sampler_of("classes")).every_label(["3"], 7, 0, 0)


def test_variations_switch_each_attribute_and_hold_the_rest() -> None:
    space = generator_of(kind="product").space
    labels, heads = variations_of(space, torch.tensor([[1.0, 1, 0, 90.0, 0.0]]), 64)
    assert heads[:6] == ["ant", "bee", "cat", "as chosen", "-hat", "+smile"]
    assert labels[4].tolist() == [1, 0, 0, 90, 0]
    assert labels[5].tolist() == [1, 1, 1, 90, 0]
    assert heads[6:] == [*(f"pose {value}" for value in (0, 90, 180, 270, 360)), *heads[11:]]
    assert labels[11:, 4].tolist() == pytest.approx([-1, -0.125, 0.75, 1.625, 2.5])
    assert (labels[11:, :4] == torch.tensor([1.0, 1, 0, 90])).all()


def test_of_many_classes_those_after_the_chosen_one_are_shown() -> None:
    schema = ClassLabels(names=[f"c{number}" for number in range(100)])
    space = LABEL_SPACES.build("auto", "", {}, schema=schema)
    labels, heads = variations_of(space, torch.tensor([90]), 64)
    assert labels.tolist() == [*range(90, 100), *range(54)]
    assert heads[0] == "c90"


@pytest.mark.parametrize("kind", ["classes", "attributes", "continuous", "product"])
def test_between_begins_at_one_label_and_ends_at_the_other(kind: str) -> None:
    studio = Studio(generator_of(kind=kind).sampler())
    one = [control.start for control in controls_of(SCHEMAS[kind])]
    drawn = [studio.between(one, VALUES[kind], share, 5, 0, 0).images.astype(int) for share in (0, 0.5, 1)]
    ends = [studio.one_label(values, 5, 0, 0).images.astype(int) for values in (one, VALUES[kind])]
    assert np.abs(drawn[0] - ends[0]).max() <= 1  # the mixture takes another way through the same linear map
    assert np.abs(drawn[2] - ends[1]).max() <= 1
    assert not np.array_equal(drawn[1], drawn[0])
    assert not np.array_equal(drawn[1], drawn[2])


@pytest.mark.parametrize("share", [-0.1, 1.1, math.nan, "0.5", None])
def test_the_share_is_bounded(share: object) -> None:
    with pytest.raises(UserError, match="share"):
        Studio(sampler_of("classes")).between(["3"], ["5"], share, 4, 0, 0)


def test_without_labels_there_is_no_way_between() -> None:
    with pytest.raises(UserError, match="no way between"):
        Studio(sampler_of("none")).between([], [], 0.5, 4, 0, 0)


@pytest.mark.parametrize("kind", ["classes", "product"])
def test_the_arrays_open_without_pickle(kind: str) -> None:
    picture = Studio(generator_of(kind=kind).sampler()).one_label(VALUES[kind], 5, 0, 0)
    with np.load(io.BytesIO(picture.npz())) as arrays:
        assert np.array_equal(arrays["images"], picture.images)
        assert arrays["labels"].tolist() == LABELS[kind] * 5
        assert ("class_names" in arrays) == (kind == "classes")
