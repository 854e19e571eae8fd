"""Batch norm over the batch of all ranks: one small reduction a pass, no wait of the host, any number of derivatives.

torch's SyncBatchNorm has the host wait three times a layer and pass, and one derivative.
"""

from __future__ import annotations

from typing import Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from cgan_dist.distributed.collectives import joined_world_size, sum_over_ranks_

CONVERTED = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


class GlobalBatchNorm(_BatchNorm):
    """Does with each rank's share what torch's batch norm does in one process with the whole batch.

    Parameters, buffers and state dict are those of torch's layer, and in eval mode it is that layer. In training every
    rank must call it, with as many values as the others, and differentiate it as often.
    """

    @torch.compiler.disable  # type: ignore[untyped-decorator]  # it would break the graph in several places
    def forward(self, features: Tensor) -> Tensor:
        """(B, C, ...) -> (B, C, ...) in their precision; statistics are float32 or better.

        Raises:
            ValueError: in training, if all ranks together have one value of each channel.
        """
        if not self.training:
            return super().forward(features)
        count = _count(features)
        if count == 1:
            raise ValueError(f"batch norm needs more than one value of each channel; found {tuple(features.shape)}")
        normalized, mean, var = _Normalize.apply(features, self.weight, self.bias, self.eps)
        if self.track_running_stats:
            self._track(mean, var * (count / (count - 1)))
        return normalized  # type: ignore[no-any-return]

    def _check_input_dim(self, input: Tensor) -> None:
        """Takes any number of dimensions: it stands for torch's layers of one, two and three."""

    @torch.no_grad()
    def _track(self, mean: Tensor, unbiased_var: Tensor) -> None:
        running_mean, running_var, batches = cast(tuple[Tensor, ...], tuple(self._buffers.values()))
        batches.add_(1)
        share = 1 / batches.to(mean.dtype) if self.momentum is None else self.momentum
        running_mean.lerp_(mean, share)
        running_var.lerp_(unbiased_var, share)


class _Normalize(torch.autograd.Function):
    """(features, weight, bias, eps) -> normalized features, and mean and biased variance over ranks, without a graph.

    The first derivative is written out, as fused kernels. Where that is differentiated in turn, autograd takes it from
    plain operations.
    """

    @staticmethod
    def forward(
        ctx: Any, features: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        mean, var = moments_over_ranks(features)
        ctx.save_for_backward(features, weight, bias, mean, var)
        ctx.mark_non_differentiable(mean, var)
        ctx.eps = eps
        return F.batch_norm(features, mean, var, weight, bias, eps=eps), mean, var

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, *_: Any) -> tuple[Tensor | None, ...]:
        features, weight, bias, mean, var = ctx.saved_tensors
        wants = ctx.needs_input_grad[:3]
        if torch.is_grad_enabled():
            given = [tensor for tensor, want in zip((features, weight, bias), wants, strict=True) if want]
            normalized = _normalize_plainly(features, weight, bias, ctx.eps)
            gradients = iter(torch.autograd.grad(normalized, given, gradient, create_graph=True))
            return *(next(gradients) if want else None for want in wants), None
        of_features, of_weight, of_bias = torch.ops.aten.native_batch_norm_backward(
            gradient, features, weight, mean, var, None, None, False, ctx.eps, [True, True, True]
        )
        if wants[0]:  # so far with mean and variance held fixed
            totals = sum_over_ranks_(torch.stack([of_weight, of_bias]))
            scale = torch.rsqrt(var + ctx.eps) if weight is None else torch.rsqrt(var + ctx.eps) * weight
            slope, constant = (totals * (scale / -_count(features))).unbind()
            of_features = of_features + F.batch_norm(features, mean, var, slope, constant, eps=ctx.eps)
        found = (of_features, of_weight, of_bias)
        return *(own if want else None for own, want in zip(found, wants, strict=True)), None


def moments_over_ranks(features: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and biased variance of each channel over all ranks, differentiable; every rank must call it.

    Each rank takes its own variance from centered values. What is added over ranks is float64, which can hold squares
    of means that are a million times as large as the deviations.

    Args:
        features: (B, C, ...), with as many values on every rank.

    Returns:
        Two of (C,), in float32 or better.
    """
    exact = features.to(torch.promote_types(features.dtype, torch.float32))
    own_var, own_mean = torch.var_mean(exact, [0, *range(2, features.dim())], correction=0)
    mean, var = torch.stack([own_mean, own_var]).double()
    sums = sum_over_ranks_(torch.stack([mean, torch.addcmul(var, mean, mean)]))
    mean, square = sums / joined_world_size()
    var = torch.addcmul(square, mean, mean, value=-1)
    return mean.to(exact.dtype), var.to(exact.dtype)


def convert_batch_norm_(network: nn.Module) -> None:
    """Makes every batch norm of torch's a `GlobalBatchNorm`, in place; a layer that only derives from one stays."""
    for module in network.modules():
        if type(module) in CONVERTED:
            module.__class__ = GlobalBatchNorm  # and so keeps parameters, buffers, hooks and place


def _normalize_plainly(features: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> Tensor:
    """What `_Normalize` returns first, in operations that autograd knows."""
    mean, var = (moment.view(-1, *[1] * (features.dim() - 2)) for moment in moments_over_ranks(features))
    normalized = (features - mean) * torch.rsqrt(var + eps)
    normalized = normalized if weight is None else normalized * weight.view_as(mean)
    normalized = normalized if bias is None else normalized + bias.view_as(mean)
    return normalized.to(features.dtype)


def _count(features: Tensor) -> int:
    """Values of a channel on all ranks."""
    return joined_world_size() * features.numel() // features.shape[1]
