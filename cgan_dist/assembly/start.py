"""Where a run begins: at its own newest checkpoint, at that of another run, with another run's networks, or afresh."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import NamedTuple

from cgan_dist.assembly.contents import config_of
from cgan_dist.assembly.fine_tuning import FineTuning
from cgan_dist.assembly.inputs import Inputs
from cgan_dist.assembly.networks import Networks
from cgan_dist.assembly.saved import check_resumable
from cgan_dist.checkpoints.store import Checkpoint, Checkpoints, find_checkpoint
from cgan_dist.config.document import Config
from cgan_dist.errors import UserError

logger = logging.getLogger(__name__)


class Origin(NamedTuple):
    """Another run that a person wants to begin with.

    Attributes:
        path: run folder or checkpoint.
        keep_clock: take everything, the clock included; else the networks alone.
        trust_code: import the plug-ins that it names for its labels, whoever trained it.
    """

    path: Path
    keep_clock: bool = False
    trust_code: bool = False

    @property
    def options(self) -> list[str]:
        """As they are typed after `train`."""
        also = {"--keep-clock": self.keep_clock, "--trust-code": self.trust_code}
        return ["--from", str(self.path.absolute()), *(option for option, is_given in also.items() if is_given)]

    @classmethod
    def typed(cls, path: Path | None, keep_clock: bool, trust_code: bool) -> Origin | None:
        """Of the options `--from`, `--keep-clock` and `--trust-code`.

        Raises:
            UserError: for the others without the first.
        """
        if path is None and keep_clock:
            raise UserError("--keep-clock: found no --from; expected the run whose clock is to be kept, --from RUN.")
        if path is None and trust_code:
            raise UserError("--trust-code: found no --from; it is about the run that one begins with, --from RUN.")
        return None if path is None else cls(path, keep_clock, trust_code)


class Start(NamedTuple):
    """A place to begin at.

    Attributes:
        checkpoint: what it is taken from.
        tuning: its networks, where they alone are taken.
        is_own: it is the run's own.
    """

    checkpoint: Checkpoint
    tuning: FineTuning | None = None
    is_own: bool = False

    @property
    def begun_from(self) -> dict[str, str | int] | None:
        """For the run's own checkpoints: the other run that it began with, by name and clock; None if with none."""
        state = self.checkpoint.state
        if self.is_own:
            return state.get("begun_from")
        return {"run": config_of(self.checkpoint).run.name, "images_seen": self.checkpoint.images_seen}


def choose_start(
    checkpoints: Checkpoints, origin: Origin | None, config: Config, inputs: Inputs, networks: Networks
) -> Start | None:
    """Finds where a run begins, and whether it can; nothing is changed.

    Args:
        checkpoints: of the run itself: the newest wins over `origin`.
        origin: another run.
        config: of the run.
        inputs: likewise.
        networks: as the config builds them.

    Returns:
        None for a run that begins afresh.

    Raises:
        UserError: if a checkpoint is of other data, other networks or already at the end.
    """
    if (own := checkpoints.newest()) is not None:
        if origin is not None:
            logger.info("--from is for the first start only: %s has a checkpoint of its own.", config.run.folder)
        check_resumable(own, config, inputs, networks)
        return Start(own, is_own=True)
    if origin is None:
        return None
    checkpoint = find_checkpoint(origin.path)
    if not origin.keep_clock:
        return Start(checkpoint, FineTuning(checkpoint, config, inputs, origin.trust_code))
    if checkpoint.images_seen >= config.train.total_images:
        raise UserError(
            f"train.total_images: found {config.train.total_images:,}, but {checkpoint.folder} has seen "
            f"{checkpoint.images_seen:,} images; expected more. Or leave out --keep-clock: the run then begins at 0."
        )
    check_resumable(checkpoint, config, inputs, networks, origin.trust_code)
    return Start(checkpoint)
