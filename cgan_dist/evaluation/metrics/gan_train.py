"""Metrics `gan_train` and `gan_test`: what fakes teach a classifier, and what one of real images reads in them."""

from __future__ import annotations

import torch
from torch import Tensor

from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.config.values import Count
from cgan_dist.errors import UserError
from cgan_dist.evaluation.metrics.accuracies import accuracies, by_class
from cgan_dist.evaluation.metrics.base import ImageSet, Metric, RealSet
from cgan_dist.evaluation.metrics.classifier import Classifier, fit, split

SEED = 1
"""Another than that of the classifier behind `label_accuracy`: a run may have been chosen by what that one reads."""
AT_LEAST = 2


class GanTrain(Metric):
    """Two classifiers that differ in nothing but their images: one learns from fakes, one from as many real images.

    GAN-train is the accuracy of the first on real images that neither has seen; GAN-test is the accuracy of the second
    on fakes (Shmelkov et al. 2018, arXiv:1807.09499, sec. 3; the first is the classification accuracy score of Ravuri
    and Vinyals 2019, arXiv:1905.10887). The real images are divided as for `metrics.classifier.Classifier`. Either name
    gives both.

    Args:
        count: images that each classifier learns from; left out, as many fakes as there are real ones to learn from, or
            all where they are fewer. With more than there are real ones, the second has all of these.
    """

    needs_images = True

    def __init__(self, count: Count | None = None) -> None:
        self.count = count
        self._of_real: tuple[tuple[str, int], Classifier] | None = None

    def check(self, label_space: LabelSpace, where: str) -> None:
        """Raises UserError if labels have neither classes nor attributes."""
        layout = label_space.layout
        if not layout.classes and not layout.bits:
            raise UserError(
                f"{where}: gan_train and gan_test need classes or attributes to read, found labels of kind "
                f"'{label_space.schema.kind}'. Leave them out, or choose other labels with conditioning.labels."
            )

    def score(self, real: RealSet, fakes: ImageSet) -> dict[str, float]:
        """Gives accuracies in 0..1.

        Returns:
            `gan_train` and `gan_test`, with `/class_K` for up to 100 classes, `/ATTRIBUTE` for attributes, and for
            both at once `/classes` and `/attributes`, of which the first is then the mean. `gan_train/real` with all
            of these is the second classifier's accuracy on the held-out real images, about the most that a generator
            can be expected to reach; `gan_test/real` repeats it without them.

        Raises:
            UserError: if there are too few images.
        """
        train, test = split(len(real.labels))
        count = self._count(len(train), len(fakes.labels))
        images, labels = real.images[test], real.labels[test]
        of_fakes = _trained(fakes, torch.arange(count), real, "the fakes")
        of_real = self._trained_on_real(real, train[:count])

        def read(name: str, classifier: Classifier, images: Tensor, labels: Tensor) -> dict[str, float]:
            space = real.label_space
            condition = space.encode(labels)
            found = classifier.compared(images, condition)
            classes = by_class(found, condition, space.layout.one_hot, name, self.MAX_LISTED)
            return accuracies(found.means(), name, space) | classes

        ceiling = read("gan_train/real", of_real, images, labels)
        trained = read("gan_train", of_fakes, images, labels) | ceiling
        tested = read("gan_test", of_real, fakes.images, fakes.labels)
        return trained | tested | {"gan_test/real": ceiling["gan_train/real"]}

    def _count(self, real: int, fakes: int) -> int:
        count = min(real, fakes) if self.count is None else self.count
        if real < AT_LEAST or count < AT_LEAST or count > fakes:
            raise UserError(
                f"gan_train: found {real} real images to learn from, {fakes} sample(s) and the argument count "
                f"{self.count}; expected {AT_LEAST} or more of each, and count at most the samples. Raise --count, or "
                "evaluate.count."
            )
        return count

    def _trained_on_real(self, real: RealSet, train: Tensor) -> Classifier:
        """Trained once for the same images: they stay the same through a training."""
        key = (real.fingerprint, len(train))
        if self._of_real is None or self._of_real[0] != key:
            self._of_real = key, _trained(real, train, real, "the real images")
        return self._of_real[1]


def _trained(on: ImageSet, train: Tensor, real: RealSet, of: str) -> Classifier:
    _, channels, height, width = on.images.shape
    classifier = Classifier(channels, (height, width), real.label_space.layout).to(real.device)
    fit(classifier, on.images, on.labels, real.label_space, train, SEED, of)
    return classifier
