from __future__ import annotations

import shutil
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from einops import rearrange

from cgan_dist.conditioning.spaces.attributes import Attributes
from cgan_dist.conditioning.spaces.classes import Classes
from cgan_dist.data.shards import ShardSet
from cgan_dist.data.source import InMemory, Source
from cgan_dist.data.storage import Storage
from cgan_dist.data.writer import Plan, write_shards
from cgan_dist.evaluation.metrics.classifier import split
from cgan_dist.evaluation.selection import Selection
from tests.unit.evaluation.metrics.coloured import ALL, coloured


@pytest.fixture
def shards(shards_folder: Path) -> ShardSet:
    return ShardSet(Storage(shards_folder))


def test_it_is_the_whole_set_in_the_order_of_the_shards(shards: ShardSet) -> None:
    whole, space = shards.load_all(), Classes(shards.manifest.labels)
    selection = Selection(shards, space)
    assert len(selection) == 203
    images = rearrange(torch.from_numpy(whole.images), "n h w c -> n c h w")
    assert torch.equal(selection.images(0, 203), images)
    assert torch.equal(selection.images(37, 130), images[37:130])  # across the bounds of shards
    assert selection.labels.tolist() == whole.labels.tolist()
    assert selection.fingerprint == shards.manifest.fingerprint


def test_a_whole_set_takes_no_memory_for_each_image(shards: ShardSet, monkeypatch: pytest.MonkeyPatch) -> None:
    space = Classes(shards.manifest.labels)
    monkeypatch.setattr(shards, "manifest", shards.manifest.model_copy(update={"count": 10_000_000}))
    tracemalloc.start()
    try:
        selection = Selection(shards, space)
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(selection) == 10_000_000
    assert peak_bytes < 1_000_000


def test_train_and_held_out_are_what_the_classifier_trains_on_and_what_not(shards: ShardSet) -> None:
    whole, space = shards.load_all(), Classes(shards.manifest.labels)
    train, held_out = (Selection(shards, space, name) for name in ("train", "held_out"))
    assert sorted([*train.positions, *held_out.positions]) == list(range(203))
    trained_on, not_trained_on = split(203)
    assert sorted(trained_on.tolist()) == train.positions.tolist()
    assert sorted(not_trained_on.tolist()) == held_out.positions.tolist()
    images = rearrange(whole.images, "n h w c -> n c h w")
    assert np.array_equal(held_out.images(3, 20), images[held_out.positions[3:20]])
    assert held_out.labels.tolist() == whole.labels[held_out.positions].tolist()
    fewer = Selection(shards, space, "train", 20)
    assert fewer.positions.tolist() == train.positions[:20].tolist()
    assert len({selection.fingerprint for selection in (train, held_out, fewer, Selection(shards, space))}) == 4
    assert len(Selection(shards, space, "held_out", 1_000)) == len(held_out)


def test_of_a_large_set_the_held_out_are_few_and_train_is_all_the_rest(
    shards: ShardSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cgan_dist.evaluation.metrics.classifier.MAX_IMAGES", 50)
    space = Classes(shards.manifest.labels)
    assert (len(Selection(shards, space, "held_out")), len(Selection(shards, space, "train"))) == (5, 198)


def test_labels_are_the_spaces_own(tmp_path: Path) -> None:
    images, stored = coloured(30, seed=0)
    source = Source(
        labels=stored.numpy(), schema=ALL, read=InMemory(images.permute(0, 2, 3, 1).numpy()), description="coloured"
    )
    write_shards(source, tmp_path / "data", Plan(shards=2))
    shards = ShardSet(Storage(tmp_path / "data"))
    space = Attributes(ALL, names=["green"])
    labels = Selection(shards, space).labels
    assert (labels.shape, labels.dtype) == ((30, 1), torch.uint8)
    assert labels[:, 0].tolist() == shards.load_all().labels[:, -1].astype(int).tolist()


def test_the_label_of_what_stands_in_for_a_damaged_image_is_its_own(tmp_path: Path, shards_folder: Path) -> None:
    shutil.copytree(shards_folder, tmp_path / "data")
    manifest = ShardSet(Storage(tmp_path / "data")).manifest
    (tmp_path / "data" / manifest.shards[1].name).write_bytes(b"junk")
    shards = ShardSet(Storage(tmp_path / "data"), cache="none", on_error="skip", max_bad_share=0.5)
    selection = Selection(shards, Classes(manifest.labels))
    whole = shards.load_all()
    assert selection.labels.tolist() == whole.labels.tolist()
    assert np.array_equal(selection.images(0, 203).permute(0, 2, 3, 1), whole.images)
