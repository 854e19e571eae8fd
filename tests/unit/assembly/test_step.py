from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from cgan_dist.assembly import step as assembly_step
from cgan_dist.assembly.inputs import check_inputs
from cgan_dist.assembly.networks import build_networks
from cgan_dist.assembly.step import _compile, batch_norm_is_global, build_step
from cgan_dist.conditioning.linear import ConditionLinear
from cgan_dist.conditioning.spaces.classes import Classes
from cgan_dist.config.document import load_config, parse_config
from cgan_dist.data.spec import DataSpec
from cgan_dist.distributed.group import build_accelerator
from cgan_dist.labels import ClassLabels
from cgan_dist.models.global_batch_norm import GlobalBatchNorm
from cgan_dist.training.optimizer import large_tables

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


@pytest.mark.parametrize(
    ("wanted", "device", "processes", "is_global"),
    [(True, "cuda", 2, True), (False, "cuda", 2, False), (True, "cuda", 1, False), (True, "cpu", 2, False)],
)
def test_batch_norm_is_global_on_several_gpus_only(wanted: bool, device: str, processes: int, is_global: bool) -> None:
    config = parse_config({"data": {"path": "x"}, "train": {"sync_batch_norm": wanted}}, "test")
    accelerator = SimpleNamespace(device=torch.device(device), num_processes=processes)
    assert batch_norm_is_global(config, accelerator) is is_global  # type: ignore[arg-type]


@pytest.mark.parametrize("penalties", [{}, {"r1": 1.0}])
def test_batch_norm_is_global_in_g_and_in_a_d_with_penalties_too(
    penalties: dict[str, float], config_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = load_config(config_file, [f"loss.penalties={penalties}", "generator.args.stages=2"])
    inputs = check_inputs(config, 1, 0)
    monkeypatch.setattr(assembly_step, "batch_norm_is_global", lambda *_: True)
    step = build_step(config, inputs, build_networks(config, inputs.spec, inputs.label_space), build_accelerator("no"))
    for network, kind in (
        (step.raw_generator, GlobalBatchNorm),
        (step.raw_discriminator, GlobalBatchNorm),
        (step.ema.network, nn.BatchNorm2d),  # one rank alone samples from it
    ):
        assert {type(module) for module in network.modules() if isinstance(module, _BatchNorm)} == {kind}


def test_look_ups_with_sparse_gradients_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    networks = build_networks(parse_config({"data": {"path": "x"}}, "test"), SPEC, Classes(SCHEMA))
    large_tables(networks.generator, "rows")
    monkeypatch.setattr(nn.Module, "compile", lambda module: None)
    _compile(networks)
    for network, left_out in ((networks.generator, True), (networks.discriminator, False)):
        (layer,) = [module for module in network.modules() if isinstance(module, ConditionLinear)]
        assert getattr(layer.forward, "_torchdynamo_disable", False) is left_out
