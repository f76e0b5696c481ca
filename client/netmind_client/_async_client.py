"""The asynchronous client."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import anyio.to_thread
from anyio.lowlevel import current_token

from netmind_client import _clock
from netmind_client._flows.core import DEFAULT_REQUEST_SECONDS, DEFAULT_WAIT_SECONDS, BaseClient, Core
from netmind_client._flows.download import DEFAULT_MAX_BYTES
from netmind_client._flows.effects import Do, Pause, Send, Show
from netmind_client._flows.saving import Saving
from netmind_client._flows.waiting import Waiting
from netmind_client._transport import by_httpx
from netmind_client.exceptions import ConfigurationError

if TYPE_CHECKING:
    import os
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence

    import httpx
    import httpx2

    from netmind_client._flows.effects import Effect, Running
    from netmind_client._flows.generate import Generated
    from netmind_client._flows.saving import DownloadProgress
    from netmind_client._models import Generation
    from netmind_client.batch import BatchOutcome, BatchProgress, GenerationRequest

    T = TypeVar("T")


_DISK_THREADS = 40  # per client, because the application may be using all of anyio's shared threads


class AsyncGenerationClient(BaseClient):
    """An asynchronous :class:`netmind_client.GenerationClient` for asyncio and trio. It uses ``httpx2``.

    Both clients run the same code for polling, retries, downloads and errors. Only sending and sleeping
    differ. If a task is cancelled during a create, a generation may exist, as after a lost response. Tasks
    may share a client.
    """

    def __init__(
        self,
        api_key: str | None = None,
        base_url: str | None = None,
        *,
        request_timeout: float = DEFAULT_REQUEST_SECONDS,
        poll_interval: float | None = None,
        http_client: httpx2.AsyncClient | httpx.AsyncClient | None = None,
        sleep: Callable[[float], Awaitable[object]] | None = None,
        monotonic: Callable[[], float] = _clock.monotonic,
    ) -> None:
        """Create a client. This sends no request.

        Args:
            api_key: The API key. Defaults to the environment variable NETMIND_API_KEY.
            base_url: The API's URL, as for :class:`netmind_client.GenerationClient`.
            request_timeout: The most seconds for one request, as for the synchronous client.
            poll_interval: Seconds between polls. By default the interval grows with the time waited.
            http_client: Sends the requests, for example with your own proxies or certificates. A client of
                httpx2 or of httpx.
            sleep: An async function that sleeps for a number of seconds. Pass one to use a virtual clock.
            monotonic: A function that returns the time in seconds and never goes back.

        Raises:
            ConfigurationError: There is no API key, the base URL is not an HTTP URL, or ``http_client`` is
                not an asynchronous client of httpx2 or httpx.
        """
        if http_client is not None:
            by_httpx.check_client(http_client)
        self._core = Core(
            self._run,
            api_key,
            base_url,
            request_timeout,
            poll_interval,
            monotonic,
            sleeps_in_real_time=sleep is None,
        )
        self._http_client = http_client if http_client is not None else by_httpx.new_client()
        self._sleep = sleep
        self._limiter: anyio.CapacityLimiter | None = None
        self._loop: object = None  # the event loop that the connections belong to

    async def __aenter__(self) -> AsyncGenerationClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http_client.aclose()

    async def create(
        self, model: str, config: Mapping[str, Any], *, timeout: float | None = None
    ) -> Generation:
        """Create a generation. See :meth:`netmind_client.GenerationClient.create`."""
        return await self._run(self._core.create(model, config, timeout))

    async def find_created(
        self, sent_at: float, *, model: str | None = None, timeout: float = DEFAULT_REQUEST_SECONDS
    ) -> Sequence[Generation]:
        """Search for the generation of a create that got no response.

        See :meth:`netmind_client.GenerationClient.find_created`.
        """
        return await self._run(self._core.find_created(_clock.wall() - sent_at, model, timeout))

    async def get(self, generation: Generation | str, *, timeout: float | None = None) -> Generation:
        """Return the current state of a generation. See :meth:`netmind_client.GenerationClient.get`."""
        return await self._run(self._core.get(generation, timeout))

    async def list(self, *, timeout: float | None = None) -> Sequence[Generation]:
        """Return all generations of the account. See :meth:`netmind_client.GenerationClient.list`."""
        return await self._run(self._core.list(timeout))

    async def delete(self, generation: Generation | str, *, timeout: float | None = None) -> None:
        """Delete a generation. See :meth:`netmind_client.GenerationClient.delete`."""
        await self._run(self._core.delete(generation, timeout))

    async def wait(
        self,
        generation: Generation | str,
        *,
        timeout: float = DEFAULT_WAIT_SECONDS,
        on_poll: Callable[[Generation], object] | None = None,
        delete_on_timeout: bool = False,
    ) -> Generation:
        """Poll a generation until it is completed. See :meth:`netmind_client.GenerationClient.wait`."""
        waiting = Waiting(on_poll, delete_on_timeout)
        return await self._run(self._core.wait(generation, timeout, waiting))

    def states(
        self, generation: Generation | str, *, timeout: float = DEFAULT_WAIT_SECONDS
    ) -> AsyncIterator[Generation]:
        """Iterate over a generation's states with ``async for``.

        See :meth:`netmind_client.GenerationClient.states`.
        """
        return self._iterate_states(self._core.wait(generation, timeout, Waiting()))

    async def download(
        self,
        generation: Generation | str,
        directory: str | os.PathLike[str] = ".",
        *,
        timeout: float = DEFAULT_WAIT_SECONDS,
        overwrite: bool = False,
        max_bytes: int = DEFAULT_MAX_BYTES,
        on_progress: Callable[[DownloadProgress], object] | None = None,
    ) -> Sequence[Path]:
        """Save the results of a generation. See :meth:`netmind_client.GenerationClient.download`."""
        saving = Saving(Path(directory), overwrite, max_bytes, on_progress)
        return await self._run(self._core.download(generation, timeout, saving))

    async def generate(
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

        See :meth:`netmind_client.GenerationClient.generate`.
        """
        saving = Saving(Path(directory), overwrite, max_bytes, on_progress)
        waiting = Waiting(on_poll, delete_on_timeout)
        return await self._run(self._core.generate(model, config, timeout, saving, waiting))

    async def generate_many(
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
        """Create, wait for and save many generations, several at a time.

        See :meth:`netmind_client.GenerationClient.generate_many`.
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
        numbers = iter(range(len(batch.requests)))

        async def work() -> None:
            for number in numbers:
                batch.end(number, await self._run(batch.outcome(number)))

        try:
            try:
                async with anyio.create_task_group() as tasks:
                    for _ in range(min(concurrency, len(batch.requests))):
                        tasks.start_soon(work)
            except BaseExceptionGroup as group:
                raise group.exceptions[0] from (None if len(group.exceptions) == 1 else group)
            batch.close()
            return batch.outcomes  # noqa: TRY300 - Ctrl-C may arrive here, too
        except BaseException as error:  # a cancelled task, or an exception of a callback
            batch.abort(error)
            raise

    async def _run(self, running: Running[T]) -> T:
        """Run a flow to its end and return its result."""
        try:
            self._check_loop()
            for effect in running:
                await self._step(running, effect)
            return running.result  # noqa: TRY300 - Ctrl-C may arrive here, too
        except BaseException as error:
            running.end(error)
            raise

    async def _iterate_states(self, running: Running[Any]) -> AsyncIterator[Generation]:
        """Run a flow, and yield the states that it shows."""
        try:
            self._check_loop()
            for effect in running:
                if isinstance(effect, Show):
                    yield effect.generation
                await self._step(running, effect)
        except BaseException as error:
            running.end(error)
            raise

    async def _step(self, running: Running[Any], effect: Effect) -> None:
        """Perform an effect, and pass its result or its exception to the flow."""
        try:
            running.send(await self._perform(effect))
        except BaseException as error:  # noqa: BLE001 - raised in the flow
            running.throw(error)

    def _check_loop(self) -> None:
        """Raise an error if the client was used in another event loop before.

        Raises:
            ConfigurationError: The client's connections belong to another event loop.
        """
        loop = current_token()
        if self._loop is None:
            self._loop, self._limiter = loop, anyio.CapacityLimiter(_DISK_THREADS)
        if self._loop != loop:
            raise ConfigurationError(
                "this client was used in another event loop: create one in each asyncio.run with `async with`"
            )

    async def _perform(self, effect: Effect) -> Any:
        match effect:
            case Send():
                return await by_httpx.send(self._http_client, effect)
            case Pause():
                return await self._pause(effect.seconds)
            case Do():
                # A cancelled task still finishes its work on the disk, so that its result is known.
                with anyio.CancelScope(shield=True):
                    return await anyio.to_thread.run_sync(effect.function, limiter=self._limiter)
            case Show():
                return None

    async def _pause(self, seconds: float) -> None:
        if self._sleep is not None:
            await self._sleep(seconds)
        elif _clock.is_virtual():
            await _clock.async_sleep(seconds)
            await anyio.sleep(0)  # let other tasks run, as a real sleep would
        else:
            await anyio.sleep(seconds)
