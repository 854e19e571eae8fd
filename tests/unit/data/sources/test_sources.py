from __future__ import annotations

import gzip
import hashlib
import inspect
import pickle
import struct
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import get_type_hints

import numpy as np
import pytest

from cgan_dist.data import SOURCES
from cgan_dist.data.download import download
from cgan_dist.data.source import Source
from cgan_dist.data.sources import fashion_mnist, mnist, mnist5k
from cgan_dist.data.sources.idx import read_idx
from cgan_dist.errors import UserError
from cgan_dist.labels import ClassLabels


def class_names(source: Source) -> list[str]:
    assert isinstance(source.schema, ClassLabels)
    return source.schema.names


def idx_bytes(array: np.ndarray) -> bytes:
    return bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def mnist_folder(tmp_path: Path) -> Path:
    """The four files of MNIST's layout, with 30 training and 10 test images."""
    generator = np.random.default_rng(0)
    folder = tmp_path / "idx"
    folder.mkdir()
    for prefix, count in (("train", 30), ("t10k", 10)):
        images = generator.integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = generator.integers(0, 10, count, dtype=np.uint8)
        (folder / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx_bytes(images)))
        (folder / f"{prefix}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(labels)))
    return folder


@pytest.mark.parametrize(("split", "count"), [("train", 30), ("test", 10), ("all", 40)])
def test_mnist_reads_its_splits_from_a_folder(mnist_folder: Path, split: str, count: int) -> None:
    source = mnist.load(mnist_folder, split)
    assert len(source) == count
    assert source.read(count - 1).shape == (28, 28, 1)
    assert class_names(source) == list("0123456789")
    assert source.description == f"MNIST from {mnist_folder} ({split})"


def test_pixels_and_labels_are_those_of_the_file(mnist_folder: Path) -> None:
    source = mnist.load(mnist_folder, "train")
    raw = gzip.decompress((mnist_folder / "train-images-idx3-ubyte.gz").read_bytes())
    assert b"".join(source.read(index).tobytes() for index in range(30)) == raw[16:]
    assert source.labels.dtype == np.int64
    assert source.labels.tolist() == list(
        gzip.decompress((mnist_folder / "train-labels-idx1-ubyte.gz").read_bytes())[8:]
    )


def test_uncompressed_files_are_read_too(mnist_folder: Path) -> None:
    for path in list(mnist_folder.iterdir()):
        path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
        path.unlink()
    assert len(mnist.load(mnist_folder, "train")) == 30


def test_fashion_mnist_has_its_own_names(mnist_folder: Path) -> None:
    assert class_names(fashion_mnist.load(mnist_folder, "train"))[7] == "sneaker"


def test_the_five_thousand_digits_are_balanced() -> None:
    source = mnist5k.load(None, "train")
    assert len(source) == 5000
    assert np.bincount(source.labels).tolist() == [500] * 10
    assert source.read(0).shape == (28, 28, 1)
    assert max(source.read(index).max() for index in range(100)) == 255


@pytest.mark.parametrize("cut", [1, 100, 23_000])
def test_a_truncated_plain_file_is_named_with_both_counts(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(idx_bytes(np.zeros((30, 28, 28), np.uint8))[:-cut])
    with pytest.raises(UserError, match=r"train-images-idx3-ubyte: truncated or damaged: its header says 30x28x28"):
        read_idx(path, 3)


def test_a_truncated_gzip_file_is_named(mnist_folder: Path) -> None:
    path = mnist_folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(UserError, match=r"train-images-idx3-ubyte.gz: truncated or damaged gzip"):
        mnist.load(mnist_folder, "train")


@pytest.mark.parametrize("content", [b"", b"\x00\x00\x08", b"\x00\x00\x0d\x03" + bytes(12), b"GIF89a" + bytes(20)])
def test_a_file_of_another_kind_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "images"
    path.write_bytes(content)
    with pytest.raises(UserError, match="not an IDX file of unsigned bytes with 3 dimensions"):
        read_idx(path, 3)


def test_a_missing_file_is_named(mnist_folder: Path) -> None:
    (mnist_folder / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(UserError, match=r"t10k-labels-idx1-ubyte.gz .* is missing"):
        mnist.load(mnist_folder, "test")


def test_a_label_above_nine_is_refused(mnist_folder: Path) -> None:
    path = mnist_folder / "train-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.compress(idx_bytes(np.full(30, 10, np.uint8))))
    with pytest.raises(UserError, match=r"image 0 has label 10; expected 0..9"):
        mnist.load(mnist_folder, "train")


def test_more_images_than_labels_are_refused(mnist_folder: Path) -> None:
    path = mnist_folder / "train-labels-idx1-ubyte.gz"
    path.write_bytes(gzip.compress(idx_bytes(np.zeros(29, np.uint8))))
    with pytest.raises(UserError, match="30 images but 29 labels"):
        mnist.load(mnist_folder, "train")


def test_an_unknown_split_is_refused(mnist_folder: Path) -> None:
    with pytest.raises(UserError, match="split 'valid': expected one of train, test, all"):
        mnist.load(mnist_folder, "valid")


@pytest.mark.parametrize("name", sorted(SOURCES.table))
def test_every_source_states_its_options(name: str) -> None:
    load = SOURCES.resolve(name, "SOURCE")
    folder, split, *options = inspect.signature(load).parameters.values()
    assert (folder.name, split.name) == ("folder", "split")
    assert all(option.kind is inspect.Parameter.KEYWORD_ONLY for option in options)
    assert all(option.default is not inspect.Parameter.empty for option in options)
    hints = get_type_hints(load)
    assert hints.keys() == {"folder", "split", *(option.name for option in options), "return"}
    assert hints["return"] is Source


def test_a_source_in_memory_survives_pickling(mnist_folder: Path) -> None:
    source = mnist.load(mnist_folder, "train")
    copy = pickle.loads(pickle.dumps(source))
    assert np.array_equal(copy.read(3), source.read(3))
    assert copy.labels.tolist() == source.labels.tolist()


def test_a_plain_file_with_the_name_of_a_gzip_file_is_named(mnist_folder: Path) -> None:
    (mnist_folder / "train-labels-idx1-ubyte.gz").write_bytes(b"plain")
    with pytest.raises(UserError, match=r"train-labels-idx1-ubyte.gz: truncated or damaged gzip file .*fetch it again"):
        mnist.load(mnist_folder, "train")


@pytest.mark.parametrize("name", ["celeba", "celeba_hq", "kmnist", "folder", "csv", "jsonl", "json", "idx", "npz"])
def test_a_source_of_private_files_needs_a_folder(name: str, tmp_path: Path) -> None:
    load = SOURCES.resolve(name, "SOURCE")
    (tmp_path / "faces").mkdir()
    (tmp_path / "file").touch()
    for folder, message in [
        (None, f"{name} needs --source FOLDER, a folder with "),
        (tmp_path / "file", f"file: a file; {name} expects a folder with "),
        (tmp_path / "facse", f"facse: no such folder. Did you mean 'faces'? {name} expects a folder with "),
    ]:
        with pytest.raises(UserError) as caught:
            load(folder, "train")
        assert message in str(caught.value)


@pytest.fixture
def server(mnist_folder: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(mnist_folder))) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


def test_mnist_downloads_four_files_and_checks_them(
    server: str, mnist_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sums = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in mnist_folder.iterdir()}
    monkeypatch.setattr(mnist, "MIRROR", server)
    monkeypatch.setattr(mnist, "SHA256", sums)
    assert len(mnist.load(None, "all")) == 40
    monkeypatch.setattr(mnist, "SHA256", sums | {"train-labels-idx1-ubyte.gz": "0" * 64})
    with pytest.raises(UserError, match=r"train-labels-idx1-ubyte.gz: sha256 is .*not the published file.*--source"):
        mnist.load(None, "all")


def test_a_failed_download_leaves_no_file(server: str, tmp_path: Path) -> None:
    target = tmp_path / "file"
    for url, sha256 in [(f"{server}/absent", ""), (f"{server}/train-labels-idx1-ubyte.gz", "0" * 64)]:
        with pytest.raises(UserError):
            download(url, target, sha256, hint="hint")
        assert not target.exists()


def test_no_server_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"127.0.0.1:9/x: cannot download: .*Use the hint"):
        download("http://127.0.0.1:9/x", tmp_path / "x", "", hint="Use the hint")


def test_a_download_is_checked_by_the_algorithm_that_the_publisher_chose(tmp_path: Path) -> None:
    published = tmp_path / "published"
    published.write_bytes(b"content")
    md5 = hashlib.md5(b"content").hexdigest()
    download(published.as_uri(), tmp_path / "target", md5, hint="hint", algorithm="md5")
    assert (tmp_path / "target").read_bytes() == b"content"
    with pytest.raises(UserError, match=f"md5 is {md5}, expected {'0' * 32}: not the published file"):
        download(published.as_uri(), tmp_path / "again", "0" * 32, hint="hint", algorithm="md5")
    with pytest.raises(UserError, match=f"sha256 is .*, expected {md5}"):
        download(published.as_uri(), tmp_path / "again", md5, hint="hint")
