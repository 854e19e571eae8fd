"""A safetensors file whose header has facts as JSON: written whole, and read as what anybody may have written."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from cgan_dist.bounds import Bound, regular
from cgan_dist.errors import UserError
from cgan_dist.files.whole import whole_file

HEADER = "cgan_dist"
"""Key of the facts in the header."""
Facts = TypeVar("Facts", bound=BaseModel)


def write_described(path: Path, tensors: Mapping[str, Tensor], facts: BaseModel) -> None:
    """Writes tensors of any device and layout with facts, whole or not at all.

    Raises:
        UserError: if the disk refuses.
    """
    plain = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
    content = save(plain, metadata={HEADER: facts.model_dump_json()})
    with whole_file(path) as partial:
        partial.write_bytes(content)


def read_described(path: Path, bound: Bound, model: type[Facts], expected: str) -> tuple[dict[str, Tensor], Facts]:
    """Reads both; that tensors are what the facts say of them is for the caller to check.

    Args:
        path: of the file.
        bound: of its bytes.
        model: of the facts, which should be strict.
        expected: end of a sentence, that says what writes such files.

    Raises:
        UserError: if it is missing, larger than it may be, no such file, or its facts are of another form.
    """
    try:
        bound.check(regular(path).stat().st_size, path)
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in sorted(file.keys())}
            header = file.metadata() or {}
    except UserError:
        raise
    except OSError as error:
        raise UserError(f"{path}: cannot read: {error.strerror or error}.") from error
    except (SafetensorError, ValueError, KeyError, RuntimeError, MemoryError, OverflowError) as error:
        raise UserError(f"{path}: no safetensors file: {error}; {expected}") from error
    try:
        return tensors, model.model_validate_json(header.get(HEADER, ""))
    except (ValidationError, ValueError, RecursionError) as error:
        first = error.errors()[0] if isinstance(error, ValidationError) else {"loc": (), "msg": str(error)}
        place = ".".join(map(str, first["loc"]))
        raise UserError(f"{path}: its header{f', {place}' if place else ''}: {first['msg']}; {expected}") from error
