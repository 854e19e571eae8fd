"""What R1 costs, and how exact it is, with our second derivatives of convolutions and with PyTorch's.

    python bench/second_derivative.py

One thread, process time. A pass is D on a few images, R1, and the backward pass; ours and PyTorch's take turns, and
medians are compared. Operations are those of a pass, counted as in bench/scaling.py. The error is that of the gradients
of D's weights, relative to their norm, against PyTorch's in float64. On a CPU with AMX, ONEDNN_MAX_CPU_ISA=
AVX512_CORE_BF16 shows what PyTorch's would be without. Prints the table of docs/benchmarks.md.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import click
import torch
from scaling import Work
from step import times
from torch import Tensor, nn

from cgan_dist import differentiable_gradient
from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.discriminator import DISCRIMINATOR_WAYS
from cgan_dist.conditioning.discriminator.base import DiscriminatorWays
from cgan_dist.models import DISCRIMINATORS

LAYOUT = Layout(classes=(10,))
Differentiate = Callable[[Tensor, Tensor], Tensor]


class Case(NamedTuple):
    """A discriminator of a config, and how many images it is shown."""

    name: str
    args: dict[str, Any]
    image_shape: tuple[int, int, int]
    images: int


CASES = {
    "r3 of celeba.yaml": Case("r3", {"width": 64, "max_width": 256}, (3, 64, 64), 2),
    "resnet of cifar10.yaml": Case("resnet", {"width": 128, "max_width": 128, "spectral": False}, (3, 32, 32), 4),
    "dcgan of original/mnist.yaml": Case("dcgan", {"width": 64, "norm": "none"}, (3, 28, 28), 16),
}


def pytorchs(output: Tensor, inputs: Tensor) -> Tensor:
    """The gradient with PyTorch's own second derivative."""
    (gradient,) = torch.autograd.grad(output, inputs, create_graph=True)
    return gradient


WAYS: dict[str, Differentiate] = {"ours": differentiable_gradient, "PyTorch's": pytorchs}


def discriminator(case: Case) -> nn.Module:
    """The case's D, all of whose layers do something."""
    torch.manual_seed(0)
    ways = {"channels": DISCRIMINATOR_WAYS.build("channels", "bench", {}, layout=LAYOUT)}
    D: nn.Module = DISCRIMINATORS.build(
        case.name, "bench", case.args, image_shape=case.image_shape, ways=DiscriminatorWays(LAYOUT, ways)
    )
    for name, parameter in D.named_parameters():
        if name.endswith("narrow.weight"):
            nn.init.normal_(parameter, std=0.3 / parameter[0].numel() ** 0.5)
    return D.to(memory_format=torch.channels_last)


def r1(D: nn.Module, images: Tensor, half: bool, differentiate: Differentiate) -> list[Tensor]:
    """One pass; returns the gradients of D's weights."""
    images = images.detach().requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        logits = D(images, Condition.of_classes(torch.arange(len(images)) % 10)).logits
    gradient = differentiate(logits.sum(), images)
    gradient.flatten(1).to(torch.promote_types(gradient.dtype, torch.float32)).square().sum(1).mean().backward()
    found = [parameter.grad.double() for parameter in D.parameters() if parameter.grad is not None]
    D.zero_grad()
    return found


def error(found: list[Tensor], exact: list[Tensor]) -> float:
    """Of all gradients together."""
    ours, theirs = (torch.cat([gradient.flatten() for gradient in side]) for side in (found, exact))
    return float(torch.dist(ours, theirs) / theirs.norm())


def lines(title: str, case: Case, rounds: int) -> list[str]:
    """Measures one case in float32 and bf16."""
    D, images = discriminator(case), torch.rand(case.images, *case.image_shape) * 2 - 1
    exact = r1(copy.deepcopy(D).double(), images.double(), half=False, differentiate=pytorchs)
    found = []
    for half in (False, True):
        runs = {who: partial(r1, D, images, half, how) for who, how in WAYS.items()}
        spent = times(runs, rounds)
        ours, theirs = spent.values()
        counts, errors = [], []
        for run in runs.values():
            with Work() as work:
                gradients = run()
            counts.append(f"{work.operations:,}")
            errors.append(f"{error(gradients, exact):.1e}")
        cells = [f"{ours:.1f}", f"{theirs:.1f}", f"{ours / theirs:.2f}", *counts, *errors]
        found.append(f"| {title}, {'bf16' if half else 'float32'} | {' | '.join(cells)} |")
    return found


@click.command()
@click.option("--rounds", default=21, show_default=True, help="Turns of each.")
def main(rounds: int) -> None:
    """Measures all cases and prints the table."""
    torch.set_num_threads(1)
    columns = ("CPU ms, ours", "PyTorch's", "ratio", "operations, ours", "PyTorch's", "error, ours", "PyTorch's")
    click.echo(f"| | {' | '.join(columns)} |\n|" + "---|" * (1 + len(columns)))
    for title, case in CASES.items():
        click.echo("\n".join(lines(title, case, rounds)))


if __name__ == "__main__":
    main()
