"""Configs for every kind of data and machine, at speeds that are given: no test depends on this machine's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cgan_dist.assembly.dry_run import dry_run
from cgan_dist.assembly.inputs import check_inputs
from cgan_dist.assembly.measurement import Measurement
from cgan_dist.assembly.networks import build_networks
from cgan_dist.config.document import Config, load_config
from cgan_dist.errors import UserError
from cgan_dist.recipes.choices import Plan
from cgan_dist.recipes.facts import Facts
from cgan_dist.recipes.machine import GIB, Machine, find_machine
from cgan_dist.recipes.proposal import choose_recipe, free_name, propose
from tests.unit.recipes.sets import SCHEMAS, facts_of, prepared

Measure = Callable[[Config], Measurement]


def at(rate: float, power: float = 0.0) -> Measure:
    """A machine that does so many images a second at a width of 24, and more at narrower ones."""

    def measure(config: Config) -> Measurement:
        width = config.generator.args["width"]
        batch = config.train.batch_size
        seconds = batch / rate * (width / 24) ** power
        return Measurement(seconds=seconds, images=batch, pass_images=batch, passes=1, global_images=batch)

    return measure


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def loaded(folder: Path, machine: str, measure: Measure | None = None, hours: float | None = None) -> Config:
    """The config that is written for a set, read back."""
    proposal = propose(str(folder), Path("my set.yaml"), machine, hours, measure or at(100.0))
    path = Path("my set.yaml")
    path.write_text(proposal.text, encoding="utf-8")
    return load_config(path)


@pytest.mark.parametrize("machine", ["cpu", "gpu"])
@pytest.mark.parametrize("kind", SCHEMAS)
def test_it_passes_the_check_for_every_kind_of_labels(
    kind: str, machine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cgan_dist.recipes.choices.SCORED_FROM", 1)
    config = loaded(prepared(tmp_path / "my: set, {it's}", kind), machine)
    assert "All checks passed" in dry_run(config, 1)
    assert config.data.path == str(tmp_path / "my: set, {it's}")
    without = kind in ("one class", "none")
    assert (config.conditioning.labels.name == "none") == without
    assert [metric.name for metric in config.evaluate.metrics] == (
        [] if without else ["label_accuracy", "frechet_distance"]
    )


@pytest.mark.parametrize("machine", ["cpu", "gpu:4"])
@pytest.mark.parametrize(
    ("size", "channels"),
    [((8, 8), 1), ((6, 40), 3), ((16, 16), 3), ((28, 20), 1), ((32, 32), 3), ((48, 96), 1), ((128, 128), 3)],
)
def test_networks_are_built_for_every_size(machine: str, size: tuple[int, int], channels: int, tmp_path: Path) -> None:
    config = loaded(prepared(tmp_path / "set", "classes", size, channels), machine)
    inputs = check_inputs(config, 1, 0)
    build_networks(config, inputs.spec, inputs.label_space)
    assert not config.train.batch_size % (config.train.micro_batch or 1)


@pytest.mark.parametrize("machine", ["cpu", "gpu:4"])
def test_256_pixels_are_no_exception(machine: str, tmp_path: Path) -> None:
    config = loaded(prepared(tmp_path / "set", "product", (256, 192)), machine, at(5.0))
    inputs = check_inputs(config, 1, 0)
    build_networks(config, inputs.spec, inputs.label_space)


def chosen(facts: Facts, machine: str) -> tuple[str, int]:
    recipe = choose_recipe(facts, find_machine(machine))
    values = {choice.key: choice.value for choice in recipe.choices(recipe.widths[0], 1_000_000)}
    return values["generator.name"], recipe.widths[0]


def test_the_networks_follow_the_device_and_the_data() -> None:
    assert chosen(facts_of((64, 64)), "cpu") == ("dcgan", 24)
    assert chosen(facts_of((28, 28), channels=1), "cpu") == ("dcgan", 16)
    assert chosen(facts_of((28, 28), channels=1), "gpu") == ("dcgan", 16)
    assert chosen(facts_of((64, 64), channels=1), "gpu") == ("r3", 48)
    assert chosen(facts_of((64, 64), count=60_000), "gpu") == ("r3", 64)
    assert chosen(facts_of((6, 40)), "gpu") == ("dcgan", 24)


def test_a_cpu_gets_an_hour(tmp_path: Path) -> None:
    folder = prepared(tmp_path / "set", "classes")
    config = loaded(folder, "cpu", at(100.0))
    assert config.train.total_images == 320_000
    assert "53 min at 100 images/s" in Path("my set.yaml").read_text()
    assert loaded(folder, "cpu", at(100.0), hours=3).train.total_images == 970_000
    assert loaded(folder, "cpu", at(10_000.0)).train.total_images == 1_500_000


def test_schedules_end_with_the_run(tmp_path: Path) -> None:
    config = loaded(prepared(tmp_path / "set", "classes"), "cpu", at(100.0))
    assert config.optim.lr.end_images == config.train.total_images  # type: ignore[union-attr]
    intervals = [config.sample.interval_images, config.checkpoint.interval_images, config.tracking.interval_images]
    assert intervals == [30_000, 15_000, 3_000]


@pytest.mark.parametrize(("rate", "power", "width"), [(80.0, 0.0, 24), (40.0, 1.5, 12), (50.0, 1.5, 16), (1.0, 1.5, 8)])
def test_networks_are_narrower_where_the_time_is_short(rate: float, power: float, width: int, tmp_path: Path) -> None:
    config = loaded(prepared(tmp_path / "set", "classes"), "cpu", at(rate, power))
    assert config.generator.args == config.discriminator.args == {"width": width}


def test_a_length_that_leads_nowhere_is_said_to(tmp_path: Path) -> None:
    folder = prepared(tmp_path / "set", "classes")
    assert "That is little" in propose(str(folder), Path("a.yaml"), "cpu", None, at(2.0)).text
    assert "That is little" not in propose(str(folder), Path("a.yaml"), "cpu", None, at(100.0)).text


def test_hours_on_a_gpu_that_is_not_here_cannot_be_kept(tmp_path: Path) -> None:
    folder = prepared(tmp_path / "set", "classes")
    with pytest.raises(UserError, match="^--hours: found 8 hours on a GPU of 24 GiB, which is not here"):
        propose(str(folder), Path("a.yaml"), "gpu:24", 8.0)
    text = propose(str(folder), Path("a.yaml"), "gpu:24", None).text
    assert "How long that takes was not measured" in " ".join(text.replace("#", "").split())


def test_a_gpu_that_is_here_is_measured_and_takes_as_long_as_the_recipe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    card = Machine(is_gpu=True, is_here=True, memory_bytes=24 * GIB, name="a card")
    monkeypatch.setattr("cgan_dist.recipes.proposal.find_machine", lambda _: card)
    folder = prepared(tmp_path / "set", "classes", (16, 16))
    config = loaded(folder, "gpu", at(500.0))
    assert (config.generator.name, config.train.total_images) == ("r3", 10_000_000)
    assert "5.6 h at 500 images/s" in Path("my set.yaml").read_text()
    assert loaded(folder, "gpu", at(500.0), hours=2).train.total_images == 3_200_000


def test_a_speed_that_others_slowed_is_said_to_be(tmp_path: Path) -> None:
    folder = prepared(tmp_path / "set", "classes")

    def busy(config: Config) -> Measurement:
        return replace(at(100.0)(config), load=7.0, cores=2)

    said = "Other work kept this machine busy meanwhile"
    assert said in " ".join(propose(str(folder), Path("a.yaml"), "cpu", None, busy).text.replace("#", "").split())
    assert "Other work" not in propose(str(folder), Path("a.yaml"), "cpu", None, at(100.0)).text


def values_of(facts: Facts, machine: str = "cpu") -> dict[str, Any]:
    found = find_machine(machine)
    recipe = choose_recipe(facts, found)
    plan = Plan(name="a", facts=facts, machine=found, recipe=recipe, width=recipe.widths[0], hours=None)
    return plan.values()


@pytest.mark.parametrize(
    ("facts", "expected"),
    [
        (facts_of(count=1_000), ["flip", "color", "translation", "cutout"]),
        (facts_of(count=50_000), ["flip"]),
        (facts_of(labels=SCHEMAS["continuous"]), ["color", "translation", "cutout"]),
        (facts_of((28, 28), channels=1, count=5_000), []),
        (facts_of((28, 28), channels=1, count=1_000), ["translation", "cutout"]),
        (facts_of((64, 64), channels=1, count=5_000), ["translation", "cutout"]),
    ],
)
def test_little_data_is_augmented_more(facts: Facts, expected: list[str]) -> None:
    assert values_of(facts)["data"]["augment"] == expected


def test_scores_need_labels_and_enough_images() -> None:
    assert values_of(facts_of(count=1_000))["evaluate"]["metrics"] == ["label_accuracy", "frechet_distance"]
    assert "evaluate" not in values_of(facts_of(count=999))
    assert "evaluate" not in values_of(facts_of(labels=SCHEMAS["none"]))


def test_workers_follow_what_has_to_be_decoded() -> None:
    assert values_of(facts_of())["data"]["workers"] == 0
    assert values_of(facts_of(), "gpu")["data"]["workers"] == 2
    assert values_of(facts_of((128, 128), count=100_000), "gpu")["data"]["workers"] == 4


def test_unequal_classes_are_named() -> None:
    facts = facts_of()
    manifest = facts.manifest.model_copy(update={"histogram": {"ant": 1_800, "bee: 1": 180, "c# {\t": 20}})
    facts, machine = Facts(facts.path, manifest), find_machine("cpu")
    plan = Plan(name="a", facts=facts, machine=machine, recipe=choose_recipe(facts, machine), width=24, hours=None)
    choices = {choice.key: choice for choice in plan.choices()}
    reason = choices["conditioning.labels"].reason
    assert reason.startswith("3 classes of 20 ('c# {\\t') to 1,800 ('ant') images. Samples of the rarest")
    assert choices["data.balance"].value == "sqrt"
    assert choices["data.balance"].reason.startswith("The largest class has 90 times as many images as the smallest")


def test_a_name_that_is_taken_gets_a_number(tmp_path: Path) -> None:
    assert free_name(Path("out/my_pictures.yaml")) == "my_pictures"
    assert free_name(Path("my set: 1.yml")) == "my-set-1"
    assert free_name(Path("猫.yaml")) == "run"
    (tmp_path / "runs" / "my_pictures").mkdir(parents=True)
    (tmp_path / "runs" / "my_pictures-2").mkdir()
    assert free_name(Path("my_pictures.yaml")) == "my_pictures-3"


def test_a_set_that_is_not_there_is_an_error() -> None:
    with pytest.raises(UserError, match="the folder 'nowhere' does not exist"):
        propose("nowhere", Path("a.yaml"), "cpu", None, at(1.0))
