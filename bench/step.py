"""What an iteration costs beside a bare loop, a plain translation of the original program, and its arithmetic.

    python bench/step.py                      # one core: the networks of configs/original/mnist.yaml
    python bench/step.py --device cuda        # one GPU: those of configs/celeba.yaml and celeba_128.yaml

On the CPU: one process, one thread, process time; the variants take turns, so that a busy machine slows all of them
alike, and medians are compared. On a GPU: wall time, and a run of iterations in which PyTorch raises an error where the
host would wait for the device. Images are random. Prints the tables of docs/benchmarks.md.
"""

from __future__ import annotations

import copy
import multiprocessing
import os
import random
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import click
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from cgan_dist.build import build_trainer
from cgan_dist.conditioning.condition import Condition
from cgan_dist.config import load_config
from cgan_dist.data.loader import one_step_ahead
from cgan_dist.data.source import InMemory, Source
from cgan_dist.data.writer import Plan, write_shards
from cgan_dist.labels import AttributeLabels, ClassLabels
from cgan_dist.trainer import Trainer

CONFIGS = Path(__file__).parents[1] / "configs"
ORIGINAL = CONFIGS / "original" / "mnist.yaml"
FACES = {64: CONFIGS / "celeba.yaml", 128: CONFIGS / "celeba_128.yaml"}
PRECISIONS = {
    "float32": ("train.precision=no", "train.tf32=false"),
    "TF32": ("train.precision=no", "train.tf32=true"),
    "bf16": ("train.precision=bf16",),
    "bf16, compiled": ("train.precision=bf16", "train.compile=true"),
}
CLASSES, LATENT_DIM, BATCH = 10, 100, 64
IMAGES = 512
WARM_UP, GPU_WARM_UP = 2, 10
SIDE, PRODUCTS = 1024, 10
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


def original_trainer(folder: Path, *overrides: str) -> Trainer:
    """The original's run over random digits in `folder`."""
    own = [f"run.dir={folder}", f"data.path={digit_shards(folder)}", "data.workers=0", "tracking.trackers=[]"]
    return build_trainer(load_config(ORIGINAL, [*own, *overrides]))


def faces_trainer(size: int, folder: Path, *overrides: str) -> Trainer:
    """The run for faces of this size, over random images with random attributes in `folder`, in one pass a step."""
    config = FACES[size]
    schema = AttributeLabels(names=load_config(config, []).conditioning.labels.args["names"])
    own = [f"run.dir={folder}", f"data.path={noise_shards(folder, size, 3, schema)}", "data.workers=0"]
    return build_trainer(load_config(config, [*own, "tracking.trackers=[]", "train.micro_batch=null", *overrides]))


def next_iteration(trainer: Trainer) -> Iterate:
    """Returns what trains one iteration more: the trainer's step on the loader's batches."""
    step, batches = trainer.step, one_step_ahead(trainer.loader.batches(0), trainer.accelerator.device)

    def iterate() -> None:
        step.iterate(batches, trainer.images_seen)
        trainer.images_seen += step.images_per_iteration

    return iterate


class Bare:
    """The same networks and fused work in a loop written by hand, on one batch that is there.

    D is frozen in G's steps, fakes are made without a graph in D's, Adam is fused, images are channels-last. There is
    no Accelerate, no loader, no scalars, no schedule, no check for what is not finite and no average of G.

    Args:
        trainer: whose networks are copied.
        images: (B, 3, H, W) in [-0.5, 0.5].
        labels: (B,) int64.
    """

    def __init__(self, trainer: Trainer, images: Tensor, labels: Tensor) -> None:
        self.G, self.D = copy.deepcopy(trainer.step.raw_generator), copy.deepcopy(trainer.step.raw_discriminator)
        self.adam_g, self.adam_d = (
            torch.optim.Adam(network.parameters(), lr=2e-4, betas=(0.5, 0.999), fused=True)
            for network in (self.G, self.D)
        )
        self.images = images.contiguous(memory_format=torch.channels_last)
        self.condition = Condition.of_classes(labels)

    def __call__(self) -> None:
        """One iteration of [G, G, D]."""
        G, D, condition = self.G, self.D, self.condition
        z = torch.rand(len(self.images), LATENT_DIM) * 2 - 1
        D.requires_grad_(False)
        for _ in range(2):
            F.softplus(-D(G(z, condition), condition).logits).mean().backward()
            self.adam_g.step()
            self.adam_g.zero_grad()
        D.requires_grad_(True)
        with torch.no_grad():
            fake = G(z, condition)
        on_real, on_fake = D(self.images, condition).logits, D(fake, condition).logits
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
    """What PyTorch counts while an iteration runs: convolutions and matrix products, forward and backward."""
    with FlopCounterMode(display=False, custom_mapping={torch.ops.aten.convolution_backward: _backward}) as counter:
        iterate()
    return int(counter.get_total_flops())


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
        trainer = original_trainer(Path(folder))
        images, labels = next(trainer.loader.batches(0))
        images = (images.float() / 255 - 0.5).expand(-1, 3, -1, -1)
        ours = next_iteration(trainer)
        variants: dict[str, Iterate] = {
            "this trainer": ours,
            "bare loop": Bare(trainer, images, labels),
            "plain translation": Translation(images, labels),
            "plain translation, no gradient thrown away": Translation(images, labels, frugal=True),
        }
        counted = counted_operations(ours)
        found = times(variants | {"products": products}, rounds)
    rate = PRODUCTS * 2 * SIDE**3 / found.pop("products") / GIGA * 1000
    needed = needed_operations(BATCH)
    floor = f"{needed / GIGA:.1f} GFLOP at {rate:.1f} GFLOP/s, torch.mm of {SIDE}x{SIDE} float32"
    found[floor] = 1000 * needed / GIGA / rate
    mine = found["this trainer"]
    click.echo("\n| | CPU ms an iteration | to this trainer's |\n|---|---|---|")
    for name, value in found.items():
        click.echo(f"| {name} | {value:.0f} | {value / mine:.3f} |")
    click.echo(f"\nCounted while this trainer's iteration ran: {counted / GIGA:.1f} GFLOP")


def on_one_gpu(size: int, batch: int, name: str, iterations: int, folder: Path) -> str:
    """Measures one size and precision, in a process of its own, and returns its line of the table."""
    own = [f"run.name={size}-{list(PRECISIONS).index(name)}", f"train.batch_size={batch}", "data.cache=ram"]
    trainer = faces_trainer(size, folder, *own, *PRECISIONS[name])
    iterate = next_iteration(trainer)
    for _ in range(GPU_WARM_UP):
        iterate()
    torch.cuda.synchronize()
    torch.cuda.reset_peak_memory_stats()
    started = time.perf_counter()
    for _ in range(iterations):
        iterate()
    queued = (time.perf_counter() - started) / iterations
    torch.cuda.synchronize()
    spent = (time.perf_counter() - started) / iterations
    rate, peak = trainer.step.images_per_iteration / spent, torch.cuda.max_memory_allocated() / GIGA
    waits = where_the_host_waits(iterate, iterations)
    return f"| {size} | {name} | {rate:,.0f} | {1000 * spent:.1f} | {1000 * queued:.1f} | {peak:.1f} | {waits} |"


def where_the_host_waits(iterate: Iterate, iterations: int) -> str:
    """Iterates while PyTorch forbids waiting for the GPU; returns `nowhere`, or what it says of the first wait."""
    torch.cuda.set_sync_debug_mode("error")
    try:
        for _ in range(iterations):
            iterate()
    except RuntimeError as error:
        return str(error).splitlines()[0]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    return "nowhere"


def on_gpu(batch: int, iterations: int) -> None:
    """Measures the networks for faces in each size and precision, and prints the table."""
    click.echo(f"{torch.cuda.get_device_name()}, PyTorch {torch.__version__}, batch {batch}\n")
    columns = ("side", "precision", "images/s", "ms an iteration", "ms to queue it", "peak GB", "host waits")
    click.echo(f"| {' | '.join(columns)} |\n|" + "---|" * len(columns))
    each_in_its_own = multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1)  # Accelerate keeps a precision
    with tempfile.TemporaryDirectory() as folder, each_in_its_own as pool:
        for size in FACES:
            for name in PRECISIONS:
                click.echo(pool.apply(on_one_gpu, (size, batch, name, iterations, Path(folder))))


@click.command()
@click.option("--device", default="cpu", show_default=True, type=click.Choice(["cpu", "cuda"]))
@click.option("--rounds", default=15, show_default=True, help="On the CPU: turns of each variant.")
@click.option("--iterations", default=50, show_default=True, help="On the GPU: of each size and precision.")
@click.option("--batch-size", default=BATCH, show_default=True, help="On the GPU.")
def main(device: str, rounds: int, iterations: int, batch_size: int) -> None:
    """Measures and prints the table of one device."""
    if device == "cpu":
        on_one_core(rounds)
        return
    if not torch.cuda.is_available():
        raise click.UsageError("--device cuda: PyTorch finds no GPU here.")
    on_gpu(batch_size, iterations)


if __name__ == "__main__":
    main()
