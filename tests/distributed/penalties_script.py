"""Run by two processes: penalties in DDP with compiled networks, and in fp16 with an overflow on one rank."""

from __future__ import annotations

import copy
import sys
from functools import partialmethod
from pathlib import Path

import torch
from accelerate import Accelerator
from torch import nn

from cgan_dist.assembly.inputs import check_inputs
from cgan_dist.assembly.networks import build_networks
from cgan_dist.assembly.step import build_step
from cgan_dist.config.document import Config, load_config
from cgan_dist.data.loader import Loader
from cgan_dist.distributed.collectives import differing_replicas
from cgan_dist.distributed.group import build_accelerator, leave_group
from cgan_dist.training.step import TrainStep

OPTIONS = [
    "loss.penalties={r1: 1.0, gp: 1.0}",
    "loss.lazy_updates=2",
    "discriminator.args.norm=none",
    "train.micro_batch=2",
]


def trained(config: Config, accelerator: Accelerator, iterations: int, struck: int | None = None) -> TrainStep:
    """Trains on real batches; at iteration `struck` the second rank's D has a loss of inf."""
    inputs = check_inputs(config, 2, 0)
    networks = build_networks(config, inputs.spec, inputs.label_space)
    step = build_step(config, inputs, networks, accelerator)
    rank = accelerator.process_index
    batches = Loader(inputs.shards, batch_size=8, streams=4, seed=0, rank=rank, world_size=2).batches(0)
    plain = step.optimizer_d.backward
    for iteration in range(iterations):
        if iteration == struck and rank == 1:
            step.optimizer_d.backward = lambda loss: plain(loss * torch.inf)  # type: ignore[method-assign]
        step.iterate(batches, iteration * 8)
        step.optimizer_d.backward = plain  # type: ignore[method-assign]
    assert differing_replicas(accelerator, step.networks) == []
    return step


def compiled(config_path: Path) -> Accelerator:
    """Compiled networks train as plain ones; aot_eager makes the graphs and leaves out the code for them."""
    accelerator = build_accelerator("no")
    weights = []
    for compile_ in ("false", "true"):
        step = trained(load_config(config_path, [*OPTIONS, f"train.compile={compile_}"]), accelerator, 3)
        weights.append(copy.deepcopy([step.networks[name].state_dict() for name in ("generator", "discriminator")]))
    graphs = torch._dynamo.utils.counters["stats"]["unique_graphs"]
    assert graphs == 4, f"{graphs}; expected G in its own step and in D's, and D likewise"
    torch.testing.assert_close(weights[1], weights[0], rtol=1e-4, atol=1e-5)
    return accelerator


def half(config_path: Path) -> Accelerator:
    """An overflow on one rank halves one scale on both, and no replica notices anything else."""
    accelerator = build_accelerator("fp16")
    accelerator.native_amp = True  # as on a GPU: tests/unit/half_precision.py
    step = trained(load_config(config_path, [*OPTIONS, "optim.tables=rows"]), accelerator, 4, struck=1)
    scales = {name: optimizer.scale.item() for name, optimizer in step.optimizers.items()}
    assert scales == {"generator": 2.0**16, "discriminator": 2.0**15}, scales
    assert step.optimizer_d.skips.tolist() == [1, 0]
    assert step.optimizer_g.skips.tolist() == [0, 0]
    return accelerator


if __name__ == "__main__":
    nn.Module.compile = partialmethod(nn.Module.compile, backend="aot_eager")  # type: ignore[method-assign]
    leave_group({"compiled": compiled, "half": half}[sys.argv[2]](Path(sys.argv[1])))
