"""A small convolutional classifier of the real images: the judge of what a generator was asked for."""

from __future__ import annotations

import logging
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from tqdm import tqdm

from cgan_dist.randomness import torch_generator

EPOCHS = 12
BATCH = 128
LEARNING_RATE = 4e-3
HELD_OUT = 0.1
"""Share of the real images that the classifier never trains on; its accuracy there is reported beside every score."""
SHIFT = 2
SHIFTED_TOGETHER = 8
SEED = 0

logger = logging.getLogger(__name__)


class Classifier(nn.Module):
    """Three convolutions and a linear layer, small enough to train in seconds on a CPU.

    Args:
        channels: C of the images.
        num_classes: N.
    """

    held_out_accuracy: Tensor

    def __init__(self, channels: int, num_classes: int) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_block(channels, 16, 5),
            *_block(16, 32, 5),
            *_block(32, 64, 3),
            nn.AdaptiveAvgPool2d(3),
            nn.Flatten(),
            nn.Dropout(0.3),
        )
        self.head = nn.Linear(64 * 9, num_classes)
        self.register_buffer("held_out_accuracy", torch.zeros(()))

    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W) uint8 -> (B, N) logits."""
        return self.head(self.features(images.float() / 127.5 - 1))  # type: ignore[no-any-return]

    @torch.no_grad()
    def predict(self, images: Tensor) -> Tensor:
        """(N, C, H, W) uint8 -> (N,) int64 labels, in batches, in inference mode."""
        self.eval()
        return torch.cat([self(part).argmax(1) for part in images.split(512)])


def load_or_train(images: Tensor, labels: Tensor, num_classes: int, cache: Path, fingerprint: str) -> Classifier:
    """Returns the classifier of a data set, from `cache` if it was trained on the same manifest.

    Args:
        images: (N, C, H, W) uint8, all real images.
        labels: (N,) int64.
        num_classes: N.
        cache: safetensors file; where it cannot be written, the classifier is trained anew each time.
        fingerprint: of the manifest.
    """
    classifier = Classifier(images.shape[1], num_classes)
    if _load(classifier, cache, fingerprint):
        return classifier
    train_classifier(classifier, images, labels)
    try:
        cache.parent.mkdir(parents=True, exist_ok=True)
        save_file(classifier.state_dict(), cache, metadata={"fingerprint": fingerprint})
    except (OSError, SafetensorError) as error:
        logger.warning("%s: cannot keep the classifier (%s); it will be trained again next time.", cache, error)
    return classifier


def train_classifier(classifier: Classifier, images: Tensor, labels: Tensor) -> None:
    """Trains in place on 90 % of the images, shifted by up to 2 pixels, and notes the accuracy on the rest.

    Reproducible: order, shifts, dropout and weights depend on nothing but the arguments.
    """
    order = torch.randperm(len(images), generator=torch_generator(SEED, "classifier split"))
    held = max(1, int(HELD_OUT * len(images)))
    test, train = order[:held], order[held:]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        for layer in classifier.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear | nn.BatchNorm2d):
                layer.reset_parameters()
        optimizer = torch.optim.AdamW(classifier.parameters(), lr=LEARNING_RATE)
        steps = EPOCHS * -(-len(train) // BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, LEARNING_RATE, total_steps=steps)
        with tqdm(total=steps, desc="classifier of the real images", unit="step", leave=False) as progress:
            for _ in range(EPOCHS):
                for batch in train[torch.randperm(len(train))].split(BATCH):
                    classifier.train()
                    loss = F.cross_entropy(classifier(_shifted(images[batch])), labels[batch])
                    optimizer.zero_grad()
                    loss.backward()
                    optimizer.step()
                    schedule.step()
                    progress.update()
    accuracy = (classifier.predict(images[test]) == labels[test]).float().mean()
    classifier.held_out_accuracy.copy_(accuracy)


def _block(before: int, after: int, kernel_size: int) -> list[nn.Module]:
    convolution = nn.Conv2d(before, after, kernel_size, padding=kernel_size // 2, bias=False)
    return [convolution, nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)]


def _shifted(images: Tensor) -> Tensor:
    """Moves images by up to SHIFT pixels, a few at a time: one roll per image would cost more than the network."""
    groups = images.split(SHIFTED_TOGETHER)
    moves = torch.randint(-SHIFT, SHIFT + 1, (len(groups), 2)).tolist()
    return torch.cat([group.roll(move, dims=(2, 3)) for group, move in zip(groups, moves, strict=True)])


def _load(classifier: Classifier, cache: Path, fingerprint: str) -> bool:
    if not cache.exists():
        return False
    try:
        with safe_open(cache, framework="pt") as file:
            if (file.metadata() or {}).get("fingerprint") != fingerprint:
                return False
            classifier.load_state_dict({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    except (SafetensorError, RuntimeError, OSError) as error:
        logger.warning("%s: unusable (%s); training the classifier anew.", cache, error)
        return False
    return True
