"""How a set of ten million images opens: seconds to the first batch, and memory, beside a set of ten thousand.

    python bench/millions.py                  # 8x8 PNG; a minute, for all shards are links to one

Each row is a process of its own. The shards of the large set are hard links to one of 10,000 images, so that reading
goes the real way, through a manifest of a thousand shards, their indexes and their tar files. Prints the table of
docs/benchmarks.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click
import numpy as np
import psutil

from cgan_dist.assembly.trainer import LABELS_LOOKED_AT
from cgan_dist.data.balance import Asked, Balance
from cgan_dist.data.loader import Loader
from cgan_dist.data.manifest import MANIFEST, Manifest
from cgan_dist.data.shards import ShardSet
from cgan_dist.data.source import InMemory, Source
from cgan_dist.data.storage import Storage
from cgan_dist.data.writer import Plan, write_shards
from cgan_dist.labels import ClassLabels

EACH, SHARDS, CLASSES = 10_000, 1_000, 1_000
POSITION = 10_000_000
CASES = [("none", "none", 0), ("none", "none", POSITION), ("none", "uniform", 0), ("auto", "none", 0)]
MEGA = 1e6


def one_shard(folder: Path) -> Path:
    """Writes 10,000 random pictures of 8x8."""
    numbers = np.random.default_rng(0)
    images = numbers.integers(0, 256, (EACH, 8, 8, 3), dtype=np.uint8)
    schema = ClassLabels(names=[f"class {number}" for number in range(CLASSES)])
    labels = numbers.integers(0, CLASSES, EACH)
    source = Source(labels=labels, schema=schema, read=InMemory(images), description="noise")
    write_shards(source, folder, Plan(shards=1, encoding="png"))
    return folder


def linked(one: Path, folder: Path, times: int) -> Path:
    """Makes a set of that many shards, each a hard link to the one."""
    folder.mkdir()
    manifest = Manifest.model_validate_json((one / MANIFEST).read_text())
    (shard,) = manifest.shards
    assert shard.index is not None
    shards = []
    for number in range(times):
        name = f"shard-{number:05d}"
        os.link(one / shard.name, folder / f"{name}.tar")
        os.link(one / shard.index.name, folder / f"{name}.index.npy")
        index = shard.index.model_copy(update={"name": f"{name}.index.npy"})
        shards.append(shard.model_copy(update={"name": f"{name}.tar", "index": index}))
    histogram = {name: count * times for name, count in manifest.histogram.items()}
    larger = {"count": EACH * times, "shards": shards, "histogram": histogram}
    (folder / MANIFEST).write_text(manifest.model_copy(update=larger).to_json())
    return folder


def opened(folder: Path, cache: str, balance: Asked, position: int) -> dict[str, float]:
    """Seconds to the first batch from a position on, and the megabytes that this process then has more than before.

    With it goes what a run looks at before: sizes, and the labels of the first 100,000 images.
    """
    before, started = psutil.Process().memory_info().rss, time.perf_counter()
    shards = ShardSet(Storage(folder), cache)  # type: ignore[arg-type]
    shards.verify_if_small()
    shards.labels(LABELS_LOOKED_AT)
    loader = Loader(shards, batch_size=64, streams=8, seed=0, balance=Balance.of(balance, shards))
    next(loader.batches(position))
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "megabytes": (psutil.Process().memory_info().rss - before) / MEGA}


@click.command()
@click.option("--one", "case", nargs=4, type=(Path, str, str, int), hidden=True)
def main(case: tuple[Path, str, Asked, int] | None) -> None:
    """Prints the table."""
    if case is not None:
        click.echo(json.dumps(opened(*case)))
        return
    with tempfile.TemporaryDirectory() as folder:
        one = one_shard(Path(folder) / "one")
        sets = {EACH * times: linked(one, Path(folder) / str(times), times) for times in (1, SHARDS)}
        click.echo(
            "| images | data.cache | data.balance | from image | first batch, s | memory, MB |\n"
            "|---|---|---|---|---|---|"
        )
        for count, path in sets.items():
            for cache, balance, position in CASES:
                command = [sys.executable, __file__, "--one", str(path), cache, balance, str(position)]
                found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
                cells = f"{position:,} | {found['seconds']:.3f} | {found['megabytes']:.0f}"
                click.echo(f"| {count:,} | `{cache}` | `{balance}` | {cells} |")


if __name__ == "__main__":
    main()
