from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from cgan_dist.evaluation import arithmetic
from cgan_dist.evaluation.arithmetic import float64_device, lent_threads


@pytest.fixture
def _own_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("_own_threads")
@pytest.mark.parametrize(
    ("own", "processes", "cores", "lent"),
    [(1, "8", 64, 8), (2, "4", 64, 8), (1, "8", 3, 3), (2, "1", 64, 2), (4, "2", 2, 4), (2, None, 64, 2)],
)
def test_threads_of_the_processes_that_wait_are_lent_as_far_as_there_are_cores(
    monkeypatch: pytest.MonkeyPatch, own: int, processes: str | None, cores: int, lent: int
) -> None:
    monkeypatch.setattr(arithmetic, "usable_cores", lambda: cores)
    if processes is None:
        monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    else:
        monkeypatch.setenv("LOCAL_WORLD_SIZE", processes)
    torch.set_num_threads(own)
    with lent_threads():
        assert torch.get_num_threads() == lent
    assert torch.get_num_threads() == own


def test_only_where_float64_is_sure_to_be_there_it_is_computed() -> None:
    assert [float64_device(torch.device(name)).type for name in ("cuda", "cpu", "mps", "xpu")] == ["cuda", *["cpu"] * 3]
    assert float64_device(torch.device("cuda", 3)).index == 3
