"""The contract of a metric: what it asks for before images are drawn, and what it is shown on the main process."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor

from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.errors import UserError

CPU = torch.device("cpu")
Asked = Literal["fair", "as_data"]
"""Which labels fakes are made for: `fair` lets classes take turns, `as_data` has labels as often as the data has them.
Labels that are not classes are as in the data either way."""


class Features(NamedTuple):
    """What an extractor says of N images, a row for each, on the CPU.

    Attributes:
        embedding: (N, F) float32.
        logits: (N, K) float32, unnormalized scores of K classes or of a label space's condition; K may be 0.
    """

    embedding: Tensor
    logits: Tensor


@dataclass(frozen=True, kw_only=True)
class ImageSet:
    """Images as a metric sees them: the whole list in its global order, whichever rank drew or read which.

    Attributes:
        labels: (N,) or (N, W), of the label space; of fakes those that were asked for.
        features: by extractor, for those that the metric has named; of a metric with a `step`, where each step begins.
        ahead: of a metric with a `step` the features where each step ends; else empty.
        load: gives (N, C, H, W) uint8.
    """

    labels: Tensor
    features: Mapping[str, Features]
    load: Callable[[], Tensor]
    ahead: Mapping[str, Features] = field(default_factory=dict)

    @cached_property
    def images(self) -> Tensor:
        """(N, C, H, W) uint8. Of fakes they are there only for a metric with `needs_images`."""
        return self.load()


@dataclass(frozen=True, kw_only=True)
class RealSet(ImageSet):
    """The real images, and what goes with them.

    Attributes:
        label_space: of the generator, and of both sets' labels.
        cache: folder for what is learned from these images; it may not be writable.
        fingerprint: of the manifest and of which of its images these are; names what is kept in `cache`.
        extractors: by name, ready for use; `classifier` has as `network` a `metrics.classifier.Classifier`.
        device: where a metric does large computations; it has float64. All that it is shown lies on the CPU.
    """

    label_space: LabelSpace
    cache: Path
    fingerprint: str
    extractors: Mapping[str, Any]
    device: torch.device = CPU


class Metric:
    """Base of every metric. Built from the user's arguments, once, on every rank; scored on the main process only.

    A metric is named in METRICS or as `package.module:Class`. It is given the arguments of the user by keyword; one
    called `features`, where there is one, is what follows the @ of `fid@classifier`. Images are drawn, read and turned
    into features by all ranks together before `score` is called, so a metric knows nothing of ranks.

    Attributes:
        asks: labels that its fakes are made for.
        extractors: names whose features it wants, of the fakes and, with `needs_real`, of the real images.
        needs_real: whether the real images' features are wanted. It always has their labels, and them if it asks.
        needs_images: whether it wants the fakes' pixels.
        step: if it measures how a generator changes along z: its fakes are then, in place of samples, pairs of pictures
            at a random place of the way between two z and this share of the way further, with the label held. They are
            not rounded to pixel values, in which a short step would be lost; it has their features and no pixels.
        exact: whether its arithmetic is float64 and nothing else. Its figures then do not show how many threads it
            has, and it is lent those of the processes that wait for it.
    """

    asks: Asked = "as_data"
    extractors: Sequence[str] = ()
    needs_real: bool = True
    needs_images: bool = False
    step: float | None = None
    exact: bool = False
    MAX_LISTED: ClassVar[int] = 100
    """With more classes than this, they are not listed one by one."""

    def check(self, label_space: LabelSpace, where: str) -> None:
        """Raises UserError, beginning with `where`, if it has no use for such labels; called before anything is read.

        Every rank calls it.
        """

    def score(self, real: RealSet, fakes: ImageSet) -> dict[str, float]:
        """Scores fakes by name, e.g. `fid` and `fid/class_3`; only the main process calls it.

        Raises:
            UserError: if there are too few images.
        """
        raise NotImplementedError


def check_one_group(label_space: LabelSpace, where: str, name: str, instead: str) -> None:
    """Holds the labels against a metric that asks for one class of each image.

    Raises:
        UserError: saying what to take instead, if there is not one group of classes.
    """
    if (groups := len(label_space.layout.classes)) != 1:
        raise UserError(
            f"{where}: {name} needs one class for each image, the label space has {groups} groups of classes. Take "
            f"{instead} instead."
        )
