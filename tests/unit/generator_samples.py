"""Small generators with random weights, for every network, label space and way."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from cgan_dist.conditioning.spaces.distribution import LabelDistribution
from cgan_dist.labels import AttributeLabels, ClassLabels, ContinuousLabels, LabelSchema, NoLabels, ProductLabels
from cgan_dist.sharing.pretrained import Generator

CLASSES = ClassLabels(names=["ant", "bee", "cat"])
BITS = AttributeLabels(names=["hat", "smile"])
POSE = ContinuousLabels(names=["pose", "height"], ranges=[(0.0, 360.0), (-1.0, 2.5)])
SCHEMAS: dict[str, LabelSchema] = {
    "classes": CLASSES,
    "attributes": BITS,
    "continuous": POSE,
    "product": ProductLabels(parts=[CLASSES, BITS, POSE]),
    "none": NoLabels(),
}
NETWORKS: dict[str, tuple[dict[str, Any], tuple[int, int]]] = {
    "dcgan": ({"width": 4}, (13, 14)),
    "r3": ({"width": 4, "max_width": 8, "group_size": 4, "blocks": 1}, (13, 14)),
    "resnet": ({"width": 4, "max_width": 8, "attention": 8}, (16, 16)),
}
STORED = {
    "classes": torch.tensor([0, 0, 2]),
    "attributes": torch.tensor([[0, 1], [1, 1]], dtype=torch.uint8),
    "continuous": torch.tensor([[90.0, 0.5], [360.0, -1.0]]),
    "product": torch.tensor([[2.0, 1, 0, 45.5, 0.25], [1, 0, 1, 10, 2]]),
    "none": torch.empty(2, 0, dtype=torch.uint8),
}


def config_of(network: str = "dcgan", kind: str = "classes", ways: list[Any] | None = None) -> dict[str, Any]:
    """The content of `config.json`."""
    args, (height, width) = NETWORKS[network]
    return {
        "format": "cgan_dist model 1",
        "version": "0.1.0",
        "image": {"channels": 1, "height": height, "width": width, "pixels": "unit"},
        "generator": {"name": network, "args": args, "latent_dim": 6, "latent": "normal"},
        "conditioning": {
            "labels": "auto",
            "generator": ([] if kind == "none" else ["concat"]) if ways is None else ways,
        },
        "labels": SCHEMAS[kind].model_dump(),
        "origin": {
            "run": "tiny",
            "checkpoint": "step-000000000064",
            "images_seen": 64,
            "checkpoint_sha256": "0" * 64,
            "data": "1" * 64,
        },
        "weights_sha256": None,
    }


def generator_of(network: str = "dcgan", kind: str = "classes", ways: list[Any] | None = None) -> Generator:
    """A generator whose every weight matters: none is zero, as some are where training begins."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        generator = Generator(config_of(network, kind, ways))
        for parameter in generator.parameters():
            nn.init.normal_(parameter, std=0.2)
        for name, buffer in generator.named_buffers():
            if name.endswith("running_mean"):
                buffer.normal_(std=0.1)
    generator.distribution = LabelDistribution.of(STORED[kind])
    return generator
