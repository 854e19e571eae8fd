"""What R1 by a step along noise costs, and how far it is from R1, beside R1 itself.

    python bench/approximate_penalties.py

One thread, process time. A pass is D on a few images, the penalty, and the backward pass; the two penalties take turns,
and medians are compared. Operations are those of a pass, counted as in bench/scaling.py. The share is that of the
approximate penalty's mean over many draws of the noise in R1's value in float64, at random weights, for two steps.
Prints the table of docs/benchmarks.md.
"""

from __future__ import annotations

import copy
from functools import partial

import click
import torch
from scaling import Work
from second_derivative import CASES, Case, discriminator, r1
from step import times
from torch import Tensor, nn

from cgan_dist import differentiable_gradient
from cgan_dist.conditioning.condition import Condition
from cgan_dist.losses.approximate_penalties import nudged, squared_slope
from cgan_dist.losses.gradient_penalties import gradient_penalty

STEPS = (0.01, 0.1)


def logits_of(D: nn.Module, images: Tensor, half: bool) -> Tensor:
    """D's logits, (B,) in float32 or better."""
    with torch.autocast("cpu", torch.bfloat16, enabled=half):
        logits: Tensor = D(images, Condition.of_classes(torch.arange(len(images)) % 10)).logits
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


def approximate(D: nn.Module, images: Tensor, half: bool) -> None:
    """One pass."""
    off = nudged(images, torch.randn_like(images), STEPS[0])
    squared_slope(logits_of(D, images, half), logits_of(D, off, half), STEPS[0]).mean().backward()
    D.zero_grad()


def shares(D: nn.Module, images: Tensor, half: bool, draws: int) -> list[float]:
    """Of the approximate penalty in the exact one, by step."""
    exact_D, exact_images = copy.deepcopy(D).double(), images.double().requires_grad_()
    exact = gradient_penalty(exact_images, logits_of(exact_D, exact_images, half=False)).mean()
    found = []
    with torch.no_grad():
        logits = logits_of(D, images, half)
        for step in STEPS:
            offs = (nudged(images, torch.randn_like(images), step) for _ in range(draws))
            slopes = [squared_slope(logits, logits_of(D, off, half), step).mean() for off in offs]
            found.append(float(torch.stack(slopes).mean() / exact))
    return found


def lines(title: str, case: Case, rounds: int, draws: int) -> list[str]:
    """Measures one case in float32 and bf16."""
    D, images = discriminator(case), torch.rand(case.images, *case.image_shape) * 2 - 1
    found = []
    for half in (False, True):
        runs = {
            "exact": partial(r1, D, images, half, differentiable_gradient),
            "approximate": partial(approximate, D, images, half),
        }
        exact, ours = times(runs, rounds).values()
        counts = []
        for run in runs.values():
            with Work() as work:
                run()
            counts.append(f"{work.operations:,}")
        cells = [f"{exact:.1f}", f"{ours:.1f}", f"{ours / exact:.2f}", *counts]
        cells += [f"{share:.2f}" for share in shares(D, images, half, draws)]
        found.append(f"| {title}, {'bf16' if half else 'float32'} | {' | '.join(cells)} |")
    return found


@click.command()
@click.option("--rounds", default=21, show_default=True, help="Turns of each.")
@click.option("--draws", default=200, show_default=True, help="Of the noise, for the share.")
def main(rounds: int, draws: int) -> None:
    """Measures all cases and prints the table."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    columns = ("CPU ms, r1", "r1_approximate", "ratio", "operations, r1", "r1_approximate")
    columns += tuple(f"share, s = {step}" for step in STEPS)
    click.echo(f"| | {' | '.join(columns)} |\n|" + "---|" * (1 + len(columns)))
    for title, case in CASES.items():
        click.echo("\n".join(lines(title, case, rounds, draws)))


if __name__ == "__main__":
    main()
