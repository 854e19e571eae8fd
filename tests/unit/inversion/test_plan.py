from __future__ import annotations

from typing import Any

import pytest

from cgan_dist.errors import UserError
from cgan_dist.inversion.plan import Plan


@pytest.mark.parametrize(
    ("given", "fragment"),
    [
        ({"steps": 0}, "steps: found 0; expected 1 to 10,000"),
        ({"starts": 65}, "starts: found 65; expected 1 to 64"),
        ({"kept": 0}, "kept: found 0"),
        ({"tried": 10_000}, "tried: found 10000"),
        ({"rate": 0.0}, "rate 0, noise 0.05, reading_weight 0.01: expected a rate above 0"),
        ({"rate": float("nan")}, "rate nan"),
        ({"noise": -1.0}, "noise -1"),
        ({"reading_weight": float("inf")}, "reading_weight inf"),
    ],
)
def test_a_plan_without_work_or_without_end_is_refused(given: dict[str, Any], fragment: str) -> None:
    with pytest.raises(UserError) as caught:
        Plan(**given)
    assert fragment in str(caught.value)
