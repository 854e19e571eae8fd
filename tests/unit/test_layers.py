"""Imports only go down, and rooms of one layer do not import each other."""

from __future__ import annotations

import ast
from pathlib import Path

PACKAGE = Path(__file__).parents[2] / "cgan_dist"
LAYERS = [
    ["errors", "grid", "heap", "padding", "state_buffers"],
    ["film", "hub", "labels", "randomness", "schedule", "score", "scoreboard", "slurm", "yaml_text"],
    ["checkpoint_folder", "explanation", "interpolation", "sections", "training_film", "truncation", "types"],
    ["registry"],
    ["checkpoint_writer", "config", "snapshot"],
    ["augment", "conditioning", "model_config", "retention", "trackers"],
    ["asked_labels", "checkpoint", "data", "losses", "metrics", "model_folder", "models"],
    [
        "alarms",
        "distributed",
        "ema",
        "guard",
        "meter",
        "model_scores",
        "optimizer",
        "preemption",
        "rollback",
        "run_folder",
        "sampling",
        "selection",
        "tracking",
        "watchdog",
    ],
    ["candidates", "features"],
    ["extraction"],
    ["evaluation", "gauges", "generated", "sliders", "step", "walk"],
    ["inputs", "maintenance", "networks"],
    ["neighbours", "saved", "trainer"],
    ["build", "pretrained"],
    ["dry_run", "graphs", "playground", "resume_info", "submission"],
    ["model_card", "run_status"],
    ["export"],
    ["command"],
    ["commands"],
    ["cli"],
    ["__main__"],
]
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
        if imported != room_of(path) and LAYER_OF[imported] >= LAYER_OF[room_of(path)]
    ]
    assert upward == []


def test_no_file_outgrows_its_bound() -> None:
    long = {
        str(path.relative_to(PACKAGE)): count
        for path in PACKAGE.rglob("*.py")
        if (count := len(path.read_text().splitlines())) > 400
    }
    assert long == {}
