"""Decoded shards shared in memory: between processes, without ever trusting what is not whole or not ours."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from cgan_dist.data import ram, shared_memory
from cgan_dist.data.ram import RamCache
from cgan_dist.data.shard_file import Arrays
from cgan_dist.data.shards import ShardSet
from cgan_dist.data.storage import Storage
from cgan_dist.data.writer import Plan, write_shards
from cgan_dist.errors import UserError
from tests.conftest import striped_images
from tests.launching import ROOT, environment
from tests.unit.data.damage import open_set
from tests.unit.data.test_shards import damage_picture, take

FINGERPRINT = "f" * 64
SIZE = 10_000


def arrays(seed: int = 0) -> Arrays:
    generator = np.random.default_rng(seed)
    return Arrays(generator.integers(0, 256, (5, 1, 4, 4), dtype=np.uint8), generator.integers(0, 3, 5))


def assert_same(found: Arrays | None, expected: Arrays) -> None:
    assert found is not None
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        assert np.array_equal(ours, theirs)


def shared_folder(cache: RamCache) -> Path:
    assert cache.folder is not None
    return cache.folder


def test_what_is_put_is_there_for_everyone(memory: Path) -> None:
    first, second = (RamCache(FINGERPRINT, SIZE) for _ in range(2))
    assert first.get(3) is None
    assert_same(first.put(3, arrays()), arrays())
    assert_same(first.get(3), arrays())
    assert_same(second.get(3), arrays())
    assert second.get(4) is None
    assert isinstance(second.private[3].images, np.memmap)
    assert not second.private[3].images.flags.writeable
    assert shared_folder(first).parent == memory


def test_sets_do_not_see_each_other() -> None:
    RamCache(FINGERPRINT, SIZE).put(0, arrays())
    assert RamCache("e" * 64, SIZE).get(0) is None


def test_the_folder_is_closed_to_others() -> None:
    assert shared_folder(RamCache(FINGERPRINT, SIZE)).stat().st_mode & 0o777 == 0o700


def read_without_shards(memory: Path, folder: Path, results: multiprocessing.Queue[bytes]) -> None:
    shared_memory.SHARED_MEMORY = memory
    shards = ShardSet(Storage(folder), cache="ram")
    for path in folder.glob("*.tar"):
        path.unlink()
    results.put(b"".join(array.tobytes() for array in shards.load_all()))


@pytest.mark.parametrize("encoding", ["raw", "png"])
def test_a_second_process_decodes_nothing(tmp_path: Path, memory: Path, encoding: str) -> None:
    write_shards(striped_images(60), tmp_path / "set", Plan(shards=3, encoding=encoding))  # type: ignore[arg-type]
    expected = ShardSet(Storage(tmp_path / "set"), cache="ram").load_all()
    context = multiprocessing.get_context("spawn")
    results: multiprocessing.Queue[bytes] = context.Queue()
    process = context.Process(target=read_without_shards, args=(memory, tmp_path / "set", results))
    process.start()
    found = results.get(timeout=900)
    process.join(60)
    assert process.exitcode == 0
    assert not list((tmp_path / "set").glob("*.tar"))
    assert found == b"".join(array.tobytes() for array in expected)


def test_without_shared_memory_each_process_keeps_its_own(
    tmp_path: Path, memory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_memory, "SHARED_MEMORY", tmp_path / "absent")
    cache = RamCache(FINGERPRINT, SIZE)
    assert cache.folder is None
    assert_same(cache.put(0, arrays()), arrays())
    assert_same(cache.get(0), arrays())
    assert RamCache(FINGERPRINT, SIZE).get(0) is None
    assert not (tmp_path / "absent").exists()


def test_a_set_that_leaves_too_little_room_is_not_shared(memory: Path) -> None:
    assert RamCache(FINGERPRINT, 1 << 60).folder is None
    assert list(memory.iterdir()) == []


def test_who_comes_late_shares_what_has_taken_the_room(monkeypatch: pytest.MonkeyPatch) -> None:
    RamCache(FINGERPRINT, SIZE).put(0, arrays())
    monkeypatch.setattr(ram, "FREE_SHARE", 0)  # the free space is no longer twice the set
    assert_same(RamCache(FINGERPRINT, SIZE).get(0), arrays())
    assert RamCache("e" * 64, SIZE).folder is None


def test_memory_that_fills_up_in_the_middle_is_given_back(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    cache = RamCache(FINGERPRINT, SIZE)
    folder = shared_folder(cache)
    cache.put(0, arrays())
    monkeypatch.setattr(ram.np, "save", fill_up)
    with caplog.at_level("WARNING"):
        assert_same(cache.put(1, arrays(1)), arrays(1))
    assert "cannot share decoded shards ([Errno 28] No space left on device); keeping private copies" in caplog.text
    assert_same(cache.get(0), arrays())
    assert_same(cache.get(1), arrays(1))
    assert RamCache(FINGERPRINT, SIZE).get(1) is None
    assert sorted(path.name for path in folder.iterdir()) == ["0.images.npy", "0.labels.npy"]


def fill_up(file: object, *_: object, **__: object) -> None:
    file.write(b"x" * 100)  # type: ignore[attr-defined]
    raise OSError(28, "No space left on device")


@pytest.mark.parametrize("kind", ["images", "labels"])
@pytest.mark.parametrize(
    "half",
    [
        lambda content: b"",
        lambda content: content[:20],
        lambda content: content[:-1],
        lambda content: b"\x93NUMPY" + b"\xff" * 200,
        lambda content: None,
    ],
    ids=["empty", "header", "short", "garbage", "missing"],
)
def test_half_a_shard_is_never_read(kind: str, half: Callable[[bytes], bytes | None]) -> None:
    folder = shared_folder(RamCache(FINGERPRINT, SIZE))
    RamCache(FINGERPRINT, SIZE).put(0, arrays())
    path = folder / f"0.{kind}.npy"
    content = half(path.read_bytes())
    if content is None:
        path.rename(path.with_suffix(".1234.part"))
    else:
        path.write_bytes(content)
    cache = RamCache(FINGERPRINT, SIZE)
    assert cache.get(0) is None
    assert_same(cache.put(0, arrays()), arrays())
    assert_same(RamCache(FINGERPRINT, SIZE).get(0), arrays())


def test_nothing_is_unpickled(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "executed",))

    cache = RamCache(FINGERPRINT, SIZE)
    cache.put(0, arrays())
    array = np.empty(1, dtype=object)
    array[0] = Trap()
    np.save(shared_folder(cache) / "0.images.npy", array, allow_pickle=True)
    assert RamCache(FINGERPRINT, SIZE).get(0) is None
    assert not (tmp_path / "executed").exists()


def test_the_folder_of_another_user_is_not_trusted(memory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = memory / f"cgan_dist-{os.getuid() + 1}-{FINGERPRINT[:32]}"
    shared_folder(RamCache(FINGERPRINT, SIZE)).rename(theirs)
    (theirs / "0.images.npy").write_bytes(b"planted")
    uid = os.getuid()
    monkeypatch.setattr(shared_memory.os, "getuid", lambda: uid + 1)
    cache = RamCache(FINGERPRINT, SIZE)
    assert cache.folder is None
    assert cache.get(0) is None
    assert_same(cache.put(0, arrays()), arrays())
    assert [path.name for path in theirs.iterdir()] == ["0.images.npy"]


def test_a_link_that_somebody_has_put_there_is_not_followed(tmp_path: Path, memory: Path) -> None:
    (tmp_path / "mine").mkdir()
    (memory / f"cgan_dist-{os.getuid()}-{FINGERPRINT[:32]}").symlink_to(tmp_path / "mine")
    cache = RamCache(FINGERPRINT, SIZE)
    assert cache.folder is None
    cache.put(0, arrays())
    assert list((tmp_path / "mine").iterdir()) == []


def test_a_file_in_the_folders_place_is_no_obstacle(memory: Path) -> None:
    (memory / f"cgan_dist-{os.getuid()}-{FINGERPRINT[:32]}").write_text("in the way")
    cache = RamCache(FINGERPRINT, SIZE)
    assert cache.folder is None
    assert_same(cache.put(0, arrays()), arrays())


def test_a_folder_that_was_removed_by_hand_is_made_anew(caplog: pytest.LogCaptureFixture) -> None:
    cache = RamCache(FINGERPRINT, SIZE)
    cache.put(0, arrays())
    shutil.rmtree(shared_folder(cache))
    assert_same(cache.get(0), arrays())  # it is open still
    cache.put(1, arrays(1))
    assert caplog.text == ""
    assert_same(RamCache(FINGERPRINT, SIZE).get(1), arrays(1))


def test_a_set_that_leaves_no_room_for_batches_is_not_shared(tmp_path: Path, memory: Path) -> None:
    write_shards(striped_images(60), tmp_path / "set", Plan(shards=3))
    shards = ShardSet(Storage(tmp_path / "set"), cache="ram")
    free = shutil.disk_usage(memory).free
    assert shards.keep_free(1 << 20) == pytest.approx(free - shards.manifest.decoded_bytes, rel=0.1)
    assert shards._ram is not None
    assert shards._ram.folder is not None
    shards.keep_free(1 << 60)
    shards.load_all()
    assert list(memory.glob("*/*")) == []


def test_damage_found_while_decoding_is_counted_by_the_image(tmp_path: Path) -> None:
    write_shards(striped_images(100, size=16, channels=3), tmp_path / "set", Plan(shards=4, encoding="jpeg"))
    for number in range(6):
        damage_picture(tmp_path / "set", "shard-00002", number)
    with pytest.raises(UserError, match=r"^data.on_error: 6 of 100 images are damaged, more than data.max_bad_share"):
        take(open_set(tmp_path / "set", "ram", on_error="skip", max_bad_share=0.05), 2, np.arange(25))
    found = take(open_set(tmp_path / "set", "ram", on_error="skip", max_bad_share=0.06), 2, np.arange(25))
    assert (found.images[0] == found.images[6]).all()


def test_a_shard_without_one_good_image_stops_even_when_all_is_tolerated(tmp_path: Path) -> None:
    write_shards(striped_images(100, size=16, channels=3), tmp_path / "set", Plan(shards=4, encoding="jpeg"))
    for number in range(25):
        damage_picture(tmp_path / "set", "shard-00002", number)
    for cache in ("ram", "none"):
        with pytest.raises(UserError, match="not one image of shard 2 can be read"):
            take(open_set(tmp_path / "set", cache, on_error="skip", max_bad_share=1), 2, np.arange(25))


OWNER = """
import os, sys
from pathlib import Path
import numpy as np
from cgan_dist.data import ram, shared_memory
from cgan_dist.data.shard_file import Arrays

shared_memory.SHARED_MEMORY = Path(sys.argv[1])
cache = ram.RamCache("f" * 64, 1000)
cache.put(0, Arrays(np.zeros((1, 1, 2, 2), np.uint8), np.zeros(1, np.int64)))
pid = os.fork()
if pid == 0:
    cache.put(1, Arrays(np.zeros((1, 1, 2, 2), np.uint8), np.zeros(1, np.int64)))
    sys.exit(0)  # runs what is registered for the exit, as a loader's worker may
assert os.waitpid(pid, 0)[1] == 0
print(*sorted(path.name for path in cache.folder.iterdir()))
"""


def test_the_owner_removes_it_at_its_end_and_a_forked_worker_does_not(memory: Path) -> None:
    line = [sys.executable, "-c", OWNER, str(memory)]
    done = subprocess.run(line, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [f"{index}.{kind}.npy" for index in (0, 1) for kind in ("images", "labels")]
    assert list(memory.iterdir()) == []
