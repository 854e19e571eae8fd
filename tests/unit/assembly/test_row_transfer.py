"""The network that takes must do for a label what the one that gives does for the label of that name."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from cgan_dist.assembly.networks import Networks, build_networks
from cgan_dist.assembly.row_transfer import Labels, take_over
from cgan_dist.conditioning.spaces.auto import auto
from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.config.document import parse_config
from cgan_dist.data.spec import DataSpec
from cgan_dist.labels import AttributeLabels, ClassLabels, ContinuousLabels, LabelSchema, NoLabels, ProductLabels
from cgan_dist.models.spectral_norm import settle_spectral_norm

SIZE = 16
ANIMALS, MORE = ClassLabels(names=["cat", "dog", "eel"]), ClassLabels(names=["eel", "fox", "cat", "gnu"])
WORN, SEEN = AttributeLabels(names=["hat", "scarf"]), AttributeLabels(names=["scarf", "smile", "hat"])
AGE = ContinuousLabels(names=["age", "height"], ranges=[(0.0, 9.0), (1.0, 2.0)])
TURNED = ContinuousLabels(names=["height", "age"], ranges=[(1.0, 2.0), (0.0, 9.0)])
PAIRS: dict[str, tuple[LabelSchema, LabelSchema, str]] = {
    "classes": (ANIMALS, MORE, "cat,eel"),
    "attributes": (WORN, SEEN, "hat; scarf; hat,scarf"),
    "continuous": (AGE, TURNED, "age=3,height=1.2; age=8"),
    "product": (ProductLabels(parts=[ANIMALS, WORN]), ProductLabels(parts=[SEEN, MORE]), "cat,hat; eel,scarf"),
}
SMALL = {"width": 16, "max_width": 16, "blocks": 1, "group_size": 8}
NETWORKS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "dcgan": ({"width": 4}, {"width": 4}),
    "resnet": ({"width": 4}, {"width": 4, "spectral": False}),
    "resnet with spectral norm": ({"width": 4}, {"width": 4, "spectral_tables": False}),
    "resnet with tables": ({"width": 4}, {"width": 4}),
    "r3": (SMALL, SMALL),
}
G_WAYS: list[list[Any]] = [
    ["concat"],
    ["embedding", "film"],
    ["concat", {"name": "film", "args": {"dim": 5, "latent": True}}],
]
D_WAYS = [["channels", "auxiliary"], ["embedding_channels", "projection"]]


def built(network: str, schema: LabelSchema, ways: list[Any], judged: list[str]) -> tuple[Networks, LabelSpace]:
    name, (g_args, d_args) = network.split()[0], NETWORKS[network]
    conditional = schema.kind != "none"
    config = parse_config(
        {
            "data": {"path": "x"},
            "run": {"seed": len(schema.names)},
            "generator": {"name": name, "args": g_args, "latent_dim": 8},
            "discriminator": {"name": name, "args": d_args},
            "conditioning": {"generator": ways, "discriminator": judged}
            if conditional
            else {"labels": "none", "generator": [], "discriminator": []},
        },
        "test",
    )
    space = auto(schema)
    spec = DataSpec(labels=schema, channels=3, height=SIZE, width=SIZE, count=8, fingerprint="f")
    return build_networks(config, spec, space), space


@torch.no_grad()
def outputs(networks: Networks, space: LabelSpace, text: str) -> tuple[Tensor, Tensor]:
    """Images and logits of labels that a person types, from the same z."""
    condition = space.encode(space.parse(text))
    z = torch.randn(len(condition.values), 8, generator=torch.Generator().manual_seed(0))
    images = networks.generator.eval()(z, condition)
    return images, networks.discriminator.eval()(images, condition).logits


@pytest.mark.parametrize("judged", D_WAYS, ids=",".join)
@pytest.mark.parametrize("ways", G_WAYS, ids=["concat", "embedding,film", "concat,film of 5 and z"])
@pytest.mark.parametrize("kind", PAIRS)
@pytest.mark.parametrize("network", [name for name in NETWORKS if name != "resnet with tables"])
def test_labels_are_found_by_name(network: str, kind: str, ways: list[Any], judged: list[str]) -> None:
    there, here, text = PAIRS[kind]
    (given, given_space), (own, own_space) = built(network, there, ways, judged), built(network, here, ways, judged)
    labels = Labels(given_space, own_space)
    before = outputs(own, own_space, text)
    assert take_over(given.generator, own.generator, labels) == []
    assert take_over(given.discriminator, own.discriminator, labels) == []
    expected = outputs(given, given_space, text)
    for found, wanted, untouched in zip(outputs(own, own_space, text), expected, before, strict=True):
        torch.testing.assert_close(found, wanted)
        assert not torch.allclose(untouched, wanted)


def test_a_new_label_begins_as_it_was_initialized() -> None:
    given, given_space = built("dcgan", ANIMALS, ["concat"], ["projection", "auxiliary"])
    own, own_space = built("dcgan", MORE, ["concat"], ["projection", "auxiliary"])
    before = {name: value.clone() for name, value in own.discriminator.state_dict().items()}
    take_over(given.discriminator, own.discriminator, Labels(given_space, own_space))
    after, there = own.discriminator.state_dict(), given.discriminator.state_dict()
    for name in (
        "head.logits.projection.table.table",
        "head.readings.auxiliary.weight",
        "head.readings.auxiliary.bias",
    ):
        eel, fox, cat, gnu = after[name]
        torch.testing.assert_close([cat, eel], [there[name][0], there[name][2]], rtol=0, atol=0)
        torch.testing.assert_close([fox, gnu], [before[name][1], before[name][3]], rtol=0, atol=0)


def test_the_class_of_fakes_is_no_label_and_stays_the_last() -> None:
    given, given_space = built("dcgan", ANIMALS, ["concat"], ["channels", "multi_hinge"])
    own, own_space = built("dcgan", MORE, ["concat"], ["channels", "multi_hinge"])
    take_over(given.discriminator, own.discriminator, Labels(given_space, own_space))
    scores, there = own.discriminator.head.readings["multi_hinge"], given.discriminator.head.readings["multi_hinge"]  # type: ignore[index]
    assert torch.equal(scores.weight[-1], there.weight[-1])
    assert torch.equal(scores.weight[2], there.weight[0])


def test_tables_under_spectral_norm_are_found_and_their_norms_settle() -> None:
    (given, given_space), (own, own_space) = (
        built("resnet with tables", schema, ["concat"], ["projection"]) for schema in (ANIMALS, MORE)
    )
    take_over(given.discriminator, own.discriminator, Labels(given_space, own_space))
    settle_spectral_norm(own.discriminator)
    table, there = (
        networks.discriminator.head.logits["projection"].table.parametrizations.table.original  # type: ignore[index, union-attr]
        for networks in (own, given)
    )
    assert torch.equal(table[2], there[0])
    assert torch.equal(table[0], there[2])
    divided = own.discriminator.head.logits["projection"].table.table  # type: ignore[index, union-attr]
    assert torch.linalg.matrix_norm(divided, 2).item() == pytest.approx(1, abs=0.02)


def test_from_no_labels_to_labels() -> None:
    given, given_space = built("dcgan", NoLabels(), [], [])
    own, own_space = built("dcgan", ANIMALS, ["concat"], ["channels", "projection"])
    labels = Labels(given_space, own_space)
    assert take_over(given.generator, own.generator, labels) == ["entry.share.table"]
    assert set(take_over(given.discriminator, own.discriminator, labels)) == {
        "head.logits.projection.table.table",
        "entry.share.table",
    }
    assert labels.told() == "Labels taken over, by name: none; begun afresh: cat, dog, eel; left behind: none."


def test_what_is_said_of_labels() -> None:
    assert Labels(auto(ANIMALS), auto(ANIMALS)).told() == "Its labels are the same."
    assert Labels(auto(ANIMALS), auto(MORE)).told() == (
        "Labels taken over, by name: eel, cat; begun afresh: fox, gnu; left behind: dog."
    )


def test_a_network_of_another_form_keeps_what_does_not_fit() -> None:
    given, given_space = built("dcgan", ANIMALS, ["concat"], ["channels"])
    own, own_space = built("dcgan", ANIMALS, ["embedding"], ["embedding_channels"])
    afresh = take_over(given.discriminator, own.discriminator, Labels(given_space, own_space))
    assert afresh == ["ways.ways.0.table.table", "entry.share.weight"]
