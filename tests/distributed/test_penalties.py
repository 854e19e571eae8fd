from __future__ import annotations

from pathlib import Path

import pytest

from tests.launching import launch


@pytest.mark.slow
@pytest.mark.parametrize("case", ["compiled", "half"])
def test_penalties_in_ddp(config_file: Path, case: str) -> None:
    launch(2, Path(__file__).with_name("penalties_script.py"), str(config_file), case)
