"""A small convolutional classifier of the real images: the judge of what a generator was asked for."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from tqdm import tqdm

from cgan_dist.conditioning.condition import Condition, Layout
from cgan_dist.conditioning.discriminator.auxiliary import label_loss
from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.errors import UserError
from cgan_dist.evaluation.kept_file import KeptFile
from cgan_dist.evaluation.metrics.base import CPU
from cgan_dist.evaluation.metrics.comparison import Comparison, compare
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
FORMAT = "cgan_dist classifier 1"
"""A change of the network or of how it is trained needs another number."""
RECIPE = repr([EPOCHS, MAX_SHOWN, BATCH, LEARNING_RATE, HELD_OUT, MAX_IMAGES, MAX_SIDE, SHIFT, SHIFTED_TOGETHER, SEED])


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

    @property
    def device(self) -> torch.device:
        """Where it lies."""
        return self.head.weight.device

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) uint8 -> (B, N), logits of classes and bits, estimates of real values."""
        return self.head(self.features(_normalized(images)))  # type: ignore[no-any-return]

    @torch.no_grad()
    def compared(self, images: Tensor, condition: Condition) -> Comparison:
        """Reads (B, C, H, W) uint8 in batches, in inference mode, and holds what it reads against a condition.

        Both, and what is returned, are on the CPU.
        """
        self.eval()
        parts = [images, *condition]
        batches = zip(*(part.split(READ_BATCH) for part in parts), strict=True)
        readings = ((self(own.to(self.device)).cpu(), Condition(index, values)) for own, index, values in batches)
        found = [compare(reading, asked, self.layout) for reading, asked in readings]
        return Comparison(*(torch.cat(column) for column in zip(*found, strict=True)))

    @torch.no_grad()
    def read(self, images: Tensor) -> Tensor:
        """(B, C, H, W) uint8 on any device -> (B, N) float32 on the CPU, in batches, in inference mode."""
        self.eval()
        return torch.cat([self(part.to(self.device)).cpu().float() for part in images.split(READ_BATCH)])

    @torch.no_grad()
    def embedded(self, images: Tensor) -> Tensor:
        """(B, C, H, W) uint8, or float in 0..255 -> (B, F) features, in batches, in inference mode."""
        self.eval()
        return torch.cat([self.features(_normalized(part)) for part in images.split(READ_BATCH)])


def check_readable(label_space: LabelSpace, what: str) -> None:
    """Raises UserError, beginning with `what`, if there is nothing that a classifier could learn to read."""
    if not label_space.layout.width:
        raise UserError(
            f"{what} needs a classifier of the real images' labels, but there are none: the data has no labels, or "
            "conditioning.labels is none. Leave it out."
        )


def load_or_train(
    images: Tensor,
    labels: Tensor,
    label_space: LabelSpace,
    cache: Path,
    fingerprint: str,
    device: torch.device = CPU,
) -> Classifier:
    """Returns the classifier of a data set, from `cache` if this user trained it on the same manifest and labels.

    Args:
        images: (N, C, H, W) uint8, all real images.
        labels: of the space.
        label_space: what is read.
        cache: folder for it, see `KeptFile`.
        fingerprint: of the manifest and of which of its images these are.
        device: where it is trained, and returned; it has float64.
    """
    layout = label_space.layout
    classifier = Classifier(images.shape[1], (images.shape[2], images.shape[3]), layout).to(device)
    facts = {"format": FORMAT, "data": fingerprint, "recipe": RECIPE, "layout": str(layout)}
    facts["labels"] = label_space.schema.model_dump_json()
    kept = KeptFile(cache, "classifier", facts, "the classifier of the real images")
    if (tensors := kept.load()) is not None:
        classifier.load_state_dict(tensors)
        return classifier
    train_classifier(classifier, images, labels, label_space)
    kept.save(classifier.state_dict())
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
        classifier: of images of this shape, on the device where it is trained.
        images: (N, C, H, W) uint8, on the CPU.
        labels: of the space, N of them.
        label_space: what is read.
        train: (T,) int64, numbers of the images to train on.
        seed: of order, shifts, dropout and weights.
        of: whose classifier this is, for the line of progress.
    """
    device = classifier.device
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        classifier.cpu()  # it begins with the same weights on every device
        for layer in classifier.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear | nn.BatchNorm2d):
                layer.reset_parameters()
        classifier.to(device)
        optimizer = torch.optim.AdamW(classifier.parameters(), lr=LEARNING_RATE)
        epochs = min(EPOCHS, -(-MAX_SHOWN // len(train)))
        steps = epochs * -(-len(train) // BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
        with tqdm(total=steps, desc=f"classifier of {of}", unit="step", leave=False) as progress:
            for _ in range(epochs):
                for batch in train[torch.randperm(len(train))].split(BATCH):
                    classifier.train()
                    reading = classifier(_shifted(images[batch]).to(device))
                    loss = label_loss(reading, label_space.encode(labels[batch].to(device)), classifier.layout)
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
