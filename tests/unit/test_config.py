from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cgan_dist.config import Config, load_config
from cgan_dist.errors import UserError

ROOT = Path(__file__).parents[2]
CONFIGS = sorted((ROOT / "configs").glob("**/*.yaml"))

ConfigMaker = Callable[..., Config]


def error_of(make_config: ConfigMaker, *overrides: str) -> str:
    with pytest.raises(UserError) as caught:
        make_config(*overrides)
    return str(caught.value)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_shipped_config_loads_and_survives_a_round_trip(path: Path, tmp_path: Path) -> None:
    config = load_config(path)
    saved = tmp_path / "config.yaml"
    saved.write_text(config.to_yaml())
    assert load_config(saved) == config


def test_overrides_reach_nested_keys_and_are_typed(make_config: ConfigMaker) -> None:
    config = make_config(
        "train.batch_size=16", "run.name=x", "optim.lr=1e-4", "train.plan=[D, G]", "loss.penalties.r1=2"
    )
    assert config.train.batch_size == 16
    assert config.run.name == "x"
    assert config.optim.lr == 1e-4
    assert config.train.plan == ["D", "G"]
    assert config.loss.penalties == {"r1": 2}


def test_an_optimizer_of_one_network_inherits_the_shared_values(make_config: ConfigMaker) -> None:
    config = make_config("optim.lr=1e-3", "optim.discriminator={betas: [0, 0.9]}")
    assert config.optim.discriminator is not None
    assert config.optim.discriminator.lr == 1e-3
    assert config.optim.discriminator.betas == [0, 0.9]


def test_a_whole_number_may_be_written_as_a_power_of_ten(make_config: ConfigMaker) -> None:
    assert make_config("train.total_images=1e6").train.total_images == 1_000_000


@pytest.mark.parametrize(
    ("override", "fragments"),
    [
        ("train.batchsize=8", ["train.batchsize: unknown key", "Did you mean 'batch_size'?"]),
        ("trian.batch_size=8", ["trian: unknown key", "Did you mean 'train'?"]),
        ("optim.generator={lrr: 1}", ["optim.generator.lrr: unknown key", "Did you mean 'lr'?"]),
        ("train.batch_size=many", ["train.batch_size: found 'many' (text)", "a whole number"]),
        ("train.batch_size=1.5", ["train.batch_size: found 1.5 (float)", "a whole number"]),
        ("train.batch_size=0", ["train.batch_size: found 0", "greater than 0"]),
        ("train.batch_size=-8", ["train.batch_size: found -8", "greater than 0"]),
        ("train.compile=on", ["train.compile: found 'on' (text)", "true or false"]),
        ("train.precision=bf17", ["train.precision: found 'bf17'", "Did you mean 'bf16'?"]),
        ("train.plan=[G, G]", ["train: plan must contain both G and D"]),
        ("train.plan=[G, X]", ["train.plan.1: found 'X' (text)", "'G' or 'D'"]),
        ("train=5", ["train: found 5 (int)", "a section"]),
        ("optim.lr=nan", ["optim.lr: found"]),
        ("optim.betas=[0.5]", ["optim.betas"]),
        ("optim.betas=[0.5, 1.0]", ["optim.betas.1: found 1.0", "less than 1"]),
        ("loss.penalties.r1=-1", ["loss.penalties.r1: found -1"]),
        ("run.name=../elsewhere", ["run.name: found '../elsewhere'", "letters, digits"]),
        ("train.batch_size=10", ["train.batch_size (10) must be a multiple of data.streams (4); nearest: 8 or 12"]),
        ("data.on_error=ignore", ["data.on_error: found 'ignore'", "'stop' or 'skip'"]),
    ],
)
def test_bad_values_are_named_with_what_was_found_and_expected(
    make_config: ConfigMaker, override: str, fragments: list[str]
) -> None:
    message = error_of(make_config, override)
    for fragment in fragments:
        assert fragment in message


def test_every_problem_is_reported_at_once(make_config: ConfigMaker) -> None:
    message = error_of(make_config, "train.batchsize=8", "optim.lr=fast", "data.streams=0")
    assert len(message.splitlines()) == 3


def test_a_missing_file_lists_configs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    with pytest.raises(UserError, match=r"cannot read the config.*configs/demo.yaml"):
        load_config(tmp_path / "absent.yaml")


def test_data_path_is_the_one_required_key(tmp_path: Path) -> None:
    empty = tmp_path / "empty.yaml"
    empty.write_text("run: {name: x}\n")
    with pytest.raises(UserError, match=r"data: required, but not given"):
        load_config(empty)


@pytest.mark.parametrize(
    ("overrides", "world_size", "fragment"),
    [
        ([], 3, "data.streams: 4 streams cannot be dealt to 3 processes"),
        (["train.micro_batch=3"], 1, "train.micro_batch: 3 does not divide the 8 images"),
        (["train.micro_batch=8"], 2, "train.micro_batch: 8 does not divide the 4 images"),
    ],
)
def test_what_does_not_divide_over_processes_is_refused(
    make_config: ConfigMaker, overrides: list[str], world_size: int, fragment: str
) -> None:
    with pytest.raises(UserError) as caught:
        make_config(*overrides).check_world_size(world_size)
    assert fragment in str(caught.value)


def test_what_divides_is_accepted(make_config: ConfigMaker) -> None:
    for world_size in (1, 2, 4):
        make_config("train.micro_batch=2").check_world_size(world_size)
