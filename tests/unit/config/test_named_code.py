from __future__ import annotations

from typing import Any, get_args

import pytest

from cgan_dist.config.document import Config, parse_config
from cgan_dist.config.named_code import is_plain_folder, named_code, opened
from cgan_dist.config.values import Named, Section

EVIL = "evil:Thing"
CODE = {
    "conditioning.labels": {
        "name": "product",
        "args": {"parts": ["classes", EVIL, {"name": "evil:Other", "args": {}}]},
    },
    "conditioning.generator": ["concat", EVIL],
    "conditioning.discriminator": [{"name": EVIL, "args": {"a": 1}}],
    "generator.name": EVIL,
    "discriminator.name": EVIL,
    "loss.adversarial": EVIL,
    "loss.bcr_augment": ["flip", EVIL],
    "data.augment": ["flip", EVIL],
    "evaluate.metrics": ["fid", f"kid@{EVIL}", {"name": "fid", "args": {"features": EVIL}}, EVIL],
    "tracking.trackers": ["wandb", EVIL],
}
OPENED = {"data.path", "data.cache_dir", "data.autoencoder", "evaluate.inception_weights"}
NEITHER = {
    "run.name": "a name alone, by its pattern",
    "run.dir": "of training; a saved one is not followed",
    "data.balance": "names of classes",
    "generator.args": "of the named generator, held against its signature",
    "discriminator.args": "likewise",
    "loss.penalties": "names of a table",
    **{f"optim.{net}multipliers": "names of weights" for net in ("", "generator.", "discriminator.")},
    "checkpoint.keep_best": "name of a score",
    "evaluate.inception_sha256": "hexadecimal, by its pattern",
    "tracking.project": "name on a server; only training sends it",
}


def texts(section: type[Section], prefix: str = "") -> set[str]:
    """Key paths of all that can be free text."""
    found = set()
    for name, field in section.model_fields.items():
        kinds = flat(field.annotation)
        inner = [kind for kind in kinds if isinstance(kind, type) and issubclass(kind, Section) and kind is not Named]
        for kind in inner:
            found |= texts(kind, f"{prefix}{name}.")
        if not inner and (str in kinds or Named in kinds):
            found.add(prefix + name)
    return found


def flat(annotation: Any) -> set[Any]:
    return {annotation}.union(*(flat(one) for one in get_args(annotation))) if get_args(annotation) else {annotation}


def planted() -> Config:
    values: dict[str, Any] = {"data": {"path": "data"}}
    for path, value in CODE.items():
        section, _, key = path.partition(".")
        values.setdefault(section, {})[key] = value
    return parse_config(values, "planted")


def test_every_key_that_is_text_is_known_as_code_or_place_or_neither() -> None:
    assert texts(Config) == CODE.keys() | OPENED | NEITHER.keys()


def test_code_is_found_wherever_it_is_named() -> None:
    assert {where: part.name for where, part in named_code(planted()).items()} == {
        "conditioning.labels.args.parts.1": EVIL,
        "conditioning.labels.args.parts.2": "evil:Other",
        "conditioning.generator.1": EVIL,
        "conditioning.discriminator.0": EVIL,
        "generator.name": EVIL,
        "discriminator.name": EVIL,
        "loss.adversarial": EVIL,
        "loss.bcr_augment.1": EVIL,
        "data.augment.1": EVIL,
        "evaluate.metrics.1": f"kid@{EVIL}",
        "evaluate.metrics.2.args.features": EVIL,
        "evaluate.metrics.3": EVIL,
        "tracking.trackers.1": EVIL,
    }
    assert named_code(parse_config({"data": {"path": "data"}}, "plain")) == {}


def test_odd_arguments_are_no_names() -> None:
    labels = {
        "name": "product",
        "args": {"parts": [3, None, {"name": 3}, {"args": {}}, [EVIL], {"name": "classes", "args": {1: 2}}]},
    }
    values = {"data": {"path": "d"}, "conditioning": {"labels": labels}}
    assert named_code(parse_config(values, "odd")) == {}


def test_places_outside_of_the_run_are_found() -> None:
    section = {"path": "s3://bucket/data", "cache_dir": "/tmp/kept", "autoencoder": "vae"}
    config = parse_config({"data": section, "evaluate": {"inception_weights": "w.pth"}}, "remote")
    assert opened(config) == {
        "data.path": "s3://bucket/data",
        "data.cache_dir": "/tmp/kept",
        "data.autoencoder": "vae",
        "evaluate.inception_weights": "w.pth",
    }
    assert opened(parse_config({"data": {"path": "/data/digits"}}, "local")) == {}


@pytest.mark.parametrize("location", ["data", "/data/a b", "../data", "C:\\data", "data/x:y", "~/data"])
def test_a_folder_is_a_folder(location: str) -> None:
    assert is_plain_folder(location)


@pytest.mark.parametrize(
    "location",
    [
        "pipe:cat %s",
        "PIPE:cat",
        "http://a/b",
        "a://b",
        "ftp://a/b",
        "file:///a",
        "zip://a::http://b",
        "a::b",
        "//host/x",
        "\\\\h\\x",
    ],
)
def test_an_address_is_none(location: str) -> None:
    assert not is_plain_folder(location)
