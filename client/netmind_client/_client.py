"""The synchronous client."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from netmind_client import _clock
from netmind_client._flows.core import DEFAULT_REQUEST_SECONDS, DEFAULT_WAIT_SECONDS, BaseClient, Core
from netmind_client._flows.download import DEFAULT_MAX_BYTES
from netmind_client._flows.effects import Do, Pause, Send, Show, Stopped
from netmind_client._flows.saving import Saving
from netmind_client._flows.waiting import Waiting
from netmind_client._transport import by_requests, threads

if TYPE_CHECKING:
    import os
    import threading
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    import requests

    from netmind_client._flows.effects import Effect, Running
    from netmind_client._flows.generate import Generated
    from netmind_client._flows.saving import DownloadProgress
    from netmind_client._models import Generation
    from netmind_client.batch import BatchOutcome, BatchProgress, GenerationRequest

    T = TypeVar("T")


class GenerationClient(BaseClient):
    """A client that creates, polls, lists, deletes and downloads generations.

    A create is sent again only if it certainly created no generation. Every call ends within its timeout.
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
        """Create a client. This sends no request.

        Args:
            api_key: The API key. Defaults to the environment variable NETMIND_API_KEY.
            base_url: The API's URL. Defaults to the environment variable NETMIND_BASE_URL, else to
                https://api.netmind.ai. A trailing slash or /v1 is ignored.
            request_timeout: The most seconds for one request, from looking up the host to the last byte.
                Also the default timeout of get, list, delete and create, and the most seconds that a
                download may wait for its next byte.
            poll_interval: Seconds between polls. By default the interval grows with the time waited.
            session: Sends the requests, for example with your own proxies or certificates. The timeouts are
                then only as exact as the session's.
            sleep: A function that sleeps for a number of seconds. Pass one to use a virtual clock.
            monotonic: A function that returns the time in seconds and never goes back. Pass one to use a
                virtual clock. Unless ``sleep`` is passed too, the real time that requests take also counts.

        Raises:
            ConfigurationError: There is no API key, the base URL is not an HTTP URL, or the session may send
                a create again on its own.
        """
        sleeps_in_real_time = sleep is _clock.sleep
        self._core = Core(
            self._run,
            api_key,
            base_url,
            request_timeout,
            poll_interval,
            monotonic,
            sleeps_in_real_time=sleeps_in_real_time,
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

        The request is sent at most three times. It is sent again only if it certainly did not reach the
        server (no connection), or if the server rejected it (429, or 503 with Retry-After).

        Args:
            model: The model's name, such as ``Qwen/Qwen-Image``.
            config: The model's options, such as ``{"prompt": "A cup of coffee"}``.
            timeout: Seconds for the whole call. Defaults to ``request_timeout``, or to 1200 if the config has
                ``sync_mode``, because the API then responds only when the generation has ended.

        Returns:
            The new generation.

        Raises:
            CreateOutcomeUnknownError: There was no usable response. A generation may exist and be charged.
            TransportError: The request was not sent.
            ApiError: The API rejected the request.
            ConfigurationError: The config is not a mapping, or cannot be sent as JSON.
        """
        return self._run(self._core.create(model, config, timeout))

    def find_created(
        self, sent_at: float, *, model: str | None = None, timeout: float = DEFAULT_REQUEST_SECONDS
    ) -> Sequence[Generation]:
        """Search the list for the generation of a create that got no response.

        Repeats the search until a generation is found or the timeout expires.
        :meth:`CreateOutcomeUnknownError.find_created` calls this with the values of its create.

        A generation includes neither its model nor its config (documented). The search therefore compares
        creation times, and assumes that ``created_at`` is UTC. Generations that this client is known to have
        created are left out.

        Args:
            sent_at: When the create was sent, in seconds since the epoch.
            model: The model of the create. It is compared only if the list includes a model.
            timeout: Seconds to repeat the search while nothing is found.

        Returns:
            The matching generations, the closest in time first. An empty result does not prove that no
            generation exists.

        Raises:
            TransportError: The request for the list got no response.
            ApiError: The API responded with an error.
            UnexpectedResponseError: The response is not a list of generations.
        """
        return self._run(self._core.find_created(_clock.wall() - sent_at, model, timeout))

    def get(self, generation: Generation | str, *, timeout: float | None = None) -> Generation:
        """Return the current state of a generation.

        The request is sent up to three times if a failure may be temporary.

        Args:
            generation: The generation or its id.
            timeout: Seconds for the whole call. Defaults to ``request_timeout``.

        Raises:
            NotFoundError: There is no such generation.
            TransportError: There was no response.
            ApiError: The API responded with another error.
            UnexpectedResponseError: The response is not this generation.
        """
        return self._run(self._core.get(generation, timeout))

    def list(self, *, timeout: float | None = None) -> Sequence[Generation]:
        """Return all generations of this account, in the API's order.

        The request is sent up to three times if a failure may be temporary.

        Args:
            timeout: Seconds for the whole call. Defaults to ``request_timeout``.

        Raises:
            TransportError: There was no response.
            ApiError: The API responded with an error.
            UnexpectedResponseError: The response is not a list of generations.
        """
        return self._run(self._core.list(timeout))

    def delete(self, generation: Generation | str, *, timeout: float | None = None) -> None:
        """Delete a generation. Deleting a pending one presumably cancels it (assumed).

        The request is sent up to three times if a failure may be temporary.

        Args:
            generation: The generation or its id.
            timeout: Seconds for the whole call. Defaults to ``request_timeout``.

        Raises:
            NotFoundError: There is no such generation.
            TransportError: There was no response.
            ApiError: The API responded with another error.
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
        """Poll a generation until it is completed, with a growing interval between polls.

        Args:
            generation: The generation or its id.
            timeout: Seconds for the whole call. When they have passed, the generation is not deleted and can
                be waited for again.
            on_poll: A function that is called with each state received.
            delete_on_timeout: Delete the generation when the timeout expires. The last two seconds of the
                timeout (at most a fifth of it) are reserved for the delete.

        Returns:
            The completed generation.

        Raises:
            GenerationFailedError: The generation failed, was cancelled or is marked as deleted.
            ResultMissingError: The generation is completed, but its result stayed empty for 15 seconds.
            WaitTimeoutError: The generation did not end within the timeout.
            NotFoundError: There is no such generation, or it was deleted meanwhile.
            ApiError: The API rejected a poll (4xx).
            ConfigurationError: The timeout is not a number of seconds from 0.
        """
        waiting = Waiting(on_poll, delete_on_timeout)
        return self._run(self._core.wait(generation, timeout, waiting))

    def states(
        self, generation: Generation | str, *, timeout: float = DEFAULT_WAIT_SECONDS
    ) -> Iterator[Generation]:
        """Iterate over the states that :meth:`wait` receives. The completed one is the last.

        Raises:
            NetMindError: The errors of :meth:`wait`.
        """
        return self._iterate_states(self._core.wait(generation, timeout, Waiting()))

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
        """Save every result of a completed generation. Text results are saved as .txt files.

        An interrupted download is resumed. If a link has expired, new links are requested from the API. A
        file appears under its name only when it is complete.

        Args:
            generation: A completed generation, as get or wait return it, or its id.
            directory: The folder to save to. It is created if it does not exist.
            timeout: Seconds for the whole call.
            overwrite: Replace existing files. A file with the same bytes never needs to be replaced.
            max_bytes: The largest allowed size of one file.
            on_progress: A function that is called after each part received.

        Returns:
            The paths of the files, in the order of the results.

        Raises:
            DownloadError: The generation has no results, or one of them could not be downloaded or saved.
            ConfigurationError: ``timeout`` is not a number of seconds, or ``max_bytes`` is not a positive
                integer.
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

        Checks that the folder can be written to before anything is created.

        Raises:
            NetMindError: The errors of :meth:`create`, :meth:`wait` and :meth:`download`.
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
        on_progress: Callable[[BatchProgress], object] | None = None,
    ) -> Sequence[BatchOutcome]:
        """Create, wait for and save many generations, several at a time. A failure does not stop the others.

        With a ``jobs_file``, the same call resumes an earlier run. Saved results are skipped, and existing
        generations are waited for. A create that got no response is not sent again: its outcome has a
        :class:`CreateOutcomeUnknownError`.

        Args:
            requests: Pairs of a model and a config. With a ``jobs_file``, add new requests at the end.
            directory: The folder to save the results to.
            concurrency: How many requests to process at a time, 1 or more.
            timeout: Seconds for each request, from its create to the last byte saved.
            jobs_file: A file that records each request's generation id and progress, one event per line. It
                is created if it does not exist.
            retry_failed: Create generations again that failed in an earlier run. They are billed again.
            overwrite: Replace existing files.
            max_bytes: The largest allowed size of one file.
            on_progress: A function that is called after each request.

        Returns:
            The outcomes, in the order of the requests.

        Raises:
            ConfigurationError: A request is not a pair of a model and a config, the jobs file belongs to
                other requests, or another run is using it.
            DownloadError: The folder or the jobs file cannot be written to.
        """
        from netmind_client._flows.batch import open_batch  # noqa: PLC0415 - most programs do not use it

        batch = open_batch(
            self._core.client,
            requests,
            timeout,
            Saving(Path(directory), overwrite, max_bytes),
            jobs_file,
            concurrency=concurrency,
            retry_failed=retry_failed,
            on_progress=on_progress,
        )

        try:
            with threads.results(
                len(batch.requests),
                concurrency,
                lambda number, stop: self._run(batch.outcome(number), stop),
                batch.is_creating,
            ) as ended:
                for number, outcome in ended:
                    batch.end(number, outcome)
            batch.close()
            return batch.outcomes  # noqa: TRY300 - Ctrl-C may arrive here, too
        except BaseException as error:  # Ctrl-C, or an exception of a callback
            batch.abort(error)
            raise

    def _run(self, running: Running[T], stop: threading.Event | None = None) -> T:
        """Run a flow to its end and return its result; raise Stopped in it once ``stop`` is set."""
        try:
            for effect in running:
                self._step(running, effect, stop)
            return running.result  # noqa: TRY300 - Ctrl-C may arrive here, too
        except BaseException as error:
            running.end(error)
            raise

    def _iterate_states(self, running: Running[Any]) -> Iterator[Generation]:
        """Run a flow, and yield the states that it shows."""
        try:
            for effect in running:
                if isinstance(effect, Show):
                    yield effect.generation
                self._step(running, effect)
        except BaseException as error:
            running.end(error)
            raise

    def _step(self, running: Running[Any], effect: Effect, stop: threading.Event | None = None) -> None:
        """Perform an effect, and pass its result or its exception to the flow."""
        try:
            # Work on the disk is still done after a stop, so that the jobs file stays correct.
            if stop is not None and stop.is_set() and not isinstance(effect, Do):
                raise Stopped  # noqa: TRY301 - raised in the flow
            running.send(self._perform(effect))
        except BaseException as error:  # noqa: BLE001 - raised in the flow
            running.throw(error)

    def _perform(self, effect: Effect) -> Any:
        match effect:
            case Send():
                return by_requests.send(self._session, effect)
            case Pause():
                return self._sleep(effect.seconds)
            case Do():
                return effect.function()
            case Show():
                return None
