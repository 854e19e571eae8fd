"""Training on latents, from pictures to a model folder, by the commands that one types."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from click.testing import CliRunner
from PIL import Image
from torch import Tensor

from cgan_dist import Generator, UserError, find_checkpoint
from cgan_dist.assembly.fine_tuning import FineTuning
from cgan_dist.assembly.inputs import check_inputs
from cgan_dist.assembly.networks import build_networks
from cgan_dist.cli import main
from cgan_dist.config.document import Config, load_config
from cgan_dist.sharing.graphs import FORMS, TOLERANCE, inputs_for, trace, write_graph
from tests.autoencoders import encoded, save_autoencoder
from tests.integration.conftest import Cli
from tests.strangers import stranger_of
from tests.unit.training.test_step import make_step

CONFIG = """\
run: {{name: latent, dir: {runs}}}
data: {{path: {data}, workers: 0, streams: 4, autoencoder: {autoencoder}}}
generator: {{latent_dim: 8, args: {{width: 4}}}}
discriminator: {{args: {{width: 4}}}}
train: {{batch_size: 8, total_images: 64}}
sample: {{interval_images: 32, per_class: 2}}
checkpoint: {{interval_images: 32, keep_last: 9}}
tracking: {{trackers: [], interval_images: 16}}
"""


def train(config: Path, *overrides: str) -> None:
    result = CliRunner().invoke(main, ["train", "--config", str(config), *overrides], catch_exceptions=False)
    assert result.exit_code == 0, result.output


@pytest.fixture(scope="session")
def config_path(latents_folder: Path, autoencoder_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("latent")
    text = CONFIG.format(runs=folder / "runs", data=latents_folder, autoencoder=autoencoder_folder)
    (folder / "config.yaml").write_text(text)
    return folder / "config.yaml"


@pytest.fixture(scope="session")
def latent_run(config_path: Path) -> Path:
    train(config_path)
    return config_path.parent / "runs" / "latent"


@pytest.fixture
def config(config_path: Path) -> Config:
    return load_config(config_path)


def test_pictures_to_latents_by_the_command(
    cli: Cli, coloured_folder: Path, autoencoder_folder: Path, tmp_path: Path
) -> None:
    result = cli("encode", coloured_folder, "--autoencoder", autoencoder_folder, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "61 images of 16x16x3 as latents of 8x8x4 (moments of the autoencoder 'small', weights" in result.output
    assert "as networks see them: mean" in result.output
    assert Image.open(tmp_path / "out" / "contact-sheet.png").width > 3 * 16
    without = cli("inspect", tmp_path / "out")
    assert "no contact sheet: give --autoencoder DIR" in without.output
    sheet = cli("inspect", tmp_path / "out", "--autoencoder", autoencoder_folder, "--sheet", tmp_path / "sheet.png")
    assert sheet.exit_code == 0
    assert (tmp_path / "sheet.png").is_file()
    assert "all as prepared" in cli("verify", tmp_path / "out").output
    wrong = cli("inspect", coloured_folder, "--autoencoder", autoencoder_folder)
    assert (wrong.exit_code, "holds pictures. Leave it out" in wrong.output) == (2, True)


def test_a_run_leaves_pictures(latent_run: Path, cli: Cli, config_path: Path) -> None:
    for name in ("real", "random_z", "fixed_z"):
        assert len(list((latent_run / "samples").glob(f"{name}-*.png"))) == 3
    told = cli("check", "--config", config_path, "run.name=other")
    assert "images of 8x8x4 (latents, sampled anew at each look; decoded to 16x16x3)" in told.output, told.output


def test_commands_draw_pictures(latent_run: Path, cli: Cli, tmp_path: Path, coloured_folder: Path) -> None:
    for command in (
        ("sample", "--per-label", 2, "--out", tmp_path / "grid.png"),
        ("walk", "--steps", 3, "--out", tmp_path / "walk.gif"),
        ("slide", "--steps", 3, "--out", tmp_path / "slide.png"),
        ("neighbours", "--out", tmp_path / "neighbours.png"),
        ("neighbours", "--data", coloured_folder, "--out", tmp_path / "of_pictures.png"),
        ("film", "--out", tmp_path / "film.gif"),
        ("generate", "--count", 12, "--format", "npz", "--out", tmp_path / "set.npz"),
    ):
        result = cli(command[0], latent_run, *command[1:])
        assert result.exit_code == 0, result.output
    with np.load(tmp_path / "set.npz") as arrays:
        assert (arrays["images"].shape, arrays["images"].dtype) == ((12, 16, 16, 3), np.uint8)
        assert arrays["images"].std() > 1


def test_scores_are_of_decoded_pictures(latent_run: Path, cli: Cli, coloured_folder: Path, tmp_path: Path) -> None:
    run = Path(shutil.copytree(latent_run, tmp_path / "run"))
    options = ("--metrics", "diversity@classifier,label_accuracy", "--count", 40)
    done = cli("evaluate", run, *options)
    assert done.exit_code == 0, done.output
    assert cli("evaluate", run, *options, "--data", coloured_folder).exit_code == 0
    of_latents, of_pictures = json.loads((run / "evaluation.json").read_text())
    told = of_latents["protocol"]["reference"]["pictures"]
    assert told.startswith("decoded means of latents, autoencoder ")
    assert "pictures" not in of_pictures["protocol"]["reference"]


def sampled(config: Config, micro: int | None, position: int, phase: int) -> Tensor:
    """The real images of a phase, of the first images of the set."""
    train = config.train.model_copy(update={"micro_batch": micro})
    changed = config.model_copy(update={"train": train})
    step, inputs = make_step(changed), check_inputs(changed, 1, 0)
    from cgan_dist.data.batch import Batch

    images, labels = inputs.shards.take(inputs.shards.open(0), np.arange(8))
    batch = Batch(torch.from_numpy(images).permute(0, 3, 1, 2), torch.from_numpy(labels))
    return torch.cat([found.real for found in step._micro_batches(batch, position, phase)])


def test_moments_are_sampled_by_position_phase_and_row(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCELERATE_USE_CPU", "true")
    whole = sampled(config, None, 0, 2)
    assert torch.equal(whole, sampled(config, None, 0, 2))
    assert torch.equal(whole, sampled(config, 2, 0, 2))
    assert not torch.equal(whole, sampled(config, None, 0, 1))
    assert not torch.equal(whole, sampled(config, None, 8, 2))
    assert 0.3 < whole.std() < 3


def final(run: Path) -> dict[str, Tensor]:
    checkpoint = find_checkpoint(run)
    assert checkpoint.images_seen == 64
    return {
        f"{net}.{name}": value
        for net in ("generator", "discriminator", "ema")
        for name, value in checkpoint.tensors(net).items()
    }


def test_a_resumed_run_ends_with_the_same_bits(config_path: Path, latent_run: Path) -> None:
    train(config_path, "run.name=resumed", "train.total_images=32")
    train(config_path, "run.name=resumed")
    whole, resumed = final(latent_run), final(latent_run.parent / "resumed")
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


@pytest.fixture
def other_autoencoder(tmp_path: Path) -> Path:
    return save_autoencoder(tmp_path / "other", seed=1)


def test_the_wrong_autoencoder_and_none_are_told_before_anything_starts(
    cli: Cli, config_path: Path, other_autoencoder: Path, coloured_folder: Path, tmp_path: Path
) -> None:
    for override, said in (
        (
            "data.autoencoder=null",
            "data.autoencoder: none is given, and the data is latents of the autoencoder 'small'",
        ),
        (f"data.autoencoder={other_autoencoder}", "another autoencoder: sha256 of its weights"),
        (f"data.autoencoder={tmp_path / 'nowhere'}", "nowhere: no such folder"),
        ("data.pixels=half", "data.pixels: found half, but"),
        ("data.channels=3", "data.channels: found 3, but"),
        ("data.augment=ada", "data.augment.0: found ada with the pipeline bgc, which changes colours, but"),
        (f"data.path={coloured_folder}", "but these are pictures, not latents"),
    ):
        result = cli("train", "--config", config_path, f"run.dir={tmp_path}", override)
        assert result.exit_code == 2, result.output
        assert said in result.output
    assert not (tmp_path / "latent").exists()
    assert "no recipe" in cli("new", load_config(config_path).data.path, "--out", tmp_path / "new.yaml").output


@pytest.fixture
def strangers_run(latent_run: Path, other_autoencoder: Path, tmp_path: Path) -> Path:
    def change(values: dict[str, dict[str, object]]) -> None:
        values["data"]["autoencoder"] = str(other_autoencoder)

    return stranger_of(latent_run, tmp_path / "stranger", change)


def test_an_autoencoder_that_a_strangers_run_names_is_not_opened(
    strangers_run: Path, autoencoder_folder: Path, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = ("--out", tmp_path / "grid.png")
    with monkeypatch.context() as patch:
        patch.setattr("cgan_dist.assembly.decoding.open_autoencoder", lambda *_: pytest.fail("it was opened"))
        for command in (("sample", *out), ("export", "--out", tmp_path / "model"), ("evaluate",), ("demo",)):
            result = cli(command[0], strangers_run, *command[1:])
            assert result.exit_code == 2
            assert "data.autoencoder: its config names" in result.output
            assert "Say with --autoencoder what is to be opened" in result.output
    assert cli("sample", strangers_run, *out, "--autoencoder", autoencoder_folder).exit_code == 0
    trusted = cli("sample", strangers_run, *out, "--trust-code")
    assert (trusted.exit_code, "another autoencoder" in trusted.output) == (2, True)


def test_networks_go_to_latents_of_the_same_autoencoder_only(
    config: Config,
    latent_run: Path,
    coloured_folder: Path,
    autoencoder_folder: Path,
    other_autoencoder: Path,
    tmp_path: Path,
) -> None:
    def begun_on(autoencoder: Path, name: str) -> FineTuning:
        data = encoded(coloured_folder, autoencoder, tmp_path / name, moments=False)
        section = config.data.model_copy(update={"path": str(data), "autoencoder": str(autoencoder)})
        changed = config.model_copy(update={"data": section})
        return FineTuning(find_checkpoint(latent_run), changed, check_inputs(changed, 1, 0))

    begun_on(autoencoder_folder, "means")
    with pytest.raises(UserError, match=r"--from .*: its networks make pictures of 8x8 latents .* 'small' .* 'other'"):
        begun_on(other_autoencoder, "others")


@pytest.fixture(scope="session")
def model(latent_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "model"
    result = CliRunner().invoke(main, ["export", str(latent_run), "--out", str(folder)], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return folder


def test_a_model_folder_draws_pictures_by_itself(model: Path, cli: Cli, tmp_path: Path) -> None:
    alone = Path(shutil.copytree(model, tmp_path / "alone"))
    generator = Generator.from_pretrained(alone)
    images = generator.sample("0,2", count=4, seed=3)
    assert (images.shape, images.dtype, generator.image_shape) == ((4, 16, 16, 3), np.uint8, (3, 16, 16))
    assert images.std() > 1
    z = generator.draw_z(2).requires_grad_()
    drawn = generator(z, [0, 1])
    assert drawn.shape == (2, 3, 16, 16)
    drawn.sum().backward()
    assert z.grad is not None
    assert "(8, 16, 16, 3) uint8" in (alone / "README.md").read_text()
    pushed = cli("push", alone, "--to", "ada/latents", "--dry-run")
    assert "autoencoder/diffusion_pytorch_model.safetensors" in pushed.output
    assert "left out" not in pushed.output


def test_a_model_folder_with_another_autoencoder_is_refused(
    model: Path, other_autoencoder: Path, cli: Cli, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(model, tmp_path / "model"))
    shutil.copy(other_autoencoder / "diffusion_pytorch_model.safetensors", folder / "autoencoder")
    with pytest.raises(UserError, match="another autoencoder: sha256 of its weights"):
        Generator.from_pretrained(folder)
    assert cli("push", folder, "--to", "ada/latents", "--dry-run").exit_code == 2
    shutil.rmtree(folder / "autoencoder")
    with pytest.raises(UserError, match="no such folder; expected one with config.json"):
        Generator.from_pretrained(folder)


@pytest.mark.long
def test_graphs_hold_the_decoder(model: Path, tmp_path: Path) -> None:
    generator = Generator.from_pretrained(model)
    program = trace(generator)
    for form in FORMS:
        assert write_graph(form, program, generator, tmp_path) < TOLERANCE
    run = torch.export.load(tmp_path / "model.pt2").module()
    assert run(*inputs_for(generator, 70)).shape == (70, 3, 16, 16)  # from 64 on diffusers takes another way


def test_latents_can_be_moved_adaptively(config_path: Path) -> None:
    augment = "[{name: ada, args: {pipeline: bg}}]"
    own = "run.name=adaptive"  # another test trains in the folder of the config
    config = load_config(config_path, [own, f"data.augment={augment}"])
    assert check_inputs(config, 1, 0).augment.adaptation is not None
    colours = "[brightness, contrast, luma_flip, hue, saturation]"
    moving = f"[{{name: ada, args: {{without: {colours}}}}}]"
    config = load_config(config_path, [own, f"data.augment={moving}"])
    assert check_inputs(config, 1, 0).augment.adaptation is not None


def test_a_generator_of_latents_has_no_bounds(config: Config) -> None:
    inputs = check_inputs(config, 1, 0)
    network = build_networks(config, inputs.spec, inputs.label_space).generator
    with torch.no_grad():
        network.last.weight.mul_(1000)  # type: ignore[union-attr, operator]
        condition = inputs.label_space.encode(torch.zeros(4, dtype=torch.int64))
        assert network(torch.ones(4, 8), condition).abs().max() > 1.5


def test_the_config_names_it_by_a_key(config: Config) -> None:
    assert yaml.safe_load(config.to_yaml())["data"]["autoencoder"] == config.data.autoencoder
