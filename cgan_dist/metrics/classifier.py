"""A small convolutional classifier of the real images: the judge of what a generator was asked for."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from tqdm import tqdm

from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.discriminator.auxiliary import label_loss
from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.errors import UserError
from cgan_dist.metrics.comparison import Comparison, compare
from cgan_dist.randomness import torch_generator

EPOCHS = 12
MAX_SHOWN = 120_000
"""Of a large set there are as few epochs as show about so many images altogether."""
BATCH = 128
READ_BATCH = 512
LEARNING_RATE = 4e-3
HELD_OUT = 0.1
"""Share of the real images that the classifier never trains on; its accuracy there is reported beside every score."""
MAX_IMAGES = 20_000
"""Of a larger set so many are taken at random, those held out included."""
MAX_SIDE = 40
"""Larger images are brought down to at most this many positions a side by the stride of the first convolution."""
SHIFT = 2
SHIFTED_TOGETHER = 8
SEED = 0

logger = logging.getLogger(__name__)


class Classifier(nn.Module):
    """Three convolutions and a linear layer, small enough to train in seconds to minutes on a CPU.

    Args:
        channels: C of the images.
        size: (H, W) of the images.
        layout: of the conditions; N is its width.

    Attributes:
        held_out: (groups + bits + reals,), the means of `Comparison` on real images that it did not train on.
    """

    held_out: Tensor

    def __init__(self, channels: int, size: tuple[int, int], layout: Layout) -> None:
        super().__init__()
        self.layout = layout
        stride = -(-max(size) // MAX_SIDE)
        side = -(-min(size) // stride)
        self.features = nn.Sequential(
            *_block(channels, 16, 2 * stride + 3, side, stride),
            *_block(16, 32, 5, side // 2),
            *_block(32, 64, 3, side // 4),
            nn.AdaptiveAvgPool2d(3),
            nn.Flatten(),
            nn.Dropout(0.3),
        )
        self.head = nn.Linear(64 * 9, layout.width)
        self.register_buffer("held_out", torch.zeros(len(layout.classes) + layout.values, dtype=torch.float64))

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) uint8 -> (B, N), logits of classes and bits, estimates of real values."""
        return self.head(self.features(_normalized(images)))  # type: ignore[no-any-return]

    @torch.no_grad()
    def compared(self, images: Tensor, condition: Condition) -> Comparison:
        """Reads (B, C, H, W) uint8 in batches, in inference mode, and holds what it reads against a condition."""
        self.eval()
        parts = [images, *condition]
        batches = zip(*(part.split(READ_BATCH) for part in parts), strict=True)
        found = [compare(self(own), Condition(index, values), self.layout) for own, index, values in batches]
        return Comparison(*(torch.cat(column) for column in zip(*found, strict=True)))

    @torch.no_grad()
    def embedded(self, images: Tensor) -> Tensor:
        """(B, C, H, W) uint8 -> (B, F) features, in batches, in inference mode."""
        self.eval()
        return torch.cat([self.features(_normalized(part)) for part in images.split(READ_BATCH)])


def check_readable(label_space: LabelSpace, what: str) -> None:
    """Raises UserError, beginning with `what`, if there is nothing that a classifier could learn to read."""
    if not label_space.layout.width:
        raise UserError(
            f"{what} needs a classifier of the real images' labels, but there are none: the data has no labels, or "
            "conditioning.labels is none. Leave it out."
        )


def load_or_train(images: Tensor, labels: Tensor, label_space: LabelSpace, cache: Path, fingerprint: str) -> Classifier:
    """Returns the classifier of a data set, from `cache` if it was trained on the same manifest and the same labels.

    Args:
        images: (N, C, H, W) uint8, all real images.
        labels: of the space.
        label_space: what is read.
        cache: folder; where it cannot be written, the classifier is trained anew each time.
        fingerprint: of the manifest and of which of its images these are.
    """
    layout = label_space.layout
    classifier = Classifier(images.shape[1], (images.shape[2], images.shape[3]), layout)
    what = f"{fingerprint} {label_space.schema.model_dump_json()} {layout}"
    path = cache / f"classifier-{hashlib.sha256(what.encode()).hexdigest()[:16]}.safetensors"
    if _load(classifier, path):
        return classifier
    train_classifier(classifier, images, labels, label_space)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        save_file(classifier.state_dict(), path)
    except (OSError, SafetensorError) as error:
        logger.warning("%s: cannot keep the classifier (%s); it will be trained again next time.", path, error)
    return classifier


def split(count: int) -> tuple[Tensor, Tensor]:
    """Which of `count` real images the classifier trains on, and which are held out: (T,) and (H,) int64 numbers."""
    order = torch.randperm(count, generator=torch_generator(SEED, "classifier split"))[:MAX_IMAGES]
    held = max(1, int(HELD_OUT * len(order)))
    return order[held:], order[:held]


def train_classifier(classifier: Classifier, images: Tensor, labels: Tensor, label_space: LabelSpace) -> None:
    """Trains in place on 90 % of the images, shifted by up to 2 pixels, and notes how well it reads the rest.

    Reproducible: order, shifts, dropout and weights depend on nothing but the arguments.
    """
    train, test = split(len(images))
    fit(classifier, images, labels, label_space, train)
    found = classifier.compared(images[test], label_space.encode(labels[test]))
    classifier.held_out.copy_(torch.cat(found.means()))


def fit(
    classifier: Classifier,
    images: Tensor,
    labels: Tensor,
    label_space: LabelSpace,
    train: Tensor,
    seed: int = SEED,
    of: str = "the real images",
) -> None:
    """Trains in place on some images, shifted by up to 2 pixels, from new weights; `held_out` stays as it is.

    Args:
        classifier: of images of this shape.
        images: (N, C, H, W) uint8.
        labels: of the space, N of them.
        label_space: what is read.
        train: (T,) int64, numbers of the images to train on.
        seed: of order, shifts, dropout and weights.
        of: whose classifier this is, for the line of progress.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for layer in classifier.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear | nn.BatchNorm2d):
                layer.reset_parameters()
        optimizer = torch.optim.AdamW(classifier.parameters(), lr=LEARNING_RATE)
        epochs = min(EPOCHS, -(-MAX_SHOWN // len(train)))
        steps = epochs * -(-len(train) // BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
        with tqdm(total=steps, desc=f"classifier of {of}", unit="step", leave=False) as progress:
            for _ in range(epochs):
                for batch in train[torch.randperm(len(train))].split(BATCH):
                    classifier.train()
                    reading = classifier(_shifted(images[batch]))
                    loss = label_loss(reading, label_space.encode(labels[batch]), classifier.layout)
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                    schedule.step()
                    progress.update()


def _block(before: int, after: int, kernel_size: int, side: int, stride: int = 1) -> list[nn.Module]:
    """`side` is the shorter one after the convolution; below 2 positions there is nothing to pool."""
    convolution = nn.Conv2d(before, after, kernel_size, stride, padding=kernel_size // 2, bias=False)
    return [convolution, nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2) if side > 1 else nn.Identity()]


def _normalized(images: Tensor) -> Tensor:
    return images.float() / 127.5 - 1


def _shifted(images: Tensor) -> Tensor:
    """Moves images by up to SHIFT pixels, a few at a time: one roll per image would cost more than the network."""
    groups = images.split(SHIFTED_TOGETHER)
    moves = torch.randint(-SHIFT, SHIFT + 1, (len(groups), 2)).tolist()
    return torch.cat([group.roll(move, dims=(2, 3)) for group, move in zip(groups, moves, strict=True)])


def _load(classifier: Classifier, cache: Path) -> bool:
    if not cache.exists():
        return False
    try:
        with safe_open(cache, framework="pt") as file:
            classifier.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    except (SafetensorError, RuntimeError, OSError) as error:
        logger.warning("%s: unusable (%s); training the classifier anew.", cache, error)
        return False
    return True
