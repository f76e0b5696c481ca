"""The table of operations, over HTTP and in Python alike.

An operation is a function of the fake, an account (None for all accounts) and its checked arguments that
returns JSON. The decorator ``operation`` puts it into the table, with everything that the OpenAPI document
says of it. ``control.routes`` serves the table under ``/__mock/``; the fixtures call it without HTTP.
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
    """What an operation is about does not exist, such as a generation."""


@dataclass(frozen=True, slots=True)
class ControlOperation:
    """Something that can be done to the fake.

    Attributes:
        method: The HTTP method.
        path: The path below ``/__mock/``. ``{id}`` in it is the argument of that name.
        about: What it does, in one sentence.
        parameters: Its arguments: in the path, in a POST's body, else in the query.
        response: The name of the schema of what it returns, in ``schemas.json``.
        request: The name of the schema of a POST's body; None if it has no arguments there.
        example: An example of such a body.
        takes_more: Whether the function checks further arguments itself: those of a scenario or a fault.
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
        """Return the arguments in a payload, checked, and with the defaults of those that it leaves out.

        Raises:
            InvalidInput: The operation has no such argument, or the value is not valid.
        """
        label = [part for part in self.path.split("/") if not part.startswith("{")][-1]
        if payload and not self.parameters:
            raise InvalidInput(f"{label}: {next(iter(payload))[:60]}: {self.method} takes no arguments")
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
    """Put a function into the table, under its own name and described by its docstring's first line."""

    def register(run: Run) -> Run:
        about = (run.__doc__ or "").partition("\n")[0]
        OPERATIONS_BY_NAME[run.__name__] = ControlOperation(
            method, path, about, parameters, response, request, example, takes_more, run
        )
        return run

    return register


def call(fake: Fake, user_id: str | None, name: str, payload: Arguments) -> Any:
    """Do an operation, and return its JSON.

    Args:
        fake: What it is done to.
        user_id: The account that it is about; None for all accounts.
        name: The operation's name.
        payload: Its arguments, as they were sent.

    Raises:
        InvalidInput: It cannot be done; the message says what can. ``NotThere`` if its object does not exist.
    """
    fake.accounts.follow()
    found = OPERATIONS_BY_NAME[name]
    return found.run(fake, user_id, found.checked(payload))


def whom(user_id: str | None) -> str:
    """Return whom an operation was about, for people who forgot to send their API key."""
    return "every account" if user_id is None else "this account"


def in_query(check: Check) -> Check:
    """Return a check that also takes a whole number as the text that it is in a query."""

    def either(value: Any) -> Any:
        is_number = isinstance(value, str) and value.isdecimal() and len(value) < 10
        return check(int(value) if is_number else value)

    return either
