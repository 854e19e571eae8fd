"""Which labels the data has, and how often: what samples are asked for where nothing else is."""

from __future__ import annotations

import torch
from torch import Tensor

from cgan_dist.randomness import torch_generator


class LabelDistribution:
    """The joint distribution of the data's labels: correlated attributes stay correlated.

    Args:
        rows: (R,) or (R, W), different labels of a space.
        counts: (R,) int64, how often each occurs.
    """

    def __init__(self, rows: Tensor, counts: Tensor) -> None:
        self.rows = rows
        self.counts = counts

    @classmethod
    def of(cls, labels: Tensor, max_rows: int = 4096, seed: int = 0) -> LabelDistribution:
        """Counts the labels of a whole data set.

        Args:
            labels: (N,) or (N, W), the space's own; at least one.
            max_rows: with more different labels than this, as continuous ones are, so many of the N stand for all.
                Classes are always kept, however many there are.
            seed: decides which.
        """
        rows, counts = _counted(labels)
        if labels.ndim > 1 and len(rows) > max_rows:
            chosen = torch.randperm(len(labels), generator=torch_generator(seed, "label distribution"))[:max_rows]
            rows, counts = _counted(labels[chosen])
        return cls(rows, counts)

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """Draws (count,) or (count, W) labels, each independent of the others."""
        bounds = self.counts.cumsum(0)
        draws = torch.randint(int(bounds[-1]), (count,), generator=generator)
        return self.rows[torch.searchsorted(bounds, draws, right=True)]

    def state(self) -> dict[str, Tensor]:
        """Returns both tensors, for a checkpoint; `from_state` is the inverse."""
        return {"rows": self.rows, "counts": self.counts}

    @classmethod
    def from_state(cls, state: dict[str, Tensor]) -> LabelDistribution:
        """Builds it back from `state`."""
        return cls(state["rows"], state["counts"])


def _counted(labels: Tensor) -> tuple[Tensor, Tensor]:
    if labels.ndim > 1 and not labels.shape[1]:  # torch.unique refuses these
        return labels[:1], torch.tensor([len(labels)])
    return torch.unique(labels, dim=0, return_counts=True)  # type: ignore[no-any-return]
