from __future__ import annotations

from pathlib import Path

import pytest
import torch
from einops import rearrange
from torch import Tensor, nn

from cgan_dist.conditioning.condition import Condition
from cgan_dist.conditioning.spaces import LABEL_SPACES
from cgan_dist.conditioning.spaces.distribution import LabelDistribution
from cgan_dist.data.pixels import PIXEL_RANGES
from cgan_dist.data.shards import ShardSet
from cgan_dist.data.storage import Storage
from cgan_dist.evaluation.candidates import GeneratedImages, RealImages, match_channels
from cgan_dist.evaluation.selection import Selection
from cgan_dist.labels import AttributeLabels, ClassLabels, LabelSchema
from cgan_dist.sampling.sampler import Sampler

CLASSES = ClassLabels(names=["a", "b", "c"])
BITS = AttributeLabels(names=["hat", "smile"])


class Painter(nn.Module):
    """Paints the label as brightness on the left and z on the right."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, z: Tensor, condition: Condition) -> Tensor:
        shown = torch.cat([condition.ones / 10, condition.values / 10], dim=1).sum(1, keepdim=True)
        return torch.stack([shown, z[:, :1]], dim=2)[:, None]


def sampler_of(schema: LabelSchema, labels: Tensor) -> Sampler:
    space = LABEL_SPACES.build("auto", "", {}, schema=schema)
    return Sampler(Painter(), space, LabelDistribution.of(labels), PIXEL_RANGES["unit"], 4, "uniform", 3)


def whole(candidates: GeneratedImages, asks: str) -> Tensor:
    return candidates.images(asks, 0, candidates.count)  # type: ignore[arg-type]


UNBALANCED = torch.tensor([0, 0, 0, 0, 0, 0, 0, 0, 1, 2])
BALANCED = torch.tensor([2, 1, 0, 0, 1, 2])


@pytest.mark.parametrize("stored", [UNBALANCED, BALANCED])
def test_it_draws_what_the_sampler_draws(stored: Tensor) -> None:
    sampler = sampler_of(CLASSES, stored)
    candidates = GeneratedImages(sampler, 50, channels=1)
    for asks, drawn in (("fair", sampler.fair(50)), ("as_data", sampler.drawn(50))):
        assert torch.equal(whole(candidates, asks), rearrange(torch.from_numpy(drawn.images), "b h w c -> b c h w"))
        assert candidates.labels(asks).tolist() == drawn.labels.tolist()  # type: ignore[arg-type]


def test_a_part_is_that_part_of_the_whole() -> None:
    candidates = GeneratedImages(sampler_of(CLASSES, UNBALANCED), 50, channels=1)
    for asks in ("fair", "as_data"):
        assert torch.equal(candidates.images(asks, 13, 21), whole(candidates, asks)[13:21])  # type: ignore[arg-type]


def test_unbalanced_classes_are_drawn_as_the_data_has_them_and_take_turns_where_that_is_fair() -> None:
    candidates = GeneratedImages(sampler_of(CLASSES, UNBALANCED), 600, channels=1)
    assert [candidates.resolve(asks) for asks in ("fair", "as_data")] == ["fair", "as_data"]  # type: ignore[arg-type]
    assert candidates.labels("fair").bincount().tolist() == [200, 200, 200]
    counts = candidates.labels("as_data").bincount().tolist()
    assert counts[0] == pytest.approx(480, abs=40)
    assert min(counts[1:]) > 30


def test_balanced_classes_take_turns_for_everything() -> None:
    candidates = GeneratedImages(sampler_of(CLASSES, BALANCED), 60, channels=1)
    assert [candidates.resolve(asks) for asks in ("fair", "as_data")] == ["fair", "fair"]  # type: ignore[arg-type]
    lacking_one = GeneratedImages(sampler_of(CLASSES, torch.tensor([0, 1])), 60, channels=1)
    assert lacking_one.resolve("as_data") == "as_data"
    too_few_for_turns = GeneratedImages(sampler_of(CLASSES, BALANCED), 2, channels=1)
    assert too_few_for_turns.resolve("fair") == "as_data"


def test_attributes_are_as_the_data_has_them_either_way() -> None:
    stored = torch.tensor([[1, 0], [1, 0], [0, 1]], dtype=torch.uint8)
    candidates = GeneratedImages(sampler_of(BITS, stored), 300, channels=1)
    assert candidates.resolve("fair") == candidates.resolve("as_data") == "as_data"
    assert {tuple(row) for row in candidates.labels("as_data").tolist()} == {(1, 0), (0, 1)}


def test_shuffled_labels_are_those_of_other_samples() -> None:
    sampler = sampler_of(CLASSES, UNBALANCED)
    honest, control = (GeneratedImages(sampler, 300, 1, shuffle_labels=shuffled) for shuffled in (False, True))
    assert torch.equal(whole(honest, "fair"), whole(control, "fair"))
    labels, shuffled = honest.labels("fair"), control.labels("fair")
    assert shuffled.bincount().tolist() == labels.bincount().tolist()
    assert (shuffled == labels).float().mean() == pytest.approx(1 / 3, abs=0.1)
    assert (honest.facts()["shuffled_labels"], control.facts()["shuffled_labels"]) == (False, True)


def test_real_images_have_their_own_labels(shards_folder: Path) -> None:
    shards = ShardSet(Storage(shards_folder))
    space = LABEL_SPACES.build("auto", "", {}, schema=shards.manifest.labels)
    selection = Selection(shards, space, "held_out")
    candidates = RealImages(selection)
    assert candidates.count == len(selection) == 20
    assert candidates.resolve("fair") == candidates.resolve("as_data")
    assert torch.equal(candidates.labels("fair"), selection.labels)
    assert torch.equal(candidates.images("fair", 4, 9), selection.images(4, 9))
    facts = {"images": "real", "count": 20, "data": shards.manifest.fingerprint, "split": "held_out"}
    assert candidates.facts() == facts


def test_a_way_is_between_two_z_and_a_step_goes_on_along_it() -> None:
    sampler = sampler_of(CLASSES, UNBALANCED)
    candidates = GeneratedImages(sampler, 50, channels=1)
    here, ahead = (candidates.on_ways("fair", 0, 50, ahead)[:, 0, 0, 1] for ahead in (0.0, 1e-3))
    one, other = (sampler.latents(50, "ends of ways", number)[:, 0] for number in (0, 1))
    slopes = 127.5 * (other - one)
    torch.testing.assert_close(ahead - here, 1e-3 * slopes, atol=3e-5, rtol=0)  # far below one of 256 values
    places = (here / 127.5 - 1 - one) / (other - one)
    assert 0 <= places.min() < 0.1
    assert 0.9 < places.max() <= 1


@pytest.mark.parametrize("asks", ["fair", "as_data"])
def test_ways_hold_the_label_and_a_part_of_them_is_that_part_of_the_whole(asks: str) -> None:
    candidates = GeneratedImages(sampler_of(CLASSES, UNBALANCED), 50, channels=1)
    pictures = candidates.on_ways(asks, 0, 50, 0.01)  # type: ignore[arg-type]
    shown = whole(candidates, asks)[:, 0, 0, 0].float()
    torch.testing.assert_close(pictures[:, 0, 0, 0], shown, atol=0.5, rtol=0)
    assert torch.equal(candidates.on_ways(asks, 13, 21, 0.01), pictures[13:21])  # type: ignore[arg-type]


def test_ways_keep_to_the_truncation() -> None:
    sampler = sampler_of(CLASSES, UNBALANCED)
    sampler.truncate(0.1)
    assert (GeneratedImages(sampler, 50, 1).on_ways("fair", 0, 50, 0.0)[:, 0, 0, 1] - 127.5).abs().max() < 12.8


def test_repeated_grey_is_averaged_back() -> None:
    fakes = torch.tensor([10, 20, 60], dtype=torch.uint8).view(1, 3, 1, 1)
    assert match_channels(fakes, 1).flatten().tolist() == [30]
    assert match_channels(fakes, 3) is fakes
    assert match_channels(fakes + 0.5, 1).flatten().tolist() == [30.5]
    assert GeneratedImages(sampler_of(CLASSES, BALANCED), 5, channels=3).images("fair", 0, 2).shape[1] == 3
