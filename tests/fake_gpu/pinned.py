"""Which host memory is page-locked, on a machine where none can be."""

from __future__ import annotations

from torch import Tensor
from torch.multiprocessing.reductions import StorageWeakRef


class PinnedMemory:
    """Remembers storages; a view of a pinned tensor is pinned."""

    def __init__(self) -> None:
        self._storages: set[StorageWeakRef] = set()  # a weak reference keeps the address from being given away again

    def pin(self, tensor: Tensor) -> Tensor:
        """Calls the memory of a tensor on the CPU pinned, and returns the tensor."""
        self._storages.add(StorageWeakRef(tensor.untyped_storage()))
        return tensor

    def __contains__(self, tensor: Tensor) -> bool:
        return StorageWeakRef(tensor.untyped_storage()) in self._storages
