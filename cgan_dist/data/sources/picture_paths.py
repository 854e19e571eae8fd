"""The paths of pictures as tables have them: relative or absolute, with slashes or backslashes, without a suffix."""

from __future__ import annotations

import os
from pathlib import Path, PureWindowsPath

from cgan_dist.data.sources.files import shortened
from cgan_dist.data.sources.picture import SUFFIXES
from cgan_dist.errors import UserError


class PicturePaths:
    """Finds what a table names below one folder, and nothing outside of it.

    Args:
        folder: that paths are relative to.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._listed: dict[Path, dict[str, list[str]]] = {}

    def relative(self, path: str, where: str) -> str:
        """Returns a path relative to the folder; the picture need not be there.

        Args:
            path: as the table has it.
            where: that is, for errors.

        Raises:
            UserError: if it leads out of the folder.
        """
        if ".." in PureWindowsPath(path).parts:  # both kinds of slash part it
            raise UserError(f"{where}: '{path}' leaves the folder; expected a path below it, without '..'.")
        if os.path.isabs(path):
            for folder in (self.folder.absolute(), self.folder.resolve()):
                if Path(path).is_relative_to(folder):
                    return str(Path(path).relative_to(folder))
        if PureWindowsPath(path).root or os.path.splitdrive(path)[0]:
            raise UserError(
                f"{where}: '{path}' is an absolute path outside of {self.folder}; expected one relative to the folder."
            )
        return path

    def find(self, path: str, where: str) -> str:
        """Returns the path of the picture that is there.

        Args:
            path: relative to the folder. If there is no such file, backslashes are taken for slashes, and a name
                without the suffix of a picture for the one picture of that name.
            where: the table has it, for errors.

        Raises:
            UserError: if the picture is missing, or there are several.
        """
        for name in (path, path.replace("\\", "/")):
            if (self.folder / name).is_file():
                return name
        without_suffix = self.folder / path.replace("\\", "/")
        found = self._pictures(without_suffix.parent).get(without_suffix.name, [])
        if len(found) == 1:
            return str(without_suffix.with_name(found[0]).relative_to(self.folder))
        if found:
            raise UserError(f"{where}: '{path}' may be any of {shortened(found)}; expected the suffix too.")
        tried = "" if path.lower().endswith(SUFFIXES) else ", with and without the suffix of a picture"
        raise UserError(f"{where}: {self.folder / path} is missing{tried}; paths are relative to {self.folder}.")

    def _pictures(self, folder: Path) -> dict[str, list[str]]:
        """The pictures of a folder, by their names without the suffix."""
        if folder not in self._listed:
            listed: dict[str, list[str]] = {}
            for name in sorted(os.listdir(folder)) if folder.is_dir() else []:
                stem, suffix = os.path.splitext(name)
                if suffix.lower() in SUFFIXES:
                    listed.setdefault(stem, []).append(name)
            self._listed[folder] = listed
        return self._listed[folder]
