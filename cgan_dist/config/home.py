"""`~` in paths that people type."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator


def at_home(path: str) -> str:
    """Writes out a `~` or `~name` at the beginning of a path; others, and URLs, stay as they are.

    Raises:
        ValueError: if there is no such home folder.
    """
    if not path.startswith("~"):
        return path
    try:
        return str(Path(path).expanduser())
    except RuntimeError:
        raise ValueError(
            f"found '{path}', but this machine knows no home folder for '{path.partition('/')[0]}'; expected the whole "
            "path (or HOME in the environment)"
        ) from None


LocalPath = Annotated[str, AfterValidator(at_home)]
