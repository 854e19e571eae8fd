"""One batch of each kind of condition, for tests of layers that take any."""

from __future__ import annotations

import torch

from cgan_dist.conditioning.condition import Condition, Layout

BATCH = 4


def layouts_and_conditions(width: int) -> dict[str, tuple[Layout, Condition]]:
    """Each kind of condition, as a vector of length `width`."""
    generator = torch.Generator().manual_seed(width)
    labels = torch.randint(0, width, (BATCH,), generator=generator)
    bits = torch.randint(0, 2, (BATCH, width), generator=generator).double()
    reals = torch.randn(BATCH, width, generator=generator, dtype=torch.float64)
    half = width // 2
    product = Condition(labels[:, None] % half, bits[:, half:])
    return {
        "classes": (Layout(classes=(width,)), Condition(labels[:, None], bits[:, :0])),
        "multi-hot": (Layout(bits=width), Condition.of_values(bits)),
        "real": (Layout(reals=width), Condition.of_values(reals)),
        "product": (Layout(classes=(half,), bits=width - half), product),
        "mixture of classes": (Layout(classes=(width,)), Condition.of_values(reals.softmax(1))),
    }
