"""Labels as a caller gives them, text or numbers of any kind, brought to the form of a label space."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.errors import UserError
from cgan_dist.labels import LabelSchema

Asked = str | Tensor | NDArray[Any] | Sequence[Any]
"""Text as `--labels` takes it, one or several; or values in the form of the space."""


def read_labels(space: LabelSpace, asked: Asked) -> Tensor:
    """Brings labels to the form of a space: (B,) int64 for classes, else (B, W).

    Args:
        space: that they are labels of.
        asked: text, such as `3,5` or `Smiling=1; Male`; or numbers in that form, of any type that holds them.

    Returns:
        The labels, on the CPU.

    Raises:
        UserError: if they are not labels of the space.
    """
    form = form_of(space.schema)
    if isinstance(asked, str):
        return space.parse(asked)
    if isinstance(asked, list | tuple) and asked and all(isinstance(one, str) for one in asked):
        return torch.cat([space.parse(one) for one in asked])
    try:
        given = torch.as_tensor(asked).detach().cpu()
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"labels: {error}; expected text, or {form}.") from error
    if given.ndim == 0:
        raise UserError(f"labels: found one number; expected {form}.")
    brought = given.to(torch.from_numpy(np.empty(0, space.schema.dtype)).dtype)
    if not brought.is_floating_point() and ((brought != given) & ~given.isnan()).any():
        raise UserError(f"labels: found {given.dtype} with values that {brought.dtype} does not hold; expected {form}.")
    space.schema.check(brought.numpy(), "labels")
    return brought


def form_of(schema: LabelSchema) -> str:
    """What labels are, for a person, e.g. `(B,) int64 classes`."""
    return f"{'(B,)' if schema.width is None else f'(B, {schema.width})'} {schema.dtype} {schema.kind}"
