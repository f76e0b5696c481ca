"""Files on the disk: whole, or not there."""

from __future__ import annotations

import contextlib
import errno
import filecmp
import hashlib
import os
import secrets
import tempfile
from typing import TYPE_CHECKING, BinaryIO

from netmind_client.exceptions import ConfigurationError, DownloadError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def prepare(folder: Path) -> None:
    """Make the folder, and try to write to it.

    Raises:
        DownloadError: It cannot be made, or not be written to.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise DownloadError(f"{folder}: nothing can be saved there: {error.strerror or error}") from error


def append(path: Path, text: str) -> None:
    """Add text to a file, in one piece, and have it on the disk.

    Raises:
        DownloadError: The disk refuses.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            if os.write(file, text.encode()) < len(text.encode()):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            os.fsync(file)
        finally:
            os.close(file)
    except OSError as error:
        raise DownloadError(f"{path}: cannot be written: {error.strerror or error}") from error


def complete_lines(path: Path) -> list[str]:
    """The lines of a file; none if there is no such file. One that was cut short at its end is taken off.

    Raises:
        DownloadError: It cannot be read.
    """
    try:
        content = path.read_bytes()
        whole = content[: content.rfind(b"\n") + 1]
        if whole != content:
            os.truncate(path, len(whole))
        return whole.decode().splitlines()
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise DownloadError(f"{path}: cannot be read: {error}") from error


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep a file to this process, where the system knows such locks.

    Raises:
        ConfigurationError: Another process has it.
        DownloadError: The disk refuses.
    """
    try:
        import fcntl  # noqa: PLC0415 - not on Windows
    except ImportError:
        yield
        return
    append(path, "")
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise ConfigurationError(f"{path}: another run is at work on it; wait for that to end") from error
        yield


@contextlib.contextmanager
def partial(folder: Path) -> Iterator[Partial]:
    """A file that is gone at the end, unless it was put in its place.

    Raises:
        DownloadError: The disk refuses.
    """
    path = folder / f".netmind-{secrets.token_hex(8)}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            yield Partial(path, file)
    except OSError as error:
        raise DownloadError(f"{folder}: cannot be saved to: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            path.unlink()


class Partial:
    """A file that is being written under another name."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self._path = path
        self._file = file
        self.size = 0

    def write(self, part: bytes) -> None:
        """Add a part at the end."""
        self._file.write(part)
        self.size += len(part)

    def empty(self) -> None:
        """Begin again."""
        self._file.seek(0)
        self._file.truncate()
        self.size = 0

    def digest(self, algorithm: str) -> str:
        """What this hash gives for it, in hexadecimal digits."""
        self._file.flush()
        with self._path.open("rb") as written:
            return hashlib.file_digest(
                written, lambda: hashlib.new(algorithm, usedforsecurity=False)
            ).hexdigest()

    def finish(self, path: Path, *, overwrite: bool) -> None:
        """Give it its name, once all of it is on the disk. A file that is there with the same bytes stays.

        Raises:
            DownloadError: Another file has this name.
        """
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()  # Windows renames no open file
        if overwrite:
            self._path.replace(path)
            return
        try:
            path.hardlink_to(self._path)  # refuses a name that is taken, even since a moment ago
        except OSError:
            if not os.path.lexists(path):
                self._path.replace(path)  # a file system without links
            elif not (path.is_file() and filecmp.cmp(self._path, path, shallow=False)):
                advice = "to replace it, pass overwrite=True (--overwrite)"
                raise DownloadError(f"{path} exists already; {advice}") from None
