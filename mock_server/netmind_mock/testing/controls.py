"""The control plane, as tests reach it: the same table of operations, called in process or over HTTP."""

from __future__ import annotations

import http.client
import json
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import quote, urlencode, urlsplit

from netmind_mock.journal import Entry, entry_from_json
from netmind_mock.plans.orders import InvalidOrder
from netmind_mock.steering import OPERATIONS_BY_NAME, World, call

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_WITHIN_SECONDS = 30.0


class Control(Protocol):
    """What a test may do to a fake, for one tenant or for everybody."""

    def call(self, name: str, payload: Mapping[str, Any] | None = None) -> Any:
        """Do an operation of ``steering``, and return its JSON.

        Raises:
            InvalidOrder: It cannot be done; the message says what can.
        """
        ...

    def entries(self, operation: str | None = None) -> list[Entry]:
        """The journal's entries, oldest first."""
        ...


class LocalControl:
    """Steers a fake in this process, for everybody."""

    def __init__(self, world: World, check_used: Callable[[], None] = lambda: None) -> None:
        """Steer this world; ``check_used`` raises if nobody can have used it."""
        self._world = world
        self._check_used = check_used

    def call(self, name: str, payload: Mapping[str, Any] | None = None) -> Any:
        """Do an operation."""
        __tracebackhide__ = True
        self._check_used()
        try:
            return call(self._world, None, name, payload or {})
        except InvalidOrder as mistake:  # told where the test ordered it, and not by our own frames
            raise type(mistake)(str(mistake)) from None

    def entries(self, operation: str | None = None) -> list[Entry]:
        """The journal's entries, oldest first."""
        self._check_used()
        return self._world.journal.entries(operation=operation)


class HttpControl:
    """Steers a served fake, for the tenant of a token."""

    def __init__(self, base_url: str, token: str) -> None:
        self._host = urlsplit(base_url).netloc
        self._token = token

    def call(self, name: str, payload: Mapping[str, Any] | None = None) -> Any:
        """Do an operation, over HTTP and past whatever intercepts ``requests`` or ``httpx``."""
        __tracebackhide__ = True
        operation = OPERATIONS_BY_NAME[name]
        asked = dict(payload or {})
        path = "/__mock/" + operation.path
        if "{id}" in path:
            path = path.replace("{id}", quote(str(asked.pop("id")), safe=""))
        body = None
        headers = {"Authorization": f"Bearer {self._token}"}
        if operation.method == "POST":
            body, headers["Content-Type"] = json.dumps(asked), "application/json"
        elif asked:
            path += "?" + urlencode({key: value for key, value in asked.items() if value is not None})
        connection = http.client.HTTPConnection(self._host, timeout=_WITHIN_SECONDS)
        try:
            connection.request(operation.method, path, body, headers)
            answer = connection.getresponse()
            document = json.loads(answer.read())
        finally:
            connection.close()
        if answer.status != 200:
            raise InvalidOrder(document["message"])
        return document

    def entries(self, operation: str | None = None) -> list[Entry]:
        """The journal's entries, oldest first."""
        asked = {} if operation is None else {"operation": operation}
        return [entry_from_json(entry) for entry in self.call("journal", asked)["entries"]]
