"""What was learned from real images, kept beside them: believed only by the user who learned it.

Anybody can write a file beside shards and give them away, with whatever hash and accuracy it claims. So the digest of
each file that this user made is noted in the user's own state folder, and a file without that note is made anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from cgan_dist.bounds import RECORD_BYTES, read_bytes, regular
from cgan_dist.files.whole import replacing
from cgan_dist.runs.own_runs import state_folder

OWN_FOLDER = "kept"
"""In the user's cache: for sets whose own folder cannot be written, or has another user's file of that name."""
DIGEST = "sha256"

logger = logging.getLogger(__name__)


class KeptFile:
    """Tensors in a safetensors file that is named by all that they depend on; only the main process uses it.

    Args:
        folder: beside the data; if it cannot be written, or another user keeps such a file in it, this user's cache is
            taken.
        kind: first part of the name.
        facts: all that the tensors depend on: data, recipe, format.
        what: they are, for the log: `the real images' features`.
    """

    def __init__(self, folder: Path, kind: str, facts: Mapping[str, str], what: str) -> None:
        self.facts, self.what = dict(facts), what
        self.key = hashlib.sha256(repr(sorted(self.facts.items())).encode()).hexdigest()
        self.path = folder / f"{kind}-{self.key[:16]}.safetensors"

    def load(self) -> dict[str, Tensor] | None:
        """Returns them; None, with a line in the log, if there are none, or not those that this user made."""
        reasons: list[str] = []
        for path in filter(os.path.lexists, self._places()):
            try:
                return self._read(path)
            except (SafetensorError, OSError, ValueError) as error:
                reasons.append(f"{path} is not used: {getattr(error, 'strerror', None) or error}")
        if reasons:
            logger.warning("Making %s anew; %s.", self.what, "; ".join(reasons))
        return None

    def save(self, tensors: Mapping[str, Tensor]) -> None:
        """Writes them, whole or not at all, and notes that they are this user's; warns where it cannot."""
        contiguous = {name: tensor.detach().cpu().contiguous() for name, tensor in sorted(tensors.items())}
        digest = sha256_of(contiguous)
        errors: list[str] = []
        for path in self._places():
            if _is_of_another(path):
                continue
            try:
                _write(path, contiguous, self.facts | {DIGEST: digest})
                self._note().parent.mkdir(parents=True, exist_ok=True, mode=0o700)
                self._note().write_text(digest, encoding="ascii")
            except (OSError, SafetensorError, RuntimeError) as error:
                errors.append(f"{path}: {getattr(error, 'strerror', None) or error}")
                continue
            return
        logger.warning("Cannot keep %s, they will be made again next time: %s.", self.what, "; ".join(errors))

    def _read(self, path: Path) -> dict[str, Tensor]:
        try:
            own = read_bytes(self._note(), RECORD_BYTES).decode("ascii", errors="replace")
        except (OSError, RuntimeError):
            raise ValueError("another user's, or come with the data") from None
        with safe_open(regular(path), framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in sorted(file.keys())}
            facts = file.metadata() or {}
        if facts != self.facts | {DIGEST: own} or sha256_of(tensors) != own:
            raise ValueError("not what was written")
        return tensors

    def _places(self) -> Iterator[Path]:
        yield self.path
        with contextlib.suppress(RuntimeError):  # a user without a home
            yield _cache_folder() / OWN_FOLDER / self.path.name

    def _note(self) -> Path:
        return state_folder() / OWN_FOLDER / self.key


def sha256_of(tensors: Mapping[str, Tensor]) -> str:
    """Of the names and values of a state dict, in its order, hex."""
    digest = hashlib.sha256()
    for name, tensor in tensors.items():
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _write(path: Path, tensors: dict[str, Tensor], facts: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as partial:
        save_file(tensors, partial, metadata=facts)


def _is_of_another(path: Path) -> bool:
    """Whether another user of a shared folder keeps such a file there, who would not believe ours."""
    try:
        return hasattr(os, "getuid") and path.lstat().st_uid != os.getuid()
    except OSError:
        return False


def _cache_folder() -> Path:
    """This user's, for this program.

    Raises:
        RuntimeError: if the user has no home.
    """
    given = os.environ.get("XDG_CACHE_HOME", "")
    if sys.platform == "win32":
        given = given or os.environ.get("LOCALAPPDATA", "")
    return (Path(given) if os.path.isabs(given) else Path.home() / ".cache") / "cgan_dist"
