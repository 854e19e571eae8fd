"""What the device answers where FakeTensorMode has none: results that depend on values, sparse tensors, CUDA's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from tests.fake_gpu.call import Call

Answer = Callable[[Call], Any]
"""Of tensors it returns those that it was given, or new ones on `meta`; NotImplemented where it has no answer."""


def _item(call: Call) -> bool | int | float:
    """Every statement is true, every number is 0."""
    dtype = call.args[0].dtype
    if dtype == torch.bool:
        return True
    return 0.0 if dtype.is_floating_point else 0


def _nonzero(call: Call) -> Tensor:
    """Every element counts."""
    asked: Tensor = call.args[0]
    return torch.empty(max(asked.numel(), 1), asked.dim(), dtype=torch.int64, device="meta")


def _is_sparse(value: Any) -> bool:
    return isinstance(value, Tensor) and value.layout == torch.sparse_coo


def _sparse(like: Tensor, rows: int, is_coalesced: bool) -> Tensor:
    """So many rows of a table."""
    indices = torch.empty(1, rows, dtype=torch.int64, device="meta")
    values = torch.empty(rows, *like.shape[1:], dtype=like.dtype, device="meta")
    return torch.sparse_coo_tensor(
        indices, values, like.shape, is_coalesced=is_coalesced, check_invariants=False, device="meta"
    )


def _clone(call: Call) -> Tensor:
    asked: Tensor = call.args[0]
    return _sparse(asked, asked._nnz(), asked.is_coalesced()) if _is_sparse(asked) else NotImplemented


def _add(call: Call) -> Any:
    """The rows of both are the same, as those of reals and fakes are."""
    one, other = call.args[:2]
    if not _is_sparse(other):
        return NotImplemented
    return _sparse(one, max(one._nnz(), other._nnz()), False)


ANSWERS: dict[str, Answer] = {
    "_local_scalar_dense": _item,
    "nonzero": _nonzero,
    "equal": lambda call: True,
    "clone": _clone,
    "add": _add,
}
"""By the name of the operation."""
