"""Sets of latents: the same bytes however they were made, damage that is found, manifests that are bounded."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cgan_dist.data.latent_set import LatentSet
from cgan_dist.data.loader import Loader
from cgan_dist.data.manifest import parse_manifest
from cgan_dist.data.row_file import RowFile
from cgan_dist.data.shard_file import load_npy
from cgan_dist.data.shards import TooMuchDamage
from cgan_dist.data.spec import DataSpec
from cgan_dist.data.writer import Plan, write_shards
from cgan_dist.errors import UserError
from cgan_dist.latents.stored import to_floats
from tests.autoencoders import encoded, latent_set, load, save_autoencoder
from tests.conftest import striped_images
from tests.unit.data.damage import Members, npy, open_set, rewrite, verify


def files(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_a_shard_of_latents_has_the_images_of_a_shard_of_pictures(
    coloured_folder: Path, latents_folder: Path, autoencoder_folder: Path
) -> None:
    pictures, latents, network = open_set(coloured_folder), open_set(latents_folder), load(autoencoder_folder)
    assert [shard.count for shard in latents.manifest.shards] == [shard.count for shard in pictures.manifest.shards]
    for number, shard in enumerate(pictures.manifest.shards):
        here, there = (of.take(of.open(number), np.arange(shard.count)) for of in (latents, pictures))
        assert np.array_equal(here.labels, there.labels)
        expected = network.moments(torch.from_numpy(there.images).permute(0, 3, 1, 2)).permute(0, 2, 3, 1).numpy()
        np.testing.assert_allclose(to_floats(here.images), expected, rtol=2**-10, atol=1e-4)
    manifest = latents.manifest
    assert (manifest.labels, manifest.histogram) == (pictures.manifest.labels, pictures.manifest.histogram)
    assert manifest.spec.latents == manifest.image.latents
    assert (manifest.spec.channels, manifest.spec.height, manifest.spec.width) == (4, 8, 8)
    assert (manifest.spec.picture, manifest.spec.stored_channels) == ((3, 16, 16), 16)
    assert manifest.image.latents is not None
    assert manifest.image.latents.autoencoder.name == "small"
    assert manifest.image.latents.autoencoder.scaling_factor == 1.5
    assert set(files(latents_folder)) == {"manifest.json", *(shard.name for shard in manifest.shards)}
    verify(latents_folder)


def test_two_processes_write_the_bytes_of_one(
    coloured_folder: Path, autoencoder_folder: Path, latents_folder: Path, tmp_path: Path
) -> None:
    first, second = (latent_set(coloured_folder, autoencoder_folder, tmp_path / "two") for _ in range(2))
    first.open()
    second.encode(rank=1, world_size=2)
    with pytest.raises(UserError, match="2 of 3 shards are missing, first number 0; give the same command again"):
        second.finish()
    first.encode(rank=0, world_size=2)
    first.finish()
    assert files(tmp_path / "two") == files(latents_folder)


@pytest.mark.parametrize("after", [1, 7])
def test_what_was_killed_goes_on_to_the_same_bytes(
    coloured_folder: Path,
    autoencoder_folder: Path,
    latents_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    after: int,
) -> None:
    out, done, limit = tmp_path / "killed", list[int](), [after]
    real = LatentSet._encoded

    def encode(self: LatentSet, shard: Any, chosen: np.ndarray) -> np.ndarray:
        if len(done) == limit[0]:
            raise KeyboardInterrupt
        done.append(len(chosen))
        return real(self, shard, chosen)

    monkeypatch.setattr(LatentSet, "_encoded", encode)
    killed = latent_set(coloured_folder, autoencoder_folder, out)
    killed.open()
    with pytest.raises(KeyboardInterrupt):
        killed.encode()
    rows = next(killed.work.glob("*.rows"))
    rows.write_bytes(rows.read_bytes() + b"half a block")
    limit[0] = 1000
    again = latent_set(coloured_folder, autoencoder_folder, out)
    again.open()
    again.encode()
    again.finish()
    assert sum(done) == 61  # no picture was encoded twice
    assert files(out) == files(latents_folder)


def test_blocks_that_a_power_cut_has_spoilt_are_made_again(tmp_path: Path) -> None:
    images = np.arange(10 * 4, dtype=np.uint8).reshape(10, 1, 2, 2)
    with RowFile(tmp_path / "rows", (1, 2, 2), block=4, count=10) as rows:
        for first in (0, 4, 8):
            rows.append(images[first : first + 4])
        assert np.array_equal(rows.images(), images)
    content = bytearray((tmp_path / "rows").read_bytes())
    content[4 * 4 + 32 + 1] ^= 1  # in the second block
    (tmp_path / "rows").write_bytes(content)
    with RowFile(tmp_path / "rows", (1, 2, 2), block=4, count=10) as rows:
        assert rows.done == 4
        rows.append(images[4:8])
        rows.append(images[8:])
    with RowFile(tmp_path / "rows", (1, 2, 2), block=4, count=10) as rows:
        assert rows.done == 10
        assert np.array_equal(rows.images(), images)


def test_the_beginning_of_another_set_is_not_removed(
    coloured_folder: Path, autoencoder_folder: Path, tmp_path: Path
) -> None:
    latent_set(coloured_folder, autoencoder_folder, tmp_path / "out").open()
    with pytest.raises(UserError, match=r"out\.partial: begun with another plan than this command's \(image\)"):
        latent_set(coloured_folder, autoencoder_folder, tmp_path / "out", moments=False).open()
    encoded(coloured_folder, autoencoder_folder, tmp_path / "out")
    with pytest.raises(UserError, match="already exists"):
        latent_set(coloured_folder, autoencoder_folder, tmp_path / "out").open()


def test_means_alone_take_half_the_room(
    coloured_folder: Path, autoencoder_folder: Path, latents_folder: Path, tmp_path: Path
) -> None:
    means = open_set(encoded(coloured_folder, autoencoder_folder, tmp_path / "means", moments=False))
    both = open_set(latents_folder)
    assert 2 * means.manifest.decoded_bytes == both.manifest.decoded_bytes
    assert np.array_equal(means.load_all().images, both.load_all().images[..., :8])


def test_grey_pictures_become_colour_ones(autoencoder_folder: Path, tmp_path: Path) -> None:
    write_shards(striped_images(8, size=16), tmp_path / "grey", Plan(shards=1))
    manifest = open_set(encoded(tmp_path / "grey", autoencoder_folder, tmp_path / "out")).manifest
    assert manifest.spec.picture == (3, 16, 16)


def test_what_cannot_be_encoded_is_said_before_anything_is_made(
    coloured_folder: Path, latents_folder: Path, autoencoder_folder: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="these are latents already; expected pictures"):
        latent_set(latents_folder, autoencoder_folder, tmp_path / "out")
    deep = {"block_out_channels": [8] * 6}
    deep |= {f"{way}_block_types": [f"{way.capitalize()}{kind}Block2D"] * 6 for way, kind in TYPES.items()}
    six = save_autoencoder(tmp_path / "deep", **deep)
    with pytest.raises(UserError, match="pictures of 16x16; .* multiples of 32"):
        latent_set(coloured_folder, six, tmp_path / "out")
    grey = save_autoencoder(tmp_path / "grey", in_channels=1, out_channels=1)
    with pytest.raises(UserError, match="pictures in colour, and .* takes grey ones"):
        latent_set(coloured_folder, grey, tmp_path / "out")
    assert not list(tmp_path.glob("out*"))


TYPES = {"down": "Encoder", "up": "Decoder"}


@pytest.fixture
def damaged(latents_folder: Path, tmp_path: Path) -> Path:
    """Image 3 of shard 1 holds an infinity, 5 something that is no number; hashes are right."""
    folder = Path(shutil.copytree(latents_folder, tmp_path / "damaged"))

    def spoil(members: Members) -> Members:
        name = next(name for name in members if name.endswith("images.npy"))
        images = load_npy(members[name], name)
        images[3, 0, 0, :2] = 0x00, 0x7C
        images[5, 1, 1, 6:8] = 0x01, 0xFE
        return members | {name: npy(images)}

    rewrite(folder, spoil)
    return folder


def test_damage_is_found_by_verify(damaged: Path) -> None:
    with pytest.raises(UserError, match=r"shard-00001\.tar, image 3: a value of the latent is infinite or no number"):
        verify(damaged)
    skipping = open_set(damaged, on_error="skip")
    skipping.verify()
    assert sorted(skipping.bad) == [(1, 3), (1, 5)]


@pytest.mark.parametrize("cache", ["none", "ram"])
def test_damage_is_found_or_passed_over_while_training(damaged: Path, cache: str) -> None:
    def batches(on_error: str, share: float = 0.5) -> list[np.ndarray]:
        shards = open_set(damaged, cache, on_error, share)
        loader = Loader(shards, batch_size=4, streams=2, seed=0)
        made = loader.batches(0)
        return [next(made).images.permute(0, 2, 3, 1).numpy() for _ in range(20)]

    with pytest.raises(UserError, match="a value of the latent is infinite or no number"):
        batches("stop")
    found = batches("skip")
    assert all(np.isfinite(to_floats(images)).all() for images in found)
    assert all(map(np.array_equal, found, batches("skip")))
    if cache == "none":  # in memory there are good ones in their places already
        with pytest.raises(TooMuchDamage):
            batches("skip", 0.001)


def changed(**values: Any) -> Callable[[dict[str, Any]], None]:
    def change(image: dict[str, Any]) -> None:
        for path, value in values.items():
            *sections, key = path.split("__")
            at = image
            for section in sections:
                at = at[section]
            at[key] = value

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (changed(latents__channels=10**6), "latents.channels"),
        (changed(channels=10**6), "image.channels"),
        (changed(channels=3), "channels and encoding are not those of such latents"),
        (changed(encoding="png"), "channels and encoding are not those of such latents"),
        (changed(latents__moments=False), "channels and encoding are not those of such latents"),
        (changed(latents__picture__height=10**6), "latents.picture.height"),
        (changed(latents__picture__channels=2), "latents.picture.channels"),
        (changed(latents__autoencoder__scaling_factor=float("inf")), "scaling_factor"),
        (changed(latents__autoencoder__weights_sha256="../x"), "weights_sha256"),
        (changed(latents__autoencoder__path="/etc"), "latents.autoencoder.path"),
        (changed(latents=None), "expected 1 or 3"),
    ],
)
def test_a_manifest_that_cannot_be_is_refused(
    latents_folder: Path, change: Callable[[dict[str, Any]], None], said: str
) -> None:
    values = json.loads((latents_folder / "manifest.json").read_text())
    change(values["image"])
    with pytest.raises(UserError, match=rf"damaged manifest: .*{said}"):
        parse_manifest(json.dumps(values), "manifest.json")


def test_pictures_have_the_manifest_and_the_facts_that_they_always_had(coloured_folder: Path) -> None:
    manifest = open_set(coloured_folder).manifest
    image = {"height": 16, "width": 16, "channels": 3, "encoding": "raw"}
    assert json.loads((coloured_folder / "manifest.json").read_text())["image"] == image
    assert "latents" not in manifest.model_dump_json()
    content = manifest.model_dump_json(include={"format", "count", "image", "labels", "shards"})
    assert '"image":{"height":16,"width":16,"channels":3,"encoding":"raw"}' in content
    assert "latents" not in manifest.spec.to_dict()
    assert DataSpec.from_dict(manifest.spec.to_dict()) == manifest.spec


def test_facts_of_latents_come_back_from_a_checkpoint(latents_folder: Path) -> None:
    spec = open_set(latents_folder).manifest.spec
    assert DataSpec.from_dict(json.loads(json.dumps(spec.to_dict()))) == spec
