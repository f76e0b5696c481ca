"""Build requests to the API, and interpret its responses. No I/O is done here."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from netmind_client._http import ACCEPT_ENCODING, Request
from netmind_client._models import read_generation
from netmind_client.exceptions import (
    ConfigurationError,
    UnexpectedResponseError,
    api_error_class,
)

if TYPE_CHECKING:
    from netmind_client._http import Response
    from netmind_client._models import Generation

DEFAULT_BASE_URL = "https://api.netmind.ai"

_SHOWN_CHARACTERS = 200


@dataclass(frozen=True, slots=True)
class Api:
    """The API's base URL, and the Authorization header, which is sent to that URL only."""

    base_url: str
    authorization: str = field(repr=False)

    @property
    def command(self) -> str:
        """Return the start of a ``netmind-client`` command line for this base URL."""
        options = [] if self.base_url == DEFAULT_BASE_URL else ["--base-url", self.base_url]
        return shlex.join(["netmind-client", *options])

    def request(self, method: str, generation_id: str | None = None, body: bytes | None = None) -> Request:
        """Return a request about one generation, or about all of them."""
        path = "" if generation_id is None else "/" + quote(generation_id, safe="")
        headers = {
            "Authorization": self.authorization,
            "Accept": "application/json",
            "Accept-Encoding": ACCEPT_ENCODING,
        }
        if body is not None:
            headers["Content-Type"] = "application/json"
        return Request(method, f"{self.base_url}/v1/generation{path}", headers, body)


def api(api_key: Any, base_url: Any) -> Api:
    """Return the API for a key and a base URL from the user. A trailing slash or /v1 is ignored.

    Raises:
        ConfigurationError: There is no API key, or the base URL is not an HTTP URL.
    """
    if not isinstance(api_key, str) or not isinstance(base_url, str):
        given = type(base_url if isinstance(api_key, str) else api_key).__name__
        raise ConfigurationError(f"expected the API key and the base URL as text, got {given}")
    key = api_key.strip()
    if not key:
        raise ConfigurationError(
            "no API key: pass api_key (--api-key), or set the environment variable NETMIND_API_KEY"
        )
    if not all(33 <= ord(character) <= 126 for character in key):
        raise ConfigurationError(
            "the API key contains white space or characters not allowed in an HTTP header"
        )
    if not base_url.strip():  # not the real API: an empty variable is often one that was not filled in
        raise ConfigurationError(
            "the base URL is empty: pass base_url (--base-url), or set the environment variable "
            f"NETMIND_BASE_URL; unset the variable to use {DEFAULT_BASE_URL}"
        )
    url = base_url.strip().rstrip("/").removesuffix("/v1").rstrip("/")
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:  # unbalanced brackets, or a port that is not a number
        usable = False
    if not usable or parts.query or parts.fragment or "@" in parts.netloc:
        expected = f"a base URL such as {DEFAULT_BASE_URL}"
        raise ConfigurationError(f"expected {expected}, got {without_query(base_url)!r}")
    return Api(url, f"Bearer {key}")


def create_body(model: Any, config: Mapping[str, Any]) -> bytes:
    """Return the body of a create.

    Raises:
        ConfigurationError: The model is not a name, or the config is not a mapping or not JSON.
    """
    if not isinstance(model, str) or not model.strip():
        raise ConfigurationError(f"expected a model such as 'Qwen/Qwen-Image', got {model!r}")
    if not isinstance(config, Mapping):
        example = {"prompt": "A cup of coffee"}
        raise ConfigurationError(f"expected a config such as {example}, got {type(config).__name__}")
    try:
        return json.dumps({"model": model, "config": dict(config)}, allow_nan=False).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise ConfigurationError(f"the config cannot be sent as JSON: {error}") from error


def document(request: Request, response: Response, generation_id: str | None) -> Any:
    """Return the JSON of a successful response, or its text if it is not JSON.

    Raises:
        ApiError: The response is an error.
        UnexpectedResponseError: The response is a redirect.
    """
    where = f"{request.method} {request.url}"
    try:
        body: Any = json.loads(response.body)
    except (ValueError, RecursionError):
        body = response.body.decode(errors="replace")
    if response.status >= 400:
        raise api_error_class(response.status)(
            f"{where} returned {response.status}: {message_of(body)}",
            status=response.status,
            body=body,
            retry_after=retry_after(response),
            generation_id=generation_id,
        )
    if response.status >= 300:
        target = without_query(response.headers.get("location", "an unnamed location"))
        message = f"{where} redirects to {target}. The API key is not sent there; check the base URL"
        raise UnexpectedResponseError(message, generation_id=generation_id, location=target)
    return body


def generation(body: Any, generation_id: str) -> Generation:
    """Return the generation in a response.

    Raises:
        UnexpectedResponseError: The response is not a generation, or is another generation.
    """
    read = read_generation(body)
    if read is None:
        message = f"generation {generation_id}: expected a generation, got {shown(body)}"
        raise UnexpectedResponseError(message, generation_id=generation_id)
    if read.id != generation_id:
        message = f"generation {generation_id}: the response is about another generation, {cut(read.id)}"
        raise UnexpectedResponseError(message, generation_id=generation_id)
    return read


def generations(body: Any) -> Sequence[Generation]:
    """Return the generations in a response to a list, in the API's order.

    Raises:
        UnexpectedResponseError: The response is not a list of generations.
    """
    entries = body.get("generation_list") if isinstance(body, dict) else None
    if not isinstance(entries, Sequence) or isinstance(entries, str):
        raise UnexpectedResponseError(f"list: expected a generation_list, got {shown(body)}")
    return [read for entry in entries if (read := read_generation(entry)) is not None]


def retry_after(response: Response) -> float | None:
    """Return the Retry-After header in seconds; None if there is no valid one.

    A date in it is compared with the response's Date header, because the client's clock may be wrong.
    """
    value = response.headers.get("retry-after", "").strip()
    if re.fullmatch(r"\d{1,12}(\.\d+)?", value, re.ASCII):
        return float(value)
    until, now = date(value), date(response.headers.get("date", ""))
    return None if until is None or now is None else max(until - now, 0.0)


def date(text: str) -> float | None:
    """Return an HTTP date in seconds since the epoch; None if it is invalid."""
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - rarely used, and slow to import

    try:
        return parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError, OSError):
        return None


# Where gateways and APIs put the message of an error; it may be in an object in one of them.
_MESSAGE_FIELDS = ("message", "detail", "error", "error_description", "title", "msg")
_NESTED = 3


def message_of(body: Any) -> str:
    """Return the message in an error's body, in one line."""
    for _ in range(_NESTED):
        if not isinstance(body, dict):
            break
        body = next((body[name] for name in _MESSAGE_FIELDS if body.get(name)), None) or shown(body)
    return shown(body)


def shown(value: Any) -> str:
    """Return a response's JSON or text, shortened for a message."""
    if isinstance(value, str):
        return cut(value)
    text = ""
    for piece in json.JSONEncoder(ensure_ascii=False, default=repr).iterencode(value):
        text += piece[:_SHOWN_CHARACTERS]
        if len(text) > _SHOWN_CHARACTERS:  # do not encode more than is shown
            break
    return cut(text)


def cut(text: str) -> str:
    """Return the text in one line, shortened, with passwords and queries removed from URLs."""
    line = " ".join(map(_without_secrets, text[: 4 * _SHOWN_CHARACTERS].split()))
    return line if len(line) <= _SHOWN_CHARACTERS else line[:_SHOWN_CHARACTERS] + "…"


def _without_secrets(word: str) -> str:
    path, query, _ = word.partition("?")
    if query and "/" in path:
        word = path
    before, slashes, rest = word.partition("//")
    host, slash, path = rest.partition("/")
    return before + slashes + (f"…@{host.rpartition('@')[2]}" if "@" in host else host) + slash + path


def without_query(url: str) -> str:
    """Return a shortened URL without its query, which may contain a signature."""
    return cut(url.partition("?")[0])
