"""The card under test, and images for it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from cgan_dist.data.writer import Plan, write_shards
from tests.conftest import striped_images

SIZE = 32


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs a card."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.gpu)


@pytest.fixture(scope="session")
def device() -> str:
    """`cuda`; a machine without one fails here, and does not pass by skipping."""
    assert torch.cuda.is_available(), "PyTorch finds no GPU here; `make test` runs what needs none"
    return "cuda"


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Colour stripes of three classes, 32x32."""
    folder = tmp_path_factory.mktemp("data") / "stripes"
    write_shards(striped_images(256, size=SIZE, channels=3), folder, Plan())
    return folder
