from __future__ import annotations

import pytest

from cgan_dist.distributed.launch import check_launched
from cgan_dist.errors import UserError


@pytest.mark.parametrize(("asked", "started"), [(None, "2"), ("2", "2")])
def test_as_many_processes_as_the_job_asked_for(
    monkeypatch: pytest.MonkeyPatch, asked: str | None, started: str
) -> None:
    if asked is None:
        monkeypatch.delenv("CGAN_DIST_PROCESSES", raising=False)
    else:
        monkeypatch.setenv("CGAN_DIST_PROCESSES", asked)
    monkeypatch.setenv("WORLD_SIZE", started)
    check_launched()


def test_a_launcher_that_starts_fewer_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    """`accelerate launch --cpu --num_processes 4` starts one process on each node, and each would train alone."""
    monkeypatch.setenv("CGAN_DIST_PROCESSES", "4")
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    with pytest.raises(UserError, match="asked for 4 processes, but this one was started as one of 1"):
        check_launched()
