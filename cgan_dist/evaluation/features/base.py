"""The contract of a feature extractor."""

from __future__ import annotations

from torch import Tensor, nn

from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.evaluation.metrics.base import Features, RealSet


class Extractor:
    """Base of every extractor. Building one reads nothing; then `build` on every rank, `prepare` on the main process.

    After `prepare` every rank is given the main process's parameters and buffers, so only that one needs a file, and
    only that one learns.

    Args:
        label_space: of the real images' labels. The user's arguments come by keyword, beside it.

    Attributes:
        network: what `build` has built; in inference mode and on the accelerator when images are extracted.
        batch: images of one call of `extract`.
    """

    network: nn.Module
    batch: int = 64

    def __init__(self, label_space: LabelSpace) -> None:
        self.label_space = label_space

    def check(self, where: str) -> None:
        """Raises UserError, beginning with `where`, if something that it needs is not there.

        Rank 0 calls it before anything is read, so it may fetch a file.
        """

    def build(self, image_shape: tuple[int, int, int]) -> None:
        """Builds `network` for images of (C, H, W); every rank calls it."""
        raise NotImplementedError

    def prepare(self, real: RealSet) -> str:
        """Loads or trains the network; only the main process calls it.

        Args:
            real: the reference, without features.

        Returns:
            A sha256 in hex that stands for the weights. It is written beside every score, and real images' features
            are kept on disk by it.
        """
        raise NotImplementedError

    def extract(self, images: Tensor) -> Features:
        """(B, C, H, W) on the network's device -> features of each image by itself, on the same device.

        Images are uint8; for a metric with a `step` they are float32 in 0..255 and must not be rounded.
        """
        raise NotImplementedError
