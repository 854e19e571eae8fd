from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from cgan_dist.errors import UserError
from cgan_dist.sharing.graphs import (
    FORMS,
    TOLERANCE,
    check_installed,
    inputs_for,
    largest_error,
    trace,
    write_graph,
)
from tests.unit.generator_samples import SCHEMAS, config_of, generator_of

FILM = {"name": "film", "args": {"dim": 4, "latent": True}}
EMBEDDING = {"name": "embedding", "args": {"dim": 4}}


@pytest.mark.parametrize(
    ("network", "kind", "ways"),
    [
        ("dcgan", "classes", ["concat", EMBEDDING]),
        ("dcgan", "none", []),
        ("r3", "product", ["concat", EMBEDDING, FILM]),
        ("r3", "none", []),
        ("resnet", "attributes", ["film"]),
        ("resnet", "product", ["concat", EMBEDDING, FILM]),
    ],
)
def test_both_graphs_draw_what_pytorch_draws(network: str, kind: str, ways: list[Any], tmp_path: Path) -> None:
    generator = generator_of(network, kind, ways)
    program = trace(generator)
    for form in FORMS:
        assert 0 <= write_graph(form, program, generator, tmp_path) < 1e-5
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    for count in (1, 5):
        inputs = inputs_for(generator, count)
        fed = {name: value.numpy() for name, value in zip(("z", "labels"), inputs, strict=False)}
        (found,) = session.run(["images"], fed)
        with torch.no_grad():
            np.testing.assert_allclose(found, generator(*inputs).numpy(), rtol=0, atol=1e-5)
    assert [given.name for given in session.get_inputs()] == (["z"] if kind == "none" else ["z", "labels"])


@pytest.mark.parametrize("form", FORMS)
def test_a_graph_names_no_file_of_this_machine(form: str, tmp_path: Path) -> None:
    generator = generator_of("dcgan", "classes", ["concat"])
    write_graph(form, trace(generator), generator, tmp_path)
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as members:
            content = b"".join(members.read(name) for name in members.namelist())
    assert b".py" not in content
    for folder in (Path(torch.__file__).parents[2], Path(__file__).parents[3]):
        assert str(folder).encode() not in content


def test_an_onnx_file_says_what_it_takes(tmp_path: Path) -> None:
    generator = generator_of("dcgan", "product", ["film"])
    write_graph("onnx", trace(generator), generator, tmp_path)
    onnx.checker.check_model(str(tmp_path / "model.onnx"), full_check=True)
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")
    shapes = {value.name: (value.shape, value.type) for value in [*session.get_inputs(), *session.get_outputs()]}
    assert shapes == {
        "z": (["batch", 6], "tensor(float)"),
        "labels": (["batch", 5], "tensor(float)"),
        "images": (["batch", 1, 13, 14], "tensor(float)"),
    }
    told = session.get_modelmeta().custom_metadata_map
    assert json.loads(told["labels"]) == SCHEMAS["product"].model_dump()
    assert json.loads(told["label_names"]) == ["ant", "bee", "cat", "hat", "smile", "pose", "height"]
    assert (told["latent_dim"], told["latent"], told["pixels"]) == ("6", "normal", "unit")
    assert told["to_uint8"] == "clip(images * 127.5 + 128, 0, 255), cut to uint8"
    assert told["cgan_dist_version"] == "0.1.0"
    assert json.loads(told["origin"])["checkpoint"] == "step-000000000064"


def test_labels_for_the_check_are_those_of_the_grid_and_of_the_data() -> None:
    generator = generator_of(kind="attributes")
    z, labels = inputs_for(generator, 16)
    assert z.shape == (16, 6)
    assert labels[::2].tolist() == generator.space.grid(16).tolist() * 2
    assert {tuple(row) for row in labels[1::2].tolist()} == {(0, 1), (1, 1)}


def test_a_graph_that_draws_something_else_is_refused(tmp_path: Path) -> None:
    generator, other = generator_of(), generator_of()
    with torch.no_grad():
        other.network.last.bias += 2 * TOLERANCE  # type: ignore[union-attr, operator]
    with pytest.raises(UserError, match=r"^--format torch_export: its images differ from PyTorch's by [0-9.]+e-04"):
        write_graph("torch_export", trace(other), generator, tmp_path)


def test_images_that_are_not_numbers_or_of_another_size_are_not_equal() -> None:
    generator = generator_of()
    assert not largest_error(generator, lambda z, labels: generator(z, labels) * float("nan")) <= TOLERANCE
    assert largest_error(generator, lambda z, labels: generator(z, labels)[:, :, 1:]) == float("inf")
    assert largest_error(generator, generator) == 0


class Eager(nn.Module):
    """A network that only Python can run: what it does depends on values."""

    def __init__(self, image_shape: tuple[int, int, int], latent_dim: int, ways: nn.Module) -> None:
        super().__init__()
        self.ways, self.shape = ways, image_shape
        self.entry = ways.linear(image_shape[0] * image_shape[1] * image_shape[2])  # type: ignore[operator]

    def forward(self, z: Tensor, condition: Any) -> Tensor:
        features = self.entry(z, self.ways(z, condition).joined)
        scale = 2.0 if features.sum().item() > 0 else 1.0
        return (features * scale).tanh().view(-1, *self.shape)


def test_a_network_that_cannot_be_traced_is_named() -> None:
    from cgan_dist.sharing.pretrained import Generator

    config = config_of()
    config["generator"] |= {"name": f"{__name__}:Eager", "args": {}}
    with pytest.raises(UserError, match="^--format: torch.export cannot trace this generator: "):
        trace(Generator(config))


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name.startswith("onnx") else object())
    with pytest.raises(UserError, match=r"onnx, onnxruntime, onnxscript not installed; give `pip install 'cgan_dist"):
        check_installed(["onnx", "torch_export"])
    check_installed(["torch_export"])
