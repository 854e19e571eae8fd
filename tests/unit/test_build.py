from __future__ import annotations

import pytest
from torch import nn

from cgan_dist.build import _compile
from cgan_dist.conditioning.linear import ConditionLinear
from cgan_dist.conditioning.spaces.classes import Classes
from cgan_dist.config import parse_config
from cgan_dist.labels import ClassLabels
from cgan_dist.networks import build_networks
from cgan_dist.optimizer import large_tables
from cgan_dist.types import DataSpec

SCHEMA = ClassLabels(names=["a", "b"])
SPEC = DataSpec(channels=1, height=16, width=16, count=8, labels=SCHEMA, fingerprint="")


@pytest.mark.parametrize(
    ("network", "args", "penalties", "with_d"),
    [
        ("dcgan", {}, {}, True),
        ("dcgan", {}, {"lecam": 1.0}, True),
        ("dcgan", {}, {"r1": 1.0}, True),
        ("resnet", {}, {}, False),
        ("resnet", {}, {"r1": 1.0}, False),
        ("resnet", {"spectral": False}, {}, True),
    ],
)
def test_d_is_compiled_where_torch_can(
    network: str, args: dict[str, bool], penalties: dict[str, float], with_d: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {
        "data": {"path": "x"},
        "discriminator": {"name": network, "args": {"width": 4} | args},
        "loss": {"penalties": penalties},
    }
    networks = build_networks(parse_config(values, "test"), SPEC, Classes(SCHEMA))
    compiled: list[nn.Module] = []
    monkeypatch.setattr(nn.Module, "compile", lambda module: compiled.append(module))
    _compile(networks)
    assert compiled == [networks.generator, networks.discriminator][: 1 + with_d]


def test_look_ups_with_sparse_gradients_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    networks = build_networks(parse_config({"data": {"path": "x"}}, "test"), SPEC, Classes(SCHEMA))
    large_tables(networks.generator, "rows")
    monkeypatch.setattr(nn.Module, "compile", lambda module: None)
    _compile(networks)
    for network, left_out in ((networks.generator, True), (networks.discriminator, False)):
        (layer,) = [module for module in network.modules() if isinstance(module, ConditionLinear)]
        assert getattr(layer.forward, "_torchdynamo_disable", False) is left_out
