"""Send one request to an endpoint, and read its response.

A request always ends: its duration and the size of its response are limited, and redirects are not followed.
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
    """A request got no usable response; the message says why.

    Attributes:
        sent: Whether it may have reached the endpoint.
    """

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent


@dataclass(frozen=True, slots=True)
class RawResponse:
    """A response as received, before redaction.

    Attributes:
        status: The HTTP status.
        headers: All headers, with names in lower case.
        content: The body, or the part of it that was read.
        complete: Whether that is the complete body.
    """

    status: int
    headers: Mapping[str, str]
    content: bytes
    complete: bool = True


class Transport(Protocol):
    """Sends requests to an endpoint."""

    def send(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        *,
        within: float,
        max_bytes: int,
    ) -> RawResponse:
        """Send a request once, and read its response.

        Args:
            method: In capitals.
            url: Absolute.
            headers: All headers that are to be sent.
            body: The body; None for no body.
            within: Seconds that sending and reading may take together.
            max_bytes: The maximum number of bytes of the body to read.

        Raises:
            NoResponse: There was no response within that time.
        """
        ...


class HttpTransport:
    """Sends requests over the network, with ``requests``.

    A timeout of ``requests`` limits the wait for each byte, and not a DNS lookup: a response that arrives
    byte by byte could take forever. So each request runs in a thread, and the caller waits at most ``within``
    seconds.
    """

    def __init__(self) -> None:
        self._session = _session()

    def send(  # noqa: D102 - see Transport.send
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        *,
        within: float,
        max_bytes: int,
    ) -> RawResponse:
        actual: queue.SimpleQueue[RawResponse | NoResponse] = queue.SimpleQueue()
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
            response = actual.get(timeout=max(within, 0.001))
        except queue.Empty:
            self._session = _session()  # the old session stays with the thread that still uses it
            raise NoResponse(f"no complete response within {within:.3g} s") from None
        if isinstance(response, NoResponse):
            raise response
        return response


def _session() -> requests.Session:
    import requests  # noqa: PLC0415 - takes 60 ms, and checking a saved run does not need it

    session = requests.Session()
    session.auth = lambda request: request  # do not read credentials from a netrc file
    return session


def _send(session: requests.Session, request: dict[str, Any], max_bytes: int) -> RawResponse | NoResponse:
    """Return the response to a request, or the reason why it failed."""
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
            return RawResponse(response.status_code, headers, bytes(content[:max_bytes]), complete)
    except exceptions.SSLError as error:
        return NoResponse(f"TLS error: {_reason(error)}")
    except (exceptions.InvalidURL, exceptions.InvalidHeader, exceptions.InvalidSchema) as error:
        return NoResponse(_reason(error), sent=False)
    except exceptions.ConnectTimeout:
        return NoResponse(f"no connection within {request['timeout']:.3g} s", sent=False)
    except exceptions.RequestException as error:
        return NoResponse(_reason(error), sent=not isinstance(_cause(error), NewConnectionError))
    except Exception as error:  # noqa: BLE001 - any error must reach the waiting caller
        return NoResponse(f"{type(error).__name__}: {error}")


def _cause(error: Exception) -> object:
    """Return the urllib3 error that an error of requests wraps, or else the error itself."""
    cause = error.args[0] if error.args else error
    return getattr(cause, "reason", cause)


def _reason(error: Exception) -> str:
    """Return a short reason why a request failed."""
    text = re.sub(r"^\[.*?\] ", "", " ".join(str(_cause(error)).split()))  # [SSL: WRONG_VERSION_NUMBER] …
    if "Errno" in text:
        text = text.rpartition(": ")[2]
    return text or type(error).__name__
