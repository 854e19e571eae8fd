"""What a run will take, from a measured iteration, and what would make it bearable where it is not."""

from __future__ import annotations

import math
import shlex

from cgan_dist.assembly.measurement import MEMORY_SHARE, Measurement
from cgan_dist.config.document import Config
from cgan_dist.config.sections import PartConfig
from cgan_dist.data.spec import DataSpec
from cgan_dist.training.pace import duration, rounded

HOUR = 3600
BEARABLE_HOURS = {"cpu": 24}
BEARABLE_ELSEWHERE_HOURS = 14 * 24
NIGHT_HOURS = 12
FEWEST_IMAGES = 50_000
"""A run of fewer images is not worth proposing: the shortest of docs/results.md has 96,000."""
DEFAULT_WIDTH, WIDTH_STEP = 64, 8
"""Of networks of ours; the inner widths of `r3` are twice as large, and multiples of 16."""
LEAST_SIDE = 32
GB = 1e9


def outlook(config: Config, spec: DataSpec, found: Measurement) -> list[str]:
    """Says what a run takes and, where that is too much, what to change.

    Args:
        config: of the run.
        spec: of the data.
        found: of an iteration.

    Returns:
        Lines: some with a title in 16 columns, then advice.
    """
    images = config.train.total_images
    seconds = images / found.images_per_second
    fewer = f", {found.images} images at once" if found.images < found.pass_images else ""
    plain = ", not compiled" if config.train.compile else ""
    lines = {
        "speed": f"{found.iteration_seconds:.3g} s an iteration, {rounded(found.images_per_second)} images/s, measured "
        f"on {found.name}{fewer}{plain}",
        "memory": f"{found.memory_bytes / GB:.1f} GB" if found.memory_bytes is not None else "not known",
        "duration": f"{duration(seconds)} for {images:,} images; samples, checkpoints and scores come on top",
    }
    told = [f"{name:16}{value}" for name, value in lines.items()]
    if found.was_disturbed:
        told.append(f"{'':16}(other work was here, load {found.load:.1f} on {found.cores} cores: alone it is faster)")
    return [*told, *_on_memory(found), *_on_time(config, spec, found, seconds)]


def _on_memory(found: Measurement) -> list[str]:
    if found.memory_bytes is None or found.limit_bytes is None or found.memory_bytes <= found.limit_bytes:
        return []
    fitting = found.pass_images
    while fitting % 2 == 0 and fitting / found.pass_images > MEMORY_SHARE * found.limit_bytes / found.memory_bytes:
        fitting //= 2
    return [f"That is more memory than the {found.limit_bytes / GB:.1f} GB there. Give train.micro_batch={fitting}."]


def _on_time(config: Config, spec: DataSpec, found: Measurement, seconds: float) -> list[str]:
    on_cpu = found.device == "cpu"
    if seconds <= HOUR * BEARABLE_HOURS.get(found.device, BEARABLE_ELSEWHERE_HOURS):
        return []
    advice: dict[str, str] = {}
    if on_cpu:
        advice["a config for this CPU"] = f"cgan-dist new {shlex.quote(config.data.path)} --out NEW.yaml"
    images = two_digits(NIGHT_HOURS * HOUR * found.images_per_second)
    if images >= FEWEST_IMAGES:
        advice[f"{NIGHT_HOURS} h"] = f"train.total_images={images:_}, and every end_images of the config below it"
    if narrower := _narrower("generator", config.generator) + _narrower("discriminator", config.discriminator):
        advice["about half the time"] = " ".join(narrower)
    if spec.latents is None and min(spec.height, spec.width) >= 2 * LEAST_SIDE:
        advice["about a quarter"] = f"cgan-dist prepare with --size {min(spec.height, spec.width) // 2}"
    advice["less than either"] = "a GPU" if on_cpu else "more GPUs, with a process on each"
    return [
        f"That is long for {'a CPU' if on_cpu else 'one device'}. What makes it bearable:",
        *(f"  {why:22}{what}" for why, what in advice.items()),
    ]


def _narrower(network: str, part: PartConfig) -> list[str]:
    """The keys for half the width of a network of ours; time was seen to fall by its 1.2th to 1.4th power."""
    if ":" in part.name:
        return []
    width = part.args.get("width", DEFAULT_WIDTH)
    half = {"width": width // 2 // WIDTH_STEP * WIDTH_STEP}
    if "max_width" in part.args:
        half["max_width"] = half["width"] * (part.args["max_width"] // width)
    return [f"{network}.args.{key}={value}" for key, value in half.items()] if half["width"] else []


def two_digits(value: float) -> int:
    """The number, rounded down to its first two digits, as one reads them easily."""
    if value < 1:
        return 0
    unit = 10 ** max(0, math.floor(math.log10(value)) - 1)
    return int(value // unit * unit)
