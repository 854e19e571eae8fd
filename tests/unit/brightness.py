"""An extractor and a metric that need neither weights nor training, as plug-ins."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.evaluation.features.base import Extractor
from cgan_dist.evaluation.metrics.base import Features, ImageSet, Metric, RealSet

NAME = f"{__name__}:Brightness"


class Brightness(Extractor):
    """Means of rows and columns, and a network whose one number only the main process knows at first."""

    prepared: list[RealSet] = []
    seen: list[int] = []
    batch = 7

    def __init__(self, label_space: LabelSpace) -> None:
        super().__init__(label_space)
        self.network = nn.Linear(1, 1)

    def build(self, image_shape: tuple[int, int, int]) -> None:
        self.network.weight.data.fill_(0.0)

    def prepare(self, real: RealSet) -> str:
        self.prepared.append(real)
        self.network.weight.data.fill_(1.0)
        return "ab" * 32

    @torch.no_grad()
    def extract(self, images: Tensor) -> Features:
        self.seen.append(len(images))
        values = images.float().mean(1) * self.network.weight
        return Features(torch.cat([values.mean(1), values.mean(2)], dim=1), values.mean((1, 2))[:, None])


class Broken(Brightness):
    """Divides by zero."""

    def extract(self, images: Tensor) -> Features:
        embedding, logits = super().extract(images)
        return Features(embedding / 0, logits)


class Counts(Metric):
    """Says what it was shown."""

    def __init__(self, features: str = NAME, asks: str = "fair", needs_real: bool = True) -> None:
        self.extractors = [features]
        self.asks = asks  # type: ignore[assignment]
        self.needs_real = needs_real

    def score(self, real: RealSet, fakes: ImageSet) -> dict[str, float]:
        embedding = fakes.features[self.extractors[0]].embedding
        scores = {
            "counts": float(len(embedding)),
            "counts/mean": embedding.double().mean().item(),
            "counts/labels": fakes.labels.double().mean().item(),
        }
        if self.needs_real:
            scores["counts/real"] = real.features[self.extractors[0]].embedding.double().mean().item()
        return scores


class Pixels(Metric):
    """Looks at pixels."""

    needs_images = True
    needs_real = False

    def score(self, real: RealSet, fakes: ImageSet) -> dict[str, float]:
        return {"pixels": fakes.images.double().mean().item(), "pixels/real": real.images.double().mean().item()}
