"""Run by two processes: what is reduced in each step, and that the replicas stay equal."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook

from cgan_dist.assembly.inputs import check_inputs
from cgan_dist.assembly.networks import build_networks
from cgan_dist.assembly.step import build_step
from cgan_dist.config.document import load_config
from cgan_dist.data.loader import Loader
from cgan_dist.distributed.buffers import averaged_buffers, own_buffers
from cgan_dist.distributed.collectives import differing_replicas, from_all, from_main, greatest_over_ranks
from cgan_dist.distributed.group import build_accelerator, leave_group


def main(config_path: str, *overrides: str) -> None:
    """Plain asserts; a failure on any rank fails the launch."""
    config = load_config(Path(config_path), ["train.micro_batch=2", "loss.penalties={r1: 1.0}", *overrides])
    inputs = check_inputs(config, 2, 0)
    networks = build_networks(config, inputs.spec, inputs.label_space)
    accelerator = build_accelerator("no")
    rank = accelerator.process_index
    assert accelerator.num_processes == 2
    step = build_step(config, inputs, networks, accelerator)
    reduced: Counter[str] = Counter()

    def count_bytes(net, bucket):  # type: ignore[no-untyped-def]  # DDP refuses annotations that are text
        reduced[net] += bucket.buffer().numel() * bucket.buffer().element_size()
        return allreduce_hook(dist.group.WORLD, bucket)

    step.generator.register_comm_hook("G", count_bytes)  # type: ignore[operator]
    step.discriminator.register_comm_hook("D", count_bytes)  # type: ignore[operator]
    apart = {id(table) for optimizer in (step.optimizer_g, step.optimizer_d) for table in optimizer.tables}
    assert len(apart) == (2 if "optim.tables=rows" in overrides else 0)
    gradient_bytes = {
        net: sum(p.numel() * p.element_size() for p in network.parameters() if id(p) not in apart)
        for net, network in (("G", step.raw_generator), ("D", step.raw_discriminator))
    }

    batches = Loader(inputs.shards, batch_size=8, streams=4, seed=0, rank=rank, world_size=2).batches(0)
    micro = step._micro_batches(step._next(batches), 0, 0)
    assert len(micro) == 2
    step.discriminator_step(micro, 0)
    assert reduced == {"D": gradient_bytes["D"]}, f"a D step reduced {reduced}, expected {gradient_bytes}"
    reduced.clear()
    step.generator_step(micro, 0)
    assert reduced == {"G": gradient_bytes["G"]}, f"a G step reduced {reduced}, expected {gradient_bytes}"

    for iteration in range(5):
        step.iterate(batches, iteration * 8)
    equal_over_ranks(step.raw_generator.parameters(), "G")
    equal_over_ranks(step.raw_discriminator.parameters(), "D")
    equal_over_ranks(step.ema.network.parameters(), "EMA")

    saved = step.raw_discriminator.state_dict()
    statistics = [b for name, b in step.raw_discriminator.named_buffers() if name in saved and b.is_floating_point()]
    mine = torch.cat([b.flatten() for b in statistics])
    both = gather(mine)
    assert not torch.equal(both[0], both[1]), "each rank normalizes its own share; nothing to average would be odd"
    with averaged_buffers(accelerator, [step.raw_discriminator]) as rows:
        assert torch.equal(rows, both)
        torch.testing.assert_close(torch.cat([b.flatten() for b in statistics]), both.mean(0))
        equal_over_ranks(statistics, "averaged statistics")
    assert torch.equal(torch.cat([b.flatten() for b in statistics]), mine), "afterwards each rank has its own again"
    own_buffers(accelerator, [step.raw_discriminator], both.flip(0))
    assert torch.equal(torch.cat([b.flatten() for b in statistics]), both[1 - rank])
    own_buffers(accelerator, [step.raw_discriminator], both[:1])  # of another number of ranks: nothing changes
    assert torch.equal(torch.cat([b.flatten() for b in statistics]), both[1 - rank])

    networks_by_name = {"generator": step.raw_generator, "discriminator": step.raw_discriminator}
    assert differing_replicas(accelerator, networks_by_name) == []
    with torch.no_grad():
        next(step.raw_generator.parameters()).view(-1)[0].add_(rank)
    assert differing_replicas(accelerator, networks_by_name) == ["generator"]

    greatest = greatest_over_ranks(accelerator, torch.tensor([float(rank), 1.0 - rank, -3.0]))
    assert greatest == [1.0, 1.0, -3.0]
    assert from_main(f"rank {rank}") == "rank 0"
    assert from_all(None if rank == 0 else f"rank {rank}") == [None, "rank 1"]
    del step, networks, networks_by_name, batches, micro
    leave_group(accelerator)


def gather(flat: torch.Tensor) -> torch.Tensor:
    parts = [torch.empty_like(flat) for _ in range(2)]
    dist.all_gather(parts, flat)
    return torch.stack(parts)


def equal_over_ranks(tensors: Any, what: str) -> None:
    both = gather(torch.cat([t.detach().flatten() for t in tensors]))
    assert torch.equal(both[0], both[1]), f"{what} differs over ranks by {(both[0] - both[1]).abs().max()}"


if __name__ == "__main__":
    main(*sys.argv[1:])
