"""Two processes score what one process scores: the union of their shares is its list of samples."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.launching import ROOT, command, launch, run

EVALUATE, TRAIN = ROOT / "launch" / "evaluate.py", ROOT / "launch" / "train.py"
METRICS = (
    "label_accuracy,frechet_distance,kid@classifier,precision@classifier,classifier_score,intra_fid@classifier,"
    "path_length"
)
COUNT = 600
"""More than two shares of a round, and no multiple of one."""
TRAINED = (
    "--tracker",
    "none",
    f"evaluate={{interval_images: 32, metrics: [label_accuracy, frechet_distance], count: {COUNT}}}",
)


def scores(folder: Path) -> dict[str, float]:
    return json.loads((folder / "evaluation.json").read_text())[-1]["scores"]  # type: ignore[no-any-return]


@pytest.mark.slow
def test_two_processes_score_what_one_scores(tmp_path: Path, config_file: Path, shards_folder: Path) -> None:
    data, folder = tmp_path / "data", tmp_path / "runs" / "test"
    shutil.copytree(shards_folder, data, ignore=shutil.ignore_patterns(".cache"))
    launch(2, TRAIN, "--config", str(config_file), f"data.path={data}", *TRAINED)
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    during = {line["images"]: line for line in lines if "eval/frechet_distance" in line}
    assert list(during) == [32, 64]

    arguments = (str(folder), "--metrics", METRICS, "--count", str(COUNT))
    launch(1, EVALUATE, *arguments)
    alone = scores(folder)
    assert {"label_accuracy", "frechet_distance", "kid@classifier", "recall@classifier"} <= alone.keys()
    for name in ("label_accuracy", "frechet_distance"):
        assert during[64][f"eval/{name}"] == pytest.approx(alone[name], rel=1e-4)

    shutil.rmtree(data / ".cache")  # the main process learns anew, and the other is given its weights
    done = launch(2, EVALUATE, *arguments)
    assert done.stdout.count("generated images of step-000000000064") == 1  # one process talks
    entries = json.loads((folder / "evaluation.json").read_text())
    assert len(entries) == 1  # the same protocol, whatever the number of processes
    together = entries[0]["scores"]
    assert together.keys() == alone.keys()
    assert together == pytest.approx(alone, rel=1e-4, abs=1e-7)

    few = run(command(2, EVALUATE, str(folder), "--metrics", "frechet_distance", "--count", "1"))
    assert few.returncode != 0
    assert "frechet_distance: found 1 sample" in few.stderr
