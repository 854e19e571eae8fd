"""The command line as a fixture."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from click.testing import CliRunner, Result

from cgan_dist.cli import main

Cli = Callable[..., Result]


@pytest.fixture
def cli() -> Cli:
    """Runs `cgan-dist` in this process: `cli("train", "--config", path)`."""

    def invoke(*args: object) -> Result:
        return CliRunner().invoke(main, [str(arg) for arg in args], catch_exceptions=False)

    return invoke
