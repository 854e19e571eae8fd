"""A convolution and its gradients as two functions that are each other's derivatives, to any order.

A convolution C(x, w) of any kind is linear in x and in w. Where its output has the gradient g, x and w have the
gradients X and W, and for any a and b of their shapes

    <a, X> + <b, W> = <g, C(a, w) + C(x, b)>

So the derivative of X and W with respect to g is two convolutions of the same kind, and with respect to w and x it is
one gradient each: of C(a, w) at w, and of C(x, b) at x. All of them are operations that training has anyway.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd import Function

aten = torch.ops.aten
Pair = tuple[Tensor | None, Tensor | None]


class Geometry(NamedTuple):
    """What a convolution is besides its tensors, in the order in which `torch.ops.aten.convolution` takes it."""

    stride: tuple[int, ...]
    padding: tuple[int, ...]
    dilation: tuple[int, ...]
    transposed: bool
    output_padding: tuple[int, ...]
    groups: int


class Convolution(Function):
    """`apply(x, weight, geometry)`: a convolution without bias, of one to three dimensions."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
        """Returns C(x, weight)."""
        ctx.geometry = geometry
        ctx.save_for_backward(x, weight)
        return _convolution(x, weight, geometry)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        """The gradients at x and at the weight, those that are wanted, in one operation."""
        return *Gradients.apply(*grad_outputs, *ctx.saved_tensors, ctx.geometry, ctx.needs_input_grad[:2]), None


class Gradients(Function):
    """`apply(grad_output, x, weight, geometry, wanted, known)`: a convolution's gradients at x and at its weight.

    `wanted` says of each of the two whether it is computed or None; `known` is the pair, if someone has computed it.
    """

    @staticmethod
    def forward(
        ctx: Any,
        grad_output: Tensor,
        x: Tensor,
        weight: Tensor,
        geometry: Geometry,
        wanted: Sequence[bool],
        known: Pair | None = None,
    ) -> Pair:
        """Returns X and W."""
        ctx.set_materialize_grads(False)
        ctx.geometry = geometry
        ctx.save_for_backward(grad_output, x, weight)
        at_x, at_weight = known or _gradients(grad_output, x, weight, geometry, wanted)
        return (None if at_x is None else at_x.detach()), (None if at_weight is None else at_weight.detach())

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor | None) -> tuple[Tensor | None, ...]:
        """The derivative that the head of this file gives; a and b are `grad_outputs`."""
        a, b = grad_outputs
        grad_output, x, weight = ctx.saved_tensors
        of_grad_output, of_x, of_weight = ctx.needs_input_grad[:3]
        # What is differentiated no more needs no Function, which costs as much of the host as a small operation.
        convolve, differentiate = (
            (Convolution.apply, Gradients.apply) if torch.is_grad_enabled() else (_convolution, _gradients)
        )
        terms: list[Tensor] = []
        at_x = at_weight = None
        if a is not None:
            if of_grad_output:
                terms.append(convolve(a, weight, ctx.geometry))
            if of_weight:
                _, at_weight = differentiate(grad_output, a, weight, ctx.geometry, (False, True))
        if b is not None:
            if of_grad_output:
                terms.append(convolve(x, b, ctx.geometry))
            if of_x:
                at_x, _ = differentiate(grad_output, x, b, ctx.geometry, (True, False))
        at_grad_output = sum(terms[1:], terms[0]) if terms else None
        return at_grad_output, at_x, at_weight, None, None, None


def _convolution(x: Tensor, weight: Tensor, geometry: Geometry) -> Tensor:
    return aten.convolution(x, weight, None, *geometry)  # type: ignore[no-any-return]


def _gradients(grad_output: Tensor, x: Tensor, weight: Tensor, geometry: Geometry, wanted: Sequence[bool]) -> Pair:
    return aten.convolution_backward(grad_output, x, weight, None, *geometry, [*wanted, False])[:2]  # type: ignore[no-any-return]
