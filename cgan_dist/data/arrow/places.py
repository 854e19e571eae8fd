"""Which files a user means: those of a folder of Parquet or Arrow, of a saved data set, or of a set on the Hub."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cgan_dist.data.arrow.hub import Repository, is_repository
from cgan_dist.data.sources.class_names import in_natural_order
from cgan_dist.data.sources.files import shortened
from cgan_dist.data.sources.json_file import read_json
from cgan_dist.data.sources.splits import ALL, NAMES, kind_of
from cgan_dist.errors import UserError, close_match

SUFFIXES = (".parquet", ".arrow")
NUMBERED = re.compile(r"(?P<split>\w+)-\d{4,}(-of-\d{4,})?(-\w+)?")
"""`train-00000-of-00002`, as `datasets` and the Hub name files."""
PLAIN_FOLDERS = ("data", "default")
EXPECTED = (
    "expected a folder of .parquet files, one such file, what save_to_disk wrote, or a set on the Hub as owner/name"
)


@dataclass(frozen=True)
class Files:
    """The files of each split.

    Attributes:
        place: what the user named.
        of_split: by the split's kind; all that are on this machine.
        chosen: those of the split asked for, in order.
    """

    place: str
    of_split: dict[str, list[Path]]
    chosen: list[Path]

    @property
    def all(self) -> list[Path]:
        """Those of all splits."""
        return [path for paths in self.of_split.values() for path in paths]


def find_files(place: Path | None, split: str, config: str | None, revision: str | None) -> Files:
    """Finds the files of a split.

    Args:
        place: a folder, a file, or `owner/name` of a set on the Hub, whose Parquet files of that split are fetched.
        split: `train`, `valid`, `test` or another that there is, or `all`; `train` or `all` where nothing tells splits.
        config: name of the sub-folder to read, where a set has several configurations.
        revision: of a set on the Hub.

    Raises:
        UserError: if there is none, or what there is fits neither the split nor the configuration.
    """
    if place is None:
        raise UserError(f"huggingface needs --source; {EXPECTED}.")
    if place.is_file():
        if place.suffix not in SUFFIXES:
            raise UserError(f"--source {place}: {EXPECTED}.")
        return _files(place.parent, str(place), {"train": [place.name]}, "train")
    if place.is_dir():
        found = _saved(place)
        return _files(place, str(place), found or by_split(_below(place), config, str(place)), split)
    if not is_repository(place):
        near = close_match(place.name, os.listdir(place.parent) if place.parent.is_dir() else [])
        raise UserError(f"--source {place}: no such folder or file.{near} Otherwise {EXPECTED}.")
    repository = Repository(str(place), revision)
    found = by_split(repository.names(), config, str(place))
    names = choose(found, split, str(place))
    kinds = found if split == ALL else {split: names}
    return _files(repository.fetch(names), str(place), kinds, ALL)


def by_split(names: Sequence[str], config: str | None, place: str) -> dict[str, list[str]]:
    """Tells splits by the names of files and folders: `data/train-00000-of-00002.parquet`, `valid/0.parquet`.

    Where no name says a split, all are of `train`.

    Args:
        names: of the files, relative, with slashes.
        config: the sub-folder to read; null where there is one at most.
        place: for errors.

    Raises:
        UserError: if there are several configurations, or only some names say a split.
    """
    names = _of_config(names, config, place)
    split_of = {name: _split_of(name) for name in in_natural_order(names)}
    if bare := [name for name, split in split_of.items() if split is None]:
        if len(bare) < len(names):
            raise UserError(
                f"{place}: which split are {shortened(bare)} of? Others say it in their names "
                f"({shortened([name for name in names if split_of[name]])}). Name one file with --source, or move "
                "files into folders train, valid and test."
            )
        return {"train": bare}
    found: dict[str, list[str]] = {}
    for name, split in split_of.items():
        found.setdefault(str(split), []).append(name)
    return found


def choose(found: dict[str, list[str]], split: str, place: str) -> list[str]:
    """Returns the names of a split.

    Raises:
        UserError: if there is no such split.
    """
    if split == ALL:
        return [name for names in found.values() for name in names]
    if kind_of(split) not in found:
        raise UserError(
            f"split '{split}': {place} has {', '.join(found)}; expected one of them or all.{close_match(split, found)}"
        )
    return found[kind_of(split)]


def _files(root: Path, place: str, found: dict[str, list[str]], split: str) -> Files:
    chosen = [root / name for name in choose(found, split, place)]
    return Files(place, {kind: [root / name for name in names] for kind, names in found.items()}, chosen)


def _of_config(names: Sequence[str], config: str | None, place: str) -> list[str]:
    configs: dict[str, list[str]] = {}
    for name in names:
        top = name.partition("/")[0] if "/" in name else ""
        configs.setdefault("" if top in PLAIN_FOLDERS or kind_of(top) in NAMES else top, []).append(name)
    if config is not None:
        chosen = [name for name in names if config in name.split("/")[:-1]]
        if not chosen:
            raise UserError(f"config: '{config}'; {place} has {', '.join(filter(None, configs)) or 'none'}.")
        return chosen
    if len(configs) > 1:
        options = [f"--option config={name}" for name in configs if name]
        raise UserError(f"{place}: several data sets in one: {shortened(options)}. Choose one of them.")
    return list(names)


def _split_of(name: str) -> str | None:
    *folders, file = name.split("/")
    stem = file.rpartition(".")[0]
    for folder in reversed(folders):
        if kind_of(folder) in NAMES:
            return kind_of(folder)
    words = [kind for word in re.split(r"[^A-Za-z]+", stem) if (kind := kind_of(word)) in NAMES]
    if len(set(words)) == 1:
        return words[0]
    numbered = NUMBERED.fullmatch(stem)
    return kind_of(numbered["split"]) if numbered and numbered["split"] != "data" else None


def _saved(folder: Path) -> dict[str, list[str]]:
    """The files of what `save_to_disk` wrote; nothing where it did not."""
    if (folder / "dataset_dict.json").is_file():
        found = read_json(folder / "dataset_dict.json")
        splits = found.get("splits") if isinstance(found, dict) else None
        if not isinstance(splits, list) or not all(_is_plain(name) for name in splits):
            raise UserError(f'{folder / "dataset_dict.json"}: expected {{"splits": [names of sub-folders]}}.')
        return {kind_of(name): [f"{name}/{file}" for file in _arrow_files(folder / name)] for name in splits}
    return {"train": _arrow_files(folder)} if (folder / "state.json").is_file() else {}


def _arrow_files(folder: Path) -> list[str]:
    path = folder / "state.json"
    state = read_json(path)
    files = state.get("_data_files") if isinstance(state, dict) else None
    names = [file.get("filename") for file in files if isinstance(file, dict)] if isinstance(files, list) else []
    if not names or not all(_is_plain(name) for name in names):
        raise UserError(f"{path}: names no files; expected _data_files, each a filename beside it. Save the set again.")
    if isinstance(state, dict) and state.get("_indices_data_files"):
        raise UserError(f"{path}: a set of an old version, in which a list says what is left out. Save it again.")
    if missing := [name for name in names if not (folder / str(name)).is_file()]:
        raise UserError(f"{folder / str(missing[0])}: missing, which {path.name} lists. Copy the folder again.")
    return [str(name) for name in names]


def _is_plain(name: object) -> bool:
    return isinstance(name, str) and name not in ("", ".", "..") and Path(name).name == name and "\\" not in name


def _below(folder: Path) -> list[str]:
    found = [
        os.path.relpath(os.path.join(root, name), folder).replace(os.sep, "/")
        for root, _, names in os.walk(folder)
        for name in names
        if name.endswith(SUFFIXES) and not name.startswith(".")
    ]
    parquet = [name for name in found if name.endswith(".parquet")]
    if not found:
        raise UserError(f"{folder}: no .parquet file and no state.json in it; {EXPECTED}.")
    if parquet and len(parquet) < len(found):
        raise UserError(f"{folder}: .parquet and .arrow files side by side; name the folder of one kind.")
    return found
