from __future__ import annotations

from collections.abc import Callable

import pytest

from cgan_dist.config import Config
from cgan_dist.errors import UserError
from cgan_dist.run_folder import check_config_unchanged, save_config

ConfigMaker = Callable[..., Config]


def test_the_same_config_and_harmless_changes_go_on(make_config: ConfigMaker) -> None:
    save_config(make_config())
    check_config_unchanged(make_config())
    check_config_unchanged(make_config("train.total_images=640", "tracking.trackers=[tensorboard]", "data.workers=1"))


@pytest.mark.parametrize(
    ("override", "line"),
    [
        ("train.batch_size=16", "train.batch_size: 8 there, 16 now"),
        ("optim.lr=1e-3", "optim.lr: 0.0002 there, 0.001 now"),
        ("generator.args.width=8", "generator.args.width: 4 there, 8 now"),
        ("loss.penalties.r1=1", "loss.penalties.r1: None there, 1.0 now"),
        ("run.seed=1", "run.seed: 0 there, 1 now"),
    ],
)
def test_a_folder_of_a_different_config_is_refused(make_config: ConfigMaker, override: str, line: str) -> None:
    save_config(make_config())
    with pytest.raises(UserError, match=r"belongs to a different config") as caught:
        check_config_unchanged(make_config(override))
    assert line in str(caught.value)
