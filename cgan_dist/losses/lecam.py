"""LeCam regularization: D's predictions are held near moving averages of what it predicted before."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

DECAY = 0.99
STATE = "lecam"


class Lecam:
    """LeCam regularization (Tseng et al. 2021, arXiv:2104.03310), in the one-sided form of the authors' program.

    With averages a_R of mean logits at reals and a_F at fakes, the paper's term is E[(D(x) - a_F)^2] +
    E[(D(G(z)) - a_R)^2]. Here, as in what the authors ran, a real counts only above a_F and a fake only below a_R:

        E[max(0, D(x) - a_F)^2] + E[max(0, a_R - D(G(z)))^2]

    so that a prediction on the other side, which D has still to win, is not pulled.

    An update looks at the averages of the updates before it, however many micro-batches it has. The very first one has
    no term: it sets the averages. They move at every update, also while the weight is 0.
    """

    def __init__(self) -> None:
        self.averages: Tensor | None = None
        self.means: list[Tensor] = []

    def penalty(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor | None:
        """(B,) and (B,) logits, float32 or better -> scalar, not yet scaled by lambda; None in the first update."""
        if self.averages is None:
            return None
        real_average, fake_average = self.averages.unbind()
        above, below = F.relu(real_logits - fake_average), F.relu(real_average - fake_logits)
        return above.square().mean() + below.square().mean()

    def observe(self, real_logits: Tensor, fake_logits: Tensor) -> None:
        """Takes note of one micro-batch, float32 or better; on the device, without waiting for it."""
        self.means.append(torch.stack([real_logits.detach().mean(), fake_logits.detach().mean()]))

    def finish_update(self, over_ranks: Callable[[Tensor], Tensor]) -> None:
        """Moves the averages by what was observed since the last call.

        Args:
            over_ranks: the mean of a (2,) tensor over ranks, on the device.
        """
        means = over_ranks(torch.stack(self.means).mean(0))
        before = torch.zeros_like(means) if self.averages is None else self.averages
        moved = means if self.averages is None else torch.lerp(self.averages, means, 1 - DECAY)
        self.averages = torch.where(means.isfinite(), moved, before)  # an update that is skipped leaves no trace
        self.means = []

    def state(self) -> dict[str, Tensor]:
        """Returns the averages, (2,): of reals, of fakes; nothing before the first update."""
        return {} if self.averages is None else {STATE: self.averages}

    def restore(self, state: Mapping[str, Tensor], device: torch.device) -> None:
        """Takes back what `state` returned; what has none begins afresh."""
        self.averages = state[STATE].to(device) if STATE in state else None
        self.means = []
