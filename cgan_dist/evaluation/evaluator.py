"""Scores of images against the real shards, by all ranks together."""

from __future__ import annotations

import contextlib
import importlib.metadata
from collections.abc import Sequence
from typing import Any, NamedTuple, NoReturn

import torch
from accelerate import Accelerator
from torch import Tensor

from cgan_dist import __version__
from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.config.score import PREFIX
from cgan_dist.config.values import Named
from cgan_dist.config.watching import EvaluateConfig
from cgan_dist.data.shards import ShardSet
from cgan_dist.distributed.collectives import from_main, share_network
from cgan_dist.distributed.group import without_tf32
from cgan_dist.distributed.main_alone import on_main
from cgan_dist.errors import UserError
from cgan_dist.evaluation.arithmetic import float64_device, lent_threads
from cgan_dist.evaluation.candidates import Candidates, GeneratedImages
from cgan_dist.evaluation.extraction import extract
from cgan_dist.evaluation.features import FEATURES
from cgan_dist.evaluation.features.base import Extractor
from cgan_dist.evaluation.features.kept import KeptFeatures
from cgan_dist.evaluation.metrics.base import Asked, Features, ImageSet, Metric, RealSet
from cgan_dist.evaluation.metrics.chosen import ChosenMetric, choose_metrics
from cgan_dist.evaluation.selection import Selection
from cgan_dist.sampling.sampler import Sampler

WHERE = "evaluate.metrics"
NOTHING = torch.empty(0)
"""Of real images and of all results, where this is not the main process."""


def check_metrics(metrics: Sequence[Named | str], label_space: LabelSpace, where: str = WHERE) -> None:
    """Asks metrics whether they can work with these labels; cheap, to be known before training.

    Raises:
        UserError: if a name or argument is unknown, or a metric has no use for such labels.
    """
    choose_metrics(metrics, label_space, where)


def check_extractors(config: EvaluateConfig, label_space: LabelSpace, where: str = WHERE) -> None:
    """Asks what the metrics look through whether all is there; may fetch weights, so rank 0 alone calls it.

    Raises:
        UserError: if there is no such extractor, or a package or file that it needs is not there.
    """
    metrics = choose_metrics(config.metrics, label_space, where)
    for name, extractor in _build_extractors(metrics, label_space, config, where).items():
        asking = next(chosen.name for chosen in metrics if name in chosen.metric.extractors)
        extractor.check(f"{where}: {asking}")


class Wanted(NamedTuple):
    """One list of fakes: for which labels and, where its pictures are pairs on ways through z, with which step."""

    asks: Asked
    step: float | None


class Evaluator:
    """Computes named metrics of images; what it learns from the real images is kept for reuse.

    Every rank builds one and calls its methods at the same points. Ranks draw and look at images together; metrics are
    computed on the main process.

    Args:
        shards: the real set.
        label_space: of the generator.
        config: which metrics, of how many samples, against which real images.
        accelerator: of this process.
        where: the config's key path or the option, for errors.

    Raises:
        UserError: if a metric is unknown, or has no use for such labels.
    """

    def __init__(
        self,
        shards: ShardSet,
        label_space: LabelSpace,
        config: EvaluateConfig,
        accelerator: Accelerator,
        where: str = WHERE,
    ) -> None:
        self.shards = shards
        self.label_space = label_space
        self.config = config
        self.accelerator = accelerator
        self.where = where
        self.metrics = choose_metrics(config.metrics, label_space, where)
        self.extractors = _build_extractors(self.metrics, label_space, config, where)
        self.reference = Selection(shards, label_space, config.split, config.real_count)
        self.weights: dict[str, str] = {}
        self._real: RealSet | None = None

    def scores(self, sampler: Sampler) -> dict[str, float]:
        """Draws samples and scores them; the draws depend on the sampler's seed only. Every rank calls it.

        Returns:
            `eval/NAME` to value, the same on every rank.
        """
        candidates = GeneratedImages(sampler, self.config.count, self.shards.manifest.image.picture.channels)
        return {f"{PREFIX}{name}": value for name, value in self.score(candidates).items()}

    def score(self, candidates: Candidates) -> dict[str, float]:
        """Scores any images; every rank calls it.

        Raises:
            UserError: on every rank, if there are too few.
        """
        if not self.metrics:
            return {}
        self._check_ways(candidates)
        real = self._prepared()
        wanted = {chosen.name: _wanted(chosen.metric, candidates) for chosen in self.metrics}
        sets = {one: self._seen(candidates, one) for one in dict.fromkeys(wanted.values())}

        def on_all_metrics() -> dict[str, float]:
            found: dict[str, float] = {}
            for chosen in self.metrics:
                with lent_threads() if chosen.metric.exact else contextlib.nullcontext():
                    scores = chosen.metric.score(real, sets[wanted[chosen.name]])
                found |= {chosen.named(name): value for name, value in scores.items()}
            return found

        with without_tf32():
            return on_main(self.accelerator, on_all_metrics)

    def protocol(self, candidates: Candidates) -> dict[str, Any]:
        """Everything that its figures depend on besides the generator, JSON-ready; after `score`."""
        metrics = [
            {"name": chosen.name, "args": chosen.args, "labels": candidates.resolve(chosen.metric.asks)}
            for chosen in self.metrics
        ]
        reference = {
            "data": self.shards.manifest.fingerprint,
            "split": self.reference.split,
            "count": len(self.reference),
        }
        if (latents := self.shards.manifest.image.latents) is not None:
            reference["pictures"] = f"decoded means of latents, autoencoder {latents.autoencoder.weights_sha256}"
        return {
            "metrics": metrics,
            "scored": candidates.facts(),
            "reference": reference,
            "extractors": dict(self.weights),
            "versions": {"cgan_dist": __version__} | {name: _version(name) for name in ("torch", "torch-fidelity")},
        }

    def _prepared(self) -> RealSet:
        """Readies extractors and the real images' features, once."""
        if self._real is None:
            for name, extractor in self.extractors.items():
                self._prepare(name, extractor)
            wanted = {name for chosen in self.metrics if chosen.metric.needs_real for name in chosen.metric.extractors}
            self._real = self._real_set({name: self._features_of_real(name) for name in sorted(wanted)})
        return self._real

    def _prepare(self, name: str, extractor: Extractor) -> None:
        shards = self.shards
        image = shards.manifest.image.picture
        extractor.build((image.channels, image.height, image.width))
        extractor.network.to(self.accelerator.device)
        real = self._real_set({})
        with without_tf32():
            self.weights[name] = on_main(self.accelerator, lambda: extractor.prepare(real))
        extractor.network.to(self.accelerator.device).eval()
        share_network(self.accelerator, extractor.network)

    def _features_of_real(self, name: str) -> Features:
        """From disk or from the images; empty where this is not the main process."""
        chosen = self.reference
        folder = self.shards.cache_folder
        kept = KeptFeatures(folder, chosen.fingerprint, name, self.weights[name], len(chosen))
        found = kept.load() if self.accelerator.is_main_process else None
        if from_main(found is not None):
            return found or Features(NOTHING, NOTHING)
        extractor = {name: self.extractors[name]}
        made = extract(self.accelerator, extractor, len(chosen), chosen.images, f"{name} of real images")
        if not self.accelerator.is_main_process:
            return Features(NOTHING, NOTHING)
        kept.save(made.features[name])
        return made.features[name]

    def _check_ways(self, candidates: Candidates) -> None:
        """Refuses what has no z for metrics that go along z; before hours of work."""
        for chosen in self.metrics:
            if chosen.metric.step is not None and not candidates.has_ways:
                raise UserError(
                    f"{self.where}: {chosen.name} measures ways through z, and real images have no z. Score samples by "
                    "it; leave it out with --real."
                )

    def _seen(self, candidates: Candidates, wanted: Wanted) -> ImageSet:
        """One list of fakes with everything that any metric wants of it."""
        asking = [chosen.metric for chosen in self.metrics if _wanted(chosen.metric, candidates) == wanted]
        names = {name for metric in asking for name in metric.extractors}
        extractors = {name: extractor for name, extractor in self.extractors.items() if name in names}
        labels = candidates.labels(wanted.asks) if self.accelerator.is_main_process else NOTHING
        if wanted.step is not None:
            here, ahead = (self._on_ways(candidates, wanted, extractors, ahead) for ahead in (0.0, wanted.step))
            return ImageSet(labels=labels, features=here, ahead=ahead, load=_not_kept)
        made = extract(
            self.accelerator,
            extractors,
            candidates.count,
            lambda start, stop: candidates.images(wanted.asks, start, stop),
            "samples",
            keep_images=any(metric.needs_images for metric in asking),
        )
        images = made.images
        load = _not_kept if images is None else lambda: images
        return ImageSet(labels=labels, features=made.features, load=load)

    def _on_ways(
        self, candidates: Candidates, wanted: Wanted, extractors: dict[str, Extractor], ahead: float
    ) -> dict[str, Features]:
        def pictures(start: int, stop: int) -> Tensor:
            return candidates.on_ways(wanted.asks, start, stop, ahead)

        return extract(self.accelerator, extractors, candidates.count, pictures, "ways through z").features

    def _real_set(self, features: dict[str, Features]) -> RealSet:
        chosen = self.reference
        return RealSet(
            labels=chosen.labels if self.accelerator.is_main_process else NOTHING,
            features=features,
            load=lambda: chosen.images(0, len(chosen)),
            label_space=self.label_space,
            cache=self.shards.cache_folder,
            fingerprint=chosen.fingerprint,
            extractors=self.extractors,
            device=float64_device(self.accelerator.device),
        )


def _wanted(metric: Metric, candidates: Candidates) -> Wanted:
    return Wanted(candidates.resolve(metric.asks), metric.step)


def _build_extractors(
    metrics: Sequence[ChosenMetric], label_space: LabelSpace, config: EvaluateConfig, where: str
) -> dict[str, Extractor]:
    given = {"weights": config.inception_weights, "sha256": config.inception_sha256}
    args = {"inception": {key: value for key, value in given.items() if value is not None}}
    built: dict[str, Extractor] = {}
    for name in dict.fromkeys(name for chosen in metrics for name in chosen.metric.extractors):
        built[name] = FEATURES.build(name, where, args.get(name, {}), label_space=label_space)
    return built


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _not_kept() -> NoReturn:
    raise AssertionError("the fakes' pixels are there only for a metric with needs_images")
