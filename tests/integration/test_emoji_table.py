from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

from PIL import Image

from cgan_dist.data.sources import csv_table
from cgan_dist.labels import AttributeLabels, ClassLabels, ProductLabels
from tests.launching import ROOT, environment


def package(folder: Path, style: str) -> None:
    """The layout of emoji-datasource-STYLE: a wave with two tones, a pair with both in one, a flag, a bare tone."""
    pictures = folder / style / "img" / style / "64"
    pictures.mkdir(parents=True)
    tones = {"1F3FB": {"image": "wave-1.png"}, "1F3FF": {"image": "wave-5.png"}}
    emoji = [
        {"image": "wave.png", "category": "People & Body", "skin_variations": tones},
        {
            "image": "pair.png",
            "category": "People & Body",
            "skin_variations": {"1F3FC-1F3FF": {"image": "pair-25.png"}},
        },
        {"image": "flag.png", "category": "Flags"},
        {"image": "tone.png", "category": "Component"},
        {"image": "absent.png", "category": "Flags"},
    ]
    (folder / style / "emoji.json").write_text(json.dumps(emoji))
    for name in ("wave", "wave-1", "wave-5", "pair", "pair-25", "flag", "tone"):
        mode, colour = {"flag": ("LA", (90, 255)), "pair": ("P", 3)}.get(name, ("RGBA", (200, 100, 50, 128)))
        Image.new(mode, (64, 64), colour).save(pictures / f"{name}.png")


def test_the_table_says_category_style_and_tones(tmp_path: Path) -> None:
    for style in ("google", "twitter"):
        package(tmp_path, style)
    typed = [sys.executable, "examples/emoji_table.py", str(tmp_path)]
    done = subprocess.run(typed, cwd=ROOT, env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout == f"{tmp_path / 'labels.csv'}: 12 pictures\n"
    with (tmp_path / "labels.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["path", "category", "twitter", "light", "medium_light", "medium", "medium_dark", "dark"]
    assert rows[4] == ["google/img/google/64/pair-25.png", "people", "0", "0", "1", "0", "0", "1"]
    assert rows[8] == ["twitter/img/twitter/64/wave-5.png", "people", "1", "0", "0", "0", "0", "1"]
    source = csv_table.load(tmp_path, "train", label="category", attributes=header[2:])
    assert source.schema == ProductLabels(
        parts=[ClassLabels(names=["flags", "people"]), AttributeLabels(names=header[2:])]
    )
    assert [source.read(index).shape[2] for index in range(6)] == [3, 3, 3, 3, 3, 1]
