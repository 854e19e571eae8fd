"""How the objective asks D: in plain code where it is differentiated twice, and once for all where it can."""

from __future__ import annotations

import contextlib
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from cgan_dist.conditioning.condition import Condition
from cgan_dist.conditioning.discriminator.base import Judgement
from cgan_dist.losses.second_derivative import second_derivative


class Shown(NamedTuple):
    """What D sees, (B, C, H, W), and whether the derivative of its logits will be differentiated."""

    images: Tensor
    twice: bool = False


def judge(D: nn.Module, shown: Shown, condition: Condition) -> Judgement:
    """D's judgement of images, with logits that means and squares can be taken of.

    Args:
        D: raw or in DDP, compiled or not.
        shown: B images.
        condition: of them.
    """
    with second_derivative(D) if shown.twice else contextlib.nullcontext():
        judgement = cast(Judgement, D(shown.images, condition))
    logits = judgement.logits
    return judgement._replace(logits=logits.to(torch.promote_types(logits.dtype, torch.float32)))


def judge_both(D: nn.Module, real: Shown, fake: Shown, condition: Condition) -> tuple[Judgement, Judgement]:
    """D's judgements of reals and of fakes: of one pass where that changes nothing, with half the operations of two.

    It changes something where D has batch statistics, which reals and fakes are to have for themselves; where one of
    the two is differentiated twice and the other is not; and where D is compiled, for batches of one size.

    Args:
        D: as `judge` takes it; what says `judges_alone = True` may be shown both at once.
        real: B images.
        fake: B images.
        condition: of both.
    """
    raw = D.module if isinstance(D, nn.parallel.DistributedDataParallel) else D
    alone = getattr(raw, "judges_alone", False) and raw._compiled_call_impl is None
    if not alone or real.twice != fake.twice:
        return judge(D, real, condition), judge(D, fake, condition)
    both = Condition(*(torch.cat([part, part]) for part in condition))
    judgement = judge(D, Shown(torch.cat([real.images, fake.images]), real.twice), both)
    readings = {name: reading.chunk(2) for name, reading in judgement.readings.items()}
    on_real, on_fake = (
        Judgement(logits, {name: parts[number] for name, parts in readings.items()})
        for number, logits in enumerate(judgement.logits.chunk(2))
    )
    return on_real, on_fake
