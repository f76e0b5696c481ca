"""The exceptions of this client.

::

    NetMindError
    ├── ConfigurationError       an argument or a setting is invalid, such as the base URL
    ├── TransportError           no response: connection refused or lost, or timeout
    │   └── CreateOutcomeUnknownError     … to a create that may have been received: a generation may exist
    ├── ApiError                 an error response; has status and body
    │   ├── AuthenticationError      401, 403
    │   ├── NotFoundError            404
    │   ├── RateLimitedError         429
    │   ├── InvalidRequestError      any other 4xx
    │   └── ServerError              5xx
    ├── UnexpectedResponseError       a response that is neither an error nor what was requested
    ├── GenerationFailedError         the generation failed, was cancelled or is marked as deleted
    ├── ResultMissingError            the generation is completed, but its result stayed empty
    ├── WaitTimeoutError              the generation did not end within the timeout
    └── DownloadError            a result could not be saved; no partial file is left
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from netmind_client._models import Generation


def _printable(message: str) -> str:
    return "".join(
        one if one.isprintable() or one == "\n" else "\N{REPLACEMENT CHARACTER}" for one in message
    )


class NetMindError(Exception):
    """The base class of this client's exceptions.

    Attributes:
        generation_id: The id of the generation concerned, if it is known.
        attempts: The number of requests that the call sent.
        resume: A shell command that continues where the call stopped; None if there is nothing to continue.
    """

    _shows_attempts = False  # True for errors that remained after retries

    def __init__(self, message: str, *, generation_id: str | None = None) -> None:
        # It may quote a server, which could otherwise change the terminal that shows it.
        super().__init__(_printable(message))
        self.generation_id = generation_id
        self.attempts = 0
        self.resume: str | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        # Copying and unpickling skip __init__, because subclasses require more arguments than a message.
        return type(self).__new__, (type(self), *self.args), self.__getstate__()

    def __str__(self) -> str:
        message = super().__str__()
        if self._shows_attempts and self.attempts > 1:
            message += f" (after {self.attempts} attempts)"
        return f"{message}\nTo continue: {self.resume}" if self.resume else message


class ConfigurationError(NetMindError):
    """An argument or a setting is invalid, such as the base URL."""


class TransportError(NetMindError):
    """There was no response: the connection was refused or lost, or timed out."""

    _shows_attempts = True


class CreateOutcomeUnknownError(TransportError):
    """A create was sent but got no usable response.

    A generation may exist and be charged. Look for it before you create it again.

    Attributes:
        model: The requested model.
        config: The config that was sent.
        sent_at: When the create was sent, in seconds since the epoch.
    """

    def __init__(
        self,
        message: str,
        *,
        model: str,
        config: dict[str, Any],
        sent_at: float,
        find: Callable[[float], Any] | None = None,
    ) -> None:
        """Create the error.

        Args:
            message: The message.
            model: The requested model.
            config: The config that was sent.
            sent_at: When the create was sent, in seconds since the epoch.
            find: A function that searches for the generation. It takes a timeout in seconds.
        """
        super().__init__(message)
        self.model = model
        self.config = config
        self.sent_at = sent_at
        self._find = find

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_find": None}  # bound to a client, which cannot be pickled

    def find_created(self, timeout: float = 30.0) -> Any:
        """Search the list for the generation; see :meth:`GenerationClient.find_created`.

        Args:
            timeout: Seconds to repeat the search while nothing is found.

        Returns:
            The matching generations, the most likely first. With the async client, an awaitable of them.

        Raises:
            NetMindError: The list could not be requested.
            LookupError: The error has no client, for example because it was unpickled.
        """
        if self._find is None:
            raise LookupError("this error has no client: call client.find_created(...) instead")
        return self._find(timeout)


class ApiError(NetMindError):
    """The API responded with an error.

    Attributes:
        status: The HTTP status code.
        body: The response's JSON, or its text if it is not JSON.
        retry_after: The Retry-After header, in seconds; None if there is no valid one.
    """

    _shows_attempts = True

    def __init__(
        self,
        message: str,
        *,
        status: int,
        body: Any,
        retry_after: float | None = None,
        generation_id: str | None = None,
    ) -> None:
        super().__init__(message, generation_id=generation_id)
        self.status = status
        self.body = body
        self.retry_after = retry_after


class AuthenticationError(ApiError):
    """The API key is missing or not accepted (401, 403)."""


class NotFoundError(ApiError):
    """There is no such generation, or no such route (404)."""


class RateLimitedError(ApiError):
    """Too many requests (429)."""


class InvalidRequestError(ApiError):
    """The API rejected the request (any other 4xx)."""


class ServerError(ApiError):
    """The server failed (5xx)."""


class UnexpectedResponseError(NetMindError):
    """The response is neither an error nor what was requested, such as a proxy's HTML page.

    Attributes:
        location: Where it redirects to, without the query; None if it is not a redirect.
    """

    def __init__(
        self, message: str, *, generation_id: str | None = None, location: str | None = None
    ) -> None:
        super().__init__(message, generation_id=generation_id)
        self.location = location


class GenerationFailedError(NetMindError):
    """The generation failed, was cancelled or is marked as deleted.

    Attributes:
        generation: Its last state.
    """

    def __init__(self, message: str, *, generation: Generation) -> None:
        super().__init__(message, generation_id=generation.id)
        self.generation = generation


class ResultMissingError(NetMindError):
    """The generation is completed, but its result stayed empty.

    Attributes:
        generation: Its last state.
    """

    def __init__(self, message: str, *, generation: Generation) -> None:
        super().__init__(message, generation_id=generation.id)
        self.generation = generation


class WaitTimeoutError(NetMindError):
    """The generation did not end within the timeout. Unless it was deleted, it can be waited for again.

    Attributes:
        last_status: The status in the last response; None if no poll got one.
        deleted: Whether the generation was deleted because of ``delete_on_timeout``.
    """

    def __init__(
        self, message: str, *, generation_id: str, last_status: str | None, deleted: bool = False
    ) -> None:
        super().__init__(message, generation_id=generation_id)
        self.last_status = last_status
        self.deleted = deleted


class DownloadError(NetMindError):
    """A result could not be saved. No partial file is left."""

    _shows_attempts = True


_BY_STATUS: dict[int, type[ApiError]] = {
    401: AuthenticationError,
    403: AuthenticationError,
    404: NotFoundError,
    429: RateLimitedError,
}


def api_error_class(status: int) -> type[ApiError]:
    """Return the exception class for an HTTP status of 400 or more."""
    return _BY_STATUS.get(status) or (ServerError if status >= 500 else InvalidRequestError)
