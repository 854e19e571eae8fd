"""Which decoder is fastest: images per second of one core for JPEG of several sizes, by each library installed.

python bench/decoders.py [--seconds 2]
"""

from __future__ import annotations

import io
import os
import time
from collections.abc import Callable

import click
import numpy as np
import torch
from loader import smooth_images
from PIL import Image

from cgan_dist.data.codecs import decoder, encode

Decode = Callable[[bytes], object]


def libraries() -> dict[str, Decode]:
    """Decoders to RGB by name."""
    found: dict[str, Decode] = {"pillow": lambda data: np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))}
    try:
        simple = decoder("jpeg", 3, "simplejpeg")
        found["simplejpeg"] = lambda data: simple(data, None)
    except ImportError:
        pass
    try:
        from torchvision.io import ImageReadMode, decode_jpeg

        found["torchvision"] = lambda data: decode_jpeg(
            torch.frombuffer(bytearray(data), dtype=torch.uint8), ImageReadMode.RGB
        )
    except ImportError:
        pass
    return found


def rate(decode: Decode, members: list[bytes], seconds: float) -> float:
    """Images per second of process time."""
    decode(members[0])
    count, started = 0, time.process_time()
    while (spent := time.process_time() - started) < seconds:
        for member in members:
            decode(member)
        count += len(members)
    return count / spent


@click.command()
@click.option("--seconds", default=2.0, show_default=True, help="Process time of each measurement.")
def main(seconds: float) -> None:
    """Prints the table of docs/benchmarks.md."""
    torch.set_num_threads(1)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    for size in (64, 128, 256):
        members = [encode(image, "jpeg", 95) for image in smooth_images(100, size, 3)]
        rates = {name: rate(decode, members, seconds) for name, decode in libraries().items()}
        click.echo(f"{size}x{size}: " + ", ".join(f"{name} {value:,.0f}" for name, value in rates.items()))


if __name__ == "__main__":
    main()
