"""Save the results of a generation, each completely and under a safe name."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from netmind_client import _files
from netmind_client._api import cut, without_query
from netmind_client._flows import download, operations, retry
from netmind_client._flows.call import check_callback, check_positive_integer
from netmind_client._flows.download import FileHead, Interrupted, LinkExpired, Redirected
from netmind_client._flows.effects import Do, Flow
from netmind_client._http import Decoder, NoResponse
from netmind_client._models import Result
from netmind_client.exceptions import DownloadError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from netmind_client._flows.call import Call
    from netmind_client._http import Response
    from netmind_client._models import Generation

_MAX_FAILURES = 5  # in a row, with nothing new received
_MAX_REDIRECTS = 10  # in a row
_MAX_LINKS = 3  # expired links of one result before the download fails


class DownloadProgress(NamedTuple):
    """The progress of a download.

    Attributes:
        generation_id: The generation's id.
        number: The number of the result, from 1.
        of: How many results the generation has.
        received: The number of bytes received.
        total: The file's size in bytes; None if the server does not report it.
    """

    generation_id: str
    number: int
    of: int
    received: int
    total: int | None


@dataclass(frozen=True, slots=True)
class Saving:
    """The user's options for saving results.

    Attributes:
        folder: The folder to save to.
        overwrite: Whether to replace existing files.
        max_bytes: The largest allowed size of one file.
        on_progress: Called after each part received.

    Raises:
        ConfigurationError: ``max_bytes`` is not a positive integer, or ``on_progress`` cannot be called.
    """

    folder: Path
    overwrite: bool
    max_bytes: int
    on_progress: Callable[[DownloadProgress], object] | None = None

    def __post_init__(self) -> None:
        check_positive_integer("max_bytes", self.max_bytes)
        check_callback("on_progress", self.on_progress)

    @property
    def options(self) -> Sequence[str]:
        """Return the options as arguments of ``netmind-client wait`` and ``download``."""
        return ["-o", str(self.folder), *(["--overwrite"] if self.overwrite else [])]


def download_results(call: Call, generation: Generation | str, saving: Saving) -> Flow[Sequence[Path]]:
    """Save every result of a generation. If only its id is given, request the generation first."""
    yield Do(lambda: _files.prepare(saving.folder))
    if isinstance(generation, str):
        generation = yield from operations.get(call, generation)
    return (yield from save_results(call, generation, saving))


def save_results(call: Call, generation: Generation, saving: Saving) -> Flow[Sequence[Path]]:
    """Save every result of a generation to a folder that is prepared.

    Returns:
        The paths of the files, in the order of the results.
    """
    if not generation.results:
        call.set_generation("wait", generation.id, *saving.options)
        raise DownloadError(
            f"generation {generation.id} has no results (status: {generation.status}); wait for it first",
            generation_id=generation.id,
        )
    paths = []
    for number in range(1, len(generation.results) + 1):
        transfer = _Transfer(call, generation, number, saving)
        paths.append((yield from transfer.run()))
    return paths


class _Transfer:
    """The download of one result."""

    def __init__(self, call: Call, generation: Generation, number: int, saving: Saving) -> None:
        self._call = call
        self._generation = generation
        self._number = number
        self._saving = saving
        self._head = FileHead()
        self._mismatches: list[str] = []  # hashes of complete transfers that did not match the ETag

    @property
    def _result(self) -> Result:
        return self._generation.results[self._number - 1]

    @property
    def _url_shown(self) -> str:
        return without_query(self._result.url or "")

    def run(self) -> Flow[Path]:
        """Save the result, and return its path."""
        with _files.partial(self._saving.folder) as file:
            self._file = file
            if self._result.text is not None and self._result.url is None:
                file.write(self._result.text.encode(errors="replace"))  # lone surrogates cannot be encoded
                named = Result(file_name="output.txt")
            else:
                yield from self._fetch()
                named = self._result
            kind, of = self._head.content_type, len(self._generation.results)
            name = download.name_for(named, self._generation.id, kind, self._number, of)
            path = self._saving.folder / name
            try:
                yield Do(lambda: file.finish(path, overwrite=self._saving.overwrite))
            except _files.NameTaken:
                options = [*self._saving.options, "--overwrite"]
                self._call.set_generation("download", self._generation.id, *options)
                advice = "to replace it, pass overwrite=True (--overwrite)"
                raise DownloadError(f"{path} exists already; {advice}") from None
            return path

    def _fetch(self) -> Flow[None]:
        """Fetch the file. Resume interrupted transfers, and get a new link when one has expired."""
        failures, links, most = 0, 1, 0  # most: the most bytes received so far; new bytes reset the failures
        while True:
            try:
                return (yield from self._fetch_once())
            except LinkExpired as error:
                if links == _MAX_LINKS or not self._call.left():
                    raise DownloadError(f"{error}; the generation has no valid link") from error
                links += 1
                yield from self._renew()
            except (NoResponse, Interrupted) as error:
                failures = 1 if self._file.size > most else failures + 1
                most = max(most, self._file.size)
                pause = retry.pause_before_next(failures, getattr(error, "retry_after", None))
                if failures >= _MAX_FAILURES or pause >= self._call.left():
                    message = f"{self._url_shown}: the download failed, nothing was saved: {error}"
                    raise DownloadError(message) from error
                yield from self._call.pause(pause)

    def _fetch_once(self) -> Flow[None]:
        url = self._result.url or ""
        if not url.startswith(("http://", "https://")):
            raise DownloadError(f"result {self._number} has no HTTP URL: {cut(url)!r}")
        for _ in range(_MAX_REDIRECTS):
            request = download.request_for(url, self._file.size, self._head.validator)
            try:
                yield from self._call.receive(request, functools.partial(self._begin, url))
            except Redirected as redirect:
                url = redirect.url
            else:
                return (yield from self._check())
        raise DownloadError(f"{without_query(url)}: stopped after {_MAX_REDIRECTS} redirects without a file")

    def _begin(self, url: str, response: Response) -> Callable[[bytes], object]:
        """Check the response's status and headers, and return the function that receives the body."""
        try:
            head = download.read_head(response, url, self._file.size, self._head)
        except Interrupted:
            if response.status in (
                206,
                416,
            ):  # the server cannot continue this file: start from its first byte
                self._file.empty()
            raise
        download.check_kind(self._result.file_type, head.content_type)
        self._head, self._decoder = head, Decoder(response)
        if head.start == 0:
            self._file.empty()
        self._check_size(head.total or 0)
        return self._take

    def _take(self, part: bytes) -> None:
        for number, piece in enumerate(self._decoder.pieces(part)):
            if number and not self._call.left():  # decompressing a small part can take long
                raise NoResponse("timed out", sent=True, timed_out=True)
            self._check_size(self._file.size + len(piece))
            self._file.write(piece)
        if self._saving.on_progress is not None:
            size, total, of = self._file.size, self._head.total, len(self._generation.results)
            self._saving.on_progress(DownloadProgress(self._generation.id, self._number, of, size, total))

    def _check_size(self, size: int) -> None:
        if size > self._saving.max_bytes:
            enough = max(size, 2 * self._saving.max_bytes)
            options = [*self._saving.options, "--max-bytes", str(enough)]
            self._call.set_generation("download", self._generation.id, *options)
            limit = f"max_bytes is {self._saving.max_bytes}; nothing was saved"
            raise DownloadError(f"{self._url_shown} has at least {size} bytes, but {limit}")

    def _check(self) -> Flow[None]:
        """Check that the file is complete, and that its hash matches the ETag if that looks like a hash."""
        head, size = self._head, self._file.size
        self._decoder.finish()
        if head.total is not None and size != head.total:
            if size > head.total:
                self._file.empty()
            raise Interrupted(f"expected {head.total} bytes, got {size}")
        if head.digest is None:
            return
        algorithm, expected = head.digest
        actual = yield Do(lambda: self._file.digest(algorithm))
        # An ETag may look like a hash without being one. If two transfers have the same hash, the file is
        # correct.
        if actual != expected and actual not in self._mismatches:
            self._mismatches.append(actual)
            self._file.empty()
            raise Interrupted(f"expected the {algorithm} {expected} of the ETag, got {actual}")

    def _renew(self) -> Flow[None]:
        """Request the generation again, for new links."""
        seen = yield from operations.get(self._call, self._generation.id)
        if len(seen.results) != len(self._generation.results):
            raise DownloadError(f"generation {seen.id} no longer has its results (status: {seen.status})")
        if seen.results[self._number - 1].url == self._result.url:
            yield from self._call.pause(retry.FIRST_PAUSE)
        self._generation = seen
