from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard

from cgan_dist.config.document import Config
from cgan_dist.errors import UserError
from cgan_dist.labels import AttributeLabels, ClassLabels
from cgan_dist.sharing.card import check_license, data_name, model_card
from cgan_dist.sharing.pretrained import Generator
from cgan_dist.sharing.scores import Scores
from tests.unit.generator_samples import SCHEMAS, config_of, generator_of

FOUND = [Scores(values={"fid": 12.345678, "label_accuracy/class_0": 0.5}, protocol={"count": 100, "seed": 0})]
MakeConfig = Callable[..., Config]


def card_of(generator: Generator, config: Config, **options: Any) -> str:
    given: dict[str, Any] = {"scores": FOUND, "forms": {"model.onnx": 1.5e-6, "model.pt2": 0.0}, "license_id": "mit"}
    return model_card(generator, config, **(given | options))


def calls_in(card: str) -> list[str]:
    """What the card passes to `sample`."""
    return re.findall(r"generator\.sample\((.*?)\)  #", card)


def test_the_front_matter_is_what_the_hub_reads(make_config: MakeConfig) -> None:
    data = ModelCard(card_of(generator_of(), make_config())).data
    assert (data.license, data.library_name, data.model_name) == ("mit", "cgan_dist", "tiny")
    assert {"gan", "conditional-gan"} <= set(data.tags)
    ((result,),) = [data.eval_results]
    assert (result.metric_type, result.metric_value, result.dataset_name) == ("fid", 12.345678, "stripes")
    assert result.metric_args == {"count": 100, "seed": 0}


def test_what_is_not_known_is_not_claimed(make_config: MakeConfig) -> None:
    card = card_of(generator_of(kind="none"), make_config(), scores=[], forms={}, license_id=None)
    data = ModelCard(card).data
    assert (data.license, data.eval_results) == (None, None)
    assert "conditional-gan" not in data.tags
    assert "None were measured of this checkpoint." in card
    assert "None was stated" in card
    assert "## Graphs" not in card


@pytest.mark.parametrize("kind", SCHEMAS)
def test_the_line_that_it_shows_can_be_typed(kind: str, make_config: MakeConfig) -> None:
    generator = generator_of(kind=kind)
    (call,) = calls_in(card_of(generator, make_config()))
    images = eval(f"generator.sample({call})", {"generator": generator})
    assert images.shape == (8, 13, 14, 1)


@pytest.mark.parametrize(
    "labels",
    [
        ClassLabels(names=["a,b", 'c"d', "e'f"]),
        ClassLabels(names=["1", "2", "3"]),
        AttributeLabels(names=['"', "x;y", "p|q"]),
    ],
)
def test_odd_names_can_be_typed_too(labels: Any, make_config: MakeConfig, caplog: pytest.LogCaptureFixture) -> None:
    generator = Generator(config_of() | {"labels": labels.model_dump()})
    card = card_of(generator, make_config())
    (call,) = calls_in(card)
    asked = eval(f"generator.labels({call.split(', count')[0]})", {"generator": generator})
    assert torch.equal(asked, generator.space.grid(2))
    assert caplog.messages == []
    assert eval(f"generator.sample({call})", {"generator": generator}).shape == (8, 13, 14, 1)


def test_it_says_how_the_model_was_trained_and_scored(make_config: MakeConfig) -> None:
    config = make_config("loss.penalties={r1: 0.5}", "run.seed=7")
    card = card_of(generator_of("r3", "product", ["film"]), config)
    for fragment in (
        "grey images of 14x13 pixels, by product",
        "| data | `stripes`, fingerprint `111111111111` |",
        "| loss | non_saturating, r1 0.5 |",
        "| images seen | 64 of 64 |",
        "| seed | 7 |",
        "With count 100, seed 0:",
        "| fid | 12.35 |",
        "| label_accuracy/class_0 | 0.5 |",
        "- continuous: `pose` (0 to 360), `height` (-1 to 2.5)",
        "| `labels` | (B, 5) float32 product, as below |",
        "`clip(images * 127.5 + 128, 0, 255), cut to uint8`",
        "- `model.onnx`, for onnxruntime and others: draws what PyTorch draws, but for 1.5e-06 at most.",
        "- `model.pt2`, for `torch.export.load`: draws what PyTorch draws, bit for bit.",
    ):
        assert fragment in card


def test_where_the_data_was_is_not_told(make_config: MakeConfig) -> None:
    for path, name in (
        ("/home/ada/secret/faces/", "faces"),
        ("https://user:word@host/set?key=1", "set"),
        ("data", "data"),
    ):
        config = make_config()  # a checkpoint of an earlier revision may have a password in its config
        assert data_name(config.model_copy(update={"data": config.data.model_copy(update={"path": path})})) == name


def test_many_labels_are_cut_and_plug_ins_named(make_config: MakeConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    config = config_of() | {"labels": {"kind": "classes", "names": [f"n{n}" for n in range(150)]}}
    config["conditioning"]["generator"] = ["cgan_dist.conditioning.generator.concat:Concat"]
    card = card_of(Generator(config), make_config())
    assert "`n99` and 50 more, in config.json" in card
    assert "needs 'cgan_dist.conditioning.generator.concat:Concat', which is not in this folder" in card


@pytest.mark.parametrize("license_id", ["MIT", "apache 2", "", "a\nb: c"])
def test_a_licence_has_the_hubs_form(license_id: str) -> None:
    for good in (None, "apache-2.0", "cc-by-nc-4.0", "other"):
        check_license(good)
    with pytest.raises(UserError, match="^--license: found"):
        check_license(license_id)
