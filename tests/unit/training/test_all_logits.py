from __future__ import annotations

from typing import Any, cast

import pytest
import torch
from accelerate import Accelerator
from torch import Tensor

from cgan_dist.training.all_logits import all_logits

REALS, FAKES = torch.arange(8.0), torch.arange(100.0, 108.0)


class Rank:
    """A process of several, each of which has its share of the same logits."""

    def __init__(self, rank: int, processes: int) -> None:
        self.process_index, self.processes, self.gathers = rank, processes, 0

    def gather(self, own: Tensor) -> Tensor:
        self.gathers += 1
        assert not own.requires_grad
        share = 8 // self.processes
        rows = slice(self.process_index * share, (self.process_index + 1) * share)
        whole = REALS if torch.equal(own, REALS[rows]) else FAKES
        assert torch.equal(own, whole[rows])
        return whole


@pytest.mark.parametrize(("processes", "passes"), [(1, 1), (1, 4), (2, 1), (2, 2), (4, 2)])
@pytest.mark.parametrize("paired", [False, True])
def test_every_pass_has_its_own_among_those_of_the_global_batch(processes: int, passes: int, paired: bool) -> None:
    size = 8 // processes // passes
    for rank in range(processes):
        process: Any = Rank(rank, processes)
        first = rank * passes
        parts = [slice((first + number) * size, (first + number + 1) * size) for number in range(passes)]
        looks = [lambda rows=rows: (REALS[rows] if paired else None, FAKES[rows]) for rows in parts]
        for among, rows in zip(all_logits(cast(Accelerator, process), 8 // processes, looks), parts, strict=True):
            own = FAKES[rows].clone().requires_grad_()
            whole = among(own, "fake")
            assert torch.equal(whole, FAKES)
            whole.sum().backward()
            assert own.grad is not None
            assert own.grad.tolist() == [1.0] * size
            if paired:
                assert torch.equal(among(REALS[rows], "real"), REALS)
        assert process.gathers == 1 + paired  # not once more for each micro-batch


def test_a_pass_of_the_whole_share_is_not_looked_at_beforehand() -> None:
    def look() -> tuple[Tensor | None, Tensor]:
        raise AssertionError("a second forward pass")

    (among,) = all_logits(cast(Accelerator, Rank(0, 1)), 8, [look])
    assert torch.equal(among(FAKES, "fake"), FAKES)


def test_nobody_keeps_a_graph_of_what_is_looked_at() -> None:
    seen: list[bool] = []

    def look() -> tuple[Tensor | None, Tensor]:
        seen.append(torch.is_grad_enabled())
        return None, FAKES[4 * len(seen) - 4 : 4 * len(seen)]

    all_logits(cast(Accelerator, Rank(0, 1)), 8, [look, look])
    assert seen == [False, False]
