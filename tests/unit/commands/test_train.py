"""The order in which `train` starts things."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.launching import ROOT, environment

STARTED = """
import sys
from cgan_dist.data import workers
from cgan_dist.commands.train import train

def say():
    print("torch" in sys.modules)
    sys.exit(0)

workers.start_server = say
train()
"""


@pytest.mark.parametrize(("workers", "said"), [(2, "False\n"), (0, "")])
def test_the_server_of_workers_imports_pytorch_beside_the_trainer(config_file: Path, workers: int, said: str) -> None:
    config = ["--config", str(config_file), f"data.workers={workers}", "train.total_images=8", "sample.per_class=1"]
    done = subprocess.run(
        [sys.executable, "-c", STARTED, *config],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, said), done.stderr
