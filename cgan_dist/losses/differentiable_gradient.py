"""A gradient to be differentiated again, with second derivatives of convolutions that are ours.

Forward passes and first derivatives stay PyTorch's, whatever layers a network is made of. While the first derivative is
taken, every convolution in the graph has a hook, which leaves the gradients as they are and writes down another
derivative of them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import Node

from cgan_dist.losses.convolution import Geometry, Gradients

Given = Sequence[Tensor | None]
"""Gradients as a hook gets and gives them; None where nobody wants one."""


def differentiable_gradient(output: Tensor, inputs: Tensor) -> Tensor:
    """As `torch.autograd.grad(output, inputs, create_graph=True)`, for a penalty on the gradient.

    The value is the same to the last bit. Its derivatives are exact to any order, and differ from PyTorch's by rounding
    only, where those are right: PyTorch 2.14 takes the derivative of a convolution's gradient by a convolution whose
    kernel is a whole feature map, group by group (`_convolution_double_backward` in its
    aten/src/ATen/native/Convolution.cpp). That is slow, and CPUs with AMX compute it wrongly in bf16. Here it is a
    convolution and a gradient of one, as in any training step.

    Args:
        output: scalar; how it came from `inputs` must be plain code, not what torch.compile makes.
        inputs: of any shape; must require grad.

    Returns:
        The gradient, in the shape of `inputs`, with a graph.
    """
    (gradient,) = differentiable_gradients(output, [inputs])
    return gradient


def differentiable_gradients(output: Tensor, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """`differentiable_gradient` at several tensors, in one backward pass."""
    convolutions = [node for node in _graph(output) if node.name() == "ConvolutionBackward0"]
    handles = [node.register_hook(_convolution) for node in convolutions]
    try:
        return torch.autograd.grad(output, inputs, create_graph=True)
    finally:
        for handle in handles:
            handle.remove()


def _graph(output: Tensor) -> Iterator[Node]:
    """Every operation that `output` came from, once."""
    seen: set[Node] = set()
    rest = [output.grad_fn]
    while rest:
        node = rest.pop()
        if node is not None and node not in seen:
            seen.add(node)
            rest += [source for source, _ in node.next_functions]
            yield node


def _convolution(gradients: Given, _: Given) -> Given | None:
    """The gradient at the bias stays PyTorch's, whose derivative is no convolution."""
    known = gradients[:2]
    node: Any = next((gradient.grad_fn for gradient in known if gradient is not None), None)
    if node is None or node.name() != "ConvolutionBackwardBackward0":
        return None
    geometry = Geometry(*(getattr(node, f"_saved_{name}") for name in Geometry._fields))
    tensors = node._saved_grad_output, node._saved_input, node._saved_weight
    wanted = [gradient is not None for gradient in known]
    return *Gradients.apply(*tensors, geometry, wanted, known), *gradients[2:]
