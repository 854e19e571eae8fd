"""Spectral norm: weights divided by their largest singular value, which power iteration finds (arXiv:1802.05957).

In an update of the training step the vectors move once, those of all layers together, and all passes share the divided
weights: that is algorithm 1 of Miyato et al. 2018. A network that is called by itself does as torch's parametrization.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize

EPSILON = 1e-12
FIRST_ITERATIONS = 15


class Singular(NamedTuple):
    """A weight's largest singular value and its vectors: (O,), (I,) and a scalar, without a graph."""

    u: Tensor
    v: Tensor
    sigma: Tensor


class SpectralNorm(nn.Module):
    """The parametrization weight -> weight / sigma, of (O, ...); rows are outputs, all else is columns.

    Buffers have the names of torch's parametrization, and so state dicts interchange.

    Args:
        weight: its initial value.

    Attributes:
        singular: what `PowerIteration.once` has found for this update; None outside of one.
        shared: the divided weight that all passes take until their backward pass; None where there is none yet.
    """

    _u: Tensor
    _v: Tensor

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.singular: Singular | None = None
        self.shared: Tensor | None = None
        for name, size in zip(("_u", "_v"), weight.flatten(1).shape, strict=True):
            self.register_buffer(name, F.normalize(weight.new_empty(size).normal_(), dim=0, eps=EPSILON))
        for _ in range(FIRST_ITERATIONS):
            iterate_([self], [weight])

    def forward(self, weight: Tensor) -> Tensor:
        """(O, ...) -> (O, ...), with a largest singular value of about 1."""
        if self.singular is None:
            # On `meta`, where a network is measured before it is built, there is no autocast.
            with contextlib.nullcontext() if weight.is_meta else torch.autocast(weight.device.type, enabled=False):
                singular = iterate_([self], [weight])[0] if self.training else self._measured(weight)
            return cast(Tensor, _Divide.apply(weight, *singular, None))
        has_graph = weight.requires_grad and torch.is_grad_enabled()
        if self.shared is None or self.shared.requires_grad != has_graph:
            self.shared = cast(Tensor, _Divide.apply(weight, *self.singular, self))
        return self.shared

    @torch.no_grad()
    def _measured(self, weight: Tensor) -> Singular:
        """By the vectors as they are; copies, because a backward pass may come after they have moved."""
        u, v = self._u.clone(), self._v.clone()
        return Singular(u, v, torch.dot(u, weight.flatten(1) @ v))


class PowerIteration:
    """Moves the vectors of all layers of a network that have a `SpectralNorm`.

    Args:
        network: raw.
    """

    def __init__(self, network: nn.Module) -> None:
        chains = [module for module in network.modules() if isinstance(module, parametrize.ParametrizationList)]
        found = [(chain[0], chain) for chain in chains if isinstance(chain[0], SpectralNorm)]
        self.norms, self.chains = [norm for norm, _ in found], [chain for _, chain in found]

    @contextlib.contextmanager
    def once(self) -> Iterator[None]:
        """Moves them once; within, they stay, and passes up to the same backward pass share the divided weights.

        Weights must not change before the last pass. In eval mode it does nothing.
        """
        norms = self.norms if all(norm.training for norm in self.norms) else []
        if norms:
            for norm, singular in zip(norms, iterate_(norms, [chain.original for chain in self.chains]), strict=True):
                norm.singular = singular
        try:
            yield
        finally:
            for norm in norms:
                norm.singular = norm.shared = None


@torch.no_grad()
def iterate_(norms: Sequence[SpectralNorm], weights: Sequence[Tensor]) -> list[Singular]:
    """Moves the vectors of each norm by one step of power iteration on its weight, in place, and returns copies.

    Operations go over all layers at once: they are many and small, and a GPU's host is slower with them than the GPU.
    """
    matrices = [weight.flatten(1) for weight in weights]
    u, _ = _normalized([matrix.mv(norm._v) for matrix, norm in zip(matrices, norms, strict=True)])
    v, sigmas = _normalized([matrix.t().mv(rows) for matrix, rows in zip(matrices, u, strict=True)])
    torch._foreach_copy_([*(norm._u for norm in norms), *(norm._v for norm in norms)], [*u, *v])
    return [Singular(*found) for found in zip(u, v, sigmas, strict=True)]


def _normalized(vectors: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
    """Each over its length, and the lengths: of W^T u that is u^T W v, the singular value."""
    lengths = torch._foreach_norm(vectors)
    torch._foreach_clamp_min_(lengths, EPSILON)
    return list(torch._foreach_div(vectors, lengths)), list(lengths)


class _Divide(torch.autograd.Function):
    """(weight, u, v, sigma, norm that shares the result) -> W / sigma, with the derivative of sigma = u^T W v by W.

    That is (G - <G, W / sigma> u v^T) / sigma for a gradient G (Miyato et al. 2018, section 2.3).
    """

    @staticmethod
    def forward(ctx: Any, weight: Tensor, u: Tensor, v: Tensor, sigma: Tensor, norm: SpectralNorm | None) -> Tensor:
        divided = weight / sigma
        ctx.save_for_backward(weight, divided, u, v, sigma)
        ctx.norm = norm
        return divided

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None, None, None]:
        weight, divided, u, v, sigma = ctx.saved_tensors
        if ctx.norm is not None:
            ctx.norm.shared = None  # its graph is used up
        if torch.is_grad_enabled():
            plainly = weight / torch.dot(u, weight.flatten(1) @ v)
            (of_weight,) = torch.autograd.grad(plainly, weight, gradient, create_graph=True)
            return of_weight, None, None, None, None
        gradient = gradient / sigma
        rows = u * (gradient * divided).sum()
        columns = v.view(1, *weight.shape[1:])
        of_weight = torch.addcmul(gradient, rows.view(-1, *[1] * (weight.dim() - 1)), columns, value=-1)
        return of_weight, None, None, None, None


def settle_spectral_norm(network: nn.Module) -> None:
    """Finds the singular vectors anew, in place, of weights that were replaced."""
    power = PowerIteration(network)
    for _ in range(FIRST_ITERATIONS if power.norms else 0):
        iterate_(power.norms, [chain.original for chain in power.chains])


def spectral_norm(module: nn.Module, name: str = "weight") -> None:
    """Gives a parameter of a module spectral norm, in place: `module.name` is then the divided weight.

    Args:
        module: such as a convolution.
        name: of a parameter (O, ...) whose rows are outputs.
    """
    parametrize.register_parametrization(module, name, SpectralNorm(getattr(module, name)))
