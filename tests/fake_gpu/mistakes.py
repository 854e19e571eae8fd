"""Mistakes that a GPU would punish and a CPU does not: each is made on purpose, and has to be found."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from unittest import mock

import torch
from torch import Tensor, nn

from cgan_dist.augment.flip import Flip
from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.generator.base import GeneratorWay
from cgan_dist.losses.adversarial import NonSaturating, Terms
from cgan_dist.training.ema import Ema
from cgan_dist.training.meter import Meter
from cgan_dist.training.optimizer import NetworkOptimizer


class WayOnTheHost(GeneratorWay):
    """Joins something to z that is not where z is."""

    def __init__(self, layout: Layout, latent_dim: int) -> None:
        super().__init__(layout, latent_dim)
        self.joins_reals = 1

    def embed(self, condition: Condition) -> Tensor:
        """Ones, on the CPU."""
        return torch.ones(len(condition.values), 1)


class AskingLoss(NonSaturating):
    """Looks at its value."""

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> tuple[Tensor, Terms]:
        """The same, unless it is large."""
        loss, terms = super().discriminator(real_logits, fake_logits)
        return (loss, terms) if loss.item() < 1e6 else (loss * 0, terms)


class MaskingLoss(NonSaturating):
    """Leaves fakes out by a mask, whose count nobody knows but the device."""

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> tuple[Tensor, Terms]:
        """That of the fakes that were found out."""
        return super().generator(real_logits, fake_logits[fake_logits < 0])


class IndexingLoss(NonSaturating):
    """Picks fakes by numbers that are on the CPU."""

    def generator(self, real_logits: Tensor | None, fake_logits: Tensor) -> tuple[Tensor, Terms]:
        """That of every other fake."""
        return super().generator(real_logits, fake_logits[torch.arange(0, len(fake_logits), 2)])


class ListingAugmentation(Flip):
    """Copies a list of numbers to the device each time."""

    def apply(self, images: Tensor, parameters: Tensor) -> Tensor:
        """Flipped, and weighted by 1."""
        return super().apply(images, parameters) * torch.tensor([1.0], device=images.device)


def _before(owner: type, method: str, mistake: Callable[..., object]) -> AbstractContextManager[object]:
    """Makes a mistake, given the method's arguments, each time before a method is called."""
    plain = getattr(owner, method)

    def mistaken(self: object, *args: object, **kwargs: object) -> object:
        mistake(self, *args, **kwargs)
        return plain(self, *args, **kwargs)

    return mock.patch.object(owner, method, mistaken)


def _every_scalar_as_float(meter: Meter, values: dict[str, Tensor]) -> None:
    meter.last = {name: float(value) for name, value in values.items()}  # type: ignore[attr-defined]


def _average_on_the_host(ema: Ema, network: nn.Module, *_: object) -> None:
    hosted = [parameter.to("cpu", non_blocking=True) for parameter in ema.network.parameters()]
    torch._foreach_lerp_(hosted, [parameter.detach() for parameter in network.parameters()], 0.5)


def _tensor_by_tensor(ema: Ema, network: nn.Module, *_: object) -> None:
    for average, value in zip(ema.network.parameters(), network.parameters(), strict=True):
        average.lerp_(value.detach(), 0.0)


def _moments_on_the_host(optimizer: NetworkOptimizer, images_seen: int) -> None:
    for moments in optimizer.optimizers["adam"].optimizer.state.values():
        moments["exp_avg"] = moments["exp_avg"].to("cpu", non_blocking=True)


def _a_synchronization(*_: object) -> None:
    torch.cuda.synchronize()


def _into_pageable_memory(ema: Ema, network: nn.Module, *_: object) -> None:
    first = next(network.parameters())
    torch.empty(first.shape).copy_(first.detach(), non_blocking=True)


@contextlib.contextmanager
def made(name: str | None) -> Iterator[None]:
    """Within, the mistake of that name is made in every iteration; with no name, none."""
    with MISTAKES[name]() if name else contextlib.nullcontext():
        yield


MISTAKES: dict[str, Callable[[], AbstractContextManager[object]]] = {
    "every scalar as float": lambda: _before(Meter, "add", _every_scalar_as_float),
    "average on the host": lambda: _before(Ema, "update", _average_on_the_host),
    "tensor by tensor": lambda: _before(Ema, "update", _tensor_by_tensor),
    "moments on the host": lambda: _before(NetworkOptimizer, "step", _moments_on_the_host),
    "a synchronization": lambda: _before(Ema, "update", _a_synchronization),
    "into pageable memory": lambda: _before(Ema, "update", _into_pageable_memory),
}
"""Those that no config can name, by name."""
