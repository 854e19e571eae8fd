"""World 1, 2, 4 and 1 again, across restarts: the batches of the undisturbed run, and its losses to 1e-6."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.launching import launch

SCRIPT = Path(__file__).with_name("elastic_script.py")
BATCH = 8
STEPS = 200


def lines(path: Path) -> list[dict[str, float | str]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.long
def test_the_number_of_processes_may_change_across_restarts(config_file: Path, tmp_path: Path) -> None:
    text = config_file.read_text().replace("args: {width: 4}", "args: {width: 4, norm: none}")
    text += "loss: {penalties: {r1: 0.1, lecam: 0.1}}\n"
    text = text.replace("workers: 0", "workers: 0, augment: [translation]")
    for name in ("moving", "still"):
        (tmp_path / f"{name}.yaml").write_text(text.replace("name: test", f"name: {name}"))
    for part, world in enumerate((1, 2, 4, 1), start=1):
        total = str(BATCH * STEPS * part // 4)
        launch(world, SCRIPT, str(tmp_path / "moving.yaml"), total, str(tmp_path / "moving.jsonl"))
    launch(1, SCRIPT, str(tmp_path / "still.yaml"), str(BATCH * STEPS), str(tmp_path / "still.jsonl"))
    moving, still = lines(tmp_path / "moving.jsonl"), lines(tmp_path / "still.jsonl")
    assert [line["images"] for line in moving] == [BATCH * step for step in range(STEPS)]
    assert [line["seen"] for line in moving] == [line["seen"] for line in still]
    for ours, theirs in zip(moving, still, strict=True):
        assert ours.keys() == theirs.keys()
        for name in set(ours) - {"images", "seen"}:
            assert ours[name] == pytest.approx(theirs[name], abs=1e-6), (ours["images"], name)
