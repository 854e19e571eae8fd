"""What a run folder tells of its generator: how it was scored, what it is near to, how it learned."""

from __future__ import annotations

import math
from typing import NamedTuple

from PIL import Image

from cgan_dist.bounds import RECORD_BYTES, read_bytes
from cgan_dist.checkpoints.store import Checkpoint
from cgan_dist.errors import UserError
from cgan_dist.evaluation.scoreboard import Scoreboard
from cgan_dist.playground.progress import Progress
from cgan_dist.sharing.scores import Scores, finite, scores_of

NEIGHBOURS, FILM = "neighbours.png", "film.gif"
"""Of a run folder; `cgan-dist neighbours` and `cgan-dist film` write them where they are told to."""
GIF = (b"GIF87a", b"GIF89a")
REALS = "/real_"


class Score(NamedTuple):
    """A score of samples, and what real images score; NaN where nobody measured that."""

    name: str
    of_samples: float
    of_reals: float


class Results:
    """Reads what was measured and drawn of one checkpoint's generator, as it is now.

    Args:
        checkpoint: of a run.
        progress: of that run, which keeps to its folder.
    """

    def __init__(self, checkpoint: Checkpoint, progress: Progress) -> None:
        self.checkpoint, self.progress = checkpoint, progress

    def scores(self) -> list[Score]:
        """The newest value of each score, without its parts such as classes.

        Beside it stands what real images score by the same metric: those that the metric holds out by itself, else
        those of an evaluation with `--real`.

        Raises:
            UserError: if `evaluation.json` is damaged.
        """
        values = {name: value for found in self._evaluations() for name, value in found.values.items()}
        held = {name.split("/")[0]: value for name, value in values.items() if REALS in name and name.count("/") == 1}
        of_reals = self._of_reals() | held
        return [Score(name, value, of_reals.get(name, math.nan)) for name, value in values.items() if "/" not in name]

    def protocols(self) -> list[str]:
        """How the samples were scored, a line for each evaluation."""
        told = [", ".join(f"{key} {value}" for key, value in found.protocol.items()) for found in self._evaluations()]
        return list(dict.fromkeys(filter(None, told)))

    def neighbours(self) -> Image.Image | None:
        """Samples above the real images nearest to them, or null if nobody drew any.

        Raises:
            UserError: if it cannot be read as a picture.
        """
        return self.progress.picture(NEIGHBOURS) if self.progress.inside(NEIGHBOURS).is_file() else None

    def film(self) -> bytes | None:
        """Training as a GIF, or null if nobody made one.

        Raises:
            UserError: if it is none.
        """
        path = self.progress.inside(FILM)
        if not path.is_file():
            return None
        content = read_bytes(path, RECORD_BYTES)
        if not content.startswith(GIF):
            raise UserError(f"{FILM}: expected a GIF; make it again.")
        return content

    def _evaluations(self) -> list[Scores]:
        return scores_of(self.checkpoint)

    def _of_reals(self) -> dict[str, float]:
        """Scores of real images beside this checkpoint's, the newest of each."""
        found: dict[str, float] = {}
        for entry in Scoreboard(self.progress.folder).entries():
            scored = entry.get("protocol", {}).get("scored", {})
            if scored.get("images") == "real" and entry.get("checkpoint") == self.checkpoint.folder.name:
                found |= dict(finite(entry.get("scores", {})))
        return found
