from __future__ import annotations

import functools
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from cgan_dist.data.tars.places import find_tars
from cgan_dist.errors import PassingError, UserError
from tests.unit.data.tar_files import write_tar


def make(folder: Path, *names: str) -> Path:
    for name in names:
        write_tar(folder / name, [("0.jpg", name.encode())])
    return folder


def names(folder: Path, split: str = "train", splits: bool | None = None) -> list[str]:
    return [str(tar.relative_to(folder)) for tar in find_tars(folder, split, splits, None)]


def test_a_folder_gives_its_tars_in_natural_order(tmp_path: Path) -> None:
    make(tmp_path, "s-10.tar", "s-2.tar", ".hidden/x.tar", "deep/er/s-1.tar")
    (tmp_path / "s-2_stats.json").write_text("{}")
    (tmp_path / "s-2.parquet").write_bytes(b"PAR1")
    assert names(tmp_path) == ["deep/er/s-1.tar", "s-2.tar", "s-10.tar"]
    assert names(tmp_path, "all") == names(tmp_path)


def test_a_tar_and_a_pattern(tmp_path: Path) -> None:
    make(tmp_path, *(f"s-{number:03d}.tar" for number in range(8, 12)))
    assert find_tars(tmp_path / "s-009.tar", "train", None, None) == (tmp_path / "s-009.tar",)
    found = find_tars(tmp_path / "s-{009..011}.tar", "train", None, None)
    assert [tar.name for tar in found] == ["s-009.tar", "s-010.tar", "s-011.tar"]


def test_splits_by_sub_folder_and_by_name(tmp_path: Path) -> None:
    """As many lay them out, and as the public ImageNet shards have them."""
    folders = make(tmp_path / "folders", "train/0.tar", "val/0.tar", "val/1.tar")
    assert names(folders) == ["train/0.tar"]
    assert names(folders, "valid") == ["val/0.tar", "val/1.tar"]
    flat = make(
        tmp_path / "flat", "imagenet1k-train-0000.tar", "imagenet1k-train-0001.tar", "imagenet1k-validation-00.tar"
    )
    assert names(flat) == ["imagenet1k-train-0000.tar", "imagenet1k-train-0001.tar"]
    assert names(flat, "valid") == ["imagenet1k-validation-00.tar"]
    assert len(names(flat, "all")) == len(names(flat, splits=False)) == 3


@pytest.mark.parametrize(
    ("there", "split", "error"),
    [
        ((), "train", "no tars; expected WebDataset's"),
        (("a.txt.tar.gz",), "train", r"compressed tars.*a\.txt\.tar\.gz.*gunzip"),
        (("a-train-0.tar",), "valid", "split 'valid': the names of the tars .* say train"),
        (("a.tar",), "valid", "has no splits to choose from"),
        (("a-train-0.tar", "a-val-0.tar", "extra.tar"), "train", r"do not \(extra\.tar\).*splits=false"),
    ],
)
def test_what_cannot_be_meant(tmp_path: Path, there: tuple[str, ...], split: str, error: str) -> None:
    make(tmp_path, *there)
    with pytest.raises(UserError, match=error):
        names(tmp_path, split)


def test_missing_tars_are_named(tmp_path: Path) -> None:
    make(tmp_path, "s-000.tar")
    with pytest.raises(UserError, match=r"no such tars: \S*s-001\.tar, \S*s-002\.tar"):
        find_tars(tmp_path / "s-{000..002}.tar", "train", None, None)
    with pytest.raises(UserError, match=r"no such folder or file.*Did you mean 's-000\.tar'"):
        find_tars(tmp_path / "s-00.tar", "train", None, None)


class Handler(SimpleHTTPRequestHandler):
    """A server that counts, and that cuts short what is called so."""

    asked: list[str]

    def log_message(self, *_: object) -> None: ...

    def copyfile(self, source: object, outputfile: object) -> None:
        content = source.read()  # type: ignore[attr-defined]
        outputfile.write(content[: len(content) // 2] if "short" in self.path else content)  # type: ignore[attr-defined]
        self.asked.append(self.path)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    make(tmp_path / "served", "a-0.tar", "a-1.tar", "short.tar")
    Handler.asked = []
    handler = functools.partial(Handler, directory=str(tmp_path / "served"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


def test_urls_are_fetched_once_and_again_when_they_change(tmp_path: Path, server: str) -> None:
    cache = str(tmp_path / "cache")
    find = functools.partial(find_tars, f"{server}/a-{{0..1}}.tar", "train", None, cache)
    first = find()
    assert [tar.name.split("-", 1)[1] for tar in first] == ["a-0.tar", "a-1.tar"]
    assert [tar.read_bytes() for tar in first] == [(tmp_path / "served" / f"a-{n}.tar").read_bytes() for n in range(2)]
    assert find() == first
    write_tar(tmp_path / "served" / "a-0.tar", [("0.jpg", b"x" * 20_000)])
    again = find()
    assert again[0] != first[0]
    assert again[0].read_bytes() == (tmp_path / "served" / "a-0.tar").read_bytes()
    assert again[1] == first[1]


def test_a_transfer_that_is_cut_short_leaves_nothing(tmp_path: Path, server: str) -> None:
    with pytest.raises(PassingError, match=r"short\.tar: 5,120 bytes of 10,240 arrived"):
        find_tars(f"{server}/short.tar", "train", None, str(tmp_path / "cache"))
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_cache_that_cannot_be_written_is_not_blamed_on_the_server(tmp_path: Path, server: str) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(UserError, match=r"cannot keep a-0\.tar in \S*cache: (Not a directory|File exists)"):
        find_tars(f"{server}/a-0.tar", "train", None, str(tmp_path / "cache"))


def test_a_missing_url_and_a_folder_of_a_server(tmp_path: Path, server: str) -> None:
    with pytest.raises(UserError, match=r"b\.tar: cannot read: HTTP Error 404"):
        find_tars(f"{server}/b.tar", "train", None, str(tmp_path))
    with pytest.raises(UserError, match="which tars lie there cannot be asked of a server; name them"):
        find_tars(f"{server}/folder", "train", None, str(tmp_path))


def test_no_command_is_run(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="runs a shell command for each tar"):
        find_tars(f"pipe:touch {tmp_path}/ran; cat x.tar", "train", None, None)
    assert not (tmp_path / "ran").exists()
