from __future__ import annotations

from collections.abc import Callable

import pytest

from cgan_dist.assembly.inputs import check_inputs
from cgan_dist.config.document import Config
from cgan_dist.errors import UserError


def test_fp16_needs_a_gpu_and_goes_with_every_penalty_and_table(
    make_config: Callable[..., Config], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = make_config("train.precision=fp16", "loss.penalties={r1: 1, r2: 1, gp: 1}", "optim.tables=rows")
    monkeypatch.setattr("cgan_dist.distributed.launch.has_gpu", lambda: False)
    with pytest.raises(UserError, match="^train.precision: fp16 needs a GPU"):
        check_inputs(config, 1, 0)
    monkeypatch.setattr("cgan_dist.distributed.launch.has_gpu", lambda: True)
    assert check_inputs(config, 1, 0).precision == "fp16"
