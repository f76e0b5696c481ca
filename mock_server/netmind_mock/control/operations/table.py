"""The table of operations, used over HTTP and from Python.

An operation is a function that takes the fake, an account (None for all accounts) and its checked arguments,
and returns JSON. The decorator ``operation`` adds it to the table, with its description for the OpenAPI
document. ``control.routes`` serves the table under ``/__mock/``; the fixtures call it without HTTP.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from netmind_mock.validation import Check, InvalidInput, Parameter, complete

if TYPE_CHECKING:
    from netmind_mock.fake import Fake

Arguments = Mapping[str, Any]
Run = Callable[["Fake", str | None, Arguments], Any]


class NotThere(InvalidInput):
    """The object of an operation does not exist, for example a job."""


@dataclass(frozen=True, slots=True)
class ControlOperation:
    """An operation of the control API.

    Attributes:
        method: The HTTP method.
        path: The path below ``/__mock/``. ``{id}`` in it is the argument ``id``.
        about: What it does, in one sentence.
        parameters: Its arguments. They are in the path, in the body of a POST, or otherwise in the query.
        response: The name of the response's schema in ``schemas.json``.
        request: The name of the schema of a POST's body; None if the body has no arguments.
        example: An example of such a body.
        takes_more: Whether the function accepts and checks further arguments: those of a scenario or a fault.
        run: The function.
    """

    method: str
    path: str
    about: str
    parameters: Mapping[str, Parameter]
    response: str
    request: str | None
    example: Arguments
    takes_more: bool
    run: Run

    def checked(self, payload: Arguments) -> Arguments:
        """Return the checked arguments of a payload, with defaults for missing ones.

        Raises:
            InvalidInput: The operation has no such argument, or the value is not valid.
        """
        label = [part for part in self.path.split("/") if not part.startswith("{")][-1]
        if payload and not self.parameters:
            raise InvalidInput(f"{label}: {next(iter(payload))[:60]}: {self.method} has no arguments")
        if not self.takes_more:
            return complete(label, payload, self.parameters)
        known = {name: value for name, value in payload.items() if name in self.parameters}
        return {**payload, **complete(label, known, self.parameters)}


OPERATIONS_BY_NAME: dict[str, ControlOperation] = {}


def operation(
    method: str,
    path: str,
    *,
    response: str,
    request: str | None = None,
    example: Arguments = MappingProxyType({}),
    parameters: Mapping[str, Parameter] = MappingProxyType({}),
    takes_more: bool = False,
) -> Callable[[Run], Run]:
    """Return a decorator that adds a function to the table. Its docstring's first line is the description."""

    def register(run: Run) -> Run:
        about = (run.__doc__ or "").partition("\n")[0]
        OPERATIONS_BY_NAME[run.__name__] = ControlOperation(
            method, path, about, parameters, response, request, example, takes_more, run
        )
        return run

    return register


def call(fake: Fake, user_id: str | None, name: str, payload: Arguments) -> Any:
    """Run an operation, and return its JSON.

    Args:
        fake: The fake to run it on.
        user_id: The account that it applies to; None for all accounts.
        name: The operation's name.
        payload: Its arguments, unchecked.

    Raises:
        InvalidInput: An argument is not valid; the message suggests a valid one.
        NotThere: The object of the operation does not exist.
    """
    fake.accounts.follow()
    found = OPERATIONS_BY_NAME[name]
    return found.run(fake, user_id, found.checked(payload))


def scope_of(user_id: str | None) -> str:
    """Return which accounts an operation applied to. It reveals a forgotten Authorization header."""
    return "every account" if user_id is None else "this account"


def in_query(check: Check) -> Check:
    """Return a check that also accepts a whole number as text, as in a query string."""

    def either(value: Any) -> Any:
        is_number = isinstance(value, str) and value.isdecimal() and len(value) < 10
        return check(int(value) if is_number else value)

    return either
