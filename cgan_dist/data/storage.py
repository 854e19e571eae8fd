"""Where shards lie: a local folder, or a URL whose files are copied once into a local cache.

Cached files are named by their sha256, so names of different sets cannot collide and a stale copy cannot be mistaken
for a new one. `pipe:` commands are refused unless the user opts in.
"""

from __future__ import annotations

import contextlib
import hashlib
import re
import subprocess
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, Any

from cgan_dist.bounds import MANIFEST_BYTES, REMOTE_BYTES, read_text, regular
from cgan_dist.data.manifest import MANIFEST, File, Manifest, parse_manifest
from cgan_dist.errors import PassingError, UserError, storage_error

CHUNK_BYTES = 1 << 20
TIMEOUT_SECONDS = 60
SLOWEST_BYTES = 1 << 10
"""Of a second, once a file has been on its way for `TIMEOUT_SECONDS`: a server that sends slower holds us for ever."""
DEFAULT_CACHE = Path("~/.cache/cgan_dist/shards")


def is_remote(location: str) -> bool:
    """Whether a location is a URL, or a command."""
    return re.match(r"^[a-z0-9+]+://|^pipe:", location) is not None


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
        self.is_remote = is_remote(self.location)
        if self.location.startswith("pipe:") and not allow_pipe:
            raise UserError(
                "data.path: a pipe: location runs a shell command; set data.allow_pipe=true if you mean it."
            )
        self.cache_folder = cache_folder

    @property
    def cache(self) -> Path:
        """Where remote files are kept.

        Raises:
            UserError: if it is to be below a home folder that there is not.
        """
        try:
            return Path(self.cache_folder or DEFAULT_CACHE).expanduser()
        except RuntimeError as error:
            raise UserError(
                f"data.cache_dir: found no home folder for {self.cache_folder or DEFAULT_CACHE}; expected a folder "
                "that can be written, such as data.cache_dir=/tmp/shards (or HOME in the environment)."
            ) from error

    def manifest(self) -> Manifest:
        """Reads and checks the manifest.

        Raises:
            UserError: if the folder or file is missing or unreachable, or is not a manifest.
        """
        where = self.join(MANIFEST)
        if self.is_remote:
            content = b"".join(self._chunks(MANIFEST, MANIFEST_BYTES.limit, MANIFEST_BYTES.exceeded()))
            return parse_manifest(content.decode("utf-8", errors="replace"), where)
        folder = Path(self.location)
        try:
            return parse_manifest(read_text(folder / MANIFEST, MANIFEST_BYTES), where)
        except FileNotFoundError:
            what = "has no manifest.json" if folder.exists() else "does not exist"
            raise UserError(f"data.path: the folder '{folder}' {what}. {_advice(folder)}") from None
        except NotADirectoryError:
            raise UserError(
                f"data.path: '{folder}' is a file, expected a folder of shards. {_advice(folder)}"
            ) from None
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or error
            raise storage_error(error, f"{where}: cannot read: {reason}.") from error

    def local_path(self, file: File) -> Path:
        """Returns a file on this machine: in place, or fetched into the cache and checked against its sha256.

        Raises:
            UserError: if it is missing, unreachable, or of another size.
        """
        kept = f"{file.sha256}-{PurePosixPath(file.name).name}"
        path = self.cache / kept if self.is_remote else Path(self.location) / file.name
        if self.is_remote and not _is_whole(path, file):
            with _alone(path):
                if not _is_whole(path, file):
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
            if path.is_symlink():
                raise UserError(
                    f"{path}: a link to {path.readlink()}, which is not there. Put it back, or link to where it is now."
                )
            raise UserError(f"{path}: the manifest lists this shard, but it is missing. {self.advice}")
        if regular(path).stat().st_size != file.bytes:
            raise UserError(
                f"{path}: {path.stat().st_size:,} bytes, the manifest says {file.bytes:,}: truncated or replaced. "
                f"{self.advice}"
            )

    def fetch_unlisted(self, name: str) -> Path:
        """Returns a local copy of a remote file that no manifest lists, such as a tar of somebody else's.

        It is fetched again when the server's marks of it (size, ETag, date) are others than those of the copy.

        Raises:
            UserError: if it is unreachable or arrives cut short.
        """
        with self._open(name) as stream:
            headers = getattr(stream, "headers", {})  # of http; fsspec's files state their size
            size = _whole_number(headers.get("Content-Length") or getattr(stream, "size", None))
            marks = [self.join(name), str(size), headers.get("ETag"), headers.get("Last-Modified")]
            path = self.cache / f"{hashlib.sha256(repr(marks).encode()).hexdigest()}-{re.split('[?#]', name)[0]}"
            if not path.is_file():
                with self._keeping(name, path) as copy:
                    most, beyond = (
                        (size, f"more than the {size:,} bytes that it said") if size is not None else _without_size()
                    )
                    for chunk in _rest(stream, self.join(name), most, beyond):
                        copy.write(chunk)
                    if size is not None and copy.tell() != size:
                        raise PassingError(f"{self.join(name)}: {copy.tell():,} bytes of {size:,} arrived.")
        return path

    def _fetch(self, file: File, path: Path) -> None:
        digest = hashlib.sha256()
        with self._keeping(file.name, path) as copy:
            for chunk in self._chunks(file.name, file.bytes, f"more than the {file.bytes:,} bytes of the manifest"):
                copy.write(chunk)
                digest.update(chunk)
            if digest.hexdigest() != file.sha256:
                raise UserError(
                    f"{self.join(file.name)}: sha256 is {digest.hexdigest()[:16]}..., the manifest says "
                    f"{file.sha256[:16]}...: truncated or replaced."
                )

    @contextlib.contextmanager
    def _keeping(self, name: str, path: Path) -> Iterator[IO[bytes]]:
        """A file of the cache to write, which appears only when the block ends well."""
        partial = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")  # machines may share the cache, and pids
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with partial.open("wb") as copy:
                yield copy
            partial.replace(path)
        except OSError as error:
            raise storage_error(
                error, f"data.cache_dir: cannot keep {name} in {self.cache}: {error.strerror or error}; choose another."
            ) from error
        finally:
            with contextlib.suppress(OSError):
                partial.unlink()

    def _chunks(self, name: str, most_bytes: int, beyond: str) -> Iterator[bytes]:
        """Yields a remote file; where it ends without an error, all of it was there.

        Raises:
            UserError: if there are more bytes; `beyond` says so.
        """
        with self._open(name) as stream:
            yield from _bounded(stream, self.join(name), most_bytes, beyond)

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
        except UserError:  # of who reads it
            raise
        except Exception as error:  # each of fsspec's packages has errors of its own
            if isinstance(error, urllib.error.HTTPError):
                error.close()  # it is the open connection too
            raise _remote_error(error, f"{url}: cannot read: {error}.") from error


def _is_whole(path: Path, file: File) -> bool:
    return path.is_file() and path.stat().st_size == file.bytes


@contextlib.contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Waits while another process of this machine fetches the same file, so that it is fetched once.

    Where the file system or Windows has no locks, both fetch it: whoever ends first is overwritten with the same.
    """
    try:
        import fcntl

        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.with_name(f".{path.name}.lock").open("wb")
    except (ImportError, OSError):  # of a cache that cannot be written the fetch itself will tell
        yield
        return
    with lock:
        with contextlib.suppress(OSError):
            fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield
        finally:
            with contextlib.suppress(OSError):
                Path(lock.name).unlink()


def _rest(stream: IO[bytes], url: str, most_bytes: int, beyond: str) -> Iterator[bytes]:
    """Yields what a stream still holds; its errors are told from those of writing a copy."""
    try:
        yield from _bounded(stream, url, most_bytes, beyond)
    except UserError:
        raise
    except Exception as error:
        raise _remote_error(error, f"{url}: cannot read: {error}.") from error


def _bounded(stream: IO[bytes], url: str, most_bytes: int, beyond: str) -> Iterator[bytes]:
    """Yields a stream to its end, unless that is too far or too long away."""
    read = getattr(stream, "read1", stream.read)  # which gives what has arrived, and does not wait for a whole chunk
    arrived, began = 0, time.monotonic()
    while chunk := read(CHUNK_BYTES):
        arrived += len(chunk)
        if arrived > most_bytes:
            raise UserError(f"{url}: sends {beyond}; nothing of it was kept.")
        seconds = time.monotonic() - began
        if seconds > TIMEOUT_SECONDS and arrived < SLOWEST_BYTES * seconds:
            raise PassingError(f"{url}: {arrived:,} bytes in {seconds:.0f} s, too slow to ever end.")
        yield chunk


def _without_size() -> tuple[int, str]:
    return REMOTE_BYTES.limit, REMOTE_BYTES.exceeded()


def _whole_number(size: object) -> int | None:
    """What a server or its package says of a file's size, if it is a size."""
    return int(str(size)) if str(size).isdecimal() else None


def _advice(folder: Path) -> str:
    """What to type to get a manifest."""
    if folder.suffix == ".tar" or (folder.is_dir() and any(folder.glob("*.tar"))):
        return (
            f"WebDataset tars of pictures of one size can be used as they are: cgan-dist adopt '{folder}'. Others are "
            f"packed anew: cgan-dist prepare webdataset --source '{folder}' --size 64 --out FOLDER"
        )
    return f"Make shards first, e.g. cgan-dist prepare mnist5k --out {folder}"


def _remote_error(error: Exception, text: str) -> UserError:
    """What a server refuses is a person's business; one that does not answer may do so at the next try."""
    refused = isinstance(error, urllib.error.HTTPError) and error.code < 500
    missing = isinstance(error, FileNotFoundError | PermissionError | ImportError | ValueError)
    return (UserError if refused or missing else PassingError)(text)


@contextlib.contextmanager
def _command_output(command: str) -> Iterator[IO[Any]]:
    with subprocess.Popen(command, shell=True, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield process.stdout
        except BaseException:
            process.kill()  # one that never ends would be waited for
            raise
        while process.stdout.read(CHUNK_BYTES):  # to its end, so that the exit code is the command's own
            pass
    if process.returncode:
        raise subprocess.SubprocessError(f"the command ended with {process.returncode}")
