"""Saving a job's results: each whole, under a safe name, and never by making the job again."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from netmind_client import _files
from netmind_client._api import cut, without_query
from netmind_client._flows import download, operations, retry
from netmind_client._flows.call import check_callback, check_whole
from netmind_client._flows.download import BrokeOff, LinkExpired, Reading, Redirected
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
_MAX_LINKS = 3  # of one result, before its job is taken to have no good one


class DownloadProgress(NamedTuple):
    """How far a download is.

    Attributes:
        generation_id: The job.
        number: Which of its results this is, from 1.
        of: How many results it has.
        received: Bytes that are there.
        total: Bytes that there will be, where the server tells.
    """

    generation_id: str
    number: int
    of: int
    received: int
    total: int | None


@dataclass(frozen=True, slots=True)
class Saving:
    """How results are to be saved, as a user gives it.

    Raises:
        ConfigurationError: ``max_bytes`` is not a size, or ``on_progress`` cannot be called.
    """

    folder: Path
    overwrite: bool
    max_bytes: int
    on_progress: Callable[[DownloadProgress], object] | None = None

    def __post_init__(self) -> None:
        check_whole("max_bytes", self.max_bytes)
        check_callback("on_progress", self.on_progress)

    @property
    def options(self) -> Sequence[str]:
        """The same, as ``netmind-client wait`` and ``download`` take it."""
        return ["-o", str(self.folder), *(["--overwrite"] if self.overwrite else [])]


def download_results(call: Call, generation: Generation | str, saving: Saving) -> Flow[Sequence[Path]]:
    """Save every result of a generation, which is asked for where only its id is given.

    Returns:
        The paths of the files, in the order of the results.
    """
    if isinstance(generation, str):
        generation = yield from operations.get(call, generation)
    if not generation.results:
        call.about("wait", generation.id, *saving.options)
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
    """One result on its way to the disk."""

    def __init__(self, call: Call, generation: Generation, number: int, saving: Saving) -> None:
        self._call = call
        self._job = generation
        self._number = number
        self._saving = saving
        self._reading = Reading()
        self._refused: list[str] = []  # what the content's hash was, where the ETag says another

    @property
    def _result(self) -> Result:
        return self._job.results[self._number - 1]

    @property
    def _url_shown(self) -> str:
        return without_query(self._result.url or "")

    def run(self) -> Flow[Path]:
        """Save it; return its path."""
        with _files.partial(self._saving.folder) as file:
            self._file = file
            if self._result.text is not None and self._result.url is None:
                file.write(self._result.text.encode(errors="replace"))  # half a surrogate, if there is one
                named = Result(file_name="output.txt")
            else:
                yield from self._fetch()
                named = self._result
            kind, of = self._reading.content_type, len(self._job.results)
            path = self._saving.folder / download.name_for(named, self._job.id, kind, self._number, of)
            try:
                yield Do(lambda: file.finish(path, overwrite=self._saving.overwrite))
            except _files.NameTaken:
                self._call.about("download", self._job.id, *self._saving.options, "--overwrite")
                advice = "to replace it, pass overwrite=True (--overwrite)"
                raise DownloadError(f"{path} exists already; {advice}") from None
            return path

    def _fetch(self) -> Flow[None]:
        """Fetch the file: the rest of it after a cut, by another link when one has expired."""
        failures, links, most = 0, 1, 0
        while True:
            try:
                return (yield from self._fetch_once())
            except LinkExpired as error:
                if links == _MAX_LINKS or not self._call.left():
                    raise DownloadError(f"{error}; the job has no link that is good") from error
                links += 1
                yield from self._renew()
            except (NoResponse, BrokeOff) as error:
                failures = 1 if self._file.size > most else failures + 1
                most = max(most, self._file.size)
                pause = retry.pause_before_next(failures, getattr(error, "retry_after", None))
                if failures >= _MAX_FAILURES or pause >= self._call.left():
                    message = f"{self._url_shown}: the download broke off, nothing was saved: {error}"
                    raise DownloadError(message) from error
                yield from self._call.rest(pause)

    def _fetch_once(self) -> Flow[None]:
        url = self._result.url or ""
        if not url.startswith(("http://", "https://")):
            raise DownloadError(f"result {self._number} has no URL that can be fetched: {cut(url)!r}")
        for _ in range(_MAX_REDIRECTS):
            request = download.request_for(url, self._file.size, self._reading.validator)
            try:
                yield from self._call.receive(request, functools.partial(self._begin, url))
            except Redirected as elsewhere:
                url = elsewhere.url
            else:
                return (yield from self._check())
        raise DownloadError(f"{without_query(url)}: redirected {_MAX_REDIRECTS} times, and no file")

    def _begin(self, url: str, response: Response) -> Callable[[bytes], object]:
        """Decide by the answer's head where its body belongs."""
        try:
            reading = download.read_head(response, url, self._file.size, self._reading)
        except BrokeOff:
            if response.status in (206, 416):
                self._file.empty()
            raise
        download.check_kind(self._result.file_type, reading.content_type)
        self._reading, self._decoder = reading, Decoder(response)
        if reading.start == 0:
            self._file.empty()
        self._limit(reading.total or 0)
        return self._take

    def _take(self, part: bytes) -> None:
        for number, piece in enumerate(self._decoder.pieces(part)):
            if number and not self._call.left():  # unpacking takes its time, too
                raise NoResponse("timed out", sent=True, timed_out=True)
            self._limit(self._file.size + len(piece))
            self._file.write(piece)
        if self._saving.on_progress is not None:
            size, total, of = self._file.size, self._reading.total, len(self._job.results)
            self._saving.on_progress(DownloadProgress(self._job.id, self._number, of, size, total))

    def _limit(self, size: int) -> None:
        if size > self._saving.max_bytes:
            enough = max(size, 2 * self._saving.max_bytes)
            self._call.about("download", self._job.id, *self._saving.options, "--max-bytes", str(enough))
            most = f"max_bytes is {self._saving.max_bytes}; nothing was saved"
            raise DownloadError(f"{self._url_shown} has {size} bytes or more, and {most}")

    def _check(self) -> Flow[None]:
        """See that all of it came, and as it was sent."""
        reading, size = self._reading, self._file.size
        self._decoder.finish()
        if reading.total is not None and size != reading.total:
            if size > reading.total:
                self._file.empty()
            raise BrokeOff(f"expected {reading.total} bytes, got {size}")
        if reading.digest is None:
            return
        algorithm, expected = reading.digest
        actual = yield Do(lambda: self._file.digest(algorithm))
        # An ETag may look like a hash and be none. Two transfers that agree are what the server has.
        if actual != expected and actual not in self._refused:
            self._refused.append(actual)
            self._file.empty()
            raise BrokeOff(f"its {algorithm} is {actual}, and the ETag says {expected}")

    def _renew(self) -> Flow[None]:
        """Ask the job for its links again."""
        seen = yield from operations.get(self._call, self._job.id)
        if len(seen.results) != len(self._job.results):
            raise DownloadError(f"generation {seen.id} no longer has its results (status: {seen.status})")
        if seen.results[self._number - 1].url == self._result.url:
            yield from self._call.rest(retry.FIRST_PAUSE)
        self._job = seen
