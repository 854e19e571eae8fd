from __future__ import annotations

import itertools
import json
import logging
import pickle
import shutil
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from PIL import Image

from cgan_dist.data import adopted_shard
from cgan_dist.data.adopted_shard import Tars, list_dtype
from cgan_dist.data.adoption import Deal, adopt
from cgan_dist.data.loader import Loader
from cgan_dist.data.manifest import Manifest
from cgan_dist.data.shards import ShardSet
from cgan_dist.data.sources.webdataset import load
from cgan_dist.data.storage import Storage
from cgan_dist.errors import UserError
from cgan_dist.labels import ClassLabels, NoLabels
from tests.conftest import striped_images
from tests.unit.data.damage import npy, open_set, trust
from tests.unit.data.tar_files import picture, sorted_samples, write_shards
from tests.unit.data.test_fuzz import cut, cut_on_a_block, error_of, flip, swap_blocks, zero_a_stretch
from tests.unit.data.test_storage import Server

COUNT, SHARDS = 60, 4
DAMAGES = [flip, cut, cut_on_a_block, swap_blocks, zero_a_stretch]


def adopted(folder: Path, home: Path | None = None, **options: Any) -> Manifest:
    """Adopts the tars of a folder, in place or in a folder of links."""
    on_error: Literal["stop", "skip"] = options.pop("on_error", "stop")
    source = load(folder, "train", **options)
    return adopt(source, home or folder, Deal(shards=SHARDS), home is not None, on_error=on_error)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """60 pictures in 6 tars that are sorted by class, adopted in place; tests that change it copy it first."""
    folder = write_shards(tmp_path_factory.mktemp("adopted") / "mine", sorted_samples(COUNT))
    adopted(folder)
    return folder


@pytest.fixture
def mine(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "mine"))


def contents(shards: ShardSet) -> list[tuple[bytes, int]]:
    images, labels = shards.load_all()
    return [(image.tobytes(), int(label)) for image, label in zip(images, labels, strict=True)]


def batches(folder: Path, position: int, count: int, cache: str = "none", workers: int = 0) -> list[tuple[Any, ...]]:
    loader = Loader(ShardSet(Storage(folder), cache), batch_size=12, streams=4, seed=0, workers=workers)  # type: ignore[arg-type]
    return list(itertools.islice(loader.batches(position), count))


def test_nothing_is_rewritten_and_every_image_is_there(tmp_path: Path) -> None:
    folder = write_shards(tmp_path / "mine", sorted_samples(COUNT))
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    manifest = adopted(folder)
    assert {name: (folder / name).read_bytes() for name in before} == before
    lists = {f"adopted-{number:05d}.npy" for number in range(SHARDS)}
    assert {path.name for path in folder.iterdir()} == {*before, *lists, "manifest.json"}
    assert manifest.histogram == {"0": 20, "1": 20, "2": 20}
    assert manifest.image.model_dump() == {"height": 12, "width": 12, "channels": 3, "encoding": "jpeg"}
    source = load(folder, "train")
    expected = sorted((source.read(index).tobytes(), int(source.labels[index])) for index in range(COUNT))
    shards = open_set(folder)
    shards.verify()
    close = sorted(contents(shards))
    assert [label for _, label in close] == [label for _, label in expected]
    assert {len(image) for image, _ in close} == {12 * 12 * 3}


def test_tars_that_are_sorted_by_class_give_mixed_batches(whole: Path) -> None:
    """A batch of 12 out of 3 equal classes: tar after tar, it would be of one or two classes."""
    kinds = [len(set(batch.labels.tolist())) for batch in batches(whole, 0, 100)]
    assert np.mean(kinds) > 2.9
    assert min(kinds) >= 2


def test_the_order_resumes_exactly_and_knows_neither_cache_nor_workers(whole: Path) -> None:
    straight = batches(whole, 0, 20)
    others = [batches(whole, 12 * 7, 13), batches(whole, 12 * 7, 13, "ram"), batches(whole, 12 * 7, 13, workers=2)]
    for found in others:
        for batch, expected in zip(found, straight[7:], strict=True):
            assert torch.equal(batch.images, expected.images)
            assert torch.equal(batch.labels, expected.labels)


def test_the_same_tars_give_the_same_set(whole: Path, tmp_path: Path) -> None:
    folder = tmp_path / "again"
    shutil.copytree(whole, folder, ignore=shutil.ignore_patterns("manifest.json", "*.npy"))
    adopted(folder)
    assert Storage(folder).manifest().fingerprint == Storage(whole).manifest().fingerprint
    (folder / "manifest.json").unlink()
    adopt(load(folder, "train"), folder, Deal(shards=SHARDS, seed=1))
    assert Storage(folder).manifest().fingerprint != Storage(whole).manifest().fingerprint


def test_a_manifest_of_shards_of_our_own_is_what_it_was(shards_folder: Path) -> None:
    text = (shards_folder / "manifest.json").read_text()
    assert "tars" not in json.loads(text)
    assert Storage(shards_folder).manifest().to_json() == text


def test_links_elsewhere_and_what_a_move_does_to_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_shards(tmp_path / "mine", sorted_samples(COUNT))
    folder.chmod(0o555)
    home = tmp_path / "new" / "home"
    monkeypatch.chdir(tmp_path)
    adopted(Path("mine"), home)
    assert not (folder / "manifest.json").exists()
    expected = contents(open_set(home))
    moved = home.rename(tmp_path / "elsewhere")
    assert contents(open_set(moved)) == expected
    shutil.copytree(moved, tmp_path / "copy", symlinks=False)
    folder.chmod(0o755)
    folder.rename(tmp_path / "gone")
    with pytest.raises(UserError, match=r"tar-00000\.tar: a link to \S*/mine/mine-000000\.tar, which is not there"):
        open_set(moved).check_files()
    open_set(tmp_path / "copy").verify()


def test_a_moved_folder_is_the_same_set(mine: Path, tmp_path: Path) -> None:
    expected = contents(open_set(mine))
    assert contents(open_set(mine.rename(tmp_path / "moved"))) == expected


def test_tars_in_sub_folders(tmp_path: Path) -> None:
    for number, name in enumerate(("ant", "bee")):
        write_shards(tmp_path / "set" / name, [{"jpg": picture(number + 3 * n)} for n in range(6)])
    manifest = adopted(tmp_path / "set", label="folder")
    assert manifest.tars is not None
    assert [tar.name for tar in manifest.tars] == ["ant/mine-000000.tar", "bee/mine-000000.tar"]
    assert manifest.histogram == {"ant": 6, "bee": 6}
    open_set(tmp_path / "set").verify()


def test_a_set_on_the_net_is_fetched_tar_by_tar(mine: Path, tmp_path: Path) -> None:
    deep = tmp_path / "www" / "set"
    for name in ("ant", "bee"):
        write_shards(deep / name, [{"jpg": picture(n)} for n in range(6)])
    adopted(deep, label="folder")
    server = Server(tmp_path / "www")
    try:
        shards = ShardSet(Storage(f"{server.url}/set", str(tmp_path / "cache")), cache="none")
        assert contents(shards) == contents(open_set(deep))
        assert server.asked["/set/ant/mine-000000.tar"] == server.asked["/set/bee/mine-000000.tar"] == 1
        shards.verify()
    finally:
        server.stop()


@pytest.mark.parametrize(("kind", "mode"), [("PNG", "L"), ("PNG", "RGB"), ("WEBP", "RGB")])
def test_encodings_and_channels(tmp_path: Path, kind: str, mode: str) -> None:
    samples = [{kind.lower(): picture(seed, kind=kind, mode=mode)} for seed in range(8)]
    manifest = adopted(write_shards(tmp_path, samples), label="none")
    assert (manifest.image.encoding, manifest.image.channels) == (kind.lower(), len(mode))
    assert isinstance(manifest.labels, NoLabels)
    source = load(tmp_path, "train", label="none")
    assert sorted(image for image, _ in _unlabelled(tmp_path)) == sorted(source.read(n).tobytes() for n in range(8))


def _unlabelled(folder: Path) -> list[tuple[bytes, int]]:
    shards = open_set(folder)
    return [(image.tobytes(), 0) for image in shards.load_all().images]


def test_grey_among_colour_gets_three_channels(tmp_path: Path) -> None:
    samples = [{"png": picture(seed, kind="PNG", mode="L" if seed == 1 else "RGB")} for seed in range(8)]
    assert adopted(write_shards(tmp_path, samples), label="none").image.channels == 3
    grey = [image for image in open_set(tmp_path).load_all().images if (image[..., :1] == image).all()]
    assert len(grey) == 1


@pytest.mark.parametrize(
    ("odd", "error"),
    [
        (
            picture(1, size=(12, 10)),
            r"2 kinds: 7 of 12x12 \(JPEG\), such as .*000000\.jpg, 1 of 12x10 \(JPEG\), .*000001\.jpg",
        ),
        (picture(1, kind="PNG"), r"2 kinds: 7 of 12x12 \(JPEG\), .* 1 of 12x12 \(PNG\)"),
        (picture(1, mode="CMYK"), r"000001\.jpg: its pixels are CMYK, expected grey or RGB of 8 bits"),
        (picture(1, kind="PNG", mode="RGBA"), r"000001\.jpg: it is transparent in places"),
        (picture(1, kind="PNG", mode="LA"), r"000001\.jpg: it is transparent in places"),
        (picture(1, kind="PNG", mode="I;16"), r"000001\.jpg: its pixels are I;16, expected grey or RGB of 8 bits"),
    ],
)
def test_what_needs_packing_says_so(tmp_path: Path, odd: bytes, error: str) -> None:
    samples = [{"jpg": odd if seed == 1 else picture(seed), "cls": 0} for seed in range(8)]
    with pytest.raises(UserError) as found:
        adopted(write_shards(tmp_path, samples))
    assert f"Pack them anew: cgan-dist prepare webdataset --source '{tmp_path}' --size 64 --out" in str(found.value)
    assert found.match(error)
    assert not (tmp_path / "manifest.json").exists()


def test_pictures_on_their_side_need_packing(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    write_shards(tmp_path, [{"jpg": picture(0, exif=exif), "cls": 0}])
    with pytest.raises(UserError, match="it lies on its side"):
        adopted(tmp_path)


def test_broken_pictures_are_all_named_or_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    samples = sorted_samples(30)
    for number in (3, 17):
        samples[number]["jpg"] = samples[number]["jpg"][:-200]
    samples[20]["jpg"] = b"no picture"
    write_shards(tmp_path, samples)
    with pytest.raises(UserError) as found:
        adopted(tmp_path)
    for text in ("3 of 30 images", "mine-000000.tar, 000003.jpg", "mine-000001.tar, 000017.jpg", "--on-error skip"):
        assert text in str(found.value)
    with caplog.at_level(logging.WARNING):
        assert adopted(tmp_path, on_error="skip").count == 27
    assert "3 of 30 images cannot be read" in caplog.text
    open_set(tmp_path).verify()


def test_places_that_will_not_do(mine: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"manifest\.json: there is a manifest already; remove it"):
        adopted(mine)
    with pytest.raises(UserError, match="--out .*already exists and is not an empty folder"):
        adopted(mine, mine)
    (mine / "manifest.json").unlink()
    (mine / "mine-000000.tar").rename(mine / "of mine.tar")
    with pytest.raises(UserError, match=r"a manifest does not take: of mine\.tar.*give --out"):
        adopted(mine)
    assert adopted(mine, tmp_path / "home").count == COUNT
    with pytest.raises(UserError, match="--shards 99: expected 1 to 60"):
        adopt(load(mine, "train"), tmp_path / "other", Deal(shards=99), linked=True)
    with pytest.raises(UserError, match="stripes: not in tars; prepare it"):
        adopt(striped_images(3), tmp_path / "other", Deal())


def test_lists_grow_in_number_with_the_set() -> None:
    assert [len(Deal().cut(count)) for count in (3, 100, 8 << 16, (8 << 16) + 1)] == [3, 8, 8, 16]


def verify_skipping(folder: Path) -> None:
    open_set(folder, on_error="skip").verify()


def load_all(folder: Path) -> None:
    open_set(folder).load_all()


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damage_after_adoption_is_an_error_or_a_counted_skip(whole: Path, tmp_path: Path, damage: Any) -> None:
    """5 damages x 20 seeds: no image that has changed is ever handed out."""
    truth = dict(contents(open_set(whole)))
    for seed in range(20):
        folder = Path(shutil.copytree(whole, tmp_path / str(seed)))
        tar = folder / "mine-000002.tar"
        before = tar.read_bytes()
        tar.write_bytes(damage(bytearray(before), np.random.default_rng(seed)))
        if tar.read_bytes() == before:
            continue
        with pytest.raises(UserError, match=r"mine-000002\.tar"):
            open_set(folder).verify()
        for check in (verify_skipping, load_all):
            error = error_of(check, folder)
            assert error is None or "mine-000002.tar" in str(error)
        for image, label in contents(open_set(folder, on_error="skip")):
            assert truth[image] == label
        shutil.rmtree(folder)


def test_a_lost_tar_is_skipped_image_by_image(mine: Path) -> None:
    (mine / "mine-000001.tar").unlink()
    with pytest.raises(UserError, match=r"mine-000001\.tar: the manifest lists this shard, but it is missing"):
        open_set(mine).check_files()
    with pytest.raises(UserError, match=r"mine-000001\.tar"):
        open_set(mine).load_all()
    skipping = open_set(mine, on_error="skip")
    assert len(skipping.load_all().images) == COUNT
    assert len(skipping.bad) == 10
    with pytest.raises(UserError, match=r"10 of 60 images are damaged|more than data\.max_bad_share"):
        open_set(mine, on_error="skip", max_bad_share=0.1).load_all()


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"tar": 6}, "points outside of the tars"),
        ({"tar": -1}, "points outside of the tars"),
        ({"offset": -1}, "points outside of the tars"),
        ({"size": 1 << 62}, "points outside of the tars"),
        ({"offset": (1 << 63) - 1, "size": 2}, "points outside of the tars"),
        ({"label": 3}, "label 3; expected 0..2"),
        ({"crc32": 0}, "it is not what it was when the tars were adopted"),
    ],
)
def test_a_list_that_lies(mine: Path, change: dict[str, int], error: str) -> None:
    path = mine / "adopted-00001.npy"
    entries = np.load(path)
    for name, value in change.items():
        entries[name][3] = value
    path.write_bytes(npy(entries))
    with pytest.raises(UserError, match=r"adopted-00001\.npy.*(bytes|sha256)"):
        open_set(mine).load_all()
    trust(mine, path.name)
    with pytest.raises(UserError, match=error):
        open_set(mine).load_all()


def test_a_list_of_another_kind(mine: Path) -> None:
    path = mine / "adopted-00000.npy"
    path.write_bytes(npy(np.zeros(15, list_dtype(NoLabels()))))
    trust(mine, path.name)
    with pytest.raises(UserError, match="not a list of images with this kind of labels"):
        open_set(mine).load_all()
    path.write_bytes(npy(np.zeros(2, list_dtype(ClassLabels(names=["a"])))))
    trust(mine, path.name)
    with pytest.raises(UserError, match=r"adopted-00000\.npy: holds 2 images, the manifest says 15"):
        open_set(mine).load_all()


@pytest.mark.parametrize(
    "name", ["../mine-000000.tar", "/etc/passwd", "a/../../b.tar", ".hidden/a.tar", "a//b.tar", ""]
)
def test_a_manifest_points_nowhere_else(mine: Path, name: str) -> None:
    manifest = json.loads((mine / "manifest.json").read_text())
    manifest["tars"][0]["name"] = name
    (mine / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match=r"damaged manifest: tars\.0\.name"):
        open_set(mine)


def test_a_manifest_of_raw_images_in_tars_is_none(mine: Path) -> None:
    manifest = json.loads((mine / "manifest.json").read_text())
    for change in ({"image": manifest["image"] | {"encoding": "raw"}}, {"tars": []}):
        (mine / "manifest.json").write_text(json.dumps(manifest | change))
        with pytest.raises(UserError, match="damaged manifest"):
            open_set(mine)


def test_few_tars_are_open_at_a_time_and_none_travels(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(adopted_shard, "MOST_OPEN", 2)
    shards = open_set(mine)
    assert sorted(contents(shards)) == sorted(contents(open_set(mine)))
    tars = shards._tars
    assert isinstance(tars, Tars)
    assert len(tars._open) == 2
    there = pickle.loads(pickle.dumps(shards))
    assert len(there._tars._open) == 0
    assert contents(there) == contents(shards)
