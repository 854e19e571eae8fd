from __future__ import annotations

from pathlib import Path

from tests.launching import launch


def test_batch_norm_over_ranks_is_that_of_one_process() -> None:
    launch(2, Path(__file__).with_name("batch_norm_script.py"))
