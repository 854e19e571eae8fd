"""Pictures that `cgan-dist invert` has found, to be chosen on the page by name."""

from __future__ import annotations

import copy
from pathlib import Path

from cgan_dist.errors import UserError, shown
from cgan_dist.inversion.found_file import read_found
from cgan_dist.playground.finder import Located, compared
from cgan_dist.sampling.sampler import Sampler

MOST = 100
"""Names in the list."""


class FoundPictures:
    """The first hundred pictures of a file that anybody may have written.

    Args:
        path: of the file.
        sampler: of the generator that is to draw them; its truncation is not used.

    Attributes:
        names: numbered, in order.

    Raises:
        UserError: if it is no such file, or its z or labels are not such as the generator takes.
    """

    def __init__(self, path: Path, sampler: Sampler) -> None:
        self.file, self.sampler = read_found(path), copy.copy(sampler)
        self.sampler.truncation = None
        where = f"--found {path}"
        self.file.facts.check_z(sampler, where)
        self.file.check_labels(sampler, where)
        self.names = [f"{number + 1}. {name}" for number, name in enumerate(self.file.facts.names[:MOST])]

    def located(self, name: object) -> Located:
        """What was found of one of them.

        Raises:
            UserError: if there is none of that name.
        """
        if name not in self.names:
            raise UserError(f"found: found {shown(name)}; expected a name of the list.")
        own = slice(number := self.names.index(str(name)), number + 1)
        z, label, picture = self.file.z[own], self.file.labels[own], self.file.pictures[own]
        asked = self.sampler.label_space.describe(label)[0]
        distance, random = (part[number].item() for part in (self.file.found.distance, self.file.found.random))
        text = f"Found by `invert`, at a distance of {distance:.3f}; random samples with this label: {random:.3f}."
        return Located(z, label, compared(picture, self.sampler.images(z, label), asked), text)
