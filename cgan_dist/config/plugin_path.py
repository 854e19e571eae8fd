"""Where modules of plug-ins are looked for: on the import path, and last in folders that a person has let in.

None is let in by itself. A command lets in the working folder for code that was typed or is trusted, and the mark of a
run of one's own the folders that its code came from (`runs.own`).
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

_let_in: list[str] = []


def let_in(folder: Path, first: bool = False) -> None:
    """Lets plug-ins be found in a folder, after all that is installed.

    Args:
        folder: with modules and packages in it.
        first: before the other folders that were let in.
    """
    path = str(folder.absolute())
    if path in _let_in:
        if not first:
            return
        _let_in.remove(path)
    elif path in sys.path:
        return
    _let_in.insert(0 if first else len(_let_in), path)


def import_plugin(module: str) -> ModuleType:
    """Imports a module, from the folders that were let in too."""
    sys.path[:] = [path for path in sys.path if path not in _let_in] + _let_in
    return importlib.import_module(module)


def folder_of(module: ModuleType) -> Path | None:
    """The folder of the import path that a module was found in; None of one without a file."""
    if (found := getattr(module, "__file__", None)) is None:
        return None
    file = Path(found).absolute()
    depth = module.__name__.count(".") + (file.name == "__init__.py")
    return file.parents[depth]
