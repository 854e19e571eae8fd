"""What evaluation has said of one checkpoint's generator: in its own state, and in the run's `evaluation.json`."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from cgan_dist.checkpoints.store import CHECKPOINTS, Checkpoint
from cgan_dist.config.score import PREFIX
from cgan_dist.evaluation.scoreboard import Scoreboard


@dataclass(frozen=True, kw_only=True)
class Scores:
    """One evaluation.

    Attributes:
        values: name to value, without `eval/`.
        protocol: how it was done, for a person, e.g. count and seed.
    """

    values: dict[str, float]
    protocol: dict[str, Any]


def scores_of(checkpoint: Checkpoint) -> list[Scores]:
    """Collects the scores of a checkpoint; those of other checkpoints, of real images and of controls are left out.

    Raises:
        UserError: if `evaluation.json` is damaged.
    """
    found = list(_evaluated(checkpoint)) if checkpoint.folder.parent.name == CHECKPOINTS else []
    known = {name for scores in found for name in scores.values}
    during = {name: value for name, value in checkpoint.scores.items() if name not in known}
    return [*found, *([Scores(values=during, protocol={"when": "during training"})] if during else [])]


def _evaluated(checkpoint: Checkpoint) -> Iterator[Scores]:
    for entry in Scoreboard(checkpoint.folder.parent.parent).entries():
        if entry.get("checkpoint") != checkpoint.folder.name:
            continue
        protocol = entry.get("protocol", {})
        scored = protocol.get("scored", entry | {"images": "generated"})
        if scored.get("images") != "generated" or scored.get("shuffled_labels"):
            continue
        if values := dict(finite(entry.get("scores", entry))):
            yield Scores(values=values, protocol=_told(scored, protocol.get("reference", {})))


def finite(scores: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    """Names without `eval/` and values, of those that are numbers."""
    for name, value in scores.items():
        if isinstance(value, float) and math.isfinite(value):
            yield name.removeprefix(PREFIX), value


def _told(scored: Mapping[str, Any], reference: Mapping[str, Any]) -> dict[str, Any]:
    told = {name: scored[name] for name in ("count", "seed", "truncation") if scored.get(name) is not None}
    if isinstance(reference.get("count"), int):
        told["real images"] = f"{reference['count']:,} ({reference.get('split')})"
    return told
