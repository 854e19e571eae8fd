"""Which tars a user means: a folder's, one file, a pattern with braces, or URLs, which are fetched once."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tqdm import tqdm
from webdataset.shardlists import expand_urls

from cgan_dist.data.sources.class_names import in_natural_order
from cgan_dist.data.sources.files import shortened
from cgan_dist.data.sources.splits import ALL, NAMES, choose_splits, find_splits, kind_of
from cgan_dist.data.storage import Storage, is_remote
from cgan_dist.errors import UserError, close_match

FETCHES = 4
"""Tars that are fetched at a time."""
COMPRESSED = (".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")


def find_tars(place: Path | str, split: str, splits: bool | None, cache_dir: str | None) -> tuple[Path, ...]:
    """Lists the tars of a split, in natural order of their names; remote ones are fetched first.

    Args:
        place: a folder, a tar, a pattern such as `train-{000000..000146}.tar`, or a URL or pattern of URLs.
        split: `train`, `valid`, `test` or `all`, where sub-folders or the names of the tars are those of splits.
        splits: whether they are; null decides by the names.
        cache_dir: where remote tars are kept; null is the cache of remote sets.

    Raises:
        UserError: if there is none, one is compressed, or the split is unknown.
    """
    if is_remote(str(place)):
        names = _expanded(str(place))
        _refuse_compressed(names)
        tars = _fetched(names, cache_dir)
    elif Path(place).is_dir():
        tars = _in_folder(Path(place), split, splits)
    else:
        tars = [Path(name) for name in _expanded(str(place))]
        _refuse_compressed([str(tar) for tar in tars])
        if missing := [str(tar) for tar in tars if not tar.is_file()]:
            near = close_match(Path(missing[0]).name, _names(Path(missing[0]).parent))
            raise UserError(
                f"--source {place}: no such {'folder or file' if len(tars) == 1 else 'tars'}: "
                f"{shortened(missing)}.{near} Expected a folder of tars, a tar, or a pattern such as "
                "train-{000000..000146}.tar."
            )
    return tuple(tars)


def _expanded(place: str) -> list[str]:
    names = expand_urls(place)
    if not names or (is_remote(place) and not all(re.search(r"\.(tar|tgz)\b", name) for name in names)):
        raise UserError(
            f"--source {place}: which tars lie there cannot be asked of a server; name them, as in "
            f"{place.rstrip('/')}/train-{{000000..000146}}.tar."
        )
    return list(names)


def _fetched(urls: Sequence[str], cache_dir: str | None) -> list[Path]:
    """Local copies, several fetched at a time; those that are whole stay for the next try."""
    if any(url.startswith("pipe:") for url in urls):
        raise UserError("--source: a pipe: location runs a shell command for each tar; run it yourself first.")

    def fetch(url: str) -> Path:
        folder, name = url.rsplit("/", 1)
        return Storage(folder, cache_dir).fetch_unlisted(name)

    with ThreadPoolExecutor(FETCHES) as pool:
        try:
            return list(tqdm(pool.map(fetch, urls), total=len(urls), desc="fetch", unit="tar", disable=len(urls) == 1))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _in_folder(folder: Path, split: str, splits: bool | None) -> list[Path]:
    found = find_splits(folder, _sub_folders(folder), splits)
    roots = choose_splits(folder, found, split) if found else [""]
    names = [name for root in roots for name in _below(folder, root)]
    _refuse_compressed(names)
    names = [name for name in names if name.endswith(".tar")]
    if not names:
        raise UserError(f"{folder}: no tars; expected WebDataset's, such as 000000.tar, here or in sub-folders.")
    if not found and splits is not False:
        names = _of_split(folder, names, split)
    return [folder / name for name in in_natural_order(names)]


def _of_split(folder: Path, names: Sequence[str], split: str) -> list[str]:
    """Chooses by the words in the names: imagenet1k-train-0000.tar beside imagenet1k-validation-00.tar."""
    kinds = [
        [kind for word in re.split(r"[^A-Za-z]+", Path(name).stem) if (kind := kind_of(word)) in NAMES]
        for name in names
    ]
    if all(len(kind) == 1 for kind in kinds):
        there = sorted({kind for (kind,) in kinds})
        if split != ALL and kind_of(split) not in there:
            raise UserError(
                f"split '{split}': the names of the tars in {folder} say {', '.join(there)}; expected one of them or "
                "all." + close_match(split, there)
            )
        return [
            name for name, (kind,) in zip(names, kinds, strict=True) if split in (ALL, kind) or kind == kind_of(split)
        ]
    if len({kind[0] for kind in kinds if kind}) > 1:
        odd = [name for name, kind in zip(names, kinds, strict=True) if len(kind) != 1]
        raise UserError(
            f"{folder}: the names of some tars say which split they are of, those of others do not ({shortened(odd)}). "
            f"Name those that you want, --source '{folder}/train-{{000000..000146}}.tar', or give --option "
            "splits=false for all of them."
        )
    if split not in ("train", ALL):
        raise UserError(f"split '{split}': {folder} has no splits to choose from; expected train or all.")
    return list(names)


def _below(folder: Path, root: str) -> list[str]:
    """All files, relative to the folder, hidden ones left out; links to folders are not followed."""
    found = []
    for place, folders, files in os.walk(folder / root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [os.path.relpath(os.path.join(place, name), folder) for name in files if not name.startswith(".")]
    return found


def _refuse_compressed(names: Sequence[str]) -> None:
    if packed := [name for name in names if name.endswith(COMPRESSED)]:
        raise UserError(
            f"compressed tars, in which no picture can be found by its place: {shortened(packed)}. Decompress them "
            "first, e.g. with gunzip; pictures hardly shrink by it."
        )


def _sub_folders(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if entry.is_dir() and not entry.name.startswith("."))


def _names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder)) if folder.is_dir() else []
