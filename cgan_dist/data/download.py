"""One file over http(s), checked against its published checksum."""

from __future__ import annotations

import hashlib
import urllib.request
from pathlib import Path
from typing import Literal

from tqdm import tqdm

from cgan_dist.bounds import REMOTE_BYTES
from cgan_dist.errors import UserError

CHUNK_BYTES = 1 << 20
TIMEOUT_SECONDS = 60


def download(url: str, target: Path, checksum: str, hint: str, algorithm: Literal["sha256", "md5"] = "sha256") -> None:
    """Downloads `url` to `target`, which appears only when it is whole and its checksum is right.

    Args:
        url: http or https.
        target: the file to make; its folder exists.
        checksum: hex.
        hint: what else the user can do, for the error.
        algorithm: of the checksum; md5 only where the publisher gives nothing better.

    Raises:
        UserError: if the server cannot be reached or sends something else.
    """
    partial = target.with_name(target.name + ".part")
    digest = hashlib.new(algorithm, usedforsecurity=False)  # some hardened systems refuse md5 otherwise
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response, partial.open("wb") as file:
            total = int(response.headers.get("Content-Length") or 0) or None
            with tqdm(total=total, unit="B", unit_scale=True, desc=target.name, leave=False) as progress:
                while chunk := response.read(CHUNK_BYTES):
                    REMOTE_BYTES.check(file.tell() + len(chunk), url)
                    file.write(chunk)
                    digest.update(chunk)
                    progress.update(len(chunk))
    except OSError as error:  # URLError and timeouts are OSErrors
        raise UserError(f"{url}: cannot download: {error}. {hint}.") from error
    if digest.hexdigest() != checksum:
        partial.unlink()
        raise UserError(
            f"{url}: {algorithm} is {digest.hexdigest()}, expected {checksum}: not the published file. {hint}."
        )
    partial.replace(target)
