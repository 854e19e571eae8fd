"""Run by two processes: batch norm over ranks is that of one process with the whole batch, in every derivative."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils._python_dispatch import TorchDispatchMode

from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.discriminator.base import DiscriminatorWays
from cgan_dist.conditioning.discriminator.channels import Channels
from cgan_dist.conditioning.generator.base import GeneratorWays
from cgan_dist.conditioning.generator.concat import Concat
from cgan_dist.distributed.gradients import frozen
from cgan_dist.distributed.group import build_accelerator, leave_group
from cgan_dist.losses.adversarial import NonSaturating
from cgan_dist.losses.objective import Objective
from cgan_dist.models.dcgan import Discriminator, Generator
from cgan_dist.models.global_batch_norm import GlobalBatchNorm, convert_batch_norm_

LAYOUT, LATENT_DIM, BATCH, SHAPE = Layout(classes=(3,)), 5, 8, (2, 12, 12)
WEIGHTS = {"r1": 1.0, "r2": 0.7, "gp": 2.0}
EXACT = {"rtol": 1e-10, "atol": 1e-10}


def networks() -> tuple[Generator, Discriminator]:
    torch.manual_seed(0)
    G = Generator(SHAPE, LATENT_DIM, GeneratorWays(LAYOUT, LATENT_DIM, [Concat(LAYOUT, LATENT_DIM)]), width=4)
    return G, Discriminator(SHAPE, DiscriminatorWays(LAYOUT, {"channels": Channels(LAYOUT)}), width=4)


class Batch:
    """The same on every rank, and each rank's half of it."""

    def __init__(self) -> None:
        torch.manual_seed(1)
        self.real, self.z, self.mix = torch.randn(BATCH, *SHAPE) + 3, torch.randn(BATCH, LATENT_DIM), torch.rand(BATCH)
        self.labels = torch.arange(BATCH) % 3

    def part(self, own: slice) -> tuple[Tensor, Tensor, Tensor, Condition]:
        return self.real[own], self.z[own], self.mix[own], Condition.of_classes(self.labels[own])


def update(G: nn.Module, D: nn.Module, raw: tuple[nn.Module, nn.Module], batch: tuple[Any, ...]) -> dict[str, Tensor]:
    """Gradients, buffers and losses of one D step with penalties and one G step."""
    real, z, mix, condition = batch
    objective = Objective(NonSaturating(), WEIGHTS)
    with torch.no_grad():
        fake = raw[0](z, condition)
    loss_d, scalars = objective.discriminator(D, real, fake, condition, WEIGHTS, mix=mix)
    loss_d.backward()
    z = z.clone().requires_grad_()
    with frozen(raw[1]):
        loss_g, _ = objective.generator(raw[1], real, G(z, condition), condition, WEIGHTS)
        loss_g.backward()
    found = {f"scalar {name}": value for name, value in scalars.items()} | {"loss g": loss_g.detach()}
    found["input z"] = z.grad
    for net, network in zip("GD", raw, strict=True):
        found |= {f"{net} gradient {name}": p.grad for name, p in network.named_parameters()}
        found |= {f"{net} buffer {name}": b.clone() for name, b in network.named_buffers()}
    return found


class Seen(TorchDispatchMode):
    """Counts operations, reductions and those that the host forward for among them."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen[func.overloadpacket.__name__] += 1
        return func(*args, **(kwargs or {}))


def like_one_process(rank: int) -> None:
    """Outputs, first and second derivatives and running statistics, in float64."""
    torch.set_default_dtype(torch.float64)
    batch, whole = Batch(), networks()
    own = slice(rank * BATCH // 2, (rank + 1) * BATCH // 2)
    expected = update(*whole, whole, batch.part(slice(None)))
    raw = networks()
    for network in raw:
        convert_batch_norm_(network)
        assert sum(isinstance(module, GlobalBatchNorm) for module in network.modules()) == (
            1 if network is raw[0] else 2
        )
    wrapped = [DistributedDataParallel(network, broadcast_buffers=False) for network in raw]
    found = update(*wrapped, raw, batch.part(own))
    assert found.keys() == expected.keys()
    for name, value in found.items():
        if name == "input z":
            value, expected[name] = value / 2, expected[name][own]  # of a mean over 4 images, and of one over 8
        elif name.startswith(("scalar", "loss")):
            torch.distributed.all_reduce(value := value / 2)
        torch.testing.assert_close(value, expected[name], **EXACT, msg=lambda text, name=name: f"{name}: {text}")
    shares = networks()  # each rank's batch norm by itself is something else
    other = update(*shares, shares, batch.part(own))["D gradient layers.3.weight"]
    assert not torch.allclose(other, expected["D gradient layers.3.weight"], rtol=1e-3)


def compiled(rank: int) -> None:
    """torch.compile leaves it out, and the rest is what it was."""
    batch = Batch()
    own, found = slice(rank * BATCH // 2, (rank + 1) * BATCH // 2), []
    for compiles in (False, True):
        G, _ = networks()
        convert_batch_norm_(G)
        if compiles:
            G.compile(backend="aot_eager")
        _, z, _, condition = batch.part(own)
        G(z, condition).square().sum().backward()
        found.append({name: copy.deepcopy(p.grad) for name, p in G.named_parameters()})
    torch.testing.assert_close(found[1], found[0])


def reductions(rank: int) -> None:
    """One reduction a layer and pass, one in its derivative, and nothing that the host forward for."""
    norm = GlobalBatchNorm(3)
    features = torch.randn(4, 3, 5, 5).requires_grad_()
    with Seen() as forward:
        normalized = norm(features)
    assert forward.seen["allreduce_"] == 1, forward.seen
    with Seen() as backward:
        normalized.square().sum().backward()
    assert backward.seen["allreduce_"] == 1, backward.seen
    assert not {"_local_scalar_dense", "nonzero", "masked_select", "index"} & (forward.seen | backward.seen).keys()
    with torch.no_grad(), Seen() as eval_mode:
        norm.eval()(features)
    assert not eval_mode.seen["allreduce_"], "one rank alone may sample"


if __name__ == "__main__":
    accelerator = build_accelerator("no")
    for check in (reductions, compiled, like_one_process):
        check(accelerator.process_index)
    leave_group(accelerator)
