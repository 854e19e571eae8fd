from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from PIL import Image

from cgan_dist.assembly.inputs import build_label_space, open_shards
from cgan_dist.assembly.networks import build_generator
from cgan_dist.assembly.saved import load_sampler
from cgan_dist.checkpoints.store import Checkpoint, Checkpoints
from cgan_dist.conditioning.spaces.distribution import LabelDistribution
from cgan_dist.config.document import Config
from cgan_dist.errors import UserError
from cgan_dist.sharing import export as module
from cgan_dist.sharing.export import export, generator_of
from cgan_dist.sharing.folder import check_model_folder
from cgan_dist.sharing.pretrained import Generator

MakeConfig = Callable[..., Config]


@pytest.fixture
def checkpoint(make_config: MakeConfig) -> Checkpoint:
    """What training leaves, as far as a generator needs it."""
    return checkpoint_of(make_config("data.channels=3", "data.pixels=half"))


def checkpoint_of(config: Config) -> Checkpoint:
    shards = open_shards(config.data)
    spec = shards.manifest.spec
    space = build_label_space(config, spec)
    generator = build_generator(config, spec, space)
    labels = LabelDistribution.of(space.select(torch.from_numpy(shards.labels(50))))
    networks = {"ema": generator.state_dict(), "labels": labels.state()}
    state = {"config": config.model_dump(), "data": spec.to_dict(), "meter": {}}
    config.run.folder.mkdir(parents=True, exist_ok=True)
    return Checkpoint(Checkpoints(config.run.folder / "checkpoints").save(64, networks, {}, state, wait=True))


def test_the_folder_draws_what_the_checkpoint_draws(checkpoint: Checkpoint, tmp_path: Path) -> None:
    told: list[str] = []
    export(checkpoint, tmp_path / "out" / "model", license_id="mit", tell=told.append)
    folder = tmp_path / "out" / "model"
    assert list(check_model_folder(folder)) == ["config.json", "model.safetensors", "README.md", "grid.png"]
    assert [path.name for path in folder.parent.iterdir()] == ["model"]
    assert told == ["model.safetensors: loads, and draws the same images, bit for bit"]
    generator = Generator.from_pretrained(folder)
    assert generator.image_shape == (3, 8, 8)
    sampler = load_sampler(checkpoint, 5, torch.device("cpu"))
    labels = sampler.label_space.parse("flat,rows")
    assert (generator.sample("flat,rows", 6, seed=5) == sampler.balanced(labels, 6).images).all()
    assert (generator.sample(None, 40, seed=5) == sampler.fair(40).images).all()
    drawn = load_sampler(checkpoint, 0, torch.device("cpu")).grid(sampler.label_space.grid(64), 8, "random", 0)
    with Image.open(folder / "grid.png") as grid:
        assert grid.convert("RGB").tobytes() == drawn.tobytes()


def test_it_says_which_checkpoint_it_is_of(checkpoint: Checkpoint) -> None:
    origin = generator_of(checkpoint)[0].config.origin
    manifest = (checkpoint.folder / "files.json").read_bytes()
    assert (origin.run, origin.checkpoint, origin.images_seen) == ("test", "step-000000000064", 64)
    assert origin.checkpoint_sha256 == hashlib.sha256(manifest).hexdigest()
    assert origin.data == checkpoint.state["data"]["fingerprint"]


def test_what_is_there_is_not_replaced_unasked(checkpoint: Checkpoint, tmp_path: Path) -> None:
    out = tmp_path / "model"
    export(checkpoint, out)
    before = (out / "config.json").stat().st_mtime_ns
    with pytest.raises(UserError, match=r"--out .*model: it is there already; give another name, or --overwrite"):
        export(checkpoint, out)
    (out / "stale.txt").touch()
    export(checkpoint, out, overwrite=True)
    assert (out / "config.json").stat().st_mtime_ns != before
    assert not (out / "stale.txt").exists()


def test_only_a_model_folder_is_ever_replaced(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "thesis.txt").write_text("years of it")
    (tmp_path / "file").write_text("one")
    (tmp_path / "link").symlink_to(tmp_path / "work")
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    for out in (tmp_path / "work", tmp_path / "file", tmp_path / "link", Path("."), Path("/")):
        with pytest.raises(UserError, match="--overwrite replaces a model folder"):
            export(checkpoint, out, overwrite=True)
    assert (tmp_path / "work" / "thesis.txt").read_text() == "years of it"
    export(checkpoint, tmp_path / "empty", overwrite=True)
    check_model_folder(tmp_path / "empty")


def test_it_is_whole_or_absent(checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> str:
        raise OSError(28, "No space left on device")

    out = tmp_path / "models" / "model"
    with monkeypatch.context() as patch:
        patch.setattr(module, "model_card", failing)
        with pytest.raises(UserError, match=r"--out .*: cannot write: No space left on device"):
            export(checkpoint, out)
        assert list(out.parent.iterdir()) == []
    export(checkpoint, out)
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    with monkeypatch.context() as patch:
        patch.setattr(module, "model_card", failing)
        with pytest.raises(UserError, match="cannot write"):
            export(checkpoint, out, overwrite=True)
    assert {path.name: path.read_bytes() for path in out.iterdir()} == before
    assert [path.name for path in out.parent.iterdir()] == ["model"]


def test_a_folder_that_cannot_be_put_in_place_leaves_the_old_one(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "models" / "model"
    export(checkpoint, out)
    rename = Path.rename

    def refused(path: Path, target: Path) -> Path:
        if path.name == ".model.partial" and Path(target) == out:
            raise OSError(5, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refused)
    with pytest.raises(UserError, match="cannot write: Input/output error"):
        export(checkpoint, out, overwrite=True)
    check_model_folder(out)


def test_what_a_killed_export_has_left_is_removed(checkpoint: Checkpoint, tmp_path: Path) -> None:
    (tmp_path / "models" / ".model.partial").mkdir(parents=True)
    (tmp_path / "models" / ".model.partial" / "half").touch()
    export(checkpoint, tmp_path / "models" / "model")
    assert [path.name for path in (tmp_path / "models").iterdir()] == ["model"]


def test_a_generator_that_does_not_come_back_is_not_exported(
    checkpoint: Checkpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = Generator.from_pretrained

    def forgetful(*args: object, **options: object) -> Generator:
        generator = loaded(*args, **options)  # type: ignore[arg-type]
        with torch.no_grad():
            next(generator.parameters()).add_(1)
        return generator

    monkeypatch.setattr(module.Generator, "from_pretrained", forgetful)
    with pytest.raises(UserError, match="draws other images after it was saved and loaded"):
        export(checkpoint, tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_nothing_is_written_where_a_folder_cannot_be(checkpoint: Checkpoint, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"^--out .*: cannot write: Not a directory"):
        export(checkpoint, tmp_path / "file" / "model")


def test_a_space_of_some_of_the_labels_is_kept(make_config: MakeConfig, tmp_path: Path) -> None:
    checkpoint = checkpoint_of(make_config("conditioning={labels: none}"))
    export(checkpoint, tmp_path / "model")
    generator = Generator.from_pretrained(tmp_path / "model")
    assert generator.label_names == []
    assert generator.sample(count=3).shape == (3, 8, 8, 1)
    with pytest.raises(UserError, match="conditioning.labels is none"):
        generator.sample("rows")
