"""What both clients share: their settings, and a running flow for each method."""

from __future__ import annotations

import inspect
import os
import reprlib
from typing import TYPE_CHECKING, Any

from netmind_client import _api
from netmind_client._flows import operations
from netmind_client._flows.call import LEAST_SECONDS, Call, Client, seconds
from netmind_client._flows.generate import generate
from netmind_client._flows.saving import download_results
from netmind_client._flows.waiting import Waiting, wait
from netmind_client._models import Generation, is_id
from netmind_client.exceptions import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from netmind_client._flows.effects import Running
    from netmind_client._flows.generate import Generated
    from netmind_client._flows.saving import Saving

DEFAULT_WAIT_SECONDS = 1200.0
DEFAULT_REQUEST_SECONDS = 30.0


class Core:
    """The settings of a client, and its operations. Each checks its arguments and starts a flow."""

    def __init__(
        self,
        run: Callable[[Running[Any]], Any],
        api_key: str | None,
        base_url: str | None,
        request_timeout: float,
        poll_interval: float | None,
        monotonic: Callable[[], float],
        *,
        sleeps_in_real_time: bool,
    ) -> None:
        """Check the client's settings. A missing API key or base URL is read from the environment.

        Args:
            run: Runs a flow to its end, as the client does.
            api_key: The API key.
            base_url: The API's URL.
            request_timeout: The most seconds for one request.
            poll_interval: Seconds between polls; None for an interval that grows with the time waited.
            monotonic: Returns the time in seconds.
            sleeps_in_real_time: Whether the client sleeps with the default clock.

        Raises:
            ConfigurationError: There is no API key, the base URL is empty, or a setting is invalid.
        """
        self.api = _api.api(
            api_key if api_key is not None else os.environ.get("NETMIND_API_KEY", ""),
            base_url if base_url is not None else os.environ.get("NETMIND_BASE_URL", _api.DEFAULT_BASE_URL),
        )
        self.client = Client(
            self.api,
            seconds("request_timeout", request_timeout, LEAST_SECONDS),
            None if poll_interval is None else seconds("poll_interval", poll_interval, LEAST_SECONDS),
            monotonic,
            sleeps_in_real_time,
            find=lambda ago, model, timeout: run(self.find_created(ago, model, timeout)),
            created=set(),
        )

    def create(self, model: str, config: Mapping[str, Any], timeout: float | None) -> Running[Generation]:
        if timeout is None and isinstance(config, dict) and config.get("sync_mode") is True:
            timeout = DEFAULT_WAIT_SECONDS
        call = self._call(timeout)
        return call.running(operations.create(call, model, config))

    def find_created(self, ago: float, model: str | None, timeout: float) -> Running[Sequence[Generation]]:
        call = self._long_call(timeout)
        return call.running(operations.find_created(call, ago, model))

    def get(self, generation: Generation | str, timeout: float | None) -> Running[Generation]:
        call = self._call(timeout)
        return call.running(operations.get(call, _id_of(generation)))

    def list(self, timeout: float | None) -> Running[Sequence[Generation]]:
        call = self._call(timeout)
        return call.running(operations.list_(call))

    def delete(self, generation: Generation | str, timeout: float | None) -> Running[None]:
        call = self._call(timeout)
        return call.running(operations.delete(call, _id_of(generation)))

    def wait(self, generation: Generation | str, timeout: float, waiting: Waiting) -> Running[Generation]:
        generation_id = _id_of(generation)
        call = self._long_call(timeout)
        call.set_generation("wait", generation_id)
        return call.running(wait(call, generation_id, waiting))

    def download(
        self, generation: Generation | str, timeout: float, saving: Saving
    ) -> Running[Sequence[Path]]:
        call = self._long_call(timeout)
        call.set_generation("download", _id_of(generation), *saving.options)
        return call.running(download_results(call, generation, saving))

    def generate(
        self, model: str, config: Mapping[str, Any], timeout: float, saving: Saving, waiting: Waiting
    ) -> Running[Generated]:
        call = self._long_call(timeout)
        return call.running(generate(call, model, config, saving, waiting))

    def _call(self, timeout: float | None) -> Call:
        """Return a call of one API operation, whose request may take the whole timeout."""
        return Call(self.client, self.client.request_timeout if timeout is None else timeout)

    def _long_call(self, timeout: float) -> Call:
        """Return a call of many requests."""
        return Call(self.client, timeout, self.client.request_timeout)


class BaseClient:
    """The properties and the representation that both clients share."""

    _core: Core

    @property
    def base_url(self) -> str:
        """Return the API's URL, without a trailing slash or /v1."""
        return self._core.api.base_url

    @property
    def command(self) -> str:
        """Return a command line for the same API, such as ``netmind-client --base-url http://h``."""
        return self._core.api.command

    def __repr__(self) -> str:
        # A debugger may show a client whose creation has failed.
        return f"{type(self).__name__}(base_url={self.base_url!r})" if hasattr(self, "_core") else "…"


def _id_of(generation: Any) -> str:
    """Return the id of a generation from the user, who may pass the generation or its id.

    Raises:
        ConfigurationError: The value is neither.
    """
    generation_id = generation.id if isinstance(generation, Generation) else generation
    if inspect.iscoroutine(generation_id):
        generation_id.close()
        raise ConfigurationError("expected a generation or its id, got a coroutine: await it first")
    if not isinstance(generation_id, str) or not is_id(generation_id):
        raise ConfigurationError(f"expected a generation or its id, got {reprlib.repr(generation)}")
    return generation_id
