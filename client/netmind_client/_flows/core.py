"""What both clients are: their settings, and each call of a user's as a flow."""

from __future__ import annotations

import inspect
import os
import reprlib
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from netmind_client import _api, _clock, _files
from netmind_client._flows import operations
from netmind_client._flows import saving as _saving
from netmind_client._flows import waiting as _waiting
from netmind_client._flows.call import LEAST_SECONDS, Call, Clocks, seconds, whole
from netmind_client._flows.download import DEFAULT_MAX_BYTES
from netmind_client._flows.effects import Do
from netmind_client._flows.saving import Saving
from netmind_client._flows.waiting import Verdict
from netmind_client._models import Generation, is_id
from netmind_client.exceptions import ConfigurationError, CreateOutcomeUnknown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from netmind_client._flows.effects import Flow
    from netmind_client._flows.saving import DownloadProgress

F = TypeVar("F")

DEFAULT_WAIT_SECONDS = 1200.0
DEFAULT_REQUEST_SECONDS = 30.0


class Generated(NamedTuple):
    """What a ``generate`` made: the completed job and the files it was saved to."""

    generation: Generation
    paths: Sequence[Path]


class Waiting(NamedTuple):
    """How to wait for a job."""

    on_poll: Callable[[Generation], object] | None = None
    delete_on_timeout: bool = False


class Core:
    """The settings of a client, and its calls as flows. ``run`` runs one."""

    def __init__(
        self,
        api_key: str | None,
        base_url: str | None,
        request_timeout: float,
        poll_interval: float | None,
        monotonic: Callable[[], float],
        *,
        sleeps: bool,
    ) -> None:
        """Read what is not given from the environment.

        Raises:
            ConfigurationError: There is no API key, or something is not what it should be.
        """
        self.api = _api.api(
            api_key if api_key is not None else os.environ.get("NETMIND_API_KEY", ""),
            base_url or os.environ.get("NETMIND_BASE_URL") or _api.DEFAULT_BASE_URL,
        )
        self.request_timeout = seconds("request_timeout", request_timeout, LEAST_SECONDS)
        if poll_interval is not None:
            poll_interval = seconds("poll_interval", poll_interval, LEAST_SECONDS)
        self._poll_interval = poll_interval
        self.run: Callable[[Flow[Any]], Any]
        self._monotonic = monotonic
        self._sleeps = sleeps  # really, unless a virtual clock is used
        self.known: set[str] = set()  # the jobs that this client has created

    def call(self, timeout: float | None = None, *, each: float | None = None) -> Call:
        """A call that may take this long, and each of its requests this long."""
        timeout = self.request_timeout if timeout is None else timeout
        is_real = self._sleeps and not _clock.is_virtual()
        clocks = Clocks(self._monotonic, _clock.wall, _clock.real if is_real else self._monotonic)
        return Call(timeout, each or timeout, clocks, self.api.command)

    def long_call(self, timeout: float) -> Call:
        """A call of many requests."""
        return self.call(seconds("timeout", timeout), each=self.request_timeout)

    def create(self, model: str, config: Mapping[str, Any], timeout: float | None) -> Flow[Generation]:
        if timeout is None and isinstance(config, dict) and config.get("sync_mode") is True:
            timeout = DEFAULT_WAIT_SECONDS
        call = self.call(timeout)
        return call.told(self.created(call, model, config))

    def created(self, call: Call, model: str, config: Mapping[str, Any]) -> Flow[Generation]:
        """A create within a call, whose error can look for the job."""
        begun = self._monotonic()
        try:
            return (yield from operations.create(call, self.api, model, config, self.known))
        except CreateOutcomeUnknown as error:
            error._find = lambda timeout: self.run(
                self.find_created(lambda: self._monotonic() - begun, model, timeout)
            )
            raise

    def find_created(
        self, ago: Callable[[], float], model: str | None, timeout: float
    ) -> Flow[Sequence[Generation]]:
        call = self.long_call(timeout)
        return call.told(operations.find_created(call, self.api, ago, model, self.known))

    def find_created_at(
        self, sent_at: float, model: str | None, timeout: float
    ) -> Flow[Sequence[Generation]]:
        return self.find_created(lambda: _clock.wall() - sent_at, model, timeout)

    def get(self, generation: Generation | str, timeout: float | None) -> Flow[Generation]:
        call = self.call(timeout)
        return call.told(operations.get(call, self.api, _id_of(generation)))

    def list(self, timeout: float | None) -> Flow[Sequence[Generation]]:
        call = self.call(timeout)
        return call.told(operations.list_(call, self.api))

    def delete(self, generation: Generation | str, timeout: float | None) -> Flow[None]:
        call = self.call(timeout)
        return call.told(operations.delete(call, self.api, _id_of(generation)))

    def wait(self, generation: Generation | str, timeout: float, waiting: Waiting) -> Flow[Generation]:
        generation_id = _id_of(generation)
        call = self.long_call(timeout)
        call.about("wait", generation_id)
        return call.told(self.waited(call, generation_id, waiting))

    def waited(
        self, call: Call, generation_id: str, waiting: Waiting, *, is_new: bool = False
    ) -> Flow[Generation]:
        """A wait within a call."""
        return _waiting.wait(
            call,
            self.api,
            generation_id,
            poll_interval=self._poll_interval,
            on_poll=waiting.on_poll,
            delete_on_timeout=waiting.delete_on_timeout,
            is_new=is_new,
        )

    def download(self, generation: Generation | str, saving: Saving, timeout: float) -> Flow[Sequence[Path]]:
        call = self.long_call(timeout)
        call.about("download", _id_of(generation), *saving.options)
        return call.told(self._downloaded(call, generation, saving))

    def _downloaded(self, call: Call, generation: Generation | str, saving: Saving) -> Flow[Sequence[Path]]:
        if isinstance(generation, str):
            generation = yield from operations.get(call, self.api, generation)
        return (yield from _saving.save_results(call, self.api, generation, saving))

    def generate(
        self, model: str, config: Mapping[str, Any], saving: Saving, timeout: float, waiting: Waiting
    ) -> Flow[Generated]:
        call = self.long_call(timeout)
        return call.told(self._generated(call, model, config, saving, waiting))

    def _generated(
        self, call: Call, model: str, config: Mapping[str, Any], saving: Saving, waiting: Waiting
    ) -> Flow[Generated]:
        yield Do(lambda: _files.prepare(saving.folder))
        created = yield from self.created(call, model, config)
        if waiting.on_poll is not None:
            waiting.on_poll(created)
        return (yield from self.finished(call, created, saving, waiting))

    def finished(
        self, call: Call, generation: Generation, saving: Saving, waiting: Waiting
    ) -> Flow[Generated]:
        """Wait for a job that was created just now, and save its results, within a call."""
        call.about("wait", generation.id, *saving.options)
        if _waiting.verdict(generation) is not Verdict.DONE:
            generation = yield from self.waited(call, generation.id, waiting, is_new=True)
        return (yield from self.saved(call, generation, saving))

    def saved(self, call: Call, generation: Generation, saving: Saving) -> Flow[Generated]:
        """Save the results of a completed job, within a call."""
        return Generated(generation, (yield from _saving.save_results(call, self.api, generation, saving)))


def saving(
    directory: str | os.PathLike[str],
    *,
    overwrite: bool,
    max_bytes: int = DEFAULT_MAX_BYTES,
    on_progress: Callable[[DownloadProgress], object] | None = None,
) -> Saving:
    """How results are to be saved, as a user gives it.

    Raises:
        ConfigurationError: ``max_bytes`` is no size.
    """
    checked = callback("on_progress", on_progress)
    return Saving(Path(directory), overwrite, whole("max_bytes", max_bytes), checked)


def waiting(on_poll: Callable[[Generation], object] | None, *, delete_on_timeout: bool) -> Waiting:
    """How to wait, as a user gives it.

    Raises:
        ConfigurationError: ``on_poll`` cannot be called.
    """
    return Waiting(callback("on_poll", on_poll), delete_on_timeout)


def callback(name: str, value: F) -> F:
    """What is to be called, as a user gives it: before anything is created.

    Raises:
        ConfigurationError: It cannot be.
    """
    if value is not None and (not callable(value) or inspect.iscoroutinefunction(value)):
        got = "a coroutine function, which nobody awaits" if callable(value) else type(value).__name__
        raise ConfigurationError(f"expected {name} as a function, got {got}")
    return value


def _id_of(generation: Any) -> str:
    """The id of a generation, which a user may give as it is or by its id.

    Raises:
        ConfigurationError: It is neither.
    """
    generation_id = generation.id if isinstance(generation, Generation) else generation
    if inspect.iscoroutine(generation_id):
        generation_id.close()
        raise ConfigurationError("expected a generation or its id, got a coroutine: await it first")
    if not isinstance(generation_id, str) or not is_id(generation_id):
        raise ConfigurationError(f"expected a generation or its id, got {reprlib.repr(generation)}")
    return generation_id
