from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from cgan_dist.errors import UserError
from cgan_dist.sharing.pretrained import Generator
from tests.unit.generator_samples import NETWORKS, SCHEMAS, STORED, config_of, generator_of


def saved(generator: Generator, folder: Path) -> Path:
    generator.save_pretrained(folder)
    return folder


def images_of(generator: Generator, kind: str) -> torch.Tensor:
    labels = None if kind == "none" else STORED[kind][:2]
    with torch.no_grad():
        return generator(generator.draw_z(2), labels)  # type: ignore[no-any-return]


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("kind", SCHEMAS)
def test_it_loads_and_draws_the_same(network: str, kind: str, tmp_path: Path) -> None:
    generator = generator_of(network, kind)
    again = Generator.from_pretrained(saved(generator, tmp_path / "model"))
    assert not again.training
    assert torch.equal(images_of(again, kind), images_of(generator, kind))
    assert np.array_equal(again.sample(count=9, seed=3), generator.sample(count=9, seed=3))
    assert torch.equal(again.distribution.rows, generator.distribution.rows)
    assert again.config.origin == generator.config.origin
    assert (tmp_path / "model" / "README.md").is_file()  # the mixin's own card, where export has not made one
    assert (again.latent_dim, again.image_shape[0]) == (6, 1)
    assert again.label_names == list(SCHEMAS[kind].names)


def test_a_space_takes_some_of_the_datas_labels(tmp_path: Path) -> None:
    config = config_of(kind="product")
    config["conditioning"]["labels"] = {"name": "attributes", "args": {"names": ["smile"]}}
    Generator(config).save_pretrained(tmp_path / "model")
    again = Generator.from_pretrained(tmp_path / "model")
    assert (again.label_names, again.form) == (["smile"], "(B, 1) uint8 attributes")
    assert again.config.labels == SCHEMAS["product"]
    assert again.sample("smile=0; smile", count=4).shape == (4, 13, 14, 1)


def test_samples_take_turns_and_depend_on_the_seed() -> None:
    generator = generator_of()
    images = generator.sample("bee,ant", count=5, seed=1)
    assert (images.shape, images.dtype) == ((5, 13, 14, 1), np.uint8)
    assert np.array_equal(images, generator.sample([1, 0], count=5, seed=1))
    assert not np.array_equal(images, generator.sample("bee,ant", count=5, seed=2))
    assert not np.array_equal(images, generator.sample("ant,bee", count=5, seed=1))
    turns = generator.sampler(1).balanced(torch.tensor([1, 0]), 5)
    assert turns.labels.tolist() == [1, 0, 1, 0, 1]
    assert np.array_equal(images, turns.images)
    assert len(generator.sample("bee,ant")) == 2
    assert len(generator.sample()) == 16


def test_truncation_reaches_z() -> None:
    generator = generator_of()
    assert not np.array_equal(generator.sample("ant", 8), generator.sample("ant", 8, truncation=0.1))
    with pytest.raises(UserError, match="truncation: found -1"):
        generator.sample("ant", truncation=-1)


def test_called_it_gives_floats_in_its_range_with_a_gradient() -> None:
    generator, z = generator_of(), torch.randn(3, 6)
    images = generator(z, "ant")
    assert images.shape == (3, 1, 13, 14)
    assert images.requires_grad
    assert torch.equal(images, generator(z, [0, 0, 0]))
    assert not torch.equal(images, generator(z, [0, 1, 2]))
    pixels = generator.to_uint8(images)
    assert pixels.dtype == torch.uint8
    assert (pixels.float() - (images * 127.5 + 127.5)).abs().max() <= 1
    assert generator.describe("0,cat") == ["ant", "cat"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda g: g(torch.randn(3, 5), "ant"), r"z: found \(3, 5\); expected \(B, 6\)"),
        (lambda g: g(torch.randn(6), "ant"), r"z: found \(6,\)"),
        (lambda g: g(torch.randn(3, 6)), r"labels: none given; this generator expects \(B,\) int64 classes"),
        (lambda g: g(torch.randn(3, 6), [0, 1]), "labels: found 2 for 3 z"),
        (lambda g: g(torch.randn(3, 6), [0, 1, 3]), "expected 0..2"),
        (lambda g: g.sample("ant,bee,cat", count=2), "count: found 2, but 3 labels are asked for"),
        (lambda g: g.sample(count=0), "count: found 0; expected 1 or more"),
        (lambda g: g.sample("ant", count=-1), "count: found -1"),
        (lambda g: g.sample("wasp"), "label 'wasp': no such class"),
    ],
)
def test_bad_calls_are_refused(call: Any, message: str) -> None:
    with pytest.raises(UserError, match=message):
        call(generator_of())


def test_labels_that_are_not_asked_for_are_not_taken_for_none() -> None:
    for kind in ("attributes", "continuous", "product"):
        with pytest.raises(UserError, match="labels: none given"):
            generator_of(kind=kind)(torch.randn(2, 6))


def test_weights_that_were_saved_in_half_precision_load_in_float32(tmp_path: Path) -> None:
    generator = generator_of()
    folder = saved(generator.to(torch.bfloat16), tmp_path / "model")
    again = Generator.from_pretrained(folder)
    assert load_file(folder / "model.safetensors")["network.last.weight"].dtype == torch.bfloat16
    assert torch.equal(again.network.last.weight, generator.network.last.weight.float())  # type: ignore[union-attr, operator]


def test_a_damaged_folder_is_named(tmp_path: Path) -> None:
    whole = saved(generator_of(), tmp_path / "model")

    def damaged(name: str) -> Path:
        copy = tmp_path / name
        shutil.copytree(whole, copy)
        return copy

    weights = damaged("flipped") / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-5] ^= 1
    weights.write_bytes(content)
    with pytest.raises(UserError, match=r"model.safetensors: damaged: not the file that config.json means"):
        Generator.from_pretrained(weights.parent)
    (missing := damaged("missing") / "model.safetensors").unlink()
    with pytest.raises(UserError, match="model.safetensors: cannot be read: No such file"):
        Generator.from_pretrained(missing.parent)
    (damaged("no config") / "config.json").unlink()
    with pytest.raises(UserError, match="no config.json in it"):
        Generator.from_pretrained(tmp_path / "no config")


def rehash(folder: Path) -> None:
    """Makes the config vouch for whatever the weights' file holds now."""
    config = json.loads((folder / "config.json").read_text())
    config["weights_sha256"] = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    (folder / "config.json").write_text(json.dumps(config))


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    folder = saved(generator_of(), tmp_path / "model")
    tensors = load_file(folder / "model.safetensors")
    for change, message in (
        ({"network.last.bias": torch.zeros(3)}, r"network.last.bias is \(3,\) there, expected \(1,\)"),
        ({"network.extra": torch.zeros(3)}, r"network.extra is \(3,\) there, expected None"),
        ({"labels.rows": None}, "labels.rows"),
        ({"network.last.bias": None}, r"network.last.bias is None there, expected \(1,\)"),
    ):
        changed = {name: value for name, value in (tensors | change).items() if value is not None}
        save_file(changed, folder / "model.safetensors")
        rehash(folder)
        with pytest.raises(UserError, match=f"not the weights of the generator in config.json: .*{message}"):
            Generator.from_pretrained(folder)
    (folder / "model.safetensors").write_bytes(b"nothing of the kind")
    rehash(folder)
    with pytest.raises(UserError, match="model.safetensors: no safetensors file"):
        Generator.from_pretrained(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"width": 1 << 20}, r"not the weights of the generator in config.json: network\."),
        ({"width": 10**12}, "generator.args.width: 1,000,000,000,000 channels, rows or the like, expected at most"),
    ],
)
def test_a_small_config_that_asks_for_terabytes(tmp_path: Path, changes: dict[str, int], message: str) -> None:
    """The weights are looked at before anything is built: the first of these would take 90 TB."""
    folder = saved(generator_of(), tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    config["generator"]["args"] |= changes
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=message):
        Generator.from_pretrained(folder)


def test_code_of_strangers_is_not_run_unasked(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    folder = saved(generator_of(), tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (tmp_path / "evil_space.py").write_text(f"open({str(marker)!r}, 'w').close()\n")
    for change in (
        {"labels": "evil_space:Space", "generator": ["concat"]},
        {"labels": {"name": "product", "args": {"parts": ["evil_space:Space", "classes"]}}, "generator": ["concat"]},
        {"labels": "auto", "generator": ["evil_space:Way"]},
    ):
        (folder / "config.json").write_text(json.dumps(config | {"conditioning": change, "trust_code": True}))
        with pytest.raises(UserError, match="trust_code: unknown key"):
            Generator.from_pretrained(folder)
        (folder / "config.json").write_text(json.dumps(config | {"conditioning": change}))
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(tmp_path)
            with pytest.raises(UserError, match=r"conditioning\.\S+: 'evil_space:(Space|Way)'\nCode can do"):
                Generator.from_pretrained(folder)
    assert not marker.exists()


def test_a_plug_in_loads_where_its_module_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_ways.py").write_text(
        "from cgan_dist.conditioning.generator.concat import Concat\n\nclass Mine(Concat):\n    pass\n"
    )
    with monkeypatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        generator = generator_of(ways=["my_ways:Mine"])
        folder = saved(generator, tmp_path / "model")
        again = Generator.from_pretrained(folder, trust_code=True)
        assert torch.equal(images_of(again, "classes"), images_of(generator, "classes"))
    monkeypatch.delitem(__import__("sys").modules, "my_ways")
    with pytest.raises(UserError, match=r"cannot import 'my_ways:Mine'.*The folder does not hold 'my_ways:Mine'"):
        Generator.from_pretrained(folder, trust_code=True)


def test_a_config_that_cannot_be_built_names_the_folder(tmp_path: Path) -> None:
    folder = saved(generator_of(), tmp_path / "model")
    config = config_of() | {"weights_sha256": json.loads((folder / "config.json").read_text())["weights_sha256"]}
    config["generator"]["args"] = {"widht": 4}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(UserError, match=r"model/config.json: generator.args.widht: unknown argument .* 'width'"):
        Generator.from_pretrained(folder)
