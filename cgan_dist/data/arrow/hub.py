"""Data sets on the Hugging Face Hub: their Parquet files and nothing else, so that no script of anyone's is run."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from cgan_dist.data.sources.files import shortened
from cgan_dist.errors import UserError

MAIN = "main"
CONVERTED = "refs/convert/parquet"
"""The branch to which the Hub itself converts sets that have another form."""


@dataclass
class Repository:
    """A data set on the Hub.

    Attributes:
        name: `owner/name`.
        revision: branch, tag or commit; null is `main`, or the Hub's own conversion where `main` has no Parquet file.
    """

    name: str
    revision: str | None

    def names(self) -> list[str]:
        """Lists its Parquet files.

        Raises:
            UserError: if there is none, or the Hub cannot be asked.
        """
        from huggingface_hub.errors import RevisionNotFoundError

        with _refusals_explained(self.name):
            found = _listed(self.name, self.revision or MAIN)
            if (names := _parquet(found)) or self.revision is not None:
                return names or self._without(found)
            with contextlib.suppress(RevisionNotFoundError):
                names = _parquet(_listed(self.name, CONVERTED))
                self.revision = CONVERTED
            return names or self._without(found)

    def fetch(self, names: Sequence[str]) -> Path:
        """Downloads some of its files, or takes them from the Hub's cache, and returns the folder they are in.

        Raises:
            UserError: if the Hub cannot be reached.
        """
        from huggingface_hub import snapshot_download

        with _refusals_explained(self.name):
            found = snapshot_download(
                self.name,
                repo_type="dataset",
                revision=self.revision,
                allow_patterns=[_literal(name) for name in names],
            )
        return Path(str(found))

    def _without(self, found: Sequence[str]) -> list[str]:
        raise UserError(
            f"--source {self.name}: this set has no Parquet files, nor has the Hub converted it. It has "
            f"{shortened(sorted(found))}. Download it (hf download --repo-type dataset {self.name}), and prepare what "
            "you get as folder, webdataset, csv or jsonl."
        )


def is_repository(place: Path) -> bool:
    """Whether it is written as sets on the Hub are: `owner/name`."""
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

    try:
        validate_repo_id(place.as_posix())
    except HFValidationError:
        return False
    return len(place.parts) == 2 and place.suffix != ".parquet"


def _listed(name: str, revision: str) -> list[str]:
    """All its files; asked once, where listing the tree would try for half a minute without a network."""
    from huggingface_hub import HfApi

    return [sibling.rfilename for sibling in HfApi().dataset_info(name, revision=revision).siblings or []]


def _parquet(names: Sequence[str]) -> list[str]:
    return [name for name in names if name.endswith(".parquet")]


def _literal(name: str) -> str:
    return name.replace("[", "[[]").replace("*", "[*]").replace("?", "[?]")


@contextlib.contextmanager
def _refusals_explained(name: str) -> Iterator[None]:
    from huggingface_hub.errors import GatedRepoError, RepositoryNotFoundError, RevisionNotFoundError

    where = f"--source {name}: no such folder here"
    try:
        yield
    except UserError:
        raise
    except GatedRepoError as error:
        raise UserError(
            f"{where}, and on the Hub it is gated: ask for access on its page, then hf auth login."
        ) from error
    except RepositoryNotFoundError as error:
        raise UserError(
            f"{where}, and the Hub has no such data set, or wants a login (hf auth login). Mind the spelling."
        ) from error
    except RevisionNotFoundError as error:
        raise UserError(f"{where}, and on the Hub no such revision; expected a branch, a tag or a commit.") from error
    except Exception as error:  # refusals by status, and whatever the HTTP library under the Hub's client raises
        cause = " ".join(str(error).split()).rstrip(".")
        raise UserError(
            f"{where}, and the Hub cannot be asked for a set of that name: {cause}. Without a network give the path of "
            "a folder of .parquet files, or of what save_to_disk wrote."
        ) from error
