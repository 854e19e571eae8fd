from __future__ import annotations

from pathlib import Path

import pytest

from cgan_dist.config.yaml_text import read_yaml
from cgan_dist.recipes.commented import commented_yaml
from cgan_dist.recipes.recipe import Choice

HOSTILE = "a\nrun: {seed: 1}\u2028data:\x85  x: 1\r# {[&*!%@`'\" \udce9"


def test_reasons_stand_above_their_lines() -> None:
    choices = [
        Choice("data.path", "my data", "Where it lies."),
        Choice("train.batch_size", 32),
        Choice("data.workers", 12_000, " ".join(["word"] * 40)),
    ]
    assert commented_yaml("A config.", {"Try it": ["check", "a b.yaml"]}, choices) == (
        "# A config.\n"
        "# Try it: check 'a b.yaml'\n"
        "\n"
        "data:\n"
        "  # Where it lies.\n"
        "  path: my data\n"
        f"  # {' '.join(['word'] * 23)}\n"
        f"  # {' '.join(['word'] * 17)}\n"
        "  workers: 12_000\n"
        "\n"
        "train:\n"
        "  batch_size: 32\n"
    )


@pytest.mark.parametrize("name", [HOSTILE, "x" * 300, "猫: 犬", "- a", "true"])
def test_names_of_others_change_nothing_but_what_they_name(name: str, tmp_path: Path) -> None:
    """In a comment, in a command and in a value, whatever a folder or a class is called."""
    choices = [Choice("data.path", name, name), Choice("conditioning.labels", {"names": [name]}, name)]
    path = tmp_path / "config.yaml"
    path.write_text(commented_yaml(name, {"Try it": [name]}, choices), encoding="utf-8")
    assert read_yaml(path) == {"data": {"path": name}, "conditioning": {"labels": {"names": [name]}}}
