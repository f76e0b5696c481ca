"""How one request reaches an endpoint and its response comes back.

Whatever the endpoint does, a request ends: it may take so many seconds and its response so many bytes, and no
redirect is followed.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


class NoAnswer(Exception):
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
        most_bytes: int,
    ) -> Reply:
        """Send a request once, and read its answer.

        Args:
            method: In capitals.
            url: Absolute.
            headers: All that the request needs.
            body: None for none.
            within: Seconds that sending and reading may take together.
            most_bytes: How much of the body to read.

        Raises:
            NoAnswer: Nothing came, or not in time.
        """
        ...


class HttpTransport:
    """Requests over the network, through ``requests``, each in a thread that is left behind if it hangs.

    Sockets bound the wait for each byte only, and not at all that for a name: an answer that trickles would
    go on for ever. So the caller waits for the thread, and no longer than it said.
    """

    def __init__(self) -> None:
        import requests  # noqa: PLC0415 - 60 ms, which a judged recording does not need

        self._requests = requests
        self._session = requests.Session()
        self._session.auth = lambda request: request  # no token from a netrc file

    def send(  # noqa: D102 - as the protocol says
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        *,
        within: float,
        most_bytes: int,
    ) -> Reply:
        came: queue.SimpleQueue[Reply | NoAnswer] = queue.SimpleQueue()
        session = self._session

        def work() -> None:
            try:
                came.put(self._send(session, method, url, headers, body, within, most_bytes))
            except NoAnswer as error:
                came.put(error)
            except Exception as error:  # noqa: BLE001 - whatever it is, it is the request's
                came.put(NoAnswer(f"{type(error).__name__}: {error}"))

        threading.Thread(target=work, daemon=True).start()
        try:
            reply = came.get(timeout=max(within, 0.001))
        except queue.Empty:
            self._forget(session)
            raise NoAnswer(f"no whole answer within {within:.3g} s") from None
        if isinstance(reply, NoAnswer):
            raise reply
        return reply

    def _forget(self, session: object) -> None:
        """Leave the session to the thread that hangs in it."""
        if session is self._session:
            self._session = self._requests.Session()
            self._session.auth = lambda request: request

    def _send(
        self,
        session: object,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        within: float,
        most_bytes: int,
    ) -> Reply:
        requests = self._requests
        assert isinstance(session, requests.Session)  # noqa: S101 - for the type checker
        try:
            with session.request(
                method,
                url,
                headers={"Accept-Encoding": "identity", **headers},
                data=body,
                timeout=within,
                allow_redirects=False,
                stream=True,
            ) as answer:
                content = bytearray()
                for chunk in answer.iter_content(65_536):
                    content += chunk
                    if len(content) > most_bytes:
                        break
                named = {name.lower(): value for name, value in answer.headers.items()}
                return Reply(
                    answer.status_code,
                    named,
                    bytes(content[:most_bytes]),
                    complete=len(content) <= most_bytes,
                )
        except requests.exceptions.SSLError as error:
            raise NoAnswer(f"TLS trouble: {_reason(error)}") from None
        except (
            requests.exceptions.InvalidURL,
            requests.exceptions.InvalidHeader,
            requests.exceptions.InvalidSchema,
        ) as error:
            raise NoAnswer(_reason(error), sent=False) from None
        except requests.exceptions.ConnectTimeout:
            raise NoAnswer(f"no connection within {within:.3g} s", sent=False) from None
        except requests.exceptions.RequestException as error:
            raise NoAnswer(_reason(error), sent=not _refused(error)) from None


def _refused(error: Exception) -> bool:
    """Whether no connection was made, so that nothing was sent."""
    from urllib3.exceptions import NewConnectionError  # noqa: PLC0415 - as in HttpTransport

    cause = getattr(error.args[0] if error.args else None, "reason", None)
    return isinstance(cause, NewConnectionError)


def _reason(error: Exception) -> str:
    """Why a request failed, in a few words."""
    cause: object = error.args[0] if error.args else error
    cause = getattr(cause, "reason", cause)
    text = " ".join(str(cause).split())
    with contextlib.suppress(ValueError):
        text = text[text.index("] ") + 2 :] if text.startswith("[") else text
    return (
        text.rpartition(": ")[2] or type(error).__name__ if "Errno" in text else text or type(error).__name__
    )
