"""What an exported model needs of the system: nothing that Windows or macOS lacks, which is taken away here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.generator_samples import generator_of

TAKE_AWAY = """
import os, signal, sys
sys.modules["fcntl"] = None  # importing it fails
for module, names in ((os, ("getuid", "geteuid", "fork")), (signal, ("SIGUSR1", "SIGALRM", "alarm"))):
    for name in names:
        delattr(module, name)
"""
ALL_NAMES = """
import cgan_dist
missing = [name for name in cgan_dist.__all__ if not hasattr(cgan_dist, name)]
assert cgan_dist.__all__ and not missing, missing
import cgan_dist.pretrained, cgan_dist.cli
"""
DRAW = """
from cgan_dist import Generator
images = Generator.from_pretrained(sys.argv[1]).sample("1,0", count=3, seed=0)
assert images.shape == (3, 13, 14, 1), images.shape
"""
LOCKS = """
from pathlib import Path
from cgan_dist.evaluation.scoreboard import Scoreboard
from cgan_dist.runs.claim import Claim
folder = Path(sys.argv[1])
claim = Claim(folder)
claim.check()
Scoreboard(folder).add({"checkpoint": "a", "images": 1, "protocol": {}})
assert len(Scoreboard(folder).entries()) == 1
"""


@pytest.mark.parametrize("code", [ALL_NAMES, DRAW, LOCKS], ids=["all names", "draw", "locks"])
def test_what_only_linux_has_is_not_needed(code: str, tmp_path: Path) -> None:
    generator_of().save_pretrained(tmp_path)
    ran = subprocess.run([sys.executable, "-c", TAKE_AWAY + code, str(tmp_path)], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
