"""Autocast of cuda, which C++ grants only to what it believes to be on a GPU; ours it believes to be on `meta`."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor
from torch.utils._pytree import tree_leaves, tree_map

LOWER = {
    *("conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "convolution"),
    *("addmm", "addmv", "addr", "addbmm", "baddbmm", "bmm", "mm", "mv", "matmul", "__matmul__", "__rmatmul__"),
    *("linear", "einsum", "prelu", "scaled_dot_product_attention"),
}
"""Run in half precision."""
UPPER = {
    *("exp", "log", "pow", "__pow__", "rsqrt", "reciprocal", "softplus", "softmax", "log_softmax", "logsumexp"),
    *("layer_norm", "group_norm", "norm", "vector_norm", "linalg_vector_norm", "cumsum", "prod", "sum", "pdist"),
    *("cdist", "nll_loss", "mse_loss", "l1_loss", "cross_entropy", "binary_cross_entropy_with_logits"),
}
"""Run in float32."""
WIDEST = {
    *("addcdiv", "addcmul", "atan2", "bilinear", "cross", "dot", "vdot", "grid_sample", "index_put", "tensordot"),
    *("scatter_add", "cat", "stack"),
}
"""Run in float32 if any of the arguments is."""


def autocast(name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Casts the arguments of a function as the lists of at::autocast have it (torch/_docs "CUDA Ops ...", amp.rst).

    Casts of weights are not kept for the rest of a forward pass, as C++ keeps them; ours use each weight once.
    """
    if name in LOWER:
        return _cast(torch.get_autocast_dtype("cuda"), args, kwargs)
    if name in UPPER or (name in WIDEST and _any_float32(args, kwargs)):
        return _cast(torch.float32, args, kwargs)
    return args, kwargs


def _cast(dtype: torch.dtype, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
    def cast(leaf: Any) -> Any:
        floating = isinstance(leaf, FakeTensor) and leaf.is_floating_point()
        return leaf.to(dtype) if floating and leaf.dtype not in (dtype, torch.float64) else leaf

    with torch._C.DisableTorchFunction():
        return tree_map(cast, (args, kwargs))  # type: ignore[no-any-return]


def _any_float32(*values: Any) -> bool:
    return any(isinstance(leaf, Tensor) and leaf.dtype == torch.float32 for leaf in tree_leaves(values))
