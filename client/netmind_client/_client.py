"""The client: four operations, a wait that ends, and a download that is whole."""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import requests
from urllib3.exceptions import HTTPError

from netmind_client import _download, _polling, _timing
from netmind_client._models import Generation, Result, read_generation
from netmind_client._polling import Verdict
from netmind_client._transport import DEFAULT_BASE_URL, Transport, reason, without_query
from netmind_client.exceptions import (
    ConfigurationError,
    DownloadError,
    GenerationFailed,
    RateLimitedError,
    ResultMissing,
    ServerError,
    TransportError,
    UnexpectedAnswer,
    WaitTimeout,
)

if TYPE_CHECKING:
    from types import TracebackType

DEFAULT_WAIT_SECONDS = 1200.0

_CHUNK_BYTES = 64 * 1024
_LEAST_SECONDS = 0.1  # that a last poll is given, however little is left

Progress = Callable[[Generation], None]

# What may have passed by the next poll. A 4xx will not.
_WORTH_ANOTHER_POLL = (TransportError, ServerError, RateLimitedError, UnexpectedAnswer)


class Generated(NamedTuple):
    """What :meth:`GenerationClient.generate` made: the completed job and the files it was saved to."""

    generation: Generation
    paths: Sequence[Path]


class GenerationClient:
    """Creates, watches, lists, deletes and downloads generations.

    A create is sent once. Reading and deleting are sent once too; only the polls of :meth:`wait` go on after
    one that failed. Not safe to share between threads, as a ``requests.Session`` is not.
    """

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        *,
        request_timeout: float = 30.0,
        session: requests.Session | None = None,
        sleep: Callable[[float], None] = _timing.sleep,
        monotonic: Callable[[], float] = _timing.monotonic,
    ) -> None:
        """Set up a client; nothing is sent yet.

        Args:
            api_key: The token; by default that of the environment variable NETMIND_API_KEY.
            base_url: By default that of NETMIND_BASE_URL, else https://api.netmind.ai. A slash or /v1 at its
                end makes no difference.
            request_timeout: Seconds to wait for a connection, and then for each part of an answer. A create
                with ``sync_mode`` answers only when the job is done, and needs more.
            session: What sends the requests, for proxies or certificates of your own.
            sleep: How to wait, in seconds; a virtual clock can stand in.
            monotonic: What time it is, in seconds; a virtual clock can stand in.

        Raises:
            ConfigurationError: There is no API key, or the base URL is not an HTTP URL.
        """
        self._transport = Transport(
            api_key if api_key is not None else os.environ.get("NETMIND_API_KEY", ""),
            base_url or os.environ.get("NETMIND_BASE_URL") or DEFAULT_BASE_URL,
            session or requests.Session(),
            request_timeout,
        )
        self._sleep = sleep
        self._monotonic = monotonic

    @property
    def base_url(self) -> str:
        """Where the API is, without a slash or /v1 at its end."""
        return self._transport.base_url

    def __repr__(self) -> str:
        return f"GenerationClient(base_url={self.base_url!r})"

    def __enter__(self) -> GenerationClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._transport.close()

    def create(self, model: str, config: Mapping[str, Any]) -> Generation:
        """Create a generation, with one request that is never repeated.

        Args:
            model: Such as ``Qwen/Qwen-Image``.
            config: The model's options, such as ``{"prompt": "A cup of coffee"}``.

        Raises:
            CreateOutcomeUnknown: No answer came, or none that can be read: a job may exist and be charged.
            TransportError: The request was not sent.
            ApiError: The API refused it.
            ConfigurationError: The config is no mapping, or not JSON.
        """
        if not isinstance(config, Mapping):
            example = {"prompt": "A cup of coffee"}
            raise ConfigurationError(f"expected a config such as {example}, got {config!r}")
        document, unknown_outcome = self._transport.create(model, dict(config))
        generation = read_generation(document)
        if generation is None:
            raise unknown_outcome
        return generation

    def get(self, generation_id: str) -> Generation:
        """A generation as it is now.

        Raises:
            NotFoundError: There is no such generation.
            TransportError: No answer came.
            ApiError: The API answered with another error.
            UnexpectedAnswer: The answer is no generation.
        """
        return self._get(generation_id, math.inf)

    def _get(self, generation_id: str, within: float) -> Generation:
        document, shown = self._transport.ask("GET", generation_id, within=within)
        generation = read_generation(document)
        if generation is None:
            message = f"generation {generation_id}: expected a generation, got {shown}"
            raise UnexpectedAnswer(message, generation_id=generation_id)
        return generation

    def list(self) -> Sequence[Generation]:
        """All generations of this account, in the API's order.

        Raises:
            TransportError: No answer came.
            ApiError: The API answered with an error.
            UnexpectedAnswer: The answer is no list of generations.
        """
        document, shown = self._transport.ask("GET")
        entries = document.get("generation_list") if isinstance(document, dict) else None
        if not isinstance(entries, Sequence) or isinstance(entries, str):
            raise UnexpectedAnswer(f"list: expected a generation_list, got {shown}")
        return [generation for entry in entries if (generation := read_generation(entry)) is not None]

    def delete(self, generation_id: str) -> None:
        """Delete a generation; one that is still pending is cancelled, as far as is known (assumed).

        Raises:
            NotFoundError: There is no such generation.
            TransportError: No answer came.
            ApiError: The API answered with another error.
        """
        self._transport.ask("DELETE", generation_id)

    def wait(
        self,
        generation: Generation | str,
        *,
        timeout: float = DEFAULT_WAIT_SECONDS,
        on_poll: Progress | None = None,
    ) -> Generation:
        """Poll until the job is completed, less and less often.

        Args:
            generation: The job, or its id.
            timeout: Seconds after which to give up; the job goes on, and is not deleted.
            on_poll: Called with each state that is seen.

        Raises:
            GenerationFailed: The job ended otherwise than completed, and why, or is marked as deleted.
            ResultMissing: The job is completed, and its result stayed empty for 15 seconds.
            WaitTimeout: The job had not ended in time.
            NotFoundError: There is no such job, or it was deleted meanwhile.
            ApiError: The API refused the question (4xx).
            ConfigurationError: The timeout is none.
        """
        generation_id = generation if isinstance(generation, str) else generation.id
        if not 0 <= timeout < math.inf:
            raise ConfigurationError(f"expected a timeout in seconds, 0 or more and finite, got {timeout!r}")
        deadline = self._monotonic() + timeout
        completed_at: float | None = None
        last_status: str | None = None
        for poll in itertools.count(1):
            pause = _polling.delay_before(poll)
            try:
                seen = self._get(generation_id, max(deadline - self._monotonic(), _LEAST_SECONDS))
            except _WORTH_ANOTHER_POLL as error:
                pause = max(pause, getattr(error, "retry_after", None) or 0.0)
            else:
                last_status = seen.status
                if on_poll is not None:
                    on_poll(seen)
                if seen.is_completed and completed_at is None:
                    completed_at = self._monotonic()
                if _ended(seen, 0.0 if completed_at is None else self._monotonic() - completed_at):
                    return seen
            left = deadline - self._monotonic()
            if left <= 0:
                break
            self._sleep(min(pause, left))
        raise WaitTimeout(
            f"generation {generation_id} had not ended after {timeout:g} s (last status: {last_status}). "
            f"It goes on; wait for it again with: netmind-client wait {generation_id}",
            generation_id=generation_id,
            last_status=last_status,
        )

    def download(
        self, generation: Generation, directory: str | os.PathLike[str] = ".", *, overwrite: bool = False
    ) -> Sequence[Path]:
        """Save every result of a completed generation; text results too, as .txt files.

        Args:
            generation: A completed job, as get or wait return it.
            directory: Where to; made if it is not there.
            overwrite: Replace files that exist.

        Returns:
            The files' paths, in the order of the results.

        Raises:
            DownloadError: The job has no results, or one could not be fetched or saved whole.
        """
        if not generation.results:
            raise DownloadError(
                f"generation {generation.id} has no results (status: {generation.status}); wait for it first",
                generation_id=generation.id,
            )
        numbers = range(1, len(generation.results) + 1)
        try:
            return [
                self._save(generation, number, Path(directory), overwrite=overwrite) for number in numbers
            ]
        except DownloadError as error:
            error.generation_id = generation.id
            raise

    def generate(
        self,
        model: str,
        config: Mapping[str, Any],
        directory: str | os.PathLike[str] = ".",
        *,
        timeout: float = DEFAULT_WAIT_SECONDS,
        overwrite: bool = False,
        on_poll: Progress | None = None,
    ) -> Generated:
        """Create a generation, wait for it and save its results.

        That the folder can be written to is tried before anything is created.

        Raises:
            NetMindError: As :meth:`create`, :meth:`wait` and :meth:`download` do.
        """
        _download.prepare(Path(directory))
        created = self.create(model, config)
        if on_poll is not None:
            on_poll(created)
        done = (
            created
            if _polling.verdict(created) is Verdict.DONE
            else self.wait(created, timeout=timeout, on_poll=on_poll)
        )
        return Generated(done, self.download(done, directory, overwrite=overwrite))

    def _save(self, generation: Generation, number: int, folder: Path, *, overwrite: bool) -> Path:
        """Save the result of this number, counted from 1."""
        result, of = generation.results[number - 1], len(generation.results)
        if result.text is not None and result.url is None:
            content = result.text.encode()
            path = folder / _download.name_for(Result(file_name="output.txt"), generation.id, "", number, of)
            _download.save([content], path, expected_bytes=len(content), overwrite=overwrite)
            return path
        url = result.url or ""
        if not url.startswith(("http://", "https://")):
            raise DownloadError(f"result {number} has no URL that can be fetched: {result.url!r}")
        try:
            with self._transport.fetch(url) as answer:
                if answer.status_code != 200:
                    advice = "the link may have expired: get the generation again for a new one"
                    raise DownloadError(f"{without_query(url)} answered {answer.status_code}; {advice}")
                path = folder / _download.name_for(
                    result, generation.id, answer.headers.get("Content-Type", ""), number, of
                )
                length = answer.headers.get("Content-Length", "")
                plain = "Content-Encoding" not in answer.headers and length.isdecimal()
                expected = int(length) if plain else None
                chunks = answer.iter_content(_CHUNK_BYTES)
                _download.save(chunks, path, expected_bytes=expected, overwrite=overwrite)
                return path
        except (requests.RequestException, HTTPError, ValueError) as error:
            message = f"{without_query(url)}: the download broke off, nothing was saved: {reason(error)}"
            raise DownloadError(message) from error


def _ended(seen: Generation, completed_for: float) -> bool:
    """Whether the wait is over; raises if it ended badly. ``completed_for`` is in seconds."""
    match _polling.verdict(seen):
        case Verdict.DONE:
            return True
        case Verdict.DELETED:
            raise GenerationFailed(f"generation {seen.id} was deleted", generation=seen)
        case Verdict.FAILED:
            reason = seen.failure or "the logs give no reason"
            raise GenerationFailed(f"generation {seen.id} ended as {seen.status}: {reason}", generation=seen)
        case Verdict.WAIT_FOR_RESULT if completed_for >= _polling.EMPTY_RESULT_SECONDS:
            raise ResultMissing(
                f"generation {seen.id} is completed, but its result stayed empty", generation=seen
            )
        case _:
            return False
