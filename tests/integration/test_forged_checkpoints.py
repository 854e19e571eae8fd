"""Checkpoints whose hashes are right and whose content is not: each is a sentence that names the file and the key."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file, save
from torch import Tensor

from cgan_dist import find_checkpoint, load_sampler
from cgan_dist.assembly.inputs import Inputs, check_inputs
from cgan_dist.assembly.networks import Networks, build_networks
from cgan_dist.assembly.start import choose_start
from cgan_dist.checkpoints.store import CHECKPOINTS, Checkpoints
from cgan_dist.cli import main
from cgan_dist.config.document import Config, load_config
from cgan_dist.errors import UserError
from tests.conftest import CONFIG
from tests.integration.conftest import Cli
from tests.unit.checkpoint_samples import forge

NAME = "step-000000000064"
OVERRIDES = ("loss.penalties={lecam: 0.1}", "optim.tables=rows", "checkpoint.interval_images=64")
Values = dict[str, Any]
Change = Callable[[Any], Any]


class Trained(NamedTuple):
    """A run with everything that has state, and what its config builds."""

    config_file: Path
    config: Config
    inputs: Inputs
    networks: Networks

    @property
    def run(self) -> Path:
        return self.config.run.folder


@pytest.fixture(scope="module")
def trained(shards_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    path = folder / "config.yaml"
    path.write_text(CONFIG.format(runs=folder / "runs", data=shards_folder))
    result = CliRunner().invoke(main, ["train", "--config", str(path), *OVERRIDES], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    config = load_config(path, OVERRIDES)
    inputs = check_inputs(config, 1, 1)
    return Trained(path, config, inputs, build_networks(config, inputs.spec, inputs.label_space))


@pytest.fixture
def folder(trained: Trained, tmp_path: Path) -> Path:
    """A copy of the checkpoint, in a run folder of its own."""
    copy = tmp_path / "run" / CHECKPOINTS / NAME
    shutil.copytree(trained.run / CHECKPOINTS / NAME, copy)
    return copy


def go_on(trained: Trained, folder: Path) -> None:
    """All that is done before a process group starts."""
    checkpoints = Checkpoints(folder.parent)
    assert choose_start(checkpoints, None, trained.config, trained.inputs, trained.networks) is not None


def at(path: str, value: Any) -> Change:
    """Puts a value in the place of one in nested mappings."""

    def change(values: Values) -> Values:
        *above, last = path.split(".")
        inner = values
        for key in above:
            inner = inner[key]
        inner[last] = value
        return values

    return change


def without(path: str) -> Change:
    def change(values: Values) -> Values:
        *above, last = path.split(".")
        inner = values
        for key in above:
            inner = inner[key]
        del inner[last]
        return values

    return change


STATE: list[tuple[str, Change, str]] = [
    ("no config", without("config"), "config is not there"),
    ("no data", without("data"), "data is not there"),
    ("no meter", without("meter"), "meter is not there"),
    ("no clock", without("images_seen"), "images_seen is not there"),
    ("config a list", at("config", []), "config: found [] (list)"),
    ("data a text", at("data", "shards"), "data: found 'shards' (text)"),
    ("a size of text", at("data.height", "8"), "data.height: found '8' (text)"),
    ("an enormous size", at("data.width", 10**9), "data.width: found 1000000000"),
    ("two channels", at("data.channels", 2), "data.channels: found 2"),
    ("no fingerprint", without("data.fingerprint"), "data.fingerprint is not there"),
    ("a number for a fingerprint", at("data.fingerprint", 7), "data.fingerprint: found 7"),
    ("no labels", without("data.labels"), "data.labels is not there"),
    ("labels of no kind", at("data.labels", {"kind": "moods"}), "data.labels: "),
    ("labels without names", at("data.labels", {"kind": "classes"}), "data.labels.classes.names is not there"),
    ("an unknown fact", at("data.depth", 3), "data.depth: unknown key"),
    ("a meter of texts", at("meter", {"sums": {"a": "b"}, "counts": {"a": 1}}), "meter.sums.a: found 'b'"),
    ("a meter of halves", at("meter", {"sums": {"a": 1.0}, "counts": {}}), "sums and counts have different names"),
    ("a meter of infinities", at("meter", {"sums": {"a": float("inf")}, "counts": {"a": 1}}), "meter.sums.a: found"),
    ("scalers a list", at("scalers", [1]), "scalers: found [1]"),
    ("half a scaler", at("scalers", {"generator": {"scale": 2.0}}), "scalers.generator.growth_factor is not there"),
    ("a clock of text", at("images_seen", "64"), "images_seen: found '64'"),
    ("a negative clock", at("images_seen", -64), "images_seen: found -64"),
    ("a world of none", at("world_size", 0), "world_size: found 0"),
    ("a beginning of text", at("begun_from", "elsewhere"), "begun_from: found 'elsewhere'"),
    ("scores a list", at("scores", [1]), "scores: found [1]"),
    ("another format", at("format", 2), "format: found 2"),
    ("a list", lambda _: [1], "it is list, expected an object"),
]
CONFIGS: list[tuple[str, Change, str]] = [
    ("an empty config", at("config", {}), "state.json: config: data: required"),
    ("an unknown section", at("config.guards", {}), "state.json: config: guards: unknown key"),
    ("optim of text", at("config.optim", "adam"), "state.json: config: optim: found 'adam'"),
    (
        "labels that are not there",
        at("config.conditioning.labels", "moods"),
        "conditioning.labels: unknown label space",
    ),
    ("tables of another way", at("config.optim.tables", "dense"), "optim.tables: found rows, but "),
]


@pytest.mark.parametrize(("change", "fragment"), [case[1:] for case in STATE], ids=[case[0] for case in STATE])
def test_a_state_that_no_trainer_wrote(trained: Trained, folder: Path, change: Change, fragment: str) -> None:
    """It is damaged: an older checkpoint is taken where there is one, and else this is said."""
    forge(folder, "state.json", json.dumps(change(json.loads((folder / "state.json").read_text()))).encode())
    with pytest.raises(UserError) as caught:
        go_on(trained, folder)
    assert f"{NAME}: state.json: " in str(caught.value)
    assert fragment in str(caught.value)
    older = folder.with_name("step-000000000032")
    shutil.copytree(trained.run / CHECKPOINTS / NAME, older)
    values = json.loads((older / "state.json").read_text()) | {"images_seen": 32}
    forge(older, "state.json", json.dumps(values).encode())
    go_on(trained, folder)


@pytest.mark.parametrize(("change", "fragment"), [case[1:] for case in CONFIGS], ids=[case[0] for case in CONFIGS])
def test_a_config_that_is_none(trained: Trained, folder: Path, change: Change, fragment: str) -> None:
    forge(folder, "state.json", json.dumps(change(json.loads((folder / "state.json").read_text()))).encode())
    with pytest.raises(UserError) as caught:
        go_on(trained, folder)
    assert fragment in str(caught.value)


def test_one_of_a_version_to_come_is_not_passed_over(trained: Trained, folder: Path) -> None:
    """An older one would be taken in silence, and what the newer version did would be trained anew."""
    values = json.loads((folder / "state.json").read_text())
    assert values["format"] == "cgan_dist checkpoint 1"
    forge(folder, "state.json", json.dumps(values | {"format": "cgan_dist checkpoint 2"}).encode())
    with pytest.raises(UserError, match=r"state.json: format: found 'cgan_dist checkpoint 2', .* install that one"):
        go_on(trained, folder)


def test_one_before_there_was_a_number_is_read(trained: Trained, folder: Path) -> None:
    values = json.loads((folder / "state.json").read_text())
    del values["format"]
    forge(folder, "state.json", json.dumps(values).encode())
    go_on(trained, folder)


Tensors = dict[str, Tensor]


def first(tensors: Tensors) -> str:
    return next(name for name, value in sorted(tensors.items()) if value.ndim and value.is_floating_point())


def drop(tensors: Tensors) -> Tensors:
    return {name: value for name, value in tensors.items() if name != first(tensors)}


def transpose(tensors: Tensors) -> Tensors:
    name = first(tensors)
    return tensors | {name: torch.zeros(*tensors[name].shape, 2)}


def whole(tensors: Tensors) -> Tensors:
    return tensors | {first(tensors): tensors[first(tensors)].long()}


def only(**given: Tensor) -> Change:
    return lambda tensors: tensors | given


NETWORKS = [
    (file, change)
    for file in ("generator", "discriminator", "ema")
    for change in (drop, transpose, whole, only(extra=torch.zeros(3)))
]
OTHERS = [
    ("statistics", lambda _: {}, "of_ranks is not there"),
    ("statistics", only(of_ranks=torch.zeros(3)), "of_ranks is (3,) float32"),
    ("statistics", only(of_ranks=torch.zeros(2, 7)), "of_ranks is (2, 7) float32"),
    ("objective", only(lecam=torch.zeros(3)), "lecam is (3,) float32"),
    ("objective", only(lecam=torch.zeros(2, dtype=torch.int64)), "lecam is (2,) int64"),
    ("objective", only(adaptation=torch.zeros(2)), "adaptation is (2,) float32, expected three numbers"),
    ("objective", only(adaptation=torch.tensor([1.5, 0, 0])), "adaptation is [1.5, 0.0, 0.0], expected a probability"),
    ("objective", only(adaptation=torch.tensor([0, torch.nan, 0])), "adaptation is [0.0, nan, 0.0], expected"),
    ("objective", only(adaptation=torch.tensor([0, 0, -1.0])), "adaptation is [0.0, 0.0, -1.0], expected"),
]
LABELS = [
    ("no counts", lambda t: {"rows": t["rows"]}, "counts is not there"),
    ("no rows", lambda t: {"counts": t["counts"]}, "rows is not there"),
    ("counts for none", only(counts=torch.ones(7, dtype=torch.int64)), "counts is (7,) int64"),
    ("counts of halves", lambda t: t | {"counts": t["counts"] / 2}, "counts is (3,) float32"),
    ("negative counts", lambda t: t | {"counts": -t["counts"]}, "counts has -"),
    ("classes that are not there", lambda t: t | {"rows": t["rows"] + 9}, "expected 0..2"),
    ("labels of another form", lambda t: t | {"rows": torch.zeros(3, 2)}, "labels are (3, 2)"),
    ("nothing", only(rows=torch.zeros(0, dtype=torch.int64), counts=torch.zeros(0, dtype=torch.int64)), "counts is"),
]


def forge_tensors(folder: Path, file: str, change: Change) -> None:
    name = f"{file}.safetensors"
    forge(folder, name, save({key: value.contiguous() for key, value in change(load_file(folder / name)).items()}))


@pytest.mark.parametrize(("file", "change"), NETWORKS)
def test_networks_of_another_form(trained: Trained, folder: Path, file: str, change: Change) -> None:
    key = first(load_file(folder / f"{file}.safetensors"))
    forge_tensors(folder, file, change)
    with pytest.raises(UserError) as caught:
        go_on(trained, folder)
    assert file in str(caught.value)
    assert key in str(caught.value) or "extra" in str(caught.value)
    if file == "ema":
        with pytest.raises(UserError, match="ema"):
            load_sampler(find_checkpoint(folder), 0, torch.device("cpu"))


@pytest.mark.parametrize(("file", "change", "fragment"), OTHERS)
def test_other_tensors(trained: Trained, folder: Path, file: str, change: Change, fragment: str) -> None:
    forge_tensors(folder, file, change)
    with pytest.raises(UserError) as caught:
        go_on(trained, folder)
    assert f"{file}.safetensors: {fragment}" in str(caught.value)


@pytest.mark.parametrize(("change", "fragment"), [case[1:] for case in LABELS], ids=[case[0] for case in LABELS])
def test_labels_that_are_none(folder: Path, change: Change, fragment: str) -> None:
    forge_tensors(folder, "labels", change)
    with pytest.raises(UserError) as caught:
        load_sampler(find_checkpoint(folder), 0, torch.device("cpu"))
    assert "labels.safetensors: " in str(caught.value)
    assert fragment in str(caught.value)


def group(**values: Any) -> Change:
    def change(saved: Values) -> Values:
        saved["param_groups"][0] |= values
        return saved

    return change


def moments(**values: Any) -> Change:
    def change(saved: Values) -> Values:
        saved["state"][0] |= values
        return saved

    return change


OPTIMIZERS: list[tuple[str, Change, str]] = [
    ("two groups", lambda s: s | {"param_groups": s["param_groups"] * 2}, "param_groups is 2 groups, expected a list"),
    ("no group", lambda s: s | {"param_groups": []}, "param_groups is 0 groups"),
    ("groups of text", lambda s: s | {"param_groups": "one"}, "param_groups is 'one'"),
    ("a group of text", lambda s: s | {"param_groups": ["one"]}, "param_groups is 1 groups"),
    ("other parameters", group(params=[0, 1]), "param_groups.0.params is [0, 1], expected the numbers of"),
    ("no parameters", lambda s: s | {"param_groups": [{"lr": 1.0}]}, "param_groups.0.params is None"),
    ("amsgrad", group(amsgrad=True), "param_groups.0.amsgrad is True, expected False"),
    ("an eps of text", group(eps="small"), "param_groups.0.eps is 'small', expected 1e-08"),
    ("uphill", group(maximize=True), "param_groups.0.maximize is True, expected False"),
    (
        "a parameter too many",
        lambda s: s | {"state": s["state"] | {99: s["state"][0]}},
        "state has 99, expected a number",
    ),
    ("a parameter of text", lambda s: s | {"state": {"a": s["state"][0]}}, "state has 'a', expected a number"),
    ("moments of text", lambda s: s | {"state": {0: "none"}}, "state.0 is str, expected a mapping"),
    ("half the moments", lambda s: s | {"state": {0: {"step": 1}}}, "state.0 has 'step', expected step, exp_avg"),
    ("a moment of another shape", moments(exp_avg=torch.zeros(2, 2)), "state.0.exp_avg is (2, 2) float32, expected"),
    ("a moment of numbers", moments(exp_avg_sq=[1.0]), "state.0.exp_avg_sq is list, expected a tensor"),
    ("a step of text", moments(step="many"), "state.0.step is 'many', expected the number of updates"),
    ("steps", moments(step=torch.zeros(3)), "state.0.step is (3,) float32, expected the number of updates"),
]


ADAM, ROWS = "optimizer_g_adam.pt", "optimizer_d_rows.pt"


@pytest.mark.parametrize(
    ("file", "change", "fragment"),
    [(ADAM, *case[1:]) for case in OPTIMIZERS]
    + [(ROWS, *case[1:]) for case in OPTIMIZERS if case[0] != "amsgrad"],  # which SparseAdam has not
)
def test_another_optimizer(trained: Trained, folder: Path, file: str, change: Change, fragment: str) -> None:
    buffer = io.BytesIO()
    torch.save(change(torch.load(folder / file, weights_only=True)), buffer)
    forge(folder, file, buffer.getvalue())
    with pytest.raises(UserError) as caught:
        go_on(trained, folder)
    assert f"{file}: {fragment}" in str(caught.value)


def test_an_optimizer_that_unpacks_itself(trained: Trained, folder: Path) -> None:
    """A thousand times its size: a few hundred kilobytes would become all memory."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(folder / ADAM) as stored, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name in stored.namelist():
            packed.writestr(name, stored.read(name))
    forge(folder, ADAM, buffer.getvalue())
    with pytest.raises(UserError, match=f"{ADAM} cannot be loaded: .* is compressed"):
        go_on(trained, folder)


def test_there_are_enough_of_them() -> None:
    assert sum(map(len, (STATE, CONFIGS, NETWORKS, OTHERS, LABELS, OPTIMIZERS))) >= 43


def test_commands_end_with_a_sentence(cli: Cli, trained: Trained, folder: Path) -> None:
    buffer = io.BytesIO()
    torch.save({"state": {}, "param_groups": [{"params": [0]}] * 2}, buffer)
    forge(folder, "optimizer_g_adam.pt", buffer.getvalue())
    run = folder.parents[1]
    line = ["train", "--config", trained.config_file, *OVERRIDES, f"run.dir={run.parent}", f"run.name={run.name}"]
    result = cli(*line, "train.total_images=96")
    assert result.exit_code == 2
    assert f"{folder / 'optimizer_g_adam.pt'}: param_groups is 2 groups" in result.output
    forge_tensors(folder, "ema", drop)
    for command in (["sample", run, "--out", run / "a.png"], ["export", run, "--out", run / "model"]):
        result = cli(*command)
        assert result.exit_code == 2
        assert "its ema is not that of this config" in result.output


def test_what_was_not_forged_goes_on(trained: Trained, folder: Path) -> None:
    go_on(trained, folder)
