from __future__ import annotations

from collections.abc import Callable

import pytest

from cgan_dist.config import Config
from cgan_dist.errors import UserError
from cgan_dist.inputs import check_inputs


def test_fp16_goes_with_every_table_that_is_dense(
    make_config: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cgan_dist.inputs.resolve_precision", lambda precision: "fp16")
    for tables in ("auto", "dense"):  # three classes are no large table
        assert check_inputs(make_config(f"optim.tables={tables}"), 1, 0).precision == "fp16"
    assert check_inputs(make_config("optim.tables=rows", "conditioning.labels=none"), 1, 0).precision == "fp16"
    with pytest.raises(UserError, match="^train.precision: fp16 with optim.tables=rows is not supported for 3 classes"):
        check_inputs(make_config("optim.tables=rows"), 1, 0)
    with pytest.raises(UserError, match="^train.precision: fp16 with penalties on gradients"):
        check_inputs(make_config("loss.penalties.r1=1"), 1, 0)
