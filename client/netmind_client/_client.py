"""The client."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from netmind_client import _clock
from netmind_client._flows.batch import opened
from netmind_client._flows.core import DEFAULT_REQUEST_SECONDS, DEFAULT_WAIT_SECONDS, BaseClient, Core
from netmind_client._flows.download import DEFAULT_MAX_BYTES
from netmind_client._flows.effects import Do, Pause, Running, Send, Show, Stopped
from netmind_client._flows.saving import Saving
from netmind_client._flows.waiting import Waiting
from netmind_client._transport import by_requests, threads

if TYPE_CHECKING:
    import os
    import threading
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import requests

    from netmind_client._flows.batch import BatchOutcome, GenerationRequest, ManyProgress
    from netmind_client._flows.effects import Effect, Flow
    from netmind_client._flows.generate import Generated
    from netmind_client._flows.saving import DownloadProgress
    from netmind_client._models import Generation

    T = TypeVar("T")


class GenerationClient(BaseClient):
    """Creates, watches, lists, deletes and downloads generations.

    A create is sent again only when it is certain that there is no job. Every call ends within its timeout.
    Threads may share a client, unless it was given a session.
    """

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        *,
        request_timeout: float = DEFAULT_REQUEST_SECONDS,
        poll_interval: float | None = None,
        session: requests.Session | None = None,
        sleep: Callable[[float], None] = _clock.sleep,
        monotonic: Callable[[], float] = _clock.monotonic,
    ) -> None:
        """Set up a client; nothing is sent yet.

        Args:
            api_key: The token; by default that of the environment variable NETMIND_API_KEY.
            base_url: By default that of NETMIND_BASE_URL, else https://api.netmind.ai. A slash or /v1 at its
                end makes no difference.
            request_timeout: Seconds that one request may take, from looking up the host to the last byte; the
                timeout of a call that is given none. A download may be without a byte for as long.
            poll_interval: Seconds between the polls of a wait; by default less and less often.
            session: What sends the requests, for proxies or certificates of your own. The timeouts are then
                as good as it keeps them.
            sleep: How to wait, in seconds; a virtual clock can stand in.
            monotonic: What time it is, in seconds; a virtual clock can stand in. What requests take counts
                besides, unless ``sleep`` is virtual, too.

        Raises:
            ConfigurationError: There is no API key, the base URL is not an HTTP URL, or the session sends a
                create again by itself.
        """
        waits = sleep is _clock.sleep
        self._core = Core(
            self._run, api_key, base_url, request_timeout, poll_interval, monotonic, waits=waits
        )
        self._session = by_requests.new_session() if session is None else by_requests.checked(session)
        self._sleep = sleep

    def __enter__(self) -> GenerationClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def create(self, model: str, config: Mapping[str, Any], *, timeout: float | None = None) -> Generation:
        """Create a generation.

        Sent again, up to three times, only when it certainly did not reach the server (no connection), or
        the server said so (429, or 503 with Retry-After).

        Args:
            model: Such as ``Qwen/Qwen-Image``.
            config: The model's options, such as ``{"prompt": "A cup of coffee"}``.
            timeout: Seconds for all of it; by default ``request_timeout``, or 1200 with ``sync_mode``, whose
                create answers only when the job is done.

        Raises:
            CreateOutcomeUnknown: No answer came, or none that can be read: a job may exist and be charged.
            TransportError: The request was not sent.
            ApiError: The API refused it.
            ConfigurationError: The config is no mapping, or not JSON.
        """
        return self._run(self._core.create(model, config, timeout))

    def find_created(
        self, sent_at: float, *, model: str | None = None, timeout: float = DEFAULT_REQUEST_SECONDS
    ) -> Sequence[Generation]:
        """Look for the job of a create that was not answered, until one is found or time is over.

        :meth:`CreateOutcomeUnknown.find_created` does so with what it knows. A generation shows neither its
        model nor its config (documented), so this goes by when it was created, which is taken for UTC
        (assumed). Jobs that this client has created are left out.

        Args:
            sent_at: When the create was sent, in seconds since the epoch.
            model: What it was sent for; looked at where the list shows a model.
            timeout: Seconds to go on looking while there is none.

        Returns:
            The generations that it can be, the nearest in time first. None is no proof that there is no job.

        Raises:
            TransportError: The list was not answered.
            ApiError: The API answered with an error.
            UnexpectedResponse: The answer is no list of generations.
        """
        return self._run(self._core.find_created(_clock.wall() - sent_at, model, timeout))

    def get(self, generation: Generation | str, *, timeout: float | None = None) -> Generation:
        """A generation as it is now. Asked for up to three times, as are a list and a delete.

        Raises:
            NotFoundError: There is no such generation.
            TransportError: No answer came.
            ApiError: The API answered with another error.
            UnexpectedResponse: The answer is no generation.
        """
        return self._run(self._core.get(generation, timeout))

    def list(self, *, timeout: float | None = None) -> Sequence[Generation]:
        """All generations of this account, in the API's order.

        Raises:
            TransportError: No answer came.
            ApiError: The API answered with an error.
            UnexpectedResponse: The answer is no list of generations.
        """
        return self._run(self._core.list(timeout))

    def delete(self, generation: Generation | str, *, timeout: float | None = None) -> None:
        """Delete a generation; one that is still pending is cancelled, as far as is known (assumed).

        Raises:
            NotFoundError: There is no such generation.
            TransportError: No answer came.
            ApiError: The API answered with another error.
        """
        self._run(self._core.delete(generation, timeout))

    def wait(
        self,
        generation: Generation | str,
        *,
        timeout: float = DEFAULT_WAIT_SECONDS,
        on_poll: Callable[[Generation], object] | None = None,
        delete_on_timeout: bool = False,
    ) -> Generation:
        """Poll until the job is completed, less and less often.

        Args:
            generation: The job, or its id.
            timeout: Seconds after which to give up; the job goes on, and is not deleted.
            on_poll: Called with each state that is seen.
            delete_on_timeout: Delete the job when time is over. Its last two seconds are kept for that.

        Raises:
            GenerationFailed: The job ended otherwise than completed, and why, or is marked as deleted.
            ResultMissing: The job is completed, and its result stayed empty for 15 seconds.
            WaitTimeout: The job had not ended in time.
            NotFoundError: There is no such job, or it was deleted meanwhile.
            ApiError: The API refused the question (4xx).
            ConfigurationError: The timeout is none.
        """
        waiting = Waiting(on_poll, delete_on_timeout)
        return self._run(self._core.wait(generation, timeout, waiting))

    def states(
        self, generation: Generation | str, *, timeout: float = DEFAULT_WAIT_SECONDS
    ) -> Iterator[Generation]:
        """Each state that a wait sees, the completed one last. Raises as :meth:`wait` does."""
        return self._shown(self._core.wait(generation, timeout, Waiting()))

    def download(
        self,
        generation: Generation | str,
        directory: str | os.PathLike[str] = ".",
        *,
        timeout: float = DEFAULT_WAIT_SECONDS,
        overwrite: bool = False,
        max_bytes: int = DEFAULT_MAX_BYTES,
        on_progress: Callable[[DownloadProgress], object] | None = None,
    ) -> Sequence[Path]:
        """Save every result of a completed generation; text results too, as .txt files.

        A download that is cut goes on where it was, a link that has expired is read anew from the job, and
        a file is there whole or not at all.

        Args:
            generation: A completed job, as get or wait return it, or its id.
            directory: Where to; made if it is not there.
            timeout: Seconds for all of it.
            overwrite: Replace files that exist. One that holds the same bytes is no obstacle.
            max_bytes: The most that one file may have.
            on_progress: Called after each part.

        Returns:
            The files' paths, in the order of the results.

        Raises:
            DownloadError: The job has no results, or one could not be fetched or saved whole.
            ConfigurationError: ``timeout`` or ``max_bytes`` is none.
        """
        saving = Saving(Path(directory), overwrite, max_bytes, on_progress)
        return self._run(self._core.download(generation, timeout, saving))

    def generate(
        self,
        model: str,
        config: Mapping[str, Any],
        directory: str | os.PathLike[str] = ".",
        *,
        timeout: float = DEFAULT_WAIT_SECONDS,
        overwrite: bool = False,
        max_bytes: int = DEFAULT_MAX_BYTES,
        on_poll: Callable[[Generation], object] | None = None,
        on_progress: Callable[[DownloadProgress], object] | None = None,
        delete_on_timeout: bool = False,
    ) -> Generated:
        """Create a generation, wait for it and save its results, within one timeout.

        That the folder can be written to is tried before anything is created.

        Raises:
            NetMindError: As :meth:`create`, :meth:`wait` and :meth:`download` do.
        """
        saving = Saving(Path(directory), overwrite, max_bytes, on_progress)
        waiting = Waiting(on_poll, delete_on_timeout)
        return self._run(self._core.generate(model, config, timeout, saving, waiting))

    def generate_many(
        self,
        requests: Iterable[GenerationRequest | tuple[str, Mapping[str, Any]]],
        directory: str | os.PathLike[str] = ".",
        *,
        concurrency: int = 4,
        timeout: float = DEFAULT_WAIT_SECONDS,
        jobs_file: str | os.PathLike[str] | None = None,
        retry_failed: bool = False,
        overwrite: bool = False,
        max_bytes: int = DEFAULT_MAX_BYTES,
        on_progress: Callable[[ManyProgress], object] | None = None,
    ) -> Sequence[BatchOutcome]:
        """Generate many, some at a time: create, wait for and save each. One that fails stops no other.

        With a ``jobs_file``, the same call goes on where an earlier one was left: what is saved is not done
        again, a job that was created is waited for, and a create whose answer was never heard is not sent
        again, but is an outcome with :class:`CreateOutcomeUnknown`.

        Args:
            requests: Models and configs; add new ones at the end if there is a file.
            directory: Where results are saved to.
            concurrency: How many at a time, 1 or more.
            timeout: Seconds for each of them, from its create to its last byte.
            jobs_file: Where the jobs' ids are kept, a line an event; made if it is not there.
            retry_failed: Create those again, and pay for them, that an earlier run has seen fail.
            overwrite: Replace files that exist.
            max_bytes: The most that one file may have.
            on_progress: Called after each.

        Returns:
            What each came to, in the order of the requests.

        Raises:
            ConfigurationError: A request is none, or the file belongs to other requests or to another run.
            DownloadError: Nothing can be saved there.
        """
        with opened(
            self._core.client,
            requests,
            timeout,
            Saving(Path(directory), overwrite, max_bytes),
            jobs_file,
            concurrency=concurrency,
            retry_failed=retry_failed,
            on_progress=on_progress,
        ) as batch:

            def do(number: int, stop: threading.Event) -> BatchOutcome:
                return self._run(batch.outcome(number), stop)

            with threads.results(len(batch.requests), concurrency, do, batch.is_creating) as ended:
                for number, outcome in ended:
                    batch.end(number, outcome)
            return batch.outcomes

    def _run(self, flow: Flow[T], stop: threading.Event | None = None) -> T:
        """Do what a flow asks for, until it returns, or is to stop."""
        running = Running(flow)
        for effect in running:
            with running.failures():
                if stop is not None and stop.is_set() and not isinstance(effect, Do):
                    raise Stopped
                running.send(self._do(effect))
        return running.result

    def _shown(self, flow: Flow[Any]) -> Iterator[Generation]:
        """Do what a flow asks for, and iterate over the states that it shows."""
        running = Running(flow)
        with contextlib.closing(flow):
            for effect in running:
                if isinstance(effect, Show):
                    yield effect.generation
                with running.failures():
                    running.send(self._do(effect))

    def _do(self, effect: Effect) -> Any:
        match effect:
            case Send():
                return by_requests.send(self._session, effect)
            case Pause():
                return self._sleep(effect.seconds)
            case Do():
                return effect.function()
            case Show():
                return None
