"""From pictures to the z and the labels whose images are nearest to them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from cgan_dist.conditioning.condition import Condition
from cgan_dist.evaluation.metrics.classifier import Classifier
from cgan_dist.inversion.candidates import bit_columns, flipped, likely_labels, unlikely, without_values
from cgan_dist.inversion.descent import QUIET, Descent, plausible
from cgan_dist.inversion.distance import Distance, on
from cgan_dist.inversion.plan import Plan
from cgan_dist.inversion.standing import Standing
from cgan_dist.randomness import draw_latent, torch_generator
from cgan_dist.sampling.interpolation import DEVIATIONS

GoOn = Callable[[int, int], bool]
"""Asked before every step, with the steps that are done and all that there will be; False ends the search."""
RANDOM = 16
"""Samples of a label whose mean distance says what a found one is worth."""


class Cancelled(Exception):
    """The search was told not to go on."""


class Encoder(Protocol):
    """What proposes a start."""

    def __call__(self, images: Tensor, labels: Tensor) -> Tensor:
        """(P, C, H, W) uint8 and labels -> (P, Z), on the CPU."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was found of P pictures, on the CPU.

    Attributes:
        z: (P, Z) float32.
        labels: (P,) or (P, W), in the form of the space.
        pixels: (P,), mean squared difference; two random samples are 1 apart on average.
        features: likewise; 0 where none were compared.
        distance: (P,), both as the search weighs them.
        random: (P,), the mean distance of random samples with the label that was found.
        next_labels: (P,) or (P, W): the best of the other labels that were tried to the end.
        next_distance: (P,); infinite where there was no other.
        curve: (P, T), the smallest distance until each step of the start that was taken.
    """

    z: Tensor
    labels: Tensor
    pixels: Tensor
    features: Tensor
    distance: Tensor
    random: Tensor
    next_labels: Tensor
    next_distance: Tensor
    curve: Tensor


class Inverter:
    """Finds pictures in one generator; the same for the same picture and seed, whatever other pictures there are.

    Args:
        distance: to the pictures, which also holds the sampler; the seed of the starts is the sampler's.
        plan: of the search.
        classifier: of the real images. What it reads of a picture counts where labels are compared, as
            `plan.reading_weight` says, and ranks labels where there are more than are tried; null does without.
        encoder: proposes one start of each label; null draws all of them.
    """

    def __init__(
        self,
        distance: Distance,
        plan: Plan | None = None,
        classifier: Classifier | None = None,
        encoder: Encoder | None = None,
    ) -> None:
        self.distance, self.plan = distance, plan or Plan()
        self.sampler, self.classifier, self.encoder = distance.sampler, classifier, encoder

    def find(self, images: Tensor, labels: Tensor | None = None, go_on: GoOn | None = None) -> Found:
        """Searches for every picture.

        Args:
            images: (P, C, H, W) uint8, in the size of the run's pictures.
            labels: (P,) or (P, W) of the space; null searches for them too.
            go_on: see `GoOn`.

        Raises:
            Cancelled: if it says no.
        """
        keys = [_key(image) for image in images]
        with self.distance.frozen():
            return self._found(images, self._searched(images, keys, labels, go_on))

    def _searched(self, images: Tensor, keys: Sequence[int], labels: Tensor | None, go_on: GoOn | None) -> Standing:
        plan, pictures = self.plan, len(images)
        if labels is not None:
            clock = _Clock(go_on, plan.steps * len(self._chunks(pictures, 1)))
            given, z = self._starts(images, keys, labels[:, None])
            return self._descend(images, keys, given, z, "finish", clock, free=False)
        reading = self.classifier.read(images) if self.classifier is not None else None
        tried = likely_labels(self.distance, images, plan.tried, reading)
        count, bits = tried.shape[1], len(bit_columns(self.sampler.label_space))
        bits = 0 if count == 2**bits else bits  # all that there are were tried
        kept = min(plan.kept, count + bits)
        stages = ((plan.screen_steps, count), (plan.screen_steps, bits), (plan.steps, kept))
        clock = _Clock(go_on, sum(steps * len(self._chunks(pictures, width)) for steps, width in stages))
        asked, z = self._starts(images, keys, tried)
        found = self._weighed(self._descend(images, keys, asked, z, "screen", clock), reading)
        if bits:
            best = found.kept(found.ranked()[:, :1])
            others = flipped(best.labels[:, 0, 0], self.sampler.label_space)
            z = best.z.expand(-1, bits, -1, -1)
            more = self._descend(images, keys, _for_each(others, self.plan.starts), z, "flip", clock)
            more = self._weighed(more, reading)
            found = Standing(*(torch.cat(both, dim=1) for both in zip(found, more, strict=True)))
        found = found.kept(found.ranked_once(self.sampler.label_space)[:, :kept])
        return self._weighed(self._descend(images, keys, found.labels, found.z, "finish", clock), reading)

    def _weighed(self, standing: Standing, reading: Tensor | None) -> Standing:
        """Adds what the classifier says of the labels."""
        if reading is None:
            return standing
        cost = unlikely(reading, standing.labels[:, :, 0], self.sampler.label_space)
        return standing._replace(cost=self.plan.reading_weight * cost)

    def _starts(self, images: Tensor, keys: Sequence[int], tried: Tensor) -> tuple[Tensor, Tensor]:
        """(P, K) labels -> (P, K, S) and (P, K, S, Z): the same draws for all labels of a picture.

        The encoder's proposal takes the place of the first.
        """
        sampler, count, starts = self.sampler, tried.shape[1], self.plan.starts
        shape = (starts, sampler.latent_dim)
        draws = [draw_latent(shape, sampler.latent, torch_generator(sampler.seed, "inversion", key)) for key in keys]
        z = torch.stack(draws)[:, None].repeat(1, count, 1, 1)
        if self.encoder is not None:
            proposed = self.encoder(images.repeat_interleave(count, dim=0), tried.flatten(0, 1))
            z[:, :, 0] = plausible(proposed, sampler.latent).unflatten(0, (-1, count))
        return _for_each(tried, starts), z

    def _descend(
        self,
        images: Tensor,
        keys: Sequence[int],
        labels: Tensor,
        starts: Tensor,
        stage: str,
        clock: _Clock,
        free: bool = True,
    ) -> Standing:
        """Descends from (P, K, S, Z) under (P, K, S) labels, in batches of bounded size."""
        steps = self.plan.steps if stage == "finish" else self.plan.screen_steps
        count, number = starts.shape[1:3]
        found: dict[int, list[list[Tensor]]] = {}
        for pictures, own in self._chunks(len(images), count):
            z, asked = (part[pictures, own].flatten(0, 2).to(self.distance.device) for part in (starts, labels))
            width = len(range(*own.indices(count)))
            noise = self._noise(keys[pictures], stage, steps, width)
            seen = self.distance.pictures(images[pictures]).repeat_interleave(width * number, dim=0)
            descent = Descent(self.distance, seen, z, asked, free, self.plan.rate, noise)
            curve = []
            for step in range(steps):
                clock.tick()
                curve.append(descent.step(step, steps).whole)
            row = descent.best
            assert row is not None, "there is at least one step"
            parts = (row.labels, row.z, row.parts.pixels, row.parts.features, row.whole, torch.stack(curve, dim=1))
            found.setdefault(pictures.start, []).append(
                [part.cpu().unflatten(0, (-1, width, number)) for part in parts]
            )
        of_pictures = [[torch.cat(parts, dim=1) for parts in zip(*chunks, strict=True)] for chunks in found.values()]
        joined = [torch.cat(parts) for parts in zip(*of_pictures, strict=True)]
        return Standing(*joined + [torch.zeros(joined[0].shape[:2])])

    def _noise(self, keys: Sequence[int], stage: str, steps: int, width: int) -> Tensor:
        """(T, R, Z) on the device, for the steps that have some; the same for all labels of a picture."""
        sampler, device = self.sampler, self.distance.device
        noisy = int(steps * QUIET) if self.plan.noise else 0
        shape = (noisy, 1, self.plan.starts, sampler.latent_dim)
        draws = [torch.randn(shape, generator=torch_generator(sampler.seed, f"inversion {stage}", key)) for key in keys]
        deviation = self.plan.noise * DEVIATIONS[sampler.latent]
        return torch.cat([draw.expand(-1, width, -1, -1).flatten(1, 2) for draw in draws], dim=1).to(device) * deviation

    def _chunks(self, pictures: int, count: int) -> list[tuple[slice, slice]]:
        """Which pictures and which of their labels make a batch; all labels of several pictures, or some of one."""
        if not count:
            return []
        at_once = max(1, self.distance.rows // self.plan.starts)
        several, some = max(1, at_once // count), min(count, at_once)
        return [
            (slice(first, min(pictures, first + several)), slice(label, label + some))
            for first in range(0, pictures, several)
            for label in range(0, count, some)
        ]

    def _found(self, images: Tensor, standing: Standing) -> Found:
        space = self.sampler.label_space
        standing = standing.kept(standing.ranked())  # the best label is number 0
        start = standing.whole[:, 0].argmin(1)
        rows = torch.arange(len(start))
        labels, z, pixels, features, whole, curve = (part[rows, 0, start] for part in standing[:-1])
        plain = without_values(standing.labels[:, :, 0].flatten(0, 1), space).unflatten(0, standing.labels.shape[:2])
        same = (plain == plain[:, :1]).reshape(*plain.shape[:2], -1).all(2)
        scores, place = standing.scores.masked_fill(same, torch.inf).min(1)
        next_distance = standing.whole.amin(2)[rows, place].masked_fill(scores.isinf(), torch.inf)
        chosen = standing.whole[rows, place].argmin(1)
        return Found(
            z=z,
            labels=labels,
            pixels=pixels,
            features=features,
            distance=whole,
            random=self._random(images, labels),
            next_labels=standing.labels[rows, place, chosen],
            next_distance=next_distance,
            curve=curve,
        )

    @torch.no_grad()
    def _random(self, images: Tensor, labels: Tensor) -> Tensor:
        """(P,): the mean distance of samples of the labels that were found, the same z for all."""
        sampler, distance = self.sampler, self.distance
        shape = (RANDOM, sampler.latent_dim)
        z = draw_latent(shape, sampler.latent, torch_generator(sampler.seed, "inversion random")).to(distance.device)
        found = []
        for image, label in zip(distance.pictures(images), labels, strict=True):
            condition = on(distance.device, sampler.label_space.encode(label.expand(RANDOM, *label.shape)))
            parts = [Condition(*part) for part in zip(*(side.split(distance.rows) for side in condition), strict=True)]
            whole = []
            for own, judged in zip(z.split(distance.rows), parts, strict=True):
                target = distance.seen(image.expand(len(own), *image.shape), judged)
                made = distance.seen(distance.made(own, judged), judged)
                whole.append(distance.whole(distance.between(made, target)))
            found.append(torch.cat(whole).mean())
        return torch.stack(found).cpu()


class _Clock:
    """Counts steps, and asks before each whether to go on.

    Args:
        go_on: see `GoOn`; null always goes on.
        total: of the steps.
    """

    def __init__(self, go_on: GoOn | None, total: int) -> None:
        self.go_on, self.total, self.done = go_on, total, 0

    def tick(self) -> None:
        """Raises Cancelled if the answer is no."""
        if self.go_on is not None and not self.go_on(self.done, self.total):
            raise Cancelled
        self.done += 1


def _key(image: Tensor) -> int:
    """Of a picture's draws: its content and shape, whatever number it has."""
    content = repr(tuple(image.shape)).encode() + image.contiguous().numpy().tobytes()
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")


def _for_each(labels: Tensor, starts: int) -> Tensor:
    """(P, K) labels -> (P, K, S)."""
    return labels.unsqueeze(2).expand(*labels.shape[:2], starts, *labels.shape[2:])
