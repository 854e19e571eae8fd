"""Shards damaged in hundreds of seeded ways: a clear error or a counted skip, never a wrong label or a traceback."""

from __future__ import annotations

import io
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cgan_dist.data.writer import Plan, write_shards
from cgan_dist.errors import UserError
from tests.conftest import striped_images
from tests.unit.data.damage import open_set, trust

SEEDS = range(30)
Generator = np.random.Generator


def flip(content: bytearray, generator: Generator) -> bytearray:
    for _ in range(generator.integers(1, 20)):
        content[generator.integers(len(content))] ^= int(generator.integers(1, 256))
    return content


def cut(content: bytearray, generator: Generator) -> bytearray:
    return content[: generator.integers(1, len(content))]


def cut_on_a_block(content: bytearray, generator: Generator) -> bytearray:
    return content[: 512 * generator.integers(1, len(content) // 512)]


def swap_blocks(content: bytearray, generator: Generator) -> bytearray:
    a, b = (512 * int(n) for n in generator.choice(len(content) // 512, 2, replace=False))
    content[a : a + 512], content[b : b + 512] = content[b : b + 512], content[a : a + 512]
    return content


def zero_a_stretch(content: bytearray, generator: Generator) -> bytearray:
    start = int(generator.integers(len(content)))
    stretch = min(int(generator.integers(1, 4096)), len(content) - start)
    content[start : start + stretch] = bytes(stretch)
    return content


def members_of(content: bytearray) -> list[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(bytes(content))) as tar:
        return [(m.name, tar.extractfile(m).read()) for m in tar.getmembers()]  # type: ignore[union-attr]


def packed(members: list[tuple[str, bytes]]) -> bytearray:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in members:
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return bytearray(buffer.getvalue())


def rename_a_member(content: bytearray, generator: Generator) -> bytearray:
    members = members_of(content)
    place = int(generator.integers(len(members)))
    new = [
        "../" + members[place][0],
        "/etc/passwd",
        "x",
        members[place - 1][0],
        "__meta__.x",
        members[place][0] + ".pkl",
    ]
    members[place] = (str(generator.choice(new)), members[place][1])
    return packed(members)


def add_a_member(content: bytearray, generator: Generator) -> bytearray:
    members = members_of(content)
    name = str(generator.choice(["evil.pyd", "evil.pkl", "shard-00001-000000.pickle", "a.images.npy", members[0][0]]))
    members.insert(int(generator.integers(len(members) + 1)), (name, generator.bytes(40)))
    return packed(members)


def exchange_members(content: bytearray, generator: Generator) -> bytearray:
    members = members_of(content)
    a, b = generator.choice(len(members), 2, replace=False)
    members[a], members[b] = (members[a][0], members[b][1]), (members[b][0], members[a][1])
    return packed(members)


DAMAGES = [flip, cut, cut_on_a_block, swap_blocks, zero_a_stretch, rename_a_member, add_a_member, exchange_members]


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("fuzz")
    for encoding in ("raw", "png"):
        source = striped_images(60, size=8, channels=1)
        write_shards(source, folder / encoding, Plan(shards=3, encoding=encoding))  # type: ignore[arg-type]
    return {encoding: folder / encoding for encoding in ("raw", "png")}


def labels_by_image(folder: Path) -> dict[bytes, int]:
    images, labels = open_set(folder).load_all()
    return {image.tobytes(): int(label) for image, label in zip(images, labels, strict=True)}


def verify_all(folder: Path) -> None:
    open_set(folder).verify()


def read_all(folder: Path) -> None:
    open_set(folder).load_all()


def error_of(check: Callable[[Path], None], folder: Path) -> UserError | None:
    """Anything but a UserError fails the test."""
    try:
        check(folder)
    except UserError as error:
        return error
    return None


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
@pytest.mark.parametrize("encoding", ["raw", "png"])
@pytest.mark.parametrize("trusted", [False, True], ids=["as found", "manifest agrees"])
def test_damage_ends_in_a_clear_error_or_a_counted_skip(
    sets: dict[str, Path],
    tmp_path: Path,
    damage: Callable[[bytearray, Generator], bytearray],
    encoding: str,
    trusted: bool,
) -> None:
    """8 damages x 2 encodings x 2 x 30 seeds = 960 cases.

    Where the manifest was made to agree, sha256 protects nothing, and a flipped pixel or label is not damage that
    anyone can see: there only a clean result or a clean error is asked for, and for encoded shards, whose labels are
    stated twice, a verified set never has another label than its index.
    """
    truth = labels_by_image(sets[encoding])
    for seed in SEEDS:
        generator, folder = np.random.default_rng(seed), tmp_path / str(seed)
        shutil.copytree(sets[encoding], folder)
        path = folder / "shard-00001.tar"
        before = path.read_bytes()
        path.write_bytes(damage(bytearray(before), generator))
        if path.read_bytes() == before:
            continue
        if trusted:
            trust(folder, "shard-00001.tar")
        found = [error_of(check, folder) for check in (verify_all, read_all)]
        assert all("shard-00001" in str(error) for error in found if error is not None)
        errors = sum(error is not None for error in found)
        if not trusted:
            assert errors == 2, f"seed {seed} was not noticed"
        skipping = open_set(folder, on_error="skip", max_bad_share=0.9)
        images, labels = skipping.load_all()
        assert len(images) == 60
        if not trusted:
            assert skipping.bad
            assert all(truth[image.tobytes()] == label for image, label in zip(images, labels, strict=True))
        assert all(0 <= label <= 2 for label in labels)
        shutil.rmtree(folder)
