"""How a command of ``netmind-client`` is called, and how it ends: with a sentence and an exit code."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shlex
import signal
import sys
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from netmind_client import exceptions
from netmind_client._client import GenerationClient

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

EXIT_CODES: dict[type[exceptions.NetMindError], int] = {
    exceptions.ConfigurationError: 2,
    exceptions.GenerationFailed: 3,
    exceptions.WaitTimeout: 4,
    exceptions.CreateOutcomeUnknown: 5,
}
FAILED, SOME_FAILED, INTERRUPTED, TERMINATED = 1, 6, 130, 143

EXIT_CODES_HELP = """\b
Exit codes:
  0  done
  1  refused, not reached, not found or not saved
  2  the command was wrong
  3  the generation failed
  4  the generation had not ended in time; it goes on
  5  a create was sent and no answer came: a job may exist
  6  some of many generations did not end well
  130  interrupted by Ctrl-C; it says how to go on
  143  ended by SIGTERM; likewise"""


class _Terminated(KeyboardInterrupt):
    """SIGTERM came."""


@dataclass
class ConnectionOptions:
    """How to reach the API, and what is said at the end: the object of every click context.

    Attributes:
        arguments: The command line, without the name of the command.
        as_json: Whether an error is printed as JSON, too.
        resume: The command that goes on where this one was left.
    """

    arguments: Sequence[str]
    api_key: str | None = None
    base_url: str | None = None
    as_json: bool = False
    resume: str | None = None

    def client(self) -> GenerationClient:
        """Return a client."""
        return GenerationClient(self.api_key, self.base_url)

    def same_command(self) -> str:
        """Return the command as it was given, without its API key."""
        kept: list[str] = []
        arguments = iter(self.arguments)
        for argument in arguments:
            if argument == "--api-key":
                next(arguments, None)
            elif not argument.startswith("--api-key="):
                kept.append(argument)
        return shlex.join(["netmind-client", *kept])


def keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Keep an option's value in the connection, unless it is not given."""
    if value is not None:
        setattr(context.obj, str(parameter.name), value)


class Command(click.Command):
    """A command whose help tells the exit codes, and that takes the options before it as well after it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{"epilog": EXIT_CODES_HELP, **options})
        for name in ("--api-key", "--base-url"):
            self.params.append(
                click.Option([name], callback=keep, expose_value=False, help="As before the command.")
            )


class Commands(click.Group):
    """Turns the client's errors, Ctrl-C and SIGTERM into a sentence or two and an exit code."""

    command_class = Command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Keep the arguments, for a hint that repeats the command."""
        ctx.obj = ConnectionOptions(list(args))
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, and end with the exit code of what happened."""
        connection: ConnectionOptions = ctx.obj
        try:
            with _terminable():
                actual = super().invoke(ctx)
            if sys.stdout is None:
                raise OSError(errno.EBADF, "stdout is closed")  # noqa: TRY301 - as where it is full
            return actual  # noqa: TRY300
        except exceptions.NetMindError as error:
            click.echo(f"Error: {error}", err=True)
            if connection.as_json:
                click.echo(json.dumps(_facts(error), indent=2))
            code = next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), FAILED)
        except KeyboardInterrupt as error:
            notes: Sequence[str] = getattr(error, "__notes__", [])
            if connection.resume:
                notes = [f"To go on: {connection.resume}"]
            ended = isinstance(error, _Terminated)
            click.echo("\n".join(["\nEnded." if ended else "\nInterrupted.", *notes]), err=True)
            code = TERMINATED if ended else INTERRUPTED
        except OSError as error:
            _give_up_stdout()
            # A closed pipe needs no message, unless there is something to go on with.
            if connection.resume or error.errno not in (errno.EPIPE, errno.EBADF):
                to_go_on = f"\nTo go on: {connection.resume}" if connection.resume else ""
                click.echo(f"Error: the result cannot be printed: {error.strerror}{to_go_on}", err=True)
            code = FAILED
        raise click.exceptions.Exit(code)


def _facts(error: exceptions.NetMindError) -> dict[str, Any]:
    facts = {name: getattr(error, name) for name in ("generation_id", "attempts", "resume")}
    return {"error": type(error).__name__, "message": error.args[0], **facts}


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Let SIGTERM end the command as Ctrl-C does, so that it says how to go on."""

    def end(*_: object) -> None:
        raise _Terminated

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _give_up_stdout() -> None:
    """Let Python not try again at its end."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
