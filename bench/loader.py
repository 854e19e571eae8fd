"""How fast images arrive: this loader, plain WebDataset, ImageFolder, and the bare decode loop as the limit.

    python bench/loader.py [--seconds 3]

One process, one core, no loader workers, side by side in one run; sets are drawn at random into a temporary folder.
Prints the table of docs/benchmarks.md.
"""

from __future__ import annotations

import itertools
import os
import resource
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click
import numpy as np
import torch
import webdataset as wds
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from cgan_dist.data.adoption import Deal, adopt
from cgan_dist.data.balance import Asked, Balance
from cgan_dist.data.codecs import decoder, encode
from cgan_dist.data.loader import Loader
from cgan_dist.data.shard_file import EncodedShard
from cgan_dist.data.shards import ShardSet
from cgan_dist.data.source import InMemory, Source
from cgan_dist.data.sources.webdataset import load as load_tars
from cgan_dist.data.storage import Storage
from cgan_dist.data.writer import Plan, write_shards
from cgan_dist.labels import ClassLabels

BATCH = 64
EPOCHS = 20
ROUNDS = 5


def smooth_images(count: int, size: int, channels: int) -> np.ndarray:
    """Draws images with the smoothness of photographs, (N, H, W, C) uint8: noise costs decoders more than pictures."""
    coarse = np.random.default_rng(0).integers(0, 256, (count, 8, 8, channels), dtype=np.uint8)
    grown = [
        np.asarray(Image.fromarray(c[:, :, 0] if channels == 1 else c).resize((size, size), Image.Resampling.BICUBIC))
        for c in coarse
    ]
    return np.stack(grown).reshape(count, size, size, channels)


class FolderOfImages(Dataset[tuple[torch.Tensor, int]]):
    """What torchvision.datasets.ImageFolder with ToTensor does, for machines without torchvision."""

    def __init__(self, folder: Path) -> None:
        self.files = sorted(folder.rglob("*.*"))

    def __len__(self) -> int:
        return len(self.files)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        path = self.files[index]
        with Image.open(path) as picture:
            array = np.asarray(picture)
        return torch.from_numpy(array.copy()), int(path.parent.name)


def image_folder(root: Path) -> Dataset[tuple[torch.Tensor, int]]:
    """The real ImageFolder where torchvision is installed."""
    try:
        from torchvision.datasets import ImageFolder
        from torchvision.transforms import PILToTensor
    except ImportError:
        return FolderOfImages(root)
    return ImageFolder(str(root), transform=PILToTensor())  # type: ignore[no-any-return]


def rate(batches: Iterator[int], seconds: float) -> float:
    """Images per second of process time, after a warm-up of one batch."""
    next(batches)
    images, started = 0, time.process_time()
    while (spent := time.process_time() - started) < seconds:
        images += next(batches)
    return images / spent


def ours(folder: Path, cache: str, balance: Asked = "none") -> Iterator[int]:
    """Batches of this loader."""
    shards = ShardSet(Storage(folder), cache)  # type: ignore[arg-type]
    if cache == "ram":
        shards.load_all()
    loader = Loader(shards, batch_size=BATCH, streams=8, seed=0, balance=Balance.of(balance, shards))
    return (len(batch.labels) for batch in loader.batches(0))


def write_foreign(images: np.ndarray, labels: np.ndarray, root: Path, encoding: str, suffix: str) -> Path:
    """Tars of webdataset's own writer, class after class, adopted in place."""
    root.mkdir()
    with wds.ShardWriter(f"{root}/{encoding}-%06d.tar", maxcount=len(images) // 8, verbose=0) as shards:
        for number in np.argsort(labels, kind="stable"):
            content = encode(images[number], encoding, 95)  # type: ignore[arg-type]
            shards.write({"__key__": f"{number:06d}", suffix: content, "cls": int(labels[number])})
    adopt(load_tars(root, "train"), root, Deal())
    return root


def taking_turns(folders: Sequence[Path], seconds: float, turns: int = 5) -> list[float]:
    """Median rate of this loader over each folder, measured in turns: neighbours come and go on a machine."""
    batches = [ours(folder, "none") for folder in folders]
    rates = [[rate(own, seconds / turns) for own in batches] for _ in range(turns)]
    return [statistics.median(column) for column in zip(*rates, strict=True)]


def plain_webdataset(folder: Path, suffix: str) -> Iterator[int]:
    """One image a member, decoded by WebDataset, endless."""
    urls = sorted(str(path) for path in folder.glob("*.tar"))
    while True:
        dataset = wds.WebDataset(urls, shardshuffle=False).decode("rgb8" if suffix == "jpg" else "l8")
        for batch in dataset.to_tuple(suffix, "json").batched(BATCH):
            yield len(batch[0])


def folder_loader(folder: Path) -> Iterator[int]:
    """ImageFolder and a DataLoader, endless."""
    loader = DataLoader(image_folder(folder), batch_size=BATCH, shuffle=True)
    while True:
        for _, labels in loader:
            yield len(labels)


def bare_decode(folder: Path) -> Iterator[int]:
    """Nothing but decoding members that are in memory."""
    manifest = Storage(folder).manifest()
    shard = manifest.shards[0]
    assert shard.index is not None
    opened = EncodedShard(folder / shard.name, folder / shard.index.name, manifest.image, manifest.labels)
    members = [opened.content[a : a + b] for a, b in zip(opened.offsets, opened.sizes, strict=True)]
    decode = decoder(manifest.image.encoding, manifest.image.channels)
    for member in itertools.cycle(members):
        decode(member)
        yield 1


def write_folder(images: np.ndarray, labels: np.ndarray, root: Path, suffix: str) -> Path:
    """An ImageFolder tree."""
    for number, (image, label) in enumerate(zip(images, labels, strict=True)):
        path = root / str(label) / f"{number:06d}.{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[:, :, 0] if image.shape[2] == 1 else image).save(path, quality=95)
    return root


def resident_megabytes() -> float:
    """Resident size of this process."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / 1e6


def bench_size(root: Path, size: int, channels: int, count: int, seconds: float) -> dict[str, float]:
    """Rates at one image size."""
    images, labels = smooth_images(count, size, channels), np.arange(count) % 10
    schema = ClassLabels(names=[str(n) for n in range(10)])
    source = Source(labels=labels, schema=schema, read=InMemory(images), description="benchmark")
    encoding, suffix = ("png", "png") if channels == 1 else ("jpeg", "jpg")
    raw, encoded = root / "raw", root / encoding
    write_shards(source, raw, Plan(encoding="raw"))
    write_shards(source, encoded, Plan(encoding=encoding))  # type: ignore[arg-type]
    adopted = write_foreign(images, labels, root / "adopted", encoding, suffix)
    tree = write_folder(images, labels, root / "tree", suffix)
    ways: dict[str, Callable[[], Iterator[int]]] = {
        "ours, RAM": lambda: ours(encoded, "ram"),
        "ours, packed": lambda: ours(raw, "none"),
        f"ours, {encoding}": lambda: ours(encoded, "none"),
        f"bare decode loop, {encoding}": lambda: bare_decode(encoded),
        f"plain WebDataset, {encoding}": lambda: plain_webdataset(encoded, suffix),
        f"ImageFolder, {encoding}": lambda: folder_loader(tree),
    }
    found = {name: rate(way(), seconds) for name, way in ways.items()}
    own, foreign = taking_turns([encoded, adopted], 2 * seconds)
    return found | {f"ours, {encoding}, in turns": own, f"adopted, {encoding}, in turns": foreign}


def bench_balance(root: Path, size: int, channels: int, count: int, seconds: float) -> dict[str, float]:
    """Rate of a set with 50 times as many images of one class as of another: `uniform` over as it is.

    The two take turns, and the median of the ratios counts.
    """
    images = smooth_images(count, size, channels)
    labels = np.random.default_rng(0).choice(10, count, p=(tail := 50.0 ** (-np.arange(10) / 9)) / tail.sum())
    schema = ClassLabels(names=[str(n) for n in range(10)])
    source = Source(labels=labels, schema=schema, read=InMemory(images), description="unequal")
    encoding = "png" if channels == 1 else "jpeg"
    for kind in ("raw", encoding):
        write_shards(source, root / kind, Plan(encoding=kind))  # type: ignore[arg-type]
    ways = {"RAM": ("raw", "ram"), "packed": ("raw", "none"), encoding: (encoding, "none")}
    ratios: dict[str, list[float]] = {name: [] for name in ways}
    for _, (name, (folder, cache)) in itertools.product(range(ROUNDS), ways.items()):
        plain, even = (rate(ours(root / folder, cache, asked), seconds) for asked in ("none", "uniform"))
        ratios[name].append(even / plain)
    return {name: float(np.median(found)) for name, found in ratios.items()}


def bench_memory(root: Path) -> list[float]:
    """Resident megabytes after each of 20 looks at a set, read without a cache."""
    folder = root / "raw"
    loader = Loader(ShardSet(Storage(folder), "none"), batch_size=BATCH, streams=8, seed=0)
    batches = loader.batches(0)
    per_epoch = loader.shards.manifest.count // BATCH
    sizes = []
    for _ in range(EPOCHS):
        for _ in range(per_epoch):
            next(batches)
        sizes.append(resident_megabytes())
    return sizes


def bench_start(root: Path, asked: Asked = "none") -> dict[str, float]:
    """Milliseconds from opening the set to the first batch, fresh and 10 million images into the run; best of 5."""
    folder = root / "raw"
    found = {}
    for position in (0, 10_000_000 // BATCH * BATCH):
        times = []
        for _ in range(5):
            started = time.perf_counter()
            shards = ShardSet(Storage(folder), "none")
            balance = Balance.of(asked, shards)
            next(Loader(shards, batch_size=BATCH, streams=8, seed=0, balance=balance).batches(position))
            times.append(time.perf_counter() - started)
        found[f"at {position:,} images"] = 1000 * min(times)
    return found


@click.command()
@click.option("--seconds", default=3.0, show_default=True, help="Process time of each measurement.")
def main(seconds: float) -> None:
    """Prints the tables of docs/benchmarks.md."""
    torch.set_num_threads(1)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    sizes = [(28, 1, 20_000), (64, 3, 16_000), (128, 3, 6_000)]
    root = Path(tempfile.mkdtemp(prefix="bench-loader-"))
    try:
        for size, channels, count in sizes:
            click.echo(f"\n{size}x{size}x{channels}, {count:,} images, images/s of one core")
            place = root / str(size)
            rates = bench_size(place, size, channels, count, seconds)
            for name, value in rates.items():
                click.echo(f"  {name:28} {value:>12,.0f}")
            ratios = bench_balance(root / f"unequal-{size}", size, channels, count, seconds / ROUNDS)
            click.echo("  balance uniform / none:      " + ", ".join(f"{n} {x:.2f}" for n, x in ratios.items()))
        memory = bench_memory(root / "28")
        click.echo(
            f"\nresident MB after epochs 1, 2, 10, {EPOCHS}: "
            + ", ".join(f"{memory[n - 1]:.1f}" for n in (1, 2, 10, EPOCHS))
        )
        for name, asked in (("28", "none"), ("unequal-28", "uniform")):
            start = bench_start(root / name, asked)  # type: ignore[arg-type]
            told = ", ".join(f"{ms:.1f} ms {when}" for when, ms in start.items())
            click.echo(f"first batch, balance {asked}: {told}")
    finally:
        shutil.rmtree(root)


if __name__ == "__main__":
    main()
