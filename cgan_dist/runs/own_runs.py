"""Which runs are this user's own: those that were trained here, known by a mark in the user's state folder.

A mark stands for the code and the addresses that a config names, with their arguments, and for the run's name and seed.
So a run may be moved, copied and renamed, and whoever changes what its config names has another run, which has no mark.
A stranger can name the very same code; the mark therefore says where that code was found, and it is found there again
and not in the stranger's folder.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
import uuid
from pathlib import Path
from typing import Any

from cgan_dist.config.document import Config
from cgan_dist.config.named_code import named_code, opened
from cgan_dist.config.plugin_path import folder_of, let_in

FOLDERS = "code_folders"
LIMIT_BYTES = 1 << 20
OTHERS_MAY_WRITE = stat.S_IWGRP | stat.S_IWOTH


def state_folder() -> Path:
    """Where marks are kept, made by the first one.

    Raises:
        RuntimeError: if this user has no home.
    """
    if (given := os.environ.get("XDG_STATE_HOME")) and os.path.isabs(given):  # relative ones are to be ignored
        return Path(given) / "cgan_dist"
    if sys.platform == "win32" and (given := os.environ.get("LOCALAPPDATA")):
        return Path(given) / "cgan_dist"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support" / "cgan_dist"
    return Path.home() / ".local" / "state" / "cgan_dist"


def mark_own(config: Config) -> str:
    """Marks a run as this user's own, if its config names code or addresses; only the main process calls it.

    Args:
        config: as the user typed it; the code that it names has been imported.

    Returns:
        Why there is no mark, for a person; empty if there is one, or none is needed.
    """
    if not _named(config):
        return ""
    names = {where: part.name for where, part in named_code(config).items()}  # and no URL: a password may be in it
    mark = {
        "run": str(config.run.folder.absolute()),
        "code": names,
        FOLDERS: _folders(config),
    }
    try:
        path = _path(config)
        path.parent.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        path.parent.mkdir(exist_ok=True, mode=0o700)
        _write(path, json.dumps(mark, indent=1))
    except (OSError, RuntimeError) as error:
        return getattr(error, "strerror", None) or str(error)
    return ""


def recognize(config: Config) -> bool:
    """Whether a saved config is that of a run that this user trained; its code is then found where it was."""
    if not _named(config):
        return True
    try:
        mark = json.loads(_read(_path(config)))
        folders = [Path(folder) for folder in mark[FOLDERS]]
    except (OSError, RuntimeError, ValueError, LookupError, TypeError, RecursionError):
        return False
    for folder in reversed(folders):
        let_in(folder, first=True)
    return True


def _named(config: Config) -> bool:
    return bool(named_code(config) or opened(config))


def _identity(config: Config) -> dict[str, Any]:
    return {
        "name": config.run.name,
        "seed": config.run.seed,
        "code": {where: [part.name, part.args] for where, part in named_code(config).items()},
        "opened": opened(config) | {"data.allow_pipe": config.data.allow_pipe},
    }


def _path(config: Config) -> Path:
    saved = json.loads(json.dumps(_identity(config), default=str))  # as a checkpoint gives it back: keys are text
    digest = hashlib.sha256(json.dumps(saved, sort_keys=True).encode()).hexdigest()
    return state_folder() / "own_runs" / f"{digest}.json"


def _folders(config: Config) -> list[str]:
    """Where the modules were found that the config names."""
    names = [name for part in named_code(config).values() for name in part.name.split("@") if ":" in name]
    modules = [sys.modules.get(name.partition(":")[0]) for name in names]
    folders = [folder_of(module) for module in modules if module is not None]
    return list(dict.fromkeys(str(folder) for folder in folders if folder is not None))


def _write(path: Path, text: str) -> None:
    """Whole or not at all, whoever else writes it at the same time."""
    fresh = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


def _read(path: Path) -> str:
    """The mark, if this user wrote it and nobody else can have."""
    folder, file = path.parent.stat(), path.lstat()
    if not stat.S_ISREG(file.st_mode) or file.st_size > LIMIT_BYTES:
        raise PermissionError(f"{path}: no mark of ours")
    for facts in (folder, file) if hasattr(os, "geteuid") else ():  # Windows has no owners to ask for here
        if facts.st_uid != os.geteuid() or facts.st_mode & OTHERS_MAY_WRITE:
            raise PermissionError(f"{path}: another user may have written it")
    return path.read_text(encoding="utf-8")
