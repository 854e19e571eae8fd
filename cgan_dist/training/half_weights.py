"""Weights in half precision, cast all at once where autocast would cast them one by one."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd import Function

from cgan_dist.conditioning.channel_conv import ChannelConv2d
from cgan_dist.conditioning.latent_concat import LatentConcat
from cgan_dist.models.doubling_conv import DoublingConv2d
from cgan_dist.models.image_layer import stays_in_float32

LAYERS = (
    *(nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d, nn.Linear),
    *(ChannelConv2d, LatentConcat),
)
"""Whose own parameters autocast takes for convolutions and matrix products."""


def casts_weights_at_once_(network: nn.Module, device_type: str) -> None:
    """Has the network's forward pass cast its weights by one operation within autocast, in place.

    Numbers stay as they are: autocast finds the weights in its precision and leaves them alone. A network of 58 weights
    and biases is spared 57 operations in each forward pass and as many in each backward pass. What torch.compile makes
    needs none of this. A network that computes features anew in the backward pass, when its forward pass has ended,
    stays as it is, and so does `DoublingConv2d`, which adds up weights before a convolution takes them. Call it before
    the network is prepared, as autocast is entered in the forward pass that Accelerate wraps.

    Args:
        network: raw, with parameters in float32, and with spectral norm where it is to have it.
        device_type: of its device, as autocast takes it.
    """
    forward = network.forward
    places = [
        (module._parameters, name)
        for module in network.modules()
        if isinstance(module, LAYERS) and not isinstance(module, DoublingConv2d) and not stays_in_float32(module)
        for name, _ in module.named_parameters(recurse=False)
    ]

    def forward_with_cast_weights(*args: Any, **kwargs: Any) -> Any:
        if torch.compiler.is_compiling() or not torch.is_autocast_enabled(device_type):
            return forward(*args, **kwargs)
        weights = [parameters[name] for parameters, name in places]
        halves = Cast.apply(torch.get_autocast_dtype(device_type), *weights)
        for (parameters, name), half in zip(places, halves, strict=True):
            parameters[name] = half
        try:
            return forward(*args, **kwargs)
        finally:
            for (parameters, name), weight in zip(places, weights, strict=True):
                parameters[name] = weight

    if places and not getattr(network, "recomputes", False):
        network.forward = forward_with_cast_weights


class Cast(Function):
    """`apply(dtype, *tensors)`: the tensors in another precision, by one operation; so are their gradients."""

    @staticmethod
    def forward(ctx: Any, dtype: torch.dtype, *tensors: Tensor) -> tuple[Tensor, ...]:
        """Returns them in the same order and memory formats."""
        ctx.set_materialize_grads(False)
        ctx.dtype = tensors[0].dtype
        cast = [torch.empty_like(tensor, dtype=dtype) for tensor in tensors]
        torch._foreach_copy_(cast, list(tensors))
        return tuple(cast)

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor | None) -> tuple[Tensor | None, ...]:
        """The gradients in the tensors' own precision; None where there is none."""
        given = [gradient for gradient in grad_outputs if gradient is not None]
        cast = iter(Cast.apply(ctx.dtype, *given))
        return None, *(None if gradient is None else next(cast) for gradient in grad_outputs)
