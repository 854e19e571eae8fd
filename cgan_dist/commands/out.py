"""Where a command writes: a name that does not say what is written is refused while the command line is read."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click

from cgan_dist.commands.place import LocalPath
from cgan_dist.errors import UserError
from cgan_dist.pictures.picture_file import FILMS, PICTURES, check_suffix

OF_FILES = {*PICTURES, *FILMS, ".csv", ".json", ".npz", ".onnx", ".pt", ".pt2", ".safetensors", ".tar", ".yaml", ".zip"}
"""What no folder's name should end in: whoever types it expects a file."""


class Out(LocalPath):
    """A place to write to, checked while the command line is read, so before anything is loaded or drawn."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Reads what was typed."""
        path = super().convert(value, param, ctx)
        try:
            self.check(path)
        except UserError as error:
            raise click.UsageError(f"{param.opts[0]} {error}" if param else str(error), ctx) from error
        return path

    def check(self, path: Path) -> None:
        """Raises UserError if this is no place to write to."""
        raise NotImplementedError


class OutFile(Out):
    """A file to write. Its folder must be there: a command that makes one would make one of every typo.

    Args:
        what: is written, for the error, such as "the picture".
        suffixes: the name must end in one of them, in small letters or capitals.
    """

    def __init__(self, what: str, suffixes: Iterable[str]) -> None:
        super().__init__("file")
        self.what = what
        self.suffixes = tuple(suffixes)

    def check(self, path: Path) -> None:
        """See `Out`."""
        check_suffix(path, self.suffixes)
        if path.is_dir():
            raise UserError(f"{path}: cannot write {self.what}: there is a folder of that name; give another one.")
        try:
            os.stat(os.path.join(path.parent, ""))  # a file is "Not a directory"
        except OSError as error:
            raise UserError(
                f"{path}: cannot write {self.what}: {error.strerror or error}: '{path.parent}'. Make that folder "
                "(mkdir -p), or give another name."
            ) from error


def make_folder(out: Path) -> None:
    """Makes the folder of `--out`, with those above it.

    Raises:
        UserError: if that cannot be.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"--out {out}: cannot make the folder: {error.strerror or error}.") from error


class OutFolder(Out):
    """A folder to make, with those above it."""

    def __init__(self) -> None:
        super().__init__("folder")

    def check(self, path: Path) -> None:
        """See `Out`."""
        if path.suffix.lower() in OF_FILES:
            raise UserError(f"{path}: found '{path.suffix}', as a file's name ends; expected the name of a folder.")
