"""The Hugging Face Hub: fetching a model folder from it, and putting one there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from huggingface_hub import HfApi, get_token, snapshot_download
from huggingface_hub.errors import (
    GatedRepoError,
    HFValidationError,
    LocalEntryNotFoundError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

from cgan_dist.errors import UserError

LOGIN = "Make a token with write access at huggingface.co/settings/tokens, then `hf auth login`, or set HF_TOKEN."

WHAT_IT_IS = "expected a repository of the Hub as user/name, such as ada/digits"


def fetch(
    repo_id: str,
    files: Sequence[str],
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    force_download: bool = False,
    local_files_only: bool = False,
) -> Path:
    """Downloads files of a model repository, or takes them from the cache.

    Args:
        repo_id: `user/name`.
        files: the only ones that are wanted.
        revision: branch, tag or commit; null is `main`.
        token: null takes the one of `hf auth login`, false none.
        cache_dir: null is the Hub's own cache.
        force_download: even if they are in the cache.
        local_files_only: touch no network.

    Returns:
        The folder in the cache; what the repository lacks is not in it.

    Raises:
        UserError: if there is no such folder, repository or revision, or the Hub cannot be reached.
    """
    check_repo_id(repo_id, f"{repo_id}: no such folder")
    with refusals_explained(repo_id):
        found = snapshot_download(
            repo_id,
            revision=revision,
            token=token,
            cache_dir=cache_dir,
            force_download=force_download,
            local_files_only=local_files_only,
            allow_patterns=list(files),
        )
    return Path(str(found))


def upload(folder: Path, files: Sequence[str], repo_id: str, private: bool | None, message: str) -> str:
    """Makes the repository, if there is none, and puts files of a folder there in one commit.

    Args:
        folder: where the files are.
        files: their names.
        repo_id: `user/name`.
        private: of a new repository; null leaves it to the Hub, whose default is public.
        message: of the commit.

    Returns:
        The commit's URL.

    Raises:
        UserError: if there is no token, or the Hub refuses it or cannot be reached.
    """
    if get_token() is None:
        raise UserError(f"--to {repo_id}: no token for the Hub was found. {LOGIN}")
    api = HfApi()
    with refusals_explained(f"--to {repo_id}"):
        api.create_repo(repo_id, private=private, exist_ok=True)
        commit = api.upload_folder(
            repo_id=repo_id, folder_path=folder, allow_patterns=list(files), commit_message=message
        )
    return commit.commit_url


def check_repo_id(repo_id: str, where: str) -> None:
    """Holds a repository's name against what the Hub accepts.

    Raises:
        UserError: beginning with `where`, if it is none.
    """
    try:
        validate_repo_id(repo_id)
    except HFValidationError as error:
        raise UserError(f"{where}: {WHAT_IT_IS}: {error}") from None
    if repo_id.count("/") != 1:
        raise UserError(f"{where}: {WHAT_IT_IS}.")


@contextlib.contextmanager
def refusals_explained(where: str) -> Iterator[None]:
    """Turns what the Hub or the network refuses into a UserError."""
    try:
        yield
    except GatedRepoError as error:
        raise UserError(f"{where}: gated: ask for access on its page, then log in. {LOGIN}") from error
    except RepositoryNotFoundError as error:
        raise UserError(
            f"{where}: the Hub has no such repository, or the token has no right to it. Mind the spelling. {LOGIN}"
        ) from error
    except RevisionNotFoundError as error:
        raise UserError(f"{where}: no such revision; expected a branch, a tag or a commit.") from error
    except LocalEntryNotFoundError as error:
        raise UserError(
            f"{where}: no such folder, not in the Hub's cache on this machine, and the Hub was not asked or did not "
            "answer. Give the path of a model folder, or try again with a network."
        ) from error
    except Exception as error:  # refusals by status, and whatever the HTTP library under the Hub's client raises
        raise UserError(f"{where}: the Hub refuses or cannot be reached: {' '.join(str(error).split())}") from error
