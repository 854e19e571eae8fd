"""What evaluation says of a generator: which of two scores is better, and how scores are kept in a checkpoint."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Literal

from cgan_dist.errors import close_match

Best = Literal["highest", "lowest"]

PREFIX = "eval/"
"""Before a score's name in `metrics.jsonl`; not in configs and checkpoints."""
HIGHEST = frozenset(["accuracy", "auc", "coverage", "density", "f1", "precision", "psnr", "recall", "score", "ssim"])
LOWEST = frozenset(["distance", "divergence", "error", "fid", "kid", "loss", "mmd"])
EXAMPLES = ("label_accuracy", "label_error", "frechet_distance")


def best_by_name(name: str) -> Best:
    """Tells from a word in a score's name whether the highest or the lowest is best.

    Raises:
        ValueError: if no word tells, or words tell both; its text is for the user.
    """
    without_features = re.sub("@[^/]*", "", name.lower())
    words = set(without_features.replace("/", "_").split("_"))
    if bool(words & HIGHEST) == bool(words & LOWEST):
        raise ValueError(
            f"found null, but the name of the score '{name}' does not tell which is best.{close_match(name, EXAMPLES)} "
            f"Expected highest or lowest, or a score such as {', '.join(EXAMPLES)}"
        )
    return "highest" if words & HIGHEST else "lowest"


def to_state(scores: Mapping[str, float]) -> dict[str, float | None]:
    """Returns scores without `eval/` as JSON has them: null for what is not finite."""
    return {name.removeprefix(PREFIX): float(x) if math.isfinite(x) else None for name, x in scores.items()}


def from_state(state: Mapping[str, Any]) -> dict[str, float]:
    """Returns the finite scores in a checkpoint's state; none where there is nonsense."""
    scores = state.get("scores", {})
    return {name: value for name, value in scores.items() if isinstance(value, float) and math.isfinite(value)}
