"""Imports only go down, and rooms of one layer do not import each other."""

from __future__ import annotations

import ast
import re
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "cgan_dist"
LAYERS = [
    ["__main__", "pretrained"],
    ["cli"],
    ["commands"],
    ["playground"],
    ["sharing", "recipes"],
    ["assembly"],
    ["training", "pictures", "image_sets", "inversion", "directions"],
    ["evaluation"],
    ["sampling"],
    ["models", "losses", "data", "runs"],
    ["conditioning", "augment", "trackers", "checkpoints", "resilience"],
    ["config", "labels", "latents", "randomness", "distributed", "grid"],
    ["files"],
    ["bounds"],
    ["errors", "fonts"],
]
"""Read it downwards: whoever stands above may import whoever stands below."""
LAYER_OF = {room: layer for layer, rooms in enumerate(LAYERS) for room in rooms}


def room_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        assert not (isinstance(node, ast.ImportFrom) and node.level), f"{path}: relative imports hide the layer"
        names = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
        if names == ["cgan_dist"]:
            names = [f"cgan_dist.{alias.name}" for alias in node.names if alias.name != "__version__"]
        names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        rooms |= {name.split(".")[1] for name in names if name.startswith("cgan_dist.")}
    return rooms


def test_every_file_has_a_layer() -> None:
    rooms = {room_of(path) for path in PACKAGE.rglob("*.py")} - {"__init__"}
    assert rooms == set(LAYER_OF)


def test_imports_only_go_down() -> None:
    upward = [
        f"{path.relative_to(PACKAGE)} imports {imported}"
        for path in PACKAGE.rglob("*.py")
        if room_of(path) != "__init__"
        for imported in imported_rooms(path)
        if imported != room_of(path) and LAYER_OF[imported] <= LAYER_OF[room_of(path)]
    ]
    assert upward == []


def test_no_file_outgrows_its_bound() -> None:
    long = {
        str(path.relative_to(PACKAGE)): count
        for path in PACKAGE.rglob("*.py")
        if (count := len(path.read_text().splitlines())) > 400
    }
    assert long == {}


def test_the_map_draws_these_layers() -> None:
    page = (PACKAGE.parent / "docs" / "architecture.md").read_text()
    drawing = page.split("```text\n")[1].split("```")[0]
    floors = [re.split(r"\s{3,}", line)[0].split() for line in drawing.splitlines() if re.match(r" \S", line)]
    assert floors == LAYERS


def test_a_room_says_what_it_is_for() -> None:
    for folder in {path.parent for path in PACKAGE.rglob("*.py")} - {PACKAGE}:
        docstring = ast.get_docstring(ast.parse((folder / "__init__.py").read_text()))
        assert docstring is not None, folder.name
    assert len(list(PACKAGE.glob("*.py"))) <= 10


def test_no_function_outgrows_its_bound() -> None:
    long = {
        f"{path.relative_to(PACKAGE)}: {node.name}": lines
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if (lines := (node.end_lineno or 0) - node.lineno + 1) > 60
    }
    assert long == {}
