"""Drawn faces in CelebA's layouts: what an attribute says can be seen, so that a network can learn it in minutes.

    python examples/draw_celeba.py data/drawn_celeba --count 10000

draws a tree that `cgan-dist prepare celeba --source data/drawn_celeba` reads like the real one.
"""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Literal

import click
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

# fmt: off
NAMES = [
    "5_o_Clock_Shadow", "Arched_Eyebrows", "Attractive", "Bags_Under_Eyes", "Bald", "Bangs", "Big_Lips", "Big_Nose",
    "Black_Hair", "Blond_Hair", "Blurry", "Brown_Hair", "Bushy_Eyebrows", "Chubby", "Double_Chin", "Eyeglasses",
    "Goatee", "Gray_Hair", "Heavy_Makeup", "High_Cheekbones", "Male", "Mouth_Slightly_Open", "Mustache",
    "Narrow_Eyes", "No_Beard", "Oval_Face", "Pale_Skin", "Pointy_Nose", "Receding_Hairline", "Rosy_Cheeks",
    "Sideburns", "Smiling", "Straight_Hair", "Wavy_Hair", "Wearing_Earrings", "Wearing_Hat", "Wearing_Lipstick",
    "Wearing_Necklace", "Wearing_Necktie", "Young",
]
# fmt: on
"""CelebA's 40 attributes in the published order."""
VISIBLE = ("Black_Hair", "Blond_Hair", "Eyeglasses", "Male", "Smiling", "Wearing_Hat")
"""Those that are drawn; the others are random bits."""
HAIR = {"Blond_Hair": (235, 205, 90), "Black_Hair": (15, 12, 12)}
BROWN = (125, 75, 40)
SKIN = (235, 190, 160)
BEARD = (75, 50, 40)
HAT = (40, 60, 200)
LINE = (60, 20, 20)


def draw_celeba(
    root: Path, count: int, layout: Literal["official", "kaggle"], seed: int = 0, size: tuple[int, int] = (178, 218)
) -> NDArray[np.uint8]:
    """Writes JPEG faces, the attribute list and the partition (about 80/10/10) below `root`.

    Args:
        root: folder to fill; made if it is missing.
        count: images, from 000001.jpg on.
        layout: `official` (text lists) or `kaggle` (csv lists, the images one folder deeper).
        seed: the same seed and count give the same faces.
        size: (width, height) in pixels.

    Returns:
        (count, 40) uint8: the attribute bits in the order of `NAMES`.
    """
    generator = np.random.default_rng(seed)
    bits = generator.integers(0, 2, (count, len(NAMES)), dtype=np.uint8)
    black, blond = NAMES.index("Black_Hair"), NAMES.index("Blond_Hair")
    bits[:, black] &= 1 - bits[:, blond]
    files = [f"{index:06d}.jpg" for index in range(1, count + 1)]
    partition = [0 if index < 0.8 * count else 1 if index < 0.9 * count else 2 for index in range(count)]
    images = root / "img_align_celeba" / ("img_align_celeba" if layout == "kaggle" else "")
    images.mkdir(parents=True)
    for file, row in zip(files, bits, strict=True):
        face = draw_face(dict(zip(NAMES, row.tolist(), strict=True)), size, generator)
        face.save(images / file, quality=90)
    (_write_text if layout == "official" else _write_csv)(root, files, bits, partition)
    return bits


def draw_face(attributes: dict[str, int], size: tuple[int, int], generator: np.random.Generator) -> Image.Image:
    """Draws one face at a slightly random place before a random pale background; RGB."""
    width, height = size
    left, top = width * generator.uniform(-0.03, 0.03), height * generator.uniform(-0.02, 0.02)

    def box(x0: float, y0: float, x1: float, y1: float) -> tuple[float, float, float, float]:
        return left + x0 * width, top + y0 * height, left + x1 * width, top + y1 * height

    image = Image.new("RGB", size, tuple(int(value) for value in generator.integers(150, 220, 3)))
    draw = ImageDraw.Draw(image)
    stroke = max(1, width // 40)
    hair = next((color for name, color in HAIR.items() if attributes[name]), BROWN)
    draw.ellipse(box(0.16, 0.12, 0.84, 0.78), fill=hair)
    draw.ellipse(box(0.24, 0.24, 0.76, 0.90), fill=SKIN)
    if attributes["Male"]:
        draw.chord(box(0.24, 0.24, 0.76, 0.90), 25, 155, fill=BEARD)
        draw.ellipse(box(0.36, 0.62, 0.64, 0.80), fill=SKIN)  # around the mouth
    if attributes["Wearing_Hat"]:
        draw.rectangle(box(0.18, 0.06, 0.82, 0.26), fill=HAT)
    for x in (0.38, 0.62):
        draw.ellipse(box(x - 0.035, 0.46, x + 0.035, 0.51), fill=LINE)
        if attributes["Eyeglasses"]:
            draw.ellipse(box(x - 0.11, 0.40, x + 0.11, 0.57), outline=LINE, width=2 * stroke)
    if attributes["Smiling"]:
        draw.arc(box(0.38, 0.58, 0.62, 0.76), 20, 160, fill=LINE, width=2 * stroke)
    else:
        draw.arc(box(0.38, 0.70, 0.62, 0.88), 200, 340, fill=LINE, width=2 * stroke)
    return image


def _write_text(root: Path, files: list[str], bits: NDArray[np.uint8], partition: list[int]) -> None:
    rows = [
        f"{file}  {' '.join(f'{2 * int(bit) - 1:2d}' for bit in row)}" for file, row in zip(files, bits, strict=True)
    ]
    (root / "list_attr_celeba.txt").write_text("\n".join([str(len(files)), " ".join(NAMES) + " ", *rows]) + "\n")
    pairs = [f"{file} {part}" for file, part in zip(files, partition, strict=True)]
    (root / "list_eval_partition.txt").write_text("\n".join(pairs) + "\n")


def _write_csv(root: Path, files: list[str], bits: NDArray[np.uint8], partition: list[int]) -> None:
    signs = (2 * bits.astype(int) - 1).tolist()
    with (root / "list_attr_celeba.csv").open("w", newline="") as file:
        csv.writer(file).writerows(
            [["image_id", *NAMES], *([name, *row] for name, row in zip(files, signs, strict=True))]
        )
    with (root / "list_eval_partition.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["image_id", "partition"], *zip(files, partition, strict=True)])


@click.command()
@click.argument("root", type=click.Path(path_type=Path, exists=False))
@click.option("--count", default=10_000, show_default=True, help="Faces.")
@click.option("--layout", default="official", type=click.Choice(["official", "kaggle"]), show_default=True)
@click.option("--seed", default=0, show_default=True)
@click.option("--width", default=178, show_default=True, help="Pixels; CelebA's own pictures are 178x218.")
def main(root: Path, count: int, layout: Literal["official", "kaggle"], seed: int, width: int) -> None:
    """Draws faces below ROOT."""
    draw_celeba(root, count, layout, seed, (width, width * 218 // 178))
    click.echo(f"{root}: {count:,} faces. Next: cgan-dist prepare celeba --source {root} --out data/celeba64 --size 64")


if __name__ == "__main__":
    main()
