"""Many z moved at once towards their pictures; no row of the batch sees another."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from cgan_dist.conditioning.condition import Condition
from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.inversion.distance import Distance, Parts, on
from cgan_dist.labels import ContinuousLabels, placed_parts
from cgan_dist.randomness import Latent

RISE, FALL, QUIET = 0.05, 0.25, 0.75
SPREAD = 2.0
"""How far the length of a normal z may be from sqrt(Z): lengths of samples have a standard deviation of 0.7."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """R places that a descent is at, or has found; on any device.

    Attributes:
        z: (R, Z).
        labels: (R,) or (R, W) of the space.
        parts: the distance there.
        whole: (R,) of both.
    """

    z: Tensor
    labels: Tensor
    parts: Parts
    whole: Tensor


def plausible(z: Tensor, latent: Latent) -> Tensor:
    """The nearest z that could have been drawn: a uniform one in its cube, a normal one about as long as all are."""
    if latent == "uniform":
        return z.clamp(-1, 1)
    length = z.norm(dim=-1, keepdim=True).clamp_min(1e-12)
    usual = math.sqrt(z.shape[-1])
    return cast(Tensor, z * (length.clamp(max(usual - SPREAD, 0), usual + SPREAD) / length))


def rate_at(step: int, steps: int) -> float:
    """The share of the rate: up from 0, level, and down to 0 as half a cosine."""
    place = (step + 1) / steps
    return min(1.0, place / RISE) * (0.5 - 0.5 * math.cos(math.pi * min(1.0, (1 - step / steps) / FALL)))


def noise_at(step: int, steps: int) -> float:
    """The share of the noise, down to 0 at three quarters."""
    return max(0.0, 1 - step / steps / QUIET) ** 2


class Values:
    """The real values of labels, moved within their ranges; classes and bits stay.

    Args:
        space: of the labels.
        free: whether values move; else, or where a label has none, labels stay as they are.
    """

    def __init__(self, space: LabelSpace, free: bool = True) -> None:
        self.space, self.columns = space, value_columns(space) if free else []

    def start(self, labels: Tensor) -> Tensor:
        """(R,) or (R, W) labels -> (R, D), each range brought to [-1, 1]."""
        if not self.columns:
            return labels.new_empty(len(labels), 0, dtype=torch.float32)
        found = [(labels[:, column].float() - low) / (high - low) * 2 - 1 for column, low, high in self.columns]
        return torch.stack(found, dim=1).clamp(-1, 1)

    def put(self, labels: Tensor, values: Tensor) -> Tensor:
        """The same labels with other values, with a gradient to them."""
        if not self.columns:
            return labels
        parts = list(labels.unbind(1))
        for place, (column, low, high) in enumerate(self.columns):
            parts[column] = (low + (values[:, place].clamp(-1, 1) + 1) / 2 * (high - low)).clamp(low, high)
        return torch.stack(parts, dim=1)


def value_columns(space: LabelSpace) -> list[tuple[int, float, float]]:
    """Where real values lie in a label, and the float32 range of each."""
    placed = [(part, first) for part, first in placed_parts(space.schema) if isinstance(part, ContinuousLabels)]
    return [(first + n, low, high) for part, first in placed for n, (low, high) in enumerate(part.ranges)]


class Descent:
    """Adam on the z of R rows, and on the real values of their labels where these are free.

    Args:
        distance: that is made small.
        pictures: (R, c, h, w) in [-1, 1], on the device: what each row is to become.
        z: (R, Z), on the device, where it starts.
        labels: (R,) or (R, W), on the device.
        free: whether real values of labels move.
        rate: of Adam at its height.
        noise: (T, R, Z), for T of the steps; later ones have none.
    """

    def __init__(
        self, distance: Distance, pictures: Tensor, z: Tensor, labels: Tensor, free: bool, rate: float, noise: Tensor
    ) -> None:
        self.distance, self.latent, self.rate, self.noise = distance, distance.sampler.latent, rate, noise
        self.values = Values(distance.sampler.label_space, free)
        self.labels = labels
        self.judged = self._condition(labels)  # D judges both pictures under the label that the row began with
        with torch.no_grad():
            self.target = distance.seen(pictures, self.judged)
        self.z = z.clone().requires_grad_(True)
        self.moved = self.values.start(labels).requires_grad_(True)
        self.free = [self.z, self.moved] if self.moved.shape[1] else [self.z]
        self.adam = torch.optim.Adam(self.free, lr=rate)
        self.best: Row | None = None

    def step(self, number: int, steps: int) -> Row:
        """Takes one step of so many; returns the nearest places so far."""
        z = self.z
        if number < len(self.noise):
            z = plausible(z + self.noise[number] * noise_at(number, steps), self.latent)
        labels = self.values.put(self.labels, self.moved)
        made = self.distance.made(z, self._condition(labels))
        parts = self.distance.between(self.distance.seen(made, self.judged), self.target)
        whole = self.distance.whole(parts)
        for parameter, gradient in zip(self.free, torch.autograd.grad(whole.sum(), self.free), strict=True):
            parameter.grad = torch.nan_to_num(gradient, 0.0, 0.0, 0.0)
        found = torch.nan_to_num(whole.detach(), torch.inf)
        best = self._nearer(Row(z=z.detach(), labels=labels.detach(), parts=Parts(*_detached(parts)), whole=found))
        self.adam.param_groups[0]["lr"] = self.rate * rate_at(number, steps)
        self.adam.step()
        with torch.no_grad():
            self.z.copy_(plausible(self.z, self.latent))
            self.moved.clamp_(-1, 1)
        return best

    def _condition(self, labels: Tensor) -> Condition:
        return on(labels.device, self.distance.sampler.label_space.encode(labels))

    def _nearer(self, now: Row) -> Row:
        """Keeps what is nearer than the nearest so far."""
        if (best := self.best) is not None:
            better = now.whole < best.whole
            now = Row(
                z=torch.where(better[:, None], now.z, best.z),
                labels=torch.where(better[:, None] if now.labels.ndim > 1 else better, now.labels, best.labels),
                parts=Parts(*(torch.where(better, *both) for both in zip(now.parts, best.parts, strict=True))),
                whole=torch.where(better, now.whole, best.whole),
            )
        self.best = now
        return now


def _detached(parts: Parts) -> tuple[Tensor, ...]:
    return tuple(part.detach() for part in parts)
