"""The last layers of networks, which stay in float32: those that make an image, and those that make a logit."""

from __future__ import annotations

from typing import TypeVar

import torch
from torch import Tensor, nn

STAYS, UNBOUNDED = "stays_in_float32", "is_unbounded"
Layer = TypeVar("Layer", bound=nn.Conv2d | nn.ConvTranspose2d | nn.Linear)
Network = TypeVar("Network", bound=nn.Module)


def image_layer(last: Layer) -> Layer:
    """Returns the layer, marked as one whose weights stay in float32 within autocast."""
    setattr(last, STAYS, True)
    return last


def keep_float32_(part: Network) -> Network:
    """Returns a part of a network with all its linear layers marked so, in place; its owner leaves autocast for it."""
    for module in part.modules():
        if isinstance(module, nn.Linear):
            image_layer(module)
    return part


def stays_in_float32(layer: nn.Module) -> bool:
    """Whether the layer is marked."""
    return getattr(layer, STAYS, False)


def unbounded_(network: nn.Module) -> None:
    """Has every `image_layer` of a generator give its values as they are, without tanh: latents have no bounds."""
    for layer in filter(stays_in_float32, network.modules()):
        setattr(layer, UNBOUNDED, True)


def image_from(features: Tensor, last: nn.Conv2d | nn.ConvTranspose2d) -> Tensor:
    """`last(features).tanh()`, within autocast too in the precision of the weights, which is float32.

    The slope of tanh is taken from its value y as 1 - y^2. In bf16 y is 1 from 0.998 on, so the slope is 0 and such
    pixels would be stuck; below, the numbers of bf16 are up to half the step of an 8-bit pixel apart.

    Args:
        features: (B, F, H', W').
        last: an `image_layer`, to (B, C, H, W).

    Returns:
        (B, C, H, W) in (-1, 1), or of any size where the layer is `unbounded_`.
    """
    kind = features.device.type
    if not torch.is_autocast_enabled(kind):
        return bounded(last(features), last)
    with torch.autocast(kind, enabled=False):
        return bounded(last(features.to(last.weight.dtype)), last)


def bounded(values: Tensor, last: nn.Module) -> Tensor:
    """What an `image_layer` has made, (B, C, H, W), in (-1, 1), or as it is where the layer is `unbounded_`."""
    return values if getattr(last, UNBOUNDED, False) else values.tanh()
