"""One file over http(s), checked against its sha256."""

from __future__ import annotations

import hashlib
import urllib.request
from pathlib import Path

from tqdm import tqdm

from cgan_dist.errors import UserError

CHUNK_BYTES = 1 << 20
TIMEOUT_SECONDS = 60


def download(url: str, target: Path, sha256: str, hint: str) -> None:
    """Downloads `url` to `target`, which appears only when it is whole and its sha256 is right.

    Args:
        url: http or https.
        target: the file to make; its folder exists.
        sha256: hex.
        hint: what else the user can do, for the error.

    Raises:
        UserError: if the server cannot be reached or sends something else.
    """
    partial = target.with_name(target.name + ".part")
    digest = hashlib.sha256()
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response, partial.open("wb") as file:
            total = int(response.headers.get("Content-Length") or 0) or None
            with tqdm(total=total, unit="B", unit_scale=True, desc=target.name, leave=False) as progress:
                while chunk := response.read(CHUNK_BYTES):
                    file.write(chunk)
                    digest.update(chunk)
                    progress.update(len(chunk))
    except OSError as error:  # URLError and timeouts are OSErrors
        raise UserError(f"{url}: cannot download: {error}. {hint}.") from error
    if digest.hexdigest() != sha256:
        partial.unlink()
        raise UserError(f"{url}: sha256 is {digest.hexdigest()}, expected {sha256}: not the published file. {hint}.")
    partial.replace(target)
