"""The device that is not there finds what it is for: mistakes that are made on purpose."""

from __future__ import annotations

import pytest

from tests.fake_gpu.reports import reports

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]
HERE = "tests/fake_gpu/mistakes.py"
WAITS = {
    "loss that asks": f"item at {HERE}",
    "loss by a mask": f"mask as index at {HERE}",
    "loss by an index": f"index on the host at {HERE}",
    "list copied to the device": f"copy to the device at {HERE}",
    "every scalar as float": f"item at {HERE}",
    "a synchronization": f"synchronize at {HERE}",
    "into pageable memory": f"copy to pageable memory at {HERE}",
}
"""Mistake to what it is found by."""
MIXED = {"average on the host": "_foreach_lerp_", "moments on the host": "_fused_adam_"}


@pytest.mark.parametrize("mistake", WAITS)
def test_the_host_waits(mistake: str) -> None:
    page = reports("mistakes")[mistake].visits("iteration")[-1]
    assert page.waits_by_file[WAITS[mistake]] > 0, page.waits
    assert page.waits_by_file.keys() <= {WAITS[mistake], *_backwards(mistake)}, page.waits


def _backwards(mistake: str) -> list[str]:
    """A gradient by an index goes back by it."""
    return [f"{WAITS[mistake].split(' at ')[0]} at training/optimizer.py"] if mistake.startswith("loss by") else []


@pytest.mark.parametrize("mistake", MIXED)
def test_one_operation_has_tensors_of_two_devices(mistake: str) -> None:
    page = reports("mistakes")[mistake].visits("iteration")[-1]
    assert any(what.startswith(MIXED[mistake]) for what in page.mixed), page.mixed


def test_what_torch_refuses_ends_the_case() -> None:
    error = reports("mistakes")["way on the host"].error
    assert error is not None
    assert "cuda:0 and cpu" in error
