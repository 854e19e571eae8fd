"""Going back to a checkpoint after divergence: how often it has happened, where to, and when to give up."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, cast

from cgan_dist.bounds import RECORD_BYTES, read_text
from cgan_dist.config.document import Config
from cgan_dist.config.schedule import Schedule, value_at
from cgan_dist.errors import UserError
from cgan_dist.randomness import derive_seed
from cgan_dist.resilience.note import write_note

BOOK = "guard.json"
TOLD = ("loss/", "logits/", "penalty/", "aux/", "d/")
"""Scalars that a diagnosis quotes begin with one of these."""


class Rollback(NamedTuple):
    """One return: the clock when training diverged, the clock it went back to, and whose gradients were bad."""

    images_seen: int
    images_back: int
    network: str


class RollbackBook:
    """The roll-backs of a run, in its whole life: `RUN/guard.json` survives every kill.

    Every rank holds one; they must agree, see `share`.

    Args:
        path: read if it is there.
        max_rollbacks: how many are allowed.

    Raises:
        UserError: if the file cannot be read.
    """

    def __init__(self, path: Path, max_rollbacks: int) -> None:
        self.path = path
        self.max_rollbacks = max_rollbacks
        self.rollbacks = _read(path)

    @property
    def draws(self) -> int:
        """Number of the sequence of random draws that the run is at: that of its roll-backs."""
        return len(self.rollbacks)

    def share(self, from_main: Callable[[object], object]) -> None:
        """Takes the main process's roll-backs, which alone can be sure of the file; every rank calls it.

        Args:
            from_main: returns the main process's value on every rank.
        """
        self.rollbacks = cast(list[Rollback], from_main(self.rollbacks))

    def seed(self, seed: int) -> int:
        """Returns the seed of the draws from here on: the run's own until the first roll-back, then one for each."""
        return derive_seed(seed, "rollback", self.draws) if self.draws else seed

    def allowed(self) -> bool:
        """Whether there may be one more."""
        return self.draws < self.max_rollbacks

    def choose(self, saved: Sequence[int]) -> int | None:
        """Picks the checkpoint to go back to, the same on every rank for the same `saved`.

        The newest that no roll-back has gone to yet: one that was gone to and diverged again may be the trouble
        itself. If all have had their turn it is the oldest.

        Args:
            saved: images seen of the whole checkpoints.

        Returns:
            One of `saved`, or None if there is none.
        """
        tried = {rollback.images_back for rollback in self.rollbacks}
        return max(set(saved) - tried, default=min(saved, default=None))

    def record(self, images_seen: int, images_back: int, network: str, write: bool = True) -> None:
        """Notes a roll-back, before anything is restored, so that a kill in between does not undo its draws.

        Args:
            images_seen: when training diverged.
            images_back: of the checkpoint.
            network: whose gradients were not finite, e.g. `discriminator`.
            write: to the file; only the main process does.

        Raises:
            UserError: if it cannot be written.
        """
        self.rollbacks.append(Rollback(images_seen, images_back, network))
        if write:
            written = {"rollbacks": [rollback._asdict() for rollback in self.rollbacks]}
            write_note(self.path, json.dumps(written, indent=1))

    def diagnosis(self, config: Config, network: str, images_seen: int, last: Mapping[str, float]) -> UserError:
        """Returns the error that ends a run which may not, or cannot, go back.

        Args:
            config: of the run; rates and weights are told as they are at `images_seen`.
            network: whose gradients were not finite, `generator` or `discriminator`.
            images_seen: the clock.
            last: the last finite scalars, as logged.
        """
        before = ", ".join(f"{r.images_seen:,} ({r.network}, back to {r.images_back:,})" for r in self.rollbacks)
        told = {name: value for name, value in last.items() if name.startswith(TOLD)} | _settings(config, images_seen)
        lines = [
            f"Training diverged: {config.guard.skips_in_a_row} or more updates of the {network} in a row had gradients "
            f"that are not finite, at {images_seen:,} images.",
            f"  before: {before or 'it never went back to a checkpoint'}",
            f"  last finite values: {', '.join(f'{name} {value:.4g}' for name, value in told.items())}",
            *(f"  try: {advice}" for advice in _advice(config, network)),
            "There is no checkpoint to go back to: checkpoint.interval_images."
            if self.allowed()
            else f"A change of these needs another run.name; --from {config.run.folder} --keep-clock goes on from "
            "what it has saved. The same command with "
            f"guard.max_rollbacks={self.draws + 1} goes back once more instead.",
        ]
        return UserError("\n".join(lines))


def _settings(config: Config, images_seen: int) -> dict[str, float]:
    optim = config.optim
    rates = {"generator": optim.generator, "discriminator": optim.discriminator}
    found = {f"lr of the {net}": value_at((own or optim).lr, images_seen) for net, own in rates.items()}
    weights = config.loss.penalties.items()
    return found | {f"loss.penalties.{name}": value_at(weight, images_seen) for name, weight in weights}


def _advice(config: Config, network: str) -> list[str]:
    own = config.optim.generator if network == "generator" else config.optim.discriminator
    key = f"optim.{network}.lr" if own else "optim.lr"
    lr = (own or config.optim).lr
    advice = [f"{key} lower" if isinstance(lr, Schedule) else f"{key}={lr / 2:.3g}"]
    held = [name for name in ("r1", "r2", "gp") if name in config.loss.penalties]
    if held:
        advice.append(f"a higher weight of {', '.join(f'loss.penalties.{name}' for name in held)}")
    else:
        advice.append("loss.penalties.r1, which holds the slope of D (not with batch norm in D)")
    if config.train.precision != "no":
        advice.append(f"train.precision=no instead of {config.train.precision}")
    if not config.data.augment:
        advice.append("data.augment, e.g. [translation], so that D finds it harder to know the data by heart")
    return advice


def _read(path: Path) -> list[Rollback]:
    if not path.exists():
        return []
    try:
        return [Rollback(**rollback) for rollback in json.loads(read_text(path, RECORD_BYTES))["rollbacks"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{path}: cannot be read ({error}); expected what this run wrote about its roll-backs. Remove it to count "
            "them anew; draws then repeat."
        ) from error
