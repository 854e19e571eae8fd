"""Label space `auto`: all that the data has."""

from __future__ import annotations

from cgan_dist.conditioning.spaces import LABEL_SPACES
from cgan_dist.conditioning.spaces.base import LabelSpace
from cgan_dist.labels import LabelSchema


def auto(schema: LabelSchema) -> LabelSpace:
    """Builds the space of the data's own kind, without arguments.

    Args:
        schema: the data's labels.

    Raises:
        UserError: if that space cannot be built, e.g. over a single class.
    """
    return LABEL_SPACES.build(schema.kind, "conditioning.labels", {}, schema=schema)  # type: ignore[no-any-return]
