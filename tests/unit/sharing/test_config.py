from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from cgan_dist import __version__
from cgan_dist.errors import UserError
from cgan_dist.sharing.config import parse_model_config, read_model_config
from tests.unit.generator_samples import SCHEMAS, config_of


def changed(where: str, value: Any) -> dict[str, Any]:
    """The sample's content with one value replaced; `None` removes it."""
    values = json.loads(json.dumps(config_of()))
    *path, key = where.split(".")
    section = values
    for name in path:
        section = section[name]
    if value is None:
        del section[key]
    else:
        section[key] = value
    return values  # type: ignore[no-any-return]


@pytest.mark.parametrize("kind", SCHEMAS)
def test_it_is_what_was_written(kind: str, tmp_path: Path) -> None:
    config = parse_model_config(config_of("r3", kind), "here")
    (tmp_path / "config.json").write_text(config.to_json())
    again = read_model_config(tmp_path)
    assert again == config
    assert again.labels == SCHEMAS[kind]
    assert "discriminator" not in config.to_json()
    spec = again.spec
    assert (spec.channels, spec.height, spec.width, spec.labels) == (1, 13, 14, SCHEMAS[kind])
    settings = again.settings
    assert (settings.generator.name, settings.generator.latent_dim) == ("r3", 6)
    assert (settings.data.pixels, settings.data.channels) == ("unit", None)
    assert [way.name for way in settings.conditioning.generator] == ([] if kind == "none" else ["concat"])


@pytest.mark.parametrize(
    ("where", "value", "message"),
    [
        (
            "weights_sha",
            "",
            "weights_sha: unknown key. Did you mean 'weights_sha256'? The file was written by cgan_dist 0.1.0",
        ),
        ("image.depth", 3, "image.depth: unknown key"),
        ("image.channels", 2, "image.channels: found 2; expected 1 or 3"),
        ("image.height", "13", "image.height: found '13'; expected a valid integer"),
        ("image.pixels", "bytes", "image.pixels: found 'bytes'; expected 'half', 'half128' or 'unit'"),
        ("image", None, "image: required, but not there"),
        ("conditioning.generator", None, "conditioning.generator: required, but not there"),
        ("conditioning.discriminator", ["channels"], "conditioning.discriminator: found"),
        ("generator.latent_dim", 0, "generator.latent_dim: found 0; expected"),
        ("labels.kind", "words", "labels: found"),
        ("origin.checkpoint_sha256", "x", "origin.checkpoint_sha256: found 'x'; expected"),
    ],
)
def test_what_cannot_be_is_named(where: str, value: Any, message: str) -> None:
    with pytest.raises(UserError) as caught:
        parse_model_config(changed(where, value), "here/config.json")
    assert str(caught.value).startswith(f"here/config.json: {message}")


def test_another_format_says_which_version_to_install() -> None:
    newer = changed("format", "cgan_dist model 2") | {"version": "9.1", "new": 1}
    with pytest.raises(UserError) as caught:
        parse_model_config(newer, "config.json")
    assert str(caught.value) == (
        "config.json: format: found 'cgan_dist model 2', expected 'cgan_dist model 1'. It was written by cgan_dist "
        f"9.1, this is {__version__}: install that version."
    )
    for other in ({"architectures": ["Bert"]}, [], None, "text"):
        with pytest.raises(
            UserError, match="found None, expected 'cgan_dist model 1'. It is no generator of cgan_dist"
        ):
            parse_model_config(other, "config.json")


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_file_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(UserError, match=r"config.json: damaged: .*Export the model, or download it, again.$"):
        read_model_config(tmp_path)


def test_a_folder_without_it_is_no_model_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no config.json in it; expected a model folder, as `cgan-dist export RUN"):
        read_model_config(tmp_path)


def test_code_that_is_named_is_found_wherever_it_is_named() -> None:
    values = config_of(kind="product", ways=["concat", {"name": "a.b:Way", "args": {}}])
    values["generator"]["name"] = "nets:G"
    values["conditioning"]["labels"] = {
        "name": "product",
        "args": {"parts": ["classes", "torch.hub:load", {"name": "torch.hub:list", "args": {"x": 1}}, 3]},
    }
    config = parse_model_config(values, "here")
    assert config.plugins == {
        "generator.name": "nets:G",
        "conditioning.generator.1": "a.b:Way",
        "conditioning.labels.args.parts.1": "torch.hub:load",
        "conditioning.labels.args.parts.2": "torch.hub:list",
    }
    values["conditioning"]["labels"] = "evil:Space"
    assert parse_model_config(values, "here").plugins["conditioning.labels"] == "evil:Space"
    assert parse_model_config(config_of(), "here").plugins == {}
