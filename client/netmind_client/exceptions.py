"""Everything that this client raises.

::

    NetMindError
    ├── ConfigurationError       no API key, or a base URL that is none
    ├── TransportError           no answer: refused, cut, timed out
    │   └── CreateOutcomeUnknown     … to a create, which may have been received: a job may exist
    ├── ApiError                 an answer that is an error; has status and body
    │   ├── AuthenticationError      401, 403
    │   ├── NotFoundError            404
    │   ├── RateLimitedError         429
    │   ├── InvalidRequestError      any other 4xx
    │   └── ServerError              5xx
    ├── UnexpectedResponse         an answer that is neither an error nor what was asked for
    ├── GenerationFailed         the job ended otherwise than completed
    ├── ResultMissing            the job is completed, and its result stayed empty
    ├── WaitTimeout              the job had not ended in time; it goes on
    └── DownloadError            a result could not be saved; nothing half-written is left
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

    from netmind_client._models import Generation


class NetMindError(Exception):
    """The base of everything that this client raises.

    Attributes:
        generation_id: The job that it is about, where one is known.
        attempts: How many requests the call had sent.
        resume: A command that goes on where the call was left, where there is anything to go on with.
    """

    _shows_attempts = False  # where trying again was of no use

    def __init__(self, message: str, *, generation_id: str | None = None) -> None:
        super().__init__(message)
        self.generation_id = generation_id
        self.attempts = 0
        self.resume: str | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        # Copied and unpickled without __init__, which takes more than a message.
        return type(self).__new__, (type(self), *self.args), self.__getstate__()

    def __str__(self) -> str:
        told = super().__str__()
        if self._shows_attempts and self.attempts > 1:
            told += f" (after {self.attempts} requests)"
        return f"{told}\nTo go on: {self.resume}" if self.resume else told


class ConfigurationError(NetMindError):
    """The client cannot be set up."""


class TransportError(NetMindError):
    """No answer came: the connection was refused or cut, or timed out."""

    _shows_attempts = True


class CreateOutcomeUnknown(TransportError):
    """A create was sent and no answer came. A job may exist, and be charged: look for it first.

    Attributes:
        model: The model that was asked for.
        config: The config that was sent.
        sent_at: When it was sent, in seconds since the epoch.
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
        """Create the error; ``find`` looks for its job, and takes a timeout in seconds."""
        super().__init__(message)
        self.model = model
        self.config = config
        self.sent_at = sent_at
        self._find = find

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_find": None}  # which cannot leave its client

    def find_created(self, timeout: float = 30.0) -> Any:
        """Look for the job in the list; see :meth:`GenerationClient.find_created`.

        Returns:
            The generations that it can be, most likely first. From the async client: what to await for them.

        Raises:
            NetMindError: The list cannot be had.
            LookupError: This error was made without a client.
        """
        if self._find is None:
            raise LookupError("this error was raised by no client; ask one: client.find_created(...)")
        return self._find(timeout)


class ApiError(NetMindError):
    """The API answered with an error.

    Attributes:
        status: The HTTP status code.
        body: The answer's JSON, or its text where it is not JSON.
        retry_after: What the Retry-After header says, in seconds, where it does.
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
    """The token is missing or not accepted (401, 403)."""


class NotFoundError(ApiError):
    """There is no such generation, or no such route (404)."""


class RateLimitedError(ApiError):
    """Too many requests (429)."""


class InvalidRequestError(ApiError):
    """The request is refused (any other 4xx)."""


class ServerError(ApiError):
    """The server failed (5xx)."""


class UnexpectedResponse(NetMindError):
    """An answer that is neither an error nor what was asked for, such as a proxy's HTML page."""


class GenerationFailed(NetMindError):
    """The job ended otherwise than completed.

    Attributes:
        generation: The job as it ended.
    """

    def __init__(self, message: str, *, generation: Generation) -> None:
        super().__init__(message, generation_id=generation.id)
        self.generation = generation


class ResultMissing(NetMindError):
    """The job is completed, and its result stayed empty.

    Attributes:
        generation: The job as it was last seen.
    """

    def __init__(self, message: str, *, generation: Generation) -> None:
        super().__init__(message, generation_id=generation.id)
        self.generation = generation


class WaitTimeout(NetMindError):
    """The job had not ended in time. It goes on, and can be waited for again.

    Attributes:
        last_status: The status that was last seen; None if no poll was answered.
        deleted: Whether it was deleted then, as ``delete_on_timeout`` asks.
    """

    def __init__(
        self, message: str, *, generation_id: str, last_status: str | None, deleted: bool = False
    ) -> None:
        super().__init__(message, generation_id=generation_id)
        self.last_status = last_status
        self.deleted = deleted


class DownloadError(NetMindError):
    """A result could not be saved. Nothing half-written is left."""

    _shows_attempts = True


_BY_STATUS: dict[int, type[ApiError]] = {
    401: AuthenticationError,
    403: AuthenticationError,
    404: NotFoundError,
    429: RateLimitedError,
}


def api_error_class(status: int) -> type[ApiError]:
    """Which error an HTTP status of 400 or more is."""
    return _BY_STATUS.get(status) or (ServerError if status >= 500 else InvalidRequestError)
