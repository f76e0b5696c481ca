"""Access to what belongs to the current request: its fake, the control key, and error messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import current_app, request
from werkzeug.exceptions import HTTPException

from netmind_mock.control.operations import NotThere
from netmind_mock.fake import fake_of
from netmind_mock.journal.redaction import redactor_of, secrets_of

if TYPE_CHECKING:
    from netmind_mock.fake import Fake
    from netmind_mock.validation import InvalidInput


def current_fake() -> Fake:
    """Return the fake that the current application serves."""
    return fake_of(current_app)


def current_key() -> str | None:
    """Return the key that the current application's control API requires; None if it requires no key."""
    key: str | None = current_app.config["CONTROL_KEY"]
    return key


def base_url() -> str:
    """Return the base URL with which clients reach the fake: that of result URLs in the current response."""
    return current_fake().hosts.origin(request.scheme, request.headers.get("Host", ""), request.script_root)


def redacted(message: str) -> str:
    """Return a message with the secrets of the current request redacted, since it may quote the request."""
    return redactor_of(secrets_of(request.environ)).without_token(message)


def refusal_of(error: HTTPException | InvalidInput) -> tuple[str, int]:
    """Return the message, with secrets redacted, and the status code for an error in the current request."""
    if isinstance(error, HTTPException):
        return redacted(error.description or error.name), error.code or 500
    return redacted(str(error)), 404 if isinstance(error, NotThere) else 422
