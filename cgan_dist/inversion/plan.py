"""How much is tried to find a picture, and how z moves."""

from __future__ import annotations

from dataclasses import dataclass

from cgan_dist.errors import UserError

MOST = {"steps": 10_000, "screen_steps": 10_000, "starts": 64, "kept": 64, "tried": 256}


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What the search of one picture does; the work is about tried * starts * screen_steps + kept * starts * steps.

    The rate rises from 0 in the first twentieth of a descent and falls to 0 in its last quarter, as half a cosine; the
    noise on z falls to nothing by three quarters (Karras et al. 2020, arXiv:1912.04958, appendix D).

    Attributes:
        steps: of Adam, for the labels that are left.
        screen_steps: of Adam, for every label that is tried; where the label is given there is no such stage.
        starts: z's that a search begins at.
        kept: labels that go on after screening.
        tried: labels at most that are screened; where the data has more, those that the classifier, or a few samples
            of each, put first.
        reading_weight: of the classifier's reading where labels are compared: so much is added to a label's distance
            for each nat that it is less likely.
        rate: of Adam, at its height.
        noise: its standard deviation at the beginning, in standard deviations of z.

    Raises:
        UserError: for a number that leaves nothing to do, or is not meant.
    """

    steps: int = 200
    screen_steps: int = 50
    starts: int = 4
    kept: int = 3
    tried: int = 32
    reading_weight: float = 0.01
    rate: float = 0.1
    noise: float = 0.05

    def __post_init__(self) -> None:
        for name, most in MOST.items():
            if not 1 <= (found := getattr(self, name)) <= most:
                raise UserError(f"{name}: found {found}; expected 1 to {most:,}.")
        if not 0 < self.rate <= 10 or not 0 <= self.noise <= 10 or not 0 <= self.reading_weight <= 10:
            found = f"rate {self.rate:g}, noise {self.noise:g}, reading_weight {self.reading_weight:g}"
            raise UserError(f"{found}: expected a rate above 0, the others 0 or more, all at most 10.")
