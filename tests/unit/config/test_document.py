from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from cgan_dist.config.document import Config, load_config
from cgan_dist.config.schedule import value_at
from cgan_dist.errors import UserError

ROOT = Path(__file__).parents[3]
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


def test_schedules_are_read_inherited_and_survive_a_round_trip(make_config: ConfigMaker, tmp_path: Path) -> None:
    config = make_config(
        "optim.lr={start: 2e-4, end: 5e-5, end_images: 1e6, begin_images: 1_000, shape: linear}",
        "optim.betas=[{start: 0, end: 0.5, end_images: 10}, 0.99]",
        "optim.discriminator={betas: [0.1, 0.9]}",
        "optim.generator={lr: 1e-3}",
        "loss.penalties={r1: {start: 1, end: 0.1, end_images: 64}, lecam: 0.3}",
        "loss.lazy_updates=16",
        "ema.half_life_images={start: 0, end: 500e3, end_images: 20e6}",
        "data.augment_probability={start: 0, end: 0.6, end_images: 64, shape: step}",
    )
    optim = config.optim
    assert optim.generator is not None
    assert optim.discriminator is not None
    assert value_at(optim.lr, 500_500) == pytest.approx((2e-4 + 5e-5) / 2)
    assert optim.discriminator.lr == optim.lr
    assert optim.generator.betas == optim.betas
    assert [value_at(beta, 10) for beta in optim.generator.betas] == [0.5, 0.99]
    assert value_at(config.loss.penalties["r1"], 64) == 0.1
    assert value_at(config.ema.half_life_images, 20_000_000) == 500_000
    assert value_at(config.data.augment_probability, 63) == 0
    saved = tmp_path / "saved.yaml"
    saved.write_text(config.to_yaml())
    assert load_config(saved) == config
    assert load_config(saved).to_yaml() == config.to_yaml()
    assert load_config(saved, ["optim.lr.start=1e-4"]).optim.lr != optim.lr


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("ada", ["ada"]),
        ("[flip, ada]", ["flip", "ada"]),
        ("{name: ada, args: {target: 0.5}}", [{"name": "ada", "args": {"target": 0.5}}]),
        ("[flip, {name: ada, args: {without: [turn]}}]", ["flip", {"name": "ada", "args": {"without": ["turn"]}}]),
    ],
)
def test_one_augmentation_may_stand_without_a_list(
    make_config: ConfigMaker, tmp_path: Path, written: str, read: list[object]
) -> None:
    config = make_config(f"data.augment={written}")
    assert config.model_dump()["data"]["augment"] == read
    saved = tmp_path / "saved.yaml"
    saved.write_text(config.to_yaml())
    assert load_config(saved) == config


def test_what_is_not_given_stays_as_it_was(make_config: ConfigMaker) -> None:
    config = make_config()
    assert (config.optim.lr, config.optim.betas, config.optim.tables) == (2e-4, [0.5, 0.999], "auto")
    assert (config.loss.penalties, config.loss.lazy_updates) == ({}, 1)
    assert (config.ema.half_life_images, config.data.augment_probability) == (2_000, 1.0)


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
        ("train.plan=[G, G]", ["train.plan: found [G, G]; expected both G and D, e.g. [G, G, D]."]),
        ("train.plan=[]", ["train.plan: found []; expected both G and D"]),
        ("train.plan=[G, X]", ["train.plan.1: found 'X' (text)", "'G' or 'D'"]),
        ("train=5", ["train: found 5 (int)", "a section"]),
        ("optim.lr=nan", ["optim.lr: found"]),
        ("optim.betas=[0.5]", ["optim.betas: found 1 value(s); expected two, e.g. [0.5, 0.999]."]),
        ("optim.generator.betas=[0, 0.9, 0.9]", ["optim.generator.betas: found 3 value(s); expected two"]),
        ("optim.betas=[0.5, 1.0]", ["optim.betas.1: found 1.0", "less than 1"]),
        ("loss.penalties.r1=-1", ["loss.penalties.r1: found -1"]),
        ("run.name=../elsewhere", ["run.name: found '../elsewhere'", "letters, digits"]),
        ("train.batch_size=10", ["train.batch_size (10) must be a multiple of data.streams (4); nearest: 8 or 12"]),
        ("data.balance=squrt", ["data.balance: found 'squrt'; expected 'none', 'sqrt'", "Did you mean 'sqrt'?"]),
        ("data.balance={}", ["data.balance: found {}; expected 'none', 'sqrt' or 'uniform', or weights by class"]),
        ("data.balance={flat: 0}", ["data.balance: found 0 for flat; expected a weight above 0"]),
        ("data.balance={flat: yes}", ["data.balance: found 'yes' for flat; expected a weight above 0"]),
        ("data.balance={3: 5}", ['data.balance: found the key 3; expected the name of a class, e.g. {"3": 5}.']),
        ("data.on_error=ignore", ["data.on_error: found 'ignore'", "'stop' or 'skip'"]),
        (
            "optim.lr=fast",
            ["optim.lr: found 'fast' (text); expected a number, or a schedule, e.g. {start: 1, end: 0, "],
        ),
        ("optim.lr=[1e-4]", ["optim.lr: found [0.0001] (list); expected a number, or a schedule"]),
        ("optim.lr=true", ["optim.lr: found True (truth value)"]),
        ("optim.lr=0", ["optim.lr: found 0 (int); expected greater than 0"]),
        ("optim.lr={start: 0, end: 1, end_images: 9}", ["optim.lr.start: found 0 (int); expected greater than 0"]),
        ("optim.lr={start: .inf, end: 1, end_images: 9}", ["optim.lr.start: found inf"]),
        ("optim.lr={start: 1, end: 1}", ["optim.lr.end_images: required"]),
        ("optim.lr={start: 1, end: 1, end_images: 1.5}", ["optim.lr.end_images: found 1.5 (float)", "a whole number"]),
        ("optim.lr={start: 1, end: 1, end_images: 9, shape: cosin}", ["optim.lr.shape: found 'cosin'", "'cosine'?"]),
        (
            "optim.lr={start: 1, end: 1, end_images: 9, begin_images: 9}",
            ["optim.lr: begin_images (9) must be less than end_images (9)"],
        ),
        ("optim.betas=[0, {start: 0.9, end: 1, end_images: 9}]", ["optim.betas.1.end: found 1 (int)", "less than 1"]),
        ("optim.betas=[0, {stat: 0.9}]", ["optim.betas.1.stat: unknown key", "Did you mean 'start'?"]),
        (
            "loss.penalties.r1={stat: 1, end: 0, end_images: 9}",
            [
                "loss.penalties.r1.stat: unknown key. Did you mean 'start'? Known here: start, end, end_images, "
                "begin_images, shape.",
                "loss.penalties.r1.start: required",
            ],
        ),
        ("loss.penalties.r1={start: 1, end: -1, end_images: 9}", ["loss.penalties.r1.end: found -1"]),
        ("optim.generator={lr: {stat: 1}}", ["optim.generator.lr.stat: unknown key", "Did you mean 'start'?"]),
        ("optim.tables=sparse", ["optim.tables: found 'sparse'", "'auto', 'dense' or 'rows'"]),
        ("optim.generator={tables: rows}", ["optim.generator.tables: unknown key"]),
        ("loss.lazy_updates=0", ["loss.lazy_updates: found 0"]),
        ("ema.half_life_images=-1", ["ema.half_life_images: found -1"]),
        ("data.augment_probability=1.5", ["data.augment_probability: found 1.5", "less than or equal to 1"]),
        (
            "data.augment_probability={start: 0, end: 2, end_images: 9}",
            ["data.augment_probability.end: found 2", "less than or equal to 1"],
        ),
        (
            "conditioning.generator=[{namee: concat}]",
            ["conditioning.generator.0.namee: unknown key", "Did you mean 'name'?"],
        ),
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
        (["train.micro_batch=3"], 2, "train.micro_batch: 3 does not divide the 4 images"),
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
        make_config("train.micro_batch=8").check_world_size(world_size)  # the share of one, more than that of others


@pytest.mark.parametrize("labels", ["none", "{name: none}", "{name: none, args: {}}"])
def test_without_labels_there_are_no_ways_unless_they_are_named(make_config: ConfigMaker, labels: str) -> None:
    conditioning = make_config(f"conditioning.labels={labels}").conditioning
    assert (conditioning.generator, conditioning.discriminator) == ([], [])
    named = make_config(f"conditioning={{labels: {labels}, generator: [concat]}}").conditioning
    assert [way.name for way in named.generator] == ["concat"]


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ('run.dir="runs\\nrm -rf ~"', r"run.dir: found a line end or another control character in 'runs\\nrm"),
        ('generator.args.width="\\e[2J"', r"generator.args.width: found a line end or .*'\\x1b"),
        ("data.path=https://ada:secret@host/set", r"data.path: found 'https://\*\*\*@host/set', a URL with a password"),
        ("data.path=s3://set?token=secret", r"data.path: found 's3://set\?token=\*\*\*', a URL with"),
    ],
)
def test_no_text_of_a_config_holds_a_line_end_or_a_password(config_file: Path, override: str, said: str) -> None:
    with pytest.raises(UserError, match=said) as error:
        load_config(config_file, [override])
    assert "secret" not in str(error.value)
