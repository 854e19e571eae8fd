"""Where shards lie: a local folder, or a URL whose files are copied once into a local cache.

Cached files are named by their sha256, so names of different sets cannot collide and a stale copy cannot be mistaken
for a new one. `pipe:` commands are refused unless the user opts in.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import subprocess
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from cgan_dist.data.manifest import MANIFEST, File, Manifest, parse_manifest
from cgan_dist.errors import PassingError, UserError, storage_error

CHUNK_BYTES = 1 << 20
TIMEOUT_SECONDS = 60
DEFAULT_CACHE = Path("~/.cache/cgan_dist/shards")


class Storage:
    """The files of one prepared set.

    Args:
        location: local folder, or a URL: http(s)://, s3:// and what else fsspec knows, or `pipe:COMMAND %s`, whose %s
            is replaced by the file's name.
        cache_folder: where remote files are kept; null is ~/.cache/cgan_dist/shards.
        allow_pipe: run the shell command of a `pipe:` location.

    Raises:
        UserError: for `pipe:` without the opt-in.
    """

    def __init__(self, location: str | Path, cache_folder: str | None = None, allow_pipe: bool = False) -> None:
        self.location = str(location)
        self.is_remote = re.match(r"^[a-z0-9+]+://|^pipe:", self.location) is not None
        if self.location.startswith("pipe:") and not allow_pipe:
            raise UserError(
                "data.path: a pipe: location runs a shell command; set data.allow_pipe=true if you mean it."
            )
        self.cache = Path(cache_folder).expanduser() if cache_folder else DEFAULT_CACHE.expanduser()

    def manifest(self) -> Manifest:
        """Reads and checks the manifest.

        Raises:
            UserError: if the folder or file is missing or unreachable, or is not a manifest.
        """
        where = self.join(MANIFEST)
        if self.is_remote:
            return parse_manifest(b"".join(self._chunks(MANIFEST)).decode("utf-8", errors="replace"), where)
        folder = Path(self.location)
        try:
            return parse_manifest((folder / MANIFEST).read_text(encoding="utf-8"), where)
        except FileNotFoundError:
            what = "has no manifest.json" if folder.exists() else "does not exist"
            raise UserError(
                f"data.path: the folder '{folder}' {what}. Make shards first, e.g. "
                f"cgan-dist prepare mnist5k --out {folder}"
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            raise storage_error(error, f"{where}: cannot read: {error}.") from error

    def local_path(self, file: File) -> Path:
        """Returns a file on this machine: in place, or fetched into the cache and checked against its sha256.

        Raises:
            UserError: if it is missing, unreachable, or of another size.
        """
        path = self.cache / f"{file.sha256}-{file.name}" if self.is_remote else Path(self.location) / file.name
        if self.is_remote and not (path.is_file() and path.stat().st_size == file.bytes):
            self._fetch(file, path)
        self._check_size(path, file)
        return path

    def check_sizes(self, files: list[File]) -> None:
        """Checks that local files are there with their sizes; remote ones are checked as they are fetched.

        Raises:
            UserError: naming the first that is not.
        """
        for file in files if not self.is_remote else []:
            self._check_size(Path(self.location) / file.name, file)

    @property
    def advice(self) -> str:
        """How to mend a file on this machine."""
        return "Remove it, and it is fetched again." if self.is_remote else "Copy it back or prepare the data again."

    def join(self, name: str) -> str:
        """The full name of a file, for opening and for errors."""
        if self.location.startswith("pipe:"):
            return self.location.replace("%s", name)
        return f"{self.location.rstrip('/')}/{name}"

    def _check_size(self, path: Path, file: File) -> None:
        if not path.is_file():
            raise UserError(f"{path}: the manifest lists this shard, but it is missing. {self.advice}")
        if path.stat().st_size != file.bytes:
            raise UserError(
                f"{path}: {path.stat().st_size:,} bytes, the manifest says {file.bytes:,}: truncated or replaced. "
                f"{self.advice}"
            )

    def _fetch(self, file: File, path: Path) -> None:
        partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")  # machines may share the cache, and pids
        digest = hashlib.sha256()
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as copy:
                for chunk in self._chunks(file.name):
                    copy.write(chunk)
                    digest.update(chunk)
            if digest.hexdigest() != file.sha256:
                raise UserError(
                    f"{self.join(file.name)}: sha256 is {digest.hexdigest()[:16]}..., the manifest says "
                    f"{file.sha256[:16]}...: truncated or replaced."
                )
            partial.replace(path)
        except OSError as error:
            raise storage_error(
                error,
                f"data.cache_dir: cannot keep {file.name} in {self.cache}: {error.strerror or error}; choose another.",
            ) from error
        finally:
            with contextlib.suppress(OSError):
                partial.unlink()

    def _chunks(self, name: str) -> Iterator[bytes]:
        """Yields a remote file; where it ends without an error, all of it was there."""
        with self._open(name) as stream:
            while chunk := stream.read(CHUNK_BYTES):
                yield chunk

    @contextlib.contextmanager
    def _open(self, name: str) -> Iterator[IO[bytes]]:
        url = self.join(name)
        try:
            if url.startswith("pipe:"):
                with _command_output(url.removeprefix("pipe:")) as stream:
                    yield stream
            elif url.startswith(("http://", "https://")):
                with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response:
                    yield response
            else:
                import fsspec  # comes with torch; s3:// and others need their own package, which it names

                with fsspec.open(url, "rb") as stream:
                    yield stream
        except Exception as error:  # each of fsspec's packages has errors of its own
            if isinstance(error, urllib.error.HTTPError):
                error.close()  # it is the open connection too
            raise _remote_error(error, f"{url}: cannot read: {error}.") from error


def _remote_error(error: Exception, text: str) -> UserError:
    """What a server refuses is a person's business; one that does not answer may do so at the next try."""
    refused = isinstance(error, urllib.error.HTTPError) and error.code < 500
    missing = isinstance(error, FileNotFoundError | PermissionError | ImportError | ValueError)
    return (UserError if refused or missing else PassingError)(text)


@contextlib.contextmanager
def _command_output(command: str) -> Iterator[IO[Any]]:
    with subprocess.Popen(command, shell=True, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield process.stdout
        while process.stdout.read(CHUNK_BYTES):  # to its end, so that the exit code is the command's own
            pass
    if process.returncode:
        raise subprocess.SubprocessError(f"the command ended with {process.returncode}")
