"""What things may cost: today's counts. Whoever makes one cheaper lowers its number, here and nowhere else."""

from __future__ import annotations

from typing import NamedTuple

SLACK = 1.02
"""Of operations: another version of a library may need one more here and there."""


class Bound(NamedTuple):
    """Of one iteration, passed at once, in the precision that the config has on a GPU.

    Attributes:
        operations: launched on the device.
        copies: from the host to the device; two for each D are its batch, the others are draws.
    """

    operations: int
    copies: int


ITERATION = {
    "celeba": Bound(1_114, 4),
    "celeba_128": Bound(1_282, 4),
    "cifar10": Bound(2_427, 16),
    "demo": Bound(316, 4),
    "drawn_celeba": Bound(325, 4),
    "emoji": Bound(1_086, 4),
    "emoji64": Bound(641, 4),
    "fashion_mnist": Bound(355, 4),
    "glyphs": Bound(558, 4),
    "imagefolder": Bound(1_406, 4),
    "imagenet256": Bound(3_351, 4),
    "mnist": Bound(316, 4),
    "original/celeba": Bound(407, 5),
    "original/mnist": Bound(400, 5),
    "transformer/mnist": Bound(1_532, 4),
    "transformer/pictures": Bound(3_014, 4),
}
"""Of each config."""
ONCE = {
    "copy to the device at conditioning/spaces/constant.py": 2,
    "copy to the device at losses/levels.py": 1,
    "copy to the device at augment/resampling.py": 2,
}
"""In the first iteration of a run, at most: of a label space, of the shares of noise, and of the matrices that double
and halve pictures of a size."""
WAITS_IN_ROOMS = {
    "agree": {"copy to the host at distributed/collectives.py": 1},
    "log": {
        "synchronize at distributed/group.py": 1,
        "copy to the host at training/meter.py": 1,
        "item at training/gauges.py": 1,
    },
    "checkpoint": {
        "synchronize at distributed/group.py": 1,
        "copy to the host at training/meter.py": 1,
        "item at training/maintenance.py": 2,
        "item at distributed/collectives.py": 1,
        "synchronize at checkpoints/snapshot.py": 1,
    },
    "compare": {"synchronize at distributed/group.py": 1, "item at distributed/collectives.py": 3},
}
"""Of a visit to each room, exactly; the other rooms, where images are made or read back, wait as they please."""
MORE_WAITS_FOR_RANKS = {
    "log": {
        "copy to the device at distributed/collectives.py": 1,
        "copy to the host at distributed/collectives.py": 1,
    }
}
"""A line shows the memory of the rank that uses most."""
MORE_WAITS_IN_FP16 = {
    "log": {"item at training/maintenance.py": 2},
    "checkpoint": {"item at training/maintenance.py": 4},
}
"""Each network has a loss scale, of which a line shows the value, and a checkpoint holds that and a count."""
