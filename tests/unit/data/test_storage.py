"""Sets that lie elsewhere: each file is fetched once, checked, and kept; every failure says what and where."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import multiprocessing
import shutil
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import fsspec
import numpy as np
import pytest
import torch

from cgan_dist import bounds
from cgan_dist.data import storage
from cgan_dist.data.loader import Loader
from cgan_dist.data.manifest import File
from cgan_dist.data.shards import ShardSet
from cgan_dist.data.storage import Storage
from cgan_dist.data.writer import Plan, write_shards
from cgan_dist.errors import PassingError, UserError
from tests.conftest import striped_images
from tests.unit.data.damage import trust
from tests.unit.data.test_shards import take


class Quiet(SimpleHTTPRequestHandler):
    """Serves a folder, counts what is asked for, and says nothing."""

    def do_GET(self) -> None:
        assert isinstance(self.server, Server)
        self.server.asked[self.path] += 1
        if self.path in self.server.broken:
            self.connection.sendall(self.server.broken[self.path])
            return
        if self.path in self.server.endless:
            self.connection.sendall(self.server.endless[self.path])
            with contextlib.suppress(OSError):
                while True:
                    self.connection.sendall(bytes(1 << 20))
            return
        super().do_GET()

    def log_message(self, *_: object) -> None:
        pass


class Server(ThreadingHTTPServer):
    """A folder on the net.

    Attributes:
        asked: requests by path.
        broken: what to send for a path, headers and all, instead of the file.
        endless: likewise, and zeros behind it for as long as anybody listens.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(("127.0.0.1", 0), partial(Quiet, directory=str(root)))
        self.root = root
        self.asked: Counter[str] = Counter()
        self.broken: dict[str, bytes] = {}
        self.endless: dict[str, bytes] = {}
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01})
        self.thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def stop(self) -> None:
        if self.thread.is_alive():
            self.shutdown()
            self.thread.join()
            self.server_close()


@pytest.fixture
def server(shards_folder: Path, tmp_path: Path) -> Iterator[Server]:
    """Serves a copy of the stripes as /stripes."""
    shutil.copytree(shards_folder, tmp_path / "www" / "stripes")
    server = Server(tmp_path / "www")
    yield server
    server.stop()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def open_remote(location: str, cache: Path, **options: bool) -> ShardSet:
    return ShardSet(Storage(location, str(cache), **options), cache="none")


def assert_same_images(found: ShardSet, expected: ShardSet) -> None:
    ours, theirs = found.load_all(), expected.load_all()
    assert np.array_equal(ours.images, theirs.images)
    assert np.array_equal(ours.labels, theirs.labels)


def test_a_set_on_the_net_is_fetched_once(server: Server, shards_folder: Path, cache: Path) -> None:
    local = open_remote(str(shards_folder), cache)
    shards = open_remote(f"{server.url}/stripes/", cache)
    assert_same_images(shards, local)
    assert_same_images(shards, local)
    files = {f"/stripes/{shard.name}": 1 for shard in shards.manifest.shards}
    assert server.asked == files | {"/stripes/manifest.json": 1}
    assert_same_images(open_remote(f"{server.url}/stripes", cache), local)
    assert server.asked == files | {"/stripes/manifest.json": 2}
    assert sorted(p.name for p in cache.iterdir()) == sorted(f"{s.sha256}-{s.name}" for s in shards.manifest.shards)


def test_encoded_shards_come_with_their_index(server: Server, cache: Path) -> None:
    write_shards(striped_images(30), server.root / "png", Plan(shards=2, encoding="png"))
    shards = open_remote(f"{server.url}/png", cache)
    assert_same_images(shards, open_remote(str(server.root / "png"), cache))
    shards.verify()
    assert len(server.asked) == 5
    assert set(server.asked.values()) == {1}


def test_what_is_learned_from_a_set_lies_in_the_cache(server: Server, cache: Path) -> None:
    shards = open_remote(f"{server.url}/stripes", cache)
    assert shards.cache_folder == cache / shards.manifest.fingerprint


def test_sets_with_the_same_file_names_share_a_cache(server: Server, cache: Path) -> None:
    write_shards(striped_images(203, seed=1), server.root / "other", Plan(shards=5))
    sets = [open_remote(f"{server.url}/{name}", cache) for name in ("stripes", "other")]
    assert [shard.name for shard in sets[0].manifest.shards] == [shard.name for shard in sets[1].manifest.shards]
    for _ in range(2):
        for shards, name in zip(sets, ("stripes", "other"), strict=True):
            assert_same_images(shards, open_remote(str(server.root / name), cache))


@pytest.mark.parametrize("keep_size", [True, False])
def test_a_file_that_changed_on_the_server_is_refused_and_not_kept(
    server: Server, cache: Path, keep_size: bool
) -> None:
    path = server.root / "stripes" / "shard-00001.tar"
    path.write_bytes(b"x" * path.stat().st_size if keep_size else path.read_bytes()[:-512])
    shards = open_remote(f"{server.url}/stripes", cache)
    with pytest.raises(UserError, match=r"/stripes/shard-00001.tar: sha256 is .*, the manifest says .*replaced"):
        take(shards, 1, np.arange(2))
    assert list(cache.iterdir()) == []
    assert len(take(shards, 2, np.arange(2)).labels) == 2


def test_a_connection_that_breaks_off_leaves_nothing(server: Server, cache: Path) -> None:
    server.broken["/stripes/shard-00001.tar"] = b"HTTP/1.0 200 OK\r\nContent-Length: 90000\r\n\r\nhalf"
    with pytest.raises(UserError, match=r"/stripes/shard-00001.tar: (sha256 is|cannot read)"):
        take(open_remote(f"{server.url}/stripes", cache), 1, np.arange(2))
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize(
    "answer",
    [
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nff\r\nhalf",
        b"HTTP/1.0 200 OK\r\nContent-Length: 9000\r\n\r\n{",
        b"HTTP/1.0 200 OK\r\n\r\n<html>Please sign in</html>",
        b"HTTP/1.0 200 OK\r\n\r\n\xff\xfe\x00",
    ],
)
def test_an_answer_that_is_no_manifest_is_an_error_for_a_person(server: Server, cache: Path, answer: bytes) -> None:
    server.broken["/stripes/manifest.json"] = answer
    with pytest.raises(UserError, match=r"/stripes/manifest.json: (cannot read|damaged manifest)"):
        open_remote(f"{server.url}/stripes", cache)


def test_a_manifest_without_an_end(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(bounds.MANIFEST_BYTES.variable, str(1 << 22))
    server.endless["/stripes/manifest.json"] = b"HTTP/1.0 200 OK\r\n\r\n"
    with pytest.raises(UserError, match=r"manifest.json: sends more than 4,194,304 bytes, .* CGAN_DIST_MANIFEST_BYTES"):
        open_remote(f"{server.url}/stripes", cache)


def test_a_shard_without_an_end(server: Server, cache: Path) -> None:
    """It would fill the disk; no more is taken than the manifest speaks of, and nothing is kept."""
    shards = open_remote(f"{server.url}/stripes", cache)
    server.endless["/stripes/shard-00001.tar"] = b"HTTP/1.0 200 OK\r\n\r\n"
    with pytest.raises(UserError, match=r"shard-00001.tar: sends more than the [\d,]+ bytes of the manifest"):
        shards.open(1)
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize("header", [b"", b"Content-Length: 10\r\n", b"Content-Length: lots\r\n"])
def test_a_tar_without_an_end(server: Server, cache: Path, header: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a set that is to be adopted, of whose size nobody has said anything but the server."""
    monkeypatch.setenv(bounds.REMOTE_BYTES.variable, str(1 << 22))
    server.endless["/stripes/a.tar"] = b"HTTP/1.0 200 OK\r\n" + header + b"\r\n"
    storage = Storage(f"{server.url}/stripes", str(cache))
    if b"10" in header:  # the client itself reads no further
        assert storage.fetch_unlisted("a.tar").stat().st_size == 10
        return
    with pytest.raises(UserError, match=r"a.tar: sends more than 4,194,304 bytes"):
        storage.fetch_unlisted("a.tar")
    assert list(cache.iterdir()) == []


def test_a_server_that_sends_a_byte_now_and_then(server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(0, 1_000_000)
    monkeypatch.setattr(storage, "time", SimpleNamespace(monotonic=lambda: next(clock)))
    with pytest.raises(PassingError, match="too slow to ever end"):
        open_remote(f"{server.url}/stripes", cache)


def test_a_command_without_an_end(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(bounds.MANIFEST_BYTES.variable, str(1 << 20))
    with pytest.raises(UserError, match="sends more than 1,048,576 bytes"):
        open_remote("pipe:cat /dev/zero", cache, allow_pipe=True)


def test_nothing_there(server: Server, cache: Path) -> None:
    with pytest.raises(UserError, match=r"/nowhere/manifest.json: cannot read: .*404") as caught:
        open_remote(f"{server.url}/nowhere", cache)
    assert not isinstance(caught.value, PassingError)
    (server.root / "stripes" / "shard-00004.tar").unlink()
    with pytest.raises(UserError, match=r"/stripes/shard-00004.tar: cannot read: .*404"):
        take(open_remote(f"{server.url}/stripes", cache), 4, np.arange(2))


def test_without_the_server_what_was_fetched_can_still_be_read(
    server: Server, shards_folder: Path, cache: Path
) -> None:
    url = f"{server.url}/stripes"
    open_remote(url, cache).load_all()
    shards = open_remote(url, cache)
    server.stop()
    assert_same_images(shards, open_remote(str(shards_folder), cache))
    with pytest.raises(PassingError, match=r"/stripes/manifest.json: cannot read: .*refused"):
        open_remote(url, cache)


def test_a_copy_cut_short_in_the_cache_is_fetched_again(server: Server, shards_folder: Path, cache: Path) -> None:
    shards = open_remote(f"{server.url}/stripes", cache)
    path = shards.storage.local_path(shards.manifest.shards[0])
    path.write_bytes(path.read_bytes()[:-512])
    assert_same_images(shards, open_remote(str(shards_folder), cache))
    assert server.asked["/stripes/shard-00000.tar"] == 2


def test_a_damaged_copy_in_the_cache_is_named_with_the_remedy(server: Server, cache: Path) -> None:
    shards = open_remote(f"{server.url}/stripes", cache)
    path = shards.storage.local_path(shards.manifest.shards[0])
    path.write_bytes(b"x" * path.stat().st_size)
    with pytest.raises(UserError, match=r"cache/.*-shard-00000.tar: sha256 is .*Remove it, and it is fetched again"):
        take(shards, 0, np.arange(2))
    path.unlink()
    assert len(take(shards, 0, np.arange(2)).labels) == 2


def test_a_cache_that_cannot_be_written_is_named(server: Server, cache: Path) -> None:
    cache.write_text("a file")
    with pytest.raises(UserError, match=r"data.cache_dir: cannot keep shard-00000.tar in .*cache: .*choose another"):
        take(open_remote(f"{server.url}/stripes", cache), 0, np.arange(2))


def test_a_full_disk_is_blamed_on_the_cache_and_not_on_the_server(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(UserError, match="data.cache_dir: cannot keep shard-00000.tar in .*: No space left"):
        take(open_remote(f"{server.url}/stripes", cache), 0, np.arange(2))
    assert list(cache.iterdir()) == []


def read_all(url: str, cache: Path, barrier: multiprocessing.synchronize.Barrier) -> None:  # type: ignore[name-defined]
    shards = open_remote(url, cache)
    barrier.wait(900)
    shards.load_all()


def test_processes_that_fetch_the_same_files_at_once_end_well(server: Server, shards_folder: Path, cache: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(2)
    url = f"{server.url}/stripes"
    processes = [context.Process(target=read_all, args=(url, cache, barrier)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0, 0]
    assert len(list(cache.iterdir())) == 5
    assert {count for path, count in server.asked.items() if path.endswith(".tar")} == {1}
    server.stop()
    for path in cache.iterdir():
        assert path.read_bytes() == (shards_folder / path.name[65:]).read_bytes()


def test_machines_that_share_a_cache_and_a_process_id_do_not_meet(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two nodes with one home folder: the second fetches a file while the first is in the middle of it."""
    first, second = (Storage(f"{server.url}/stripes", str(cache)) for _ in range(2))
    file = first.manifest().shards[0]
    chunks = first._chunks

    def interrupted(name: str, most_bytes: int, beyond: str) -> Iterator[bytes]:
        yield from chunks(name, most_bytes, beyond)
        second.local_path(file)

    monkeypatch.setattr(first, "_chunks", interrupted)
    monkeypatch.setattr(storage, "_alone", contextlib.nullcontext)  # a file system that knows no locks
    path = first.local_path(file)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == file.sha256
    assert list(cache.iterdir()) == [path]


@pytest.mark.parametrize("workers", [0, 2])
def test_the_loader_gives_the_same_batches(server: Server, shards_folder: Path, cache: Path, workers: int) -> None:
    def batches(shards: ShardSet) -> list[torch.Tensor]:
        loader = Loader(shards, batch_size=16, streams=4, seed=0, workers=workers)
        return [torch.cat([b.images.flatten(), b.labels]) for b in itertools.islice(loader.batches(32), 30)]

    ours = batches(open_remote(f"{server.url}/stripes", cache))
    theirs = batches(open_remote(str(shards_folder), cache))
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_fsspec_reads_a_file_url(shards_folder: Path, cache: Path) -> None:
    assert_same_images(open_remote(f"file://{shards_folder}", cache), open_remote(str(shards_folder), cache))
    with pytest.raises(UserError, match=r"file:///nowhere/manifest.json: cannot read: .*No such file"):
        open_remote("file:///nowhere", cache)


def test_fsspec_reads_memory(shards_folder: Path, cache: Path) -> None:
    memory = fsspec.filesystem("memory")
    for path in shards_folder.glob("[!.]*.*"):
        memory.pipe(f"/storage-test/{path.name}", path.read_bytes())
    try:
        assert_same_images(open_remote("memory://storage-test", cache), open_remote(str(shards_folder), cache))
    finally:
        memory.rm("/storage-test", recursive=True)
    assert len(list(cache.iterdir())) == 5


def test_an_unknown_scheme_is_named(cache: Path) -> None:
    with pytest.raises(UserError, match=r"gopher\+x://host/set/manifest.json: cannot read: .*gopher"):
        open_remote("gopher+x://host/set", cache)


def test_an_error_of_a_backends_own_kind_is_an_error_for_a_person(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class NoCredentials(Exception):
        pass

    def fail(*_: object) -> None:
        raise NoCredentials("unable to locate credentials")

    monkeypatch.setattr(fsspec, "open", fail)
    with pytest.raises(UserError, match=r"s3://bucket/set/manifest.json: cannot read: unable to locate credentials"):
        open_remote("s3://bucket/set", cache)


def test_a_pipe_needs_consent(shards_folder: Path, cache: Path) -> None:
    with pytest.raises(UserError, match=r"data.path: a pipe: location runs a shell command; set data.allow_pipe=true"):
        open_remote(f"pipe:cat {shards_folder}/%s", cache)


def test_a_pipe_reads_what_its_command_prints(shards_folder: Path, cache: Path) -> None:
    shards = open_remote(f"pipe:cat {shards_folder}/%s", cache, allow_pipe=True)
    assert_same_images(shards, open_remote(str(shards_folder), cache))
    assert len(list(cache.iterdir())) == 5


def test_a_pipe_whose_command_fails_is_named(shards_folder: Path, cache: Path) -> None:
    with pytest.raises(UserError, match=r"pipe:exit 3: cannot read: the command ended with 3"):
        open_remote("pipe:exit 3", cache, allow_pipe=True)
    failing = f"pipe:cat {shards_folder}/%s; case %s in manifest.json) ;; *) exit 4;; esac"
    shards = open_remote(failing, cache, allow_pipe=True)
    with pytest.raises(UserError, match=r"shard-00000.tar.*: cannot read: the command ended with 4"):
        take(shards, 0, np.arange(2))
    assert list(cache.iterdir()) == []


def test_a_name_in_a_manifest_cannot_reach_the_shell() -> None:
    with pytest.raises(ValueError, match="pattern"):
        File(name="x;touch y", bytes=1, sha256="0" * 64)


def test_a_set_is_not_verified_over_the_net_at_start(server: Server, cache: Path) -> None:
    shards = open_remote(f"{server.url}/stripes", cache)
    shards.verify_if_small()
    assert server.asked == {"/stripes/manifest.json": 1}


def test_a_whole_set_is_verified_over_the_net_when_asked(server: Server, cache: Path) -> None:
    open_remote(f"{server.url}/stripes", cache).verify()
    (server.root / "stripes" / "shard-00003.tar").write_bytes(b"not a tar file " * 100)
    trust(server.root / "stripes", "shard-00003.tar")
    with pytest.raises(UserError, match=r"-shard-00003.tar: (not a readable tar file|holds 0 images)"):
        open_remote(f"{server.url}/stripes", cache).verify()


def test_a_server_that_does_not_answer_is_an_error_for_a_person(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cgan_dist.data.storage.TIMEOUT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/set"
        with pytest.raises(PassingError, match=r"/set/manifest.json: cannot read: .*timed out"):
            open_remote(url, cache)
