"""Runs over random images for benchmarks to iterate."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from cgan_dist.assembly.trainer import build_trainer
from cgan_dist.config.document import load_config
from cgan_dist.data.loader import one_step_ahead
from cgan_dist.data.source import InMemory, Source
from cgan_dist.data.writer import Plan, write_shards
from cgan_dist.labels import AttributeLabels, ClassLabels
from cgan_dist.training.trainer import Trainer

CONFIGS = Path(__file__).parents[1] / "configs"
ORIGINAL, SMALL = CONFIGS / "original" / "mnist.yaml", CONFIGS / "mnist.yaml"
FACES = {64: CONFIGS / "celeba.yaml", 128: CONFIGS / "celeba_128.yaml"}
CLASSES, BATCH = 10, 64
IMAGES = 512
GIGA = 1e9

Iterate = Callable[[], None]


def noise_shards(folder: Path, size: int, channels: int, schema: ClassLabels | AttributeLabels) -> Path:
    """Writes random images with random labels, once."""
    shards = folder / f"shards-{size}x{size}x{channels}"
    if not shards.exists():
        generator = np.random.default_rng(0)
        images = generator.integers(0, 256, (IMAGES, size, size, channels), dtype=np.uint8)
        high = len(schema.names) if isinstance(schema, ClassLabels) else 2
        labels = generator.integers(0, high, IMAGES if schema.width is None else (IMAGES, schema.width))
        labels = labels.astype(schema.dtype)
        write_shards(Source(labels=labels, schema=schema, read=InMemory(images), description="noise"), shards, Plan())
    return shards


def digit_shards(folder: Path) -> Path:
    """Writes random images of the digits' size with random classes, once."""
    return noise_shards(folder, 28, 1, ClassLabels(names=[str(number) for number in range(CLASSES)]))


def digits_trainer(config: Path, folder: Path, *overrides: str) -> Trainer:
    """A config's run over random digits in `folder`."""
    own = [f"run.dir={folder}", f"data.path={digit_shards(folder)}", "data.workers=0", "tracking.trackers=[]"]
    return build_trainer(load_config(config, [*own, *overrides]))


def faces_trainer(size: int, folder: Path, *overrides: str) -> Trainer:
    """The run for faces of this size, over random images with random attributes in `folder`, in one pass a step."""
    config = FACES[size]
    schema = AttributeLabels(names=load_config(config, []).conditioning.labels.args["names"])
    own = [f"run.dir={folder}", f"data.path={noise_shards(folder, size, 3, schema)}", "data.workers=0"]
    return build_trainer(load_config(config, [*own, "tracking.trackers=[]", "train.micro_batch=null", *overrides]))


def imagenet_trainer(folder: Path, *overrides: str) -> Trainer:
    """That of configs/imagenet256.yaml over random pictures in the size of its latents, in one pass a step.

    They have three channels where latents have four, which only the layers to and from patches can tell.
    """
    schema = ClassLabels(names=[str(number) for number in range(1000)])
    own = [f"run.dir={folder}", f"data.path={noise_shards(folder, 32, 3, schema)}", "data.workers=0"]
    unlike = ["data.autoencoder=null", "evaluate.metrics=[]", "tracking.trackers=[]", "train.micro_batch=null"]
    return build_trainer(load_config(CONFIGS / "imagenet256.yaml", [*own, *unlike, *overrides]))


def next_iteration(trainer: Trainer) -> Iterate:
    """Returns what trains one iteration more: the trainer's step on the loader's batches."""
    step, batches = trainer.step, one_step_ahead(trainer.loader.batches(0), trainer.accelerator.device)

    def iterate() -> None:
        step.iterate(batches, trainer.images_seen)
        trainer.images_seen += step.images_per_iteration

    return iterate
