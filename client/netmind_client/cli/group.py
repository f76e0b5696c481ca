"""The global options of ``netmind-client``, its error messages and its exit codes."""

from __future__ import annotations

import contextlib
import errno
import io
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
    exceptions.GenerationFailedError: 3,
    exceptions.WaitTimeoutError: 4,
    exceptions.CreateOutcomeUnknownError: 5,
}
FAILED, SOME_FAILED, INTERRUPTED, TERMINATED = 1, 6, 130, 143

EXIT_CODES_HELP = """\b
Exit codes:
  0  success
  1  request failed (rejected, unreachable, not found) or file not saved
  2  usage error
  3  the generation failed
  4  the generation did not end within the timeout
  5  a create got no usable response: a generation may exist
  6  some of many generations failed
  130  interrupted by Ctrl-C; prints how to continue
  143  terminated by SIGTERM; prints how to continue"""


class _Terminated(KeyboardInterrupt):
    """The process received SIGTERM."""


@dataclass
class ConnectionOptions:
    """The global options and the state of a command, which every click context has as its object.

    Attributes:
        arguments: The command line, without the name of the program.
        api_key: The API key, if it is given.
        base_url: The API's URL, if it is given.
        as_json: Whether errors are also printed as JSON.
        resume: The command that continues where this one stopped.
    """

    arguments: Sequence[str]
    api_key: str | None = None
    base_url: str | None = None
    as_json: bool = False
    resume: str | None = None

    def client(self) -> GenerationClient:
        """Create a client with these options."""
        return GenerationClient(self.api_key, self.base_url)

    def same_command(self) -> str:
        """Return the command line without the API key."""
        kept: list[str] = []
        arguments = iter(self.arguments)
        for argument in arguments:
            if argument == "--api-key":
                next(arguments, None)
            elif not argument.startswith("--api-key="):
                kept.append(argument)
        return shlex.join(["netmind-client", *kept])


def keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Store an option's value in the context's object if the option is given."""
    if value is not None:
        setattr(context.obj, str(parameter.name), value)


class Command(click.Command):
    """A command whose help lists the exit codes, and that also accepts the global connection options."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{"epilog": EXIT_CODES_HELP, **options})
        for name in ("--api-key", "--base-url"):
            self.params.append(
                click.Option([name], callback=keep, expose_value=False, help=f"Same as the global {name}.")
            )


class Commands(click.Group):
    """A group that turns the client's errors, Ctrl-C and SIGTERM into a message and an exit code."""

    command_class = Command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Store the arguments, for a hint that repeats the command."""
        ctx.obj = ConnectionOptions(list(args))
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, and exit with the code for its result."""
        with _signals_as_interrupt():  # also while it prints how to continue
            return self._invoke(ctx)

    def _invoke(self, ctx: click.Context) -> Any:
        connection: ConnectionOptions = ctx.obj
        for stream in (sys.stdout, sys.stderr):  # a server's text in any encoding must not end in a traceback
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="backslashreplace")
        try:
            result = super().invoke(ctx)
            if sys.stdout is None:
                raise OSError(errno.EBADF, "stdout is closed")  # noqa: TRY301 - handled like a full disk
            return result  # noqa: TRY300
        except exceptions.NetMindError as error:
            click.echo(f"Error: {error}", err=True)
            if connection.as_json:
                click.echo(json.dumps(_error_document(error), indent=2))
            code = next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), FAILED)
        except KeyboardInterrupt as error:
            notes: Sequence[str] = getattr(error, "__notes__", [])
            if connection.resume:
                notes = [f"To continue: {connection.resume}"]
            is_terminated = isinstance(error, _Terminated)
            click.echo("\n".join(["\nTerminated." if is_terminated else "\nInterrupted.", *notes]), err=True)
            code = TERMINATED if is_terminated else INTERRUPTED
        except OSError as error:
            _discard_stdout()
            # A closed pipe needs no message, unless there is a command to continue with.
            if connection.resume or error.errno not in (errno.EPIPE, errno.EBADF):
                hint = f"\nTo continue: {connection.resume}" if connection.resume else ""
                click.echo(f"Error: the result cannot be printed: {error.strerror}{hint}", err=True)
            code = FAILED
        raise click.exceptions.Exit(code)


def _error_document(error: exceptions.NetMindError) -> dict[str, Any]:
    details = {name: getattr(error, name) for name in ("generation_id", "attempts", "resume")}
    return {"error": type(error).__name__, "message": error.args[0], **details}


@contextlib.contextmanager
def _signals_as_interrupt() -> Iterator[None]:
    """Raise the first SIGINT or SIGTERM as a KeyboardInterrupt, so that the command prints how to continue.

    Further ones are ignored: they would interrupt what the first one has begun.

    Signal handlers can only be set in the main thread. In another thread, this changes nothing.
    """

    def end(number: int, _: object) -> None:
        for each in before:
            signal.signal(each, signal.SIG_IGN)
        raise _Terminated if number == signal.SIGTERM else KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers = {each: signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)}
    before = {each: handler for each, handler in handlers.items() if handler is not signal.SIG_IGN}
    for each in before:
        signal.signal(each, end)
    try:
        yield
    finally:
        for each, handler in before.items():
            if signal.getsignal(each) is end:  # otherwise the process is about to end
                signal.signal(each, handler)


def _discard_stdout() -> None:
    """Redirect stdout to the null device, so that Python's flush at exit does not fail again."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
