"""What an iteration costs beside a bare loop, a plain translation of the original program, and its arithmetic.

    python bench/step.py                      # one core: configs/original/mnist.yaml, the small configs/mnist.yaml,
                                              # and that and configs/celeba.yaml with each kind of augmentation
    python bench/step.py --device cuda        # one GPU: those of configs/celeba.yaml and celeba_128.yaml

On the CPU: one process, one thread, process time; the variants take turns, so that a busy machine slows all of them
alike, and medians are compared. On a GPU: wall time, and a run of iterations in which PyTorch raises an error where the
host would wait for the device. Images are random. Prints the tables of docs/benchmarks.md.
"""

from __future__ import annotations

import copy
import os
import random
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import click
import numpy as np
import torch
import torch.nn.functional as F
from on_gpu import measure_gpu
from runs import (
    BATCH,
    CLASSES,
    CONFIGS,
    FACES,
    GIGA,
    ORIGINAL,
    SMALL,
    Iterate,
    digits_trainer,
    faces_trainer,
    next_iteration,
)
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from cgan_dist.conditioning.condition import Condition
from cgan_dist.config.schedule import value_at
from cgan_dist.data.batch import Batch
from cgan_dist.training.trainer import Trainer

LATENT_DIM = 100
SMALL_TURNS = 20
"""Times as many turns where an iteration takes a twentieth."""
WARM_UP = 2
FEW_FACES = "train.batch_size=8"
SIDE, PRODUCTS = 1024, 10
AUGMENTATIONS = {
    "none": "[]",
    "DiffAugment": "[color, translation, cutout]",
    "`ada`": "ada",
    "`ada`, pipeline bgcfnc": "{name: ada, args: {pipeline: bgcfnc}}",
}


class Bare:
    """The same networks and fused work in a loop written by hand, on one batch that is there.

    D is frozen in G's steps, fakes are made without a graph in D's, Adam is fused, images are channels-last. There is
    no Accelerate, no loader, no scalars, no schedule, no check for what is not finite and no average of G.

    Args:
        trainer: whose networks are copied, and whose plan, rates and distribution of z it has; its loss is the
            original's.
        batch: one of its loader's.
    """

    def __init__(self, trainer: Trainer, batch: Batch) -> None:
        self.config, pixels = trainer.config, trainer.step.pixels
        self.G, self.D = copy.deepcopy(trainer.step.raw_generator), copy.deepcopy(trainer.step.raw_discriminator)
        first, second = (value_at(beta, 0) for beta in self.config.optim.betas)
        self.adam_g, self.adam_d = (
            torch.optim.Adam(
                network.parameters(), lr=value_at(self.config.optim.lr, 0), betas=(first, second), fused=True
            )
            for network in (self.G, self.D)
        )
        images = pixels.normalize(batch.images, self.config.data.channels)
        self.images = images.contiguous(memory_format=torch.channels_last)
        self.condition = Condition.of_classes(batch.labels)

    def __call__(self) -> None:
        """One iteration of the plan."""
        z = self.draw()
        for net in self.config.train.plan:
            self.step_of_g(z) if net == "G" else self.step_of_d(z)
            if not self.config.train.share_z:
                z = self.draw()

    def draw(self) -> Tensor:
        """(B, Z)."""
        shape = len(self.images), self.config.generator.latent_dim
        return torch.randn(shape) if self.config.generator.latent == "normal" else torch.rand(shape) * 2 - 1

    def step_of_g(self, z: Tensor) -> None:
        """One update of G."""
        self.D.requires_grad_(False)
        fake = self.G(z, self.condition)
        F.softplus(-self.D(fake, self.condition).logits).mean().backward()
        self.adam_g.step()
        self.adam_g.zero_grad()

    def step_of_d(self, z: Tensor) -> None:
        """One update of D."""
        self.D.requires_grad_(True)
        with torch.no_grad():
            fake = self.G(z, self.condition)
        on_real, on_fake = (self.D(images, self.condition).logits for images in (self.images, fake))
        (F.softplus(-on_real).mean() + F.softplus(on_fake).mean()).backward()
        self.adam_d.step()
        self.adam_d.zero_grad()


class PlainConv(nn.Conv2d):
    """5x5, stride 2, zeros at two sides as TensorFlow's "SAME" pads an input of even or odd size."""

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, O, ceil(H / 2), ceil(W / 2))."""
        before = 1 if x.shape[2] % 2 == 0 else 2
        return super().forward(F.pad(x, (before, 2, before, 2)))


class PlainDeconv(nn.ConvTranspose2d):
    """The adjoint of `PlainConv` for an output of even or odd size."""

    def __init__(self, channels: int, out_channels: int, size: int) -> None:
        super().__init__(channels, out_channels, 5, 2, padding=1 if size % 2 == 0 else 2)
        self.size = size

    def forward(self, x: Tensor, output_size: list[int] | None = None) -> Tensor:
        """(B, C, H, W) -> (B, O, size, size)."""
        return super().forward(x)[:, :, : self.size, : self.size]


class PlainGenerator(nn.Module):
    """The original's G, line by line: a linear layer over [z, one-hot], three transposed convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(LATENT_DIM + CLASSES, 4 * 4 * 256)
        self.layers = nn.Sequential(
            PlainDeconv(256, 128, 7),
            nn.BatchNorm2d(128),
            nn.ReLU(),
            PlainDeconv(128, 64, 14),
            nn.BatchNorm2d(64),
            nn.ReLU(),
            PlainDeconv(64, 3, 28),
            nn.Tanh(),
        )

    def forward(self, z: Tensor, one_hot: Tensor) -> Tensor:
        """(B, Z) and (B, N) -> (B, 3, 28, 28)."""
        features = F.relu(self.linear(torch.cat([z, one_hot], 1)))
        return self.layers(features.view(-1, 256, 4, 4))  # type: ignore[no-any-return]


class PlainDiscriminator(nn.Module):
    """The original's D, line by line: the image and N one-hot planes through three convolutions."""

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after in ((3 + CLASSES, 64), (64, 128), (128, 256)):
            layers += [PlainConv(before, after, 5, 2), nn.BatchNorm2d(after), nn.LeakyReLU(0.1)]
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(256 * 4 * 4, 1))

    def forward(self, image: Tensor, one_hot: Tensor) -> Tensor:
        """(B, 3, 28, 28) and (B, N) -> (B, 1)."""
        planes = one_hot[:, :, None, None].expand(-1, -1, *image.shape[2:])
        return self.layers(torch.cat([image, planes], 1))  # type: ignore[no-any-return]


class Translation:
    """The original program in plain PyTorch: torch's defaults, and gradients that nobody uses.

    `backward` of G's loss also computes D's gradients, and that of D's loss also G's; both are thrown away.

    Args:
        images: (B, 3, H, W) in [-0.5, 0.5].
        labels: (B,) int64.
        frugal: freeze D in G's steps, and make fakes without a graph in D's.
    """

    def __init__(self, images: Tensor, labels: Tensor, frugal: bool = False) -> None:
        self.G, self.D, self.frugal = PlainGenerator(), PlainDiscriminator(), frugal
        self.adam_g, self.adam_d = (
            torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999)) for network in (self.G, self.D)
        )
        self.images, self.labels = images.contiguous(), labels
        self.ones, self.zeros = torch.ones(len(images), 1), torch.zeros(len(images), 1)

    def __call__(self) -> None:
        """One iteration of [G, G, D]."""
        G, D, loss = self.G, self.D, F.binary_cross_entropy_with_logits
        z = torch.rand(len(self.images), LATENT_DIM) * 2 - 1
        one_hot = F.one_hot(self.labels, CLASSES).float()
        D.requires_grad_(not self.frugal)
        for _ in range(2):
            self.adam_g.zero_grad()
            loss(D(G(z, one_hot), one_hot), self.ones).backward()
            self.adam_g.step()
        D.requires_grad_(True)
        with torch.set_grad_enabled(not self.frugal):
            fake = G(z, one_hot)
        self.adam_d.zero_grad()
        (loss(D(self.images, one_hot), self.ones) + loss(D(fake, one_hot), self.zeros)).backward()
        self.adam_d.step()


def needed_operations(batch: int) -> int:
    """Multiplications and additions that [G, G, D] cannot do without, as sums of products over the layers.

    A layer's forward pass, the gradient of its input and the gradient of its weight are as many products each. G's
    steps need all three in G, except the gradient of z, and the first two in D; D's step needs the first in G, and all
    three in D for reals and fakes, except the gradient of the images. The labels' share of D's first layer is one
    product of each (5x5) kernel with the 25 patterns of the border, forward in every pass and backward in D's step.
    """
    g = [(LATENT_DIM + CLASSES) * 4 * 4 * 256, 4 * 4 * 25 * 256 * 128, 7 * 7 * 25 * 128 * 64, 14 * 14 * 25 * 64 * 3]
    d = [14 * 14 * 25 * 3 * 64, 7 * 7 * 25 * 64 * 128, 4 * 4 * 25 * 128 * 256, 4 * 4 * 256]
    planes = 14 * 14 * 25 * 64
    g_step = 3 * sum(g) - g[0] + 2 * sum(d) + planes
    d_step = sum(g) + 2 * (3 * sum(d) - d[0] + 2 * planes)
    return 2 * batch * (2 * g_step + d_step)


def counted_operations(iterate: Iterate) -> int:
    """What PyTorch counts while an iteration runs: convolutions, matrix products, attention, forward and backward."""
    aten = torch.ops.aten
    missing = {
        aten.convolution_backward: _backward,
        aten._scaled_dot_product_flash_attention_for_cpu: _attention,
        aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
    }
    with FlopCounterMode(display=False, custom_mapping=missing) as counter:
        iterate()
    return int(counter.get_total_flops())


def _attention(query: Sequence[int], key: Sequence[int], value: Sequence[int], *_: object, **__: object) -> int:
    return sdpa_flop_count(query, key, value)  # type: ignore[no-any-return]


def _attention_backward(grad: Sequence[int], *shapes: Sequence[int], **_: object) -> int:
    return sdpa_backward_flop_count(grad, *shapes[:3])  # type: ignore[no-any-return]


def _backward(grad: Sequence[int], x: Sequence[int], weight: Sequence[int], *rest: object, **_: object) -> int:
    """Each gradient is as many products as the forward pass; PyTorch's own formula ignores groups."""
    transposed, wanted = rest[4], rest[-1]
    assert isinstance(wanted, list | tuple)
    positions = np.prod((x if transposed else grad)[2:])
    return int(2 * x[0] * positions * np.prod(weight) * sum(wanted[:2]))


def times(variants: dict[str, Iterate], rounds: int) -> dict[str, float]:
    """Median CPU milliseconds of each variant, measured in turns, in another order each time.

    What runs after the long matrix products finds its caches cold, so it must not always be the same one.
    """
    order, names = random.Random(0), list(variants)
    spent: dict[str, list[float]] = {name: [] for name in names}
    for number in range(WARM_UP + rounds):
        for name in order.sample(names, len(names)):
            started = time.process_time()
            variants[name]()
            if number >= WARM_UP:
                spent[name].append(1000 * (time.process_time() - started))
    return {name: median(values) for name, values in spent.items()}


def on_one_core(rounds: int) -> None:
    """Measures the original's iteration and prints the table."""
    torch.set_num_threads(1)
    os.environ["ACCELERATE_USE_CPU"] = "true"
    a, b = torch.randn(2, SIDE, SIDE)
    product = torch.empty(SIDE, SIDE)

    def products() -> None:
        for _ in range(PRODUCTS):
            torch.mm(a, b, out=product)

    with tempfile.TemporaryDirectory() as folder:
        trainer = digits_trainer(ORIGINAL, Path(folder))
        batch = next(trainer.loader.batches(0))
        images = (batch.images.float() / 255 - 0.5).expand(-1, 3, -1, -1)
        ours = next_iteration(trainer)
        variants: dict[str, Iterate] = {
            "this trainer": ours,
            "bare loop": Bare(trainer, batch),
            "plain translation": Translation(images, batch.labels),
            "plain translation, no gradient thrown away": Translation(images, batch.labels, frugal=True),
        }
        counted = counted_operations(ours)
        found = times(variants | {"products": products}, rounds)
    rate = PRODUCTS * 2 * SIDE**3 / found.pop("products") / GIGA * 1000
    needed = needed_operations(BATCH)
    floor = f"{needed / GIGA:.1f} GFLOP at {rate:.1f} GFLOP/s, torch.mm of {SIDE}x{SIDE} float32"
    found[floor] = 1000 * needed / GIGA / rate
    show(ORIGINAL, found)
    click.echo(f"\nCounted while this trainer's iteration ran: {counted / GIGA:.1f} GFLOP")


def small_networks(rounds: int) -> None:
    """Measures the trainer beside the bare loop where the networks are small, and prints the table."""
    torch.set_num_threads(1)
    os.environ["ACCELERATE_USE_CPU"] = "true"
    with tempfile.TemporaryDirectory() as folder:
        trainer = digits_trainer(SMALL, Path(folder))
        variants = {
            "this trainer": next_iteration(trainer),
            "bare loop": Bare(trainer, next(trainer.loader.batches(0))),
        }
        show(SMALL, times(variants, SMALL_TURNS * rounds))


def augmentations(rounds: int) -> None:
    """Measures what D's being shown changed images costs, and prints two tables; that of `ada` does not depend on p."""
    torch.set_num_threads(1)
    os.environ["ACCELERATE_USE_CPU"] = "true"
    with tempfile.TemporaryDirectory() as folder:
        for config, turns in ((SMALL, SMALL_TURNS * rounds), (FACES[64], rounds // 3)):
            variants = {}
            for number, (name, augment) in enumerate(AUGMENTATIONS.items()):
                own = Path(folder), f"run.name={number}-{config.stem}", f"data.augment={augment}"
                trainer = digits_trainer(SMALL, *own) if config == SMALL else faces_trainer(64, *own, FEW_FACES)
                variants[name] = next_iteration(trainer)
            show(config, times(variants, turns))


def show(config: Path, found: dict[str, float]) -> None:
    """Prints one table, with ratios to its first row."""
    first = next(iter(found.values()))
    name = config.relative_to(CONFIGS)
    click.echo(f"\n| {name} | CPU ms an iteration | to the first |\n|---|---|---|")
    for variant, value in found.items():
        click.echo(f"| {variant} | {value:.1f} | {value / first:.3f} |")


@click.command()
@click.option("--device", default="cpu", show_default=True, type=click.Choice(["cpu", "cuda"]))
@click.option("--rounds", default=15, show_default=True, help="On the CPU: turns of each variant.")
@click.option("--iterations", default=50, show_default=True, help="On the GPU: of each size and precision.")
@click.option("--batch-size", default=BATCH, show_default=True, help="On the GPU.")
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="On the GPU: file to write too.")
def main(device: str, rounds: int, iterations: int, batch_size: int, json_file: Path | None) -> None:
    """Measures and prints the table of one device."""
    if device == "cpu":
        on_one_core(rounds)
        small_networks(rounds)
        augmentations(rounds)
        return
    if not torch.cuda.is_available():
        raise click.UsageError("--device cuda: PyTorch finds no GPU here.")
    measure_gpu(batch_size, iterations, json_file)


if __name__ == "__main__":
    main()
