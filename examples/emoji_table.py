"""Writes labels.csv for the emoji of npm's emoji-datasource-*: category, skin tones and style of each picture.

npm pack emoji-datasource-google@16.0.0 emoji-datasource-twitter@16.0.0
for style in google twitter; do
mkdir -p emoji/$style
tar xzf emoji-datasource-$style-16.0.0.tgz --strip-components 1 --directory emoji/$style
done
python examples/emoji_table.py emoji
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

TONES = {
    "1F3FB": "light",
    "1F3FC": "medium_light",
    "1F3FD": "medium",
    "1F3FE": "medium_dark",
    "1F3FF": "dark",
}
"""The modifiers of skin tone in Unicode; two people in one picture may have two."""
NOT_PICTURES = "Component"
"""The category of the bare modifiers."""
PLACE = "img/{style}/64/{image}"


def rows(folder: Path, style: str) -> Iterator[list[str | int]]:
    """Yields path, category in one word, a bit for the style and one for each skin tone, of the pictures there are."""
    for emoji in json.loads((folder / style / "emoji.json").read_text(encoding="utf-8")):
        variations: dict[str, dict[str, Any]] = {"": emoji} | emoji.get("skin_variations", {})
        for tones, variation in variations.items():
            path = f"{style}/{PLACE.format(style=style, image=variation['image'])}"
            if emoji["category"] != NOT_PICTURES and (folder / path).exists():
                bits = [int(tone in tones.split("-")) for tone in TONES]
                yield [path, emoji["category"].split()[0].lower(), int(style == "twitter"), *bits]


def write_table(folder: Path) -> int:
    """Writes `labels.csv` for the styles that are there, and returns how many pictures it lists."""
    styles = [style for style in ("google", "twitter") if (folder / style / "emoji.json").exists()]
    table = [row for style in styles for row in rows(folder, style)]
    with (folder / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["path", "category", "twitter", *TONES.values()], *table])
    return len(table)


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
def main(folder: Path) -> None:
    """Writes FOLDER/labels.csv for the packages unpacked in FOLDER/google and FOLDER/twitter."""
    click.echo(f"{folder / 'labels.csv'}: {write_table(folder):,} pictures")


if __name__ == "__main__":
    main()
