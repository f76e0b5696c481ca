"""How one request reaches an endpoint and its response comes back.

Whatever the endpoint does, a request ends: it may take so many seconds and its response so many bytes, and no
redirect is followed.
"""

from __future__ import annotations

import queue
import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    import requests


class NoResponse(Exception):
    """A request got no answer that can be used; the message says why.

    Attributes:
        sent: Whether it may have reached the endpoint.
    """

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer as it came.

    Attributes:
        status: The HTTP status.
        headers: Every header, names in lower case.
        content: The body, as far as it was read.
        complete: Whether that was all of it.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes
    complete: bool = True


class Transport(Protocol):
    """How requests reach the endpoint."""

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        *,
        within: float,
        max_bytes: int,
    ) -> Reply:
        """Send a request once, and read its answer.

        Args:
            method: In capitals.
            url: Absolute.
            headers: All that the request needs.
            body: None for none.
            within: Seconds that sending and reading may take together.
            max_bytes: How much of the body to read.

        Raises:
            NoResponse: Nothing came, or not in time.
        """
        ...


class HttpTransport:
    """Requests over the network, through ``requests``, each in a thread that is left behind if it hangs.

    Sockets bound the wait for each byte only, and not at all that for a name: an answer that trickles would
    go on for ever. So the caller waits for the thread, and no longer than it said.
    """

    def __init__(self) -> None:
        self._session = _session()

    def send(  # noqa: D102 - as the protocol says
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        *,
        within: float,
        max_bytes: int,
    ) -> Reply:
        actual: queue.SimpleQueue[Reply | NoResponse] = queue.SimpleQueue()
        session = self._session
        request = {
            "method": method,
            "url": url,
            "headers": {"Accept-Encoding": "identity", **headers},
            "data": body,
            "timeout": within,
        }
        threading.Thread(target=lambda: actual.put(_send(session, request, max_bytes)), daemon=True).start()
        try:
            reply = actual.get(timeout=max(within, 0.001))
        except queue.Empty:
            self._session = _session()  # the other one is left to the thread that hangs in it
            raise NoResponse(f"no whole answer within {within:.3g} s") from None
        if isinstance(reply, NoResponse):
            raise reply
        return reply


def _session() -> requests.Session:
    import requests  # noqa: PLC0415 - 60 ms, which a judged recording does not need

    session = requests.Session()
    session.auth = lambda request: request  # no token from a netrc file
    return session


def _send(session: requests.Session, request: dict[str, Any], max_bytes: int) -> Reply | NoResponse:
    """Return the response to a request, or why there is none."""
    from requests import exceptions  # noqa: PLC0415 - as in _session
    from urllib3.exceptions import NewConnectionError  # noqa: PLC0415 - as in _session

    try:
        with session.request(**request, allow_redirects=False, stream=True) as response:
            content = bytearray()
            for chunk in response.iter_content(65_536):
                content += chunk
                if len(content) > max_bytes:
                    break
            headers = {name.lower(): value for name, value in response.headers.items()}
            complete = len(content) <= max_bytes
            return Reply(response.status_code, headers, bytes(content[:max_bytes]), complete)
    except exceptions.SSLError as error:
        return NoResponse(f"TLS trouble: {_reason(error)}")
    except (exceptions.InvalidURL, exceptions.InvalidHeader, exceptions.InvalidSchema) as error:
        return NoResponse(_reason(error), sent=False)
    except exceptions.ConnectTimeout:
        return NoResponse(f"no connection within {request['timeout']:.3g} s", sent=False)
    except exceptions.RequestException as error:
        return NoResponse(_reason(error), sent=not isinstance(_cause(error), NewConnectionError))
    except Exception as error:  # noqa: BLE001 - whatever it is, it is the request's
        return NoResponse(f"{type(error).__name__}: {error}")


def _cause(error: Exception) -> object:
    """Return urllib3's error in one of requests'; the error itself if there is none."""
    cause = error.args[0] if error.args else error
    return getattr(cause, "reason", cause)


def _reason(error: Exception) -> str:
    """Return why a request failed, in a few words."""
    text = re.sub(r"^\[.*?\] ", "", " ".join(str(_cause(error)).split()))  # [SSL: WRONG_VERSION_NUMBER] …
    if "Errno" in text:
        text = text.rpartition(": ")[2]
    return text or type(error).__name__
