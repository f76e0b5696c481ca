"""Saving a result: whole or not at all, under a name that is safe."""

from __future__ import annotations

import contextlib
import mimetypes
import os
import re
import secrets
import tempfile
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import requests

from netmind_client.exceptions import DownloadError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from netmind_client._models import Result

# The mimetypes module knows some of these under other names, or not at all.
_ENDINGS = {
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "image/webp": "webp",
    "audio/mpeg": "mp3",
    "video/mp4": "mp4",
}
_UNSAFE = re.compile(r"[^A-Za-z0-9._ ()-]+")
_LONGEST_NAME = 120
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9])(\..*)?")


def name_for(result: Result, generation_id: str, content_type: str, number: int, of: int) -> str:
    """A file's name, never a path: the job's first 8 digits, then the API's name, the URL's or the file's id.

    The digits keep jobs apart: the API names the files of every job alike (observed).

    Args:
        result: What is to be saved.
        generation_id: The job that it is of.
        content_type: What the download's answer says it is, for a name without an ending.
        number: Which of the job's results this is, from 1.
        of: How many results the job has: several are numbered, since they may be named alike.
    """
    in_url = _last_of_path(result.url or "")
    given = next(
        (safe for text in (result.file_name, in_url, result.file_id) if (safe := safe_name(text or ""))),
        "result",
    )
    stem, _, ending = given.rpartition(".")
    if not stem:
        stem, ending = given, _ending_of(content_type)
    numbered = f"{safe_name(generation_id[:8])}-{stem}" + (f"-{number}" if of > 1 else "")
    return f"{numbered}.{ending}" if ending else numbered


def _last_of_path(url: str) -> str:
    try:
        return unquote(urlsplit(url).path.rpartition("/")[2])
    except ValueError:
        return ""


def _ending_of(content_type: str) -> str:
    media_type = content_type.partition(";")[0].strip().lower()
    return _ENDINGS.get(media_type) or (mimetypes.guess_extension(media_type) or "").removeprefix(".")


def safe_name(text: str) -> str:
    """The text as a file's name: no path, no hidden file, none that a system reserves; may be empty."""
    last = re.split(r"[/\\]", text)[-1]
    name = _UNSAFE.sub("_", last).strip(" ._")
    if len(name) > _LONGEST_NAME:
        stem, dot, ending = name.rpartition(".")
        name = f"{stem[: _LONGEST_NAME - 12]}{dot}{ending[:10]}" if stem else name[:_LONGEST_NAME]
    return f"_{name}" if _RESERVED.fullmatch(name) else name


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


def save(chunks: Iterable[bytes], path: Path, *, expected_bytes: int | None, overwrite: bool) -> int:
    """Write the chunks to ``path``, so that either all of them are there or nothing is; how many bytes.

    Raises:
        DownloadError: The file exists, the content is shorter or longer than announced, or the disk refuses.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _temporary(path) as temporary:
            written = 0
            with temporary.open("xb") as file:
                for chunk in chunks:
                    written += file.write(chunk)
                file.flush()
                os.fsync(file.fileno())
            if expected_bytes is not None and written != expected_bytes:
                raise DownloadError(
                    f"{path.name}: expected {expected_bytes} bytes, got {written}; nothing was saved"
                )
            _put(temporary, path, overwrite=overwrite)
            return written
    except requests.RequestException:  # an OSError too, but of the network: the caller knows what to say
        raise
    except OSError as error:
        raise DownloadError(f"{path}: cannot be saved: {error.strerror or error}") from error


@contextlib.contextmanager
def _temporary(path: Path) -> Iterator[Path]:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def _put(temporary: Path, path: Path, *, overwrite: bool) -> None:
    if overwrite:
        temporary.replace(path)
        return
    try:
        path.hardlink_to(temporary)  # refuses a name that is taken, even since a moment ago
    except OSError:
        if path.exists():
            advice = "to replace it, pass overwrite=True (--overwrite)"
            raise DownloadError(f"{path} exists already; {advice}") from None
        temporary.replace(path)  # a file system without links
