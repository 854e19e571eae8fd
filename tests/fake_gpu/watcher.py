"""What one operation means on a real GPU: does the host wait, is something copied to the device, are devices mixed?"""

from __future__ import annotations

from typing import Any

import torch

from tests.fake_gpu.call import Call, is_on_gpu, tensors_in
from tests.fake_gpu.ledger import Ledger
from tests.fake_gpu.pinned import PinnedMemory

BY_VALUES = {
    "_local_scalar_dense": "item",
    "nonzero": "nonzero",
    "equal": "equal",
    "masked_select": "masked_select",
    "_unique2": "unique",
    "unique_dim": "unique",
    "unique_consecutive": "unique_consecutive",
    "bincount": "bincount",
    "_coalesce": "coalesce",
    "_linalg_check_errors": "check of a decomposition",
}
"""Operations whose result, or the size of it, the host must know: by their names, ours."""
INDEXING = ("index", "index_put", "index_put_", "_unsafe_index", "_index_put_impl_")
LISTS = ("cat", "stack", "_foreach", "_fused", "lerp", "_amp", "split_with_sizes_copy")
"""Begin the names of operations in which FakeTensorMode lets a tensor of another device pass."""
NO_KERNEL = (
    *("empty", "new_empty", "_unsafe_view", "detach", "lift_fresh", "alias", "set_", "sym_", "resize_"),
    *("_sparse_coo_tensor_with_dims", "_indices", "_values", "indices", "values", "_nnz", "is_coalesced"),
)
"""Begin the names of operations that launch nothing."""


def watch(call: Call, ledger: Ledger, pinned: PinnedMemory) -> None:
    """Notes what an operation with the device in it means for the host."""
    if call.name in BY_VALUES and call.on_gpu:
        ledger.wait(BY_VALUES[call.name])
    elif call.name == "repeat_interleave" and call.kwargs.get("output_size") is None:
        ledger.wait("repeat_interleave")
    elif call.name in ("_to_copy", "copy_"):
        _watch_copy(call, ledger, pinned)
    elif call.name in INDEXING:
        _watch_index(call, ledger)
    elif call.on_both and call.name.startswith(LISTS):
        ledger.mix(call.name)


def is_launched(call: Call, out: Any) -> bool:
    """Whether the operation launches something on the device."""
    if getattr(call.func, "is_view", False) or call.name.startswith(NO_KERNEL):
        return False
    return call.on_gpu or any(map(is_on_gpu, tensors_in([out])))


def _watch_copy(call: Call, ledger: Ledger, pinned: PinnedMemory) -> None:
    """Only between pinned memory and the device does a copy run by itself, and only if it is told to."""
    if call.name == "copy_":
        into, source = call.args[:2]
        unattended = bool(call.kwargs.get("non_blocking", call.args[2] if len(call.args) > 2 else False))
        up, down = not is_on_gpu(source), not is_on_gpu(into)
        host = source if up else into
    else:
        source = host = call.args[0]
        unattended = bool(call.kwargs.get("non_blocking"))
        up, down = not call.on_gpu, call.device is not None and call.device.type == "cpu"
    if up:
        ledger.copy("pinned" if host in pinned else "pageable")
    if (up or down) and not unattended:
        ledger.wait("copy to the device" if up else "copy to the host")
    elif down and call.name == "copy_" and host not in pinned:
        ledger.wait("copy to pageable memory")


def _watch_index(call: Call, ledger: Ledger) -> None:
    """A mask is counted, an index on the CPU is copied; both make the host wait."""
    index = list(tensors_in([call.args[1]]))
    if any(tensor.dtype in (torch.bool, torch.uint8) for tensor in index):
        ledger.wait("mask as index")
    if is_on_gpu(call.args[0]) and not all(map(is_on_gpu, index)):
        ledger.copy("pageable")
        ledger.wait("index on the host")
