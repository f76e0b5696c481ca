"""One HTTP request at a time: the token, the URL, and what an answer or its absence means."""

from __future__ import annotations

import math
from typing import Any
from urllib.parse import quote, urlsplit

import requests
from urllib3.exceptions import NewConnectionError

from netmind_client.exceptions import (
    ApiError,
    ConfigurationError,
    CreateOutcomeUnknown,
    TransportError,
    UnexpectedAnswer,
    api_error_class,
)

DEFAULT_BASE_URL = "https://api.netmind.ai"

_SHOWN_CHARACTERS = 200
_NEVER_SENT = (
    requests.ConnectTimeout,
    requests.exceptions.InvalidURL,
    requests.exceptions.InvalidSchema,
    requests.exceptions.InvalidHeader,
)


class Transport:
    """Sends requests to the API with its token. The token goes nowhere else, and follows no redirect."""

    def __init__(self, api_key: str, base_url: str, session: requests.Session, timeout: float) -> None:
        key = api_key.strip()
        if not key:
            raise ConfigurationError(
                "no API key: pass api_key (--api-key), or set the environment variable NETMIND_API_KEY"
            )
        if not all(33 <= ord(character) <= 126 for character in key):
            raise ConfigurationError(
                "the API key holds white space or characters that no HTTP header may carry"
            )
        self._authorization = f"Bearer {key}"
        self._session = session
        self._timeout = timeout
        self.base_url = normalized_base_url(base_url)

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def ask(
        self, method: str, generation_id: str | None = None, *, within: float = math.inf
    ) -> tuple[Any, str]:
        """Send a request that has no body; the answer's JSON, and a short form of it for messages.

        Args:
            method: GET or DELETE.
            generation_id: The job that it is about; None for all.
            within: Seconds to wait for the connection, and for each part of the answer, if that is less than
                the transport's own.

        Raises:
            TransportError: No answer came.
            ApiError: The answer is an error.
            UnexpectedAnswer: The answer is a redirect.
        """
        url = self._url(generation_id)
        try:
            answer = self._send(method, url, within=within)
        except requests.RequestException as error:
            message = f"{method} {url}: no answer: {reason(error)}"
            raise TransportError(message, generation_id=generation_id) from error
        return _checked(answer, generation_id), cut(answer.text)

    def create(self, model: str, config: dict[str, Any]) -> tuple[Any, CreateOutcomeUnknown]:
        """Send a create, once; the answer's JSON, and the error to raise if that is no generation.

        Raises:
            CreateOutcomeUnknown: It was sent, and no answer came.
            TransportError: It was not sent.
            ApiError: The answer is an error.
        """
        url = self._url(None)

        def unknown(why: str) -> CreateOutcomeUnknown:
            advice = (
                "A job may have been created and charged: look for it in the list before you create it again"
            )
            return CreateOutcomeUnknown(f"POST {url}: {why}. {advice}", model=model, config=config)

        try:
            answer = self._send("POST", url, json={"model": model, "config": config})
        except (requests.exceptions.InvalidJSONError, TypeError) as error:
            raise ConfigurationError(f"the config cannot be sent as JSON: {error}") from error
        except requests.RequestException as error:
            if _never_sent(error):
                raise TransportError(f"POST {url}: not sent: {reason(error)}") from error
            raise unknown(f"sent, but no answer came ({reason(error)})") from error
        try:
            document = _checked(answer, None)
        except ApiError as error:
            if _leaves_open_whether_created(error):
                raise unknown(f"answered {error.status} ({_message(error.body)})") from error
            raise
        return document, unknown(
            f"answered {answer.status_code} with no generation in it ({cut(answer.text)})"
        )

    def fetch(self, url: str) -> requests.Response:
        """Begin a download, without the token, nor one from a netrc file."""
        return self._session.get(url, stream=True, timeout=self._timeout, auth=lambda request: request)

    def _url(self, generation_id: str | None) -> str:
        if generation_id == "":
            raise ConfigurationError("expected a generation's id, got an empty string")
        path = "" if generation_id is None else "/" + quote(generation_id, safe="")
        return f"{self.base_url}/v1/generation{path}"

    def _send(
        self, method: str, url: str, json: object = None, within: float = math.inf
    ) -> requests.Response:
        timeout = min(self._timeout, within)
        return self._session.request(
            method, url, json=json, auth=self._authorize, timeout=timeout, allow_redirects=False
        )

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._authorization
        return request


def normalized_base_url(text: str) -> str:
    """The base URL without a slash or /v1 at its end.

    Raises:
        ConfigurationError: It is not an HTTP URL.
    """
    url = text.strip().rstrip("/").removesuffix("/v1").rstrip("/")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # brackets that do not close, a port that is none
        usable = False
    if not usable or parts.query or parts.fragment:
        raise ConfigurationError(f"expected a base URL such as {DEFAULT_BASE_URL}, got {text!r}")
    return url


def _checked(answer: requests.Response, generation_id: str | None) -> Any:
    """The answer's JSON, or its text where it is not JSON, if it is a success."""
    where = f"{answer.request.method} {answer.url}"
    try:
        body: Any = answer.json()
    except ValueError:
        body = answer.text
    if answer.status_code >= 400:
        raise api_error_class(answer.status_code)(
            f"{where} answered {answer.status_code}: {_message(body)}",
            status=answer.status_code,
            body=body,
            retry_after=_retry_after(answer),
            generation_id=generation_id,
        )
    if answer.status_code >= 300:
        target = without_query(answer.headers.get("Location", "elsewhere"))
        message = f"{where} redirects to {target}, where the token is not sent; check the base URL"
        raise UnexpectedAnswer(message, generation_id=generation_id)
    return body


def _leaves_open_whether_created(error: ApiError) -> bool:
    """Whether a create that was answered so may have been carried out: something on the way gave up.

    500 with this text is how a model that is not available is refused (observed); 503 says to come again.
    """
    refused = error.status == 500 and "Service is unavailable" in _message(error.body)
    return error.status == 408 or (error.status >= 500 and error.status != 503 and not refused)


def _never_sent(error: requests.RequestException) -> bool:
    """Whether the request certainly did not reach the server: no connection was made."""
    cause = getattr(error.args[0] if error.args else None, "reason", None)
    return isinstance(error, _NEVER_SENT) or isinstance(cause, NewConnectionError)


def reason(error: Exception) -> str:
    """Why a request failed, in one line."""
    cause = error.args[0] if error.args else error
    return cut(str(getattr(cause, "reason", cause)) or type(error).__name__)


def _message(body: Any) -> str:
    if isinstance(body, dict):
        body = body.get("message", body.get("detail", body))
    return cut(str(body))


def cut(text: str) -> str:
    """The text in one line, cut short."""
    shown = " ".join(text.split())
    return shown if len(shown) <= _SHOWN_CHARACTERS else shown[:_SHOWN_CHARACTERS] + "…"


def without_query(url: str) -> str:
    """The URL without its query, which may hold a signature."""
    return url.partition("?")[0]


def _retry_after(answer: requests.Response) -> float | None:
    value = answer.headers.get("Retry-After", "")
    return float(value) if value.isdecimal() else None
