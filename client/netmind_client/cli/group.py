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
    from collections.abc import Callable, Iterator, Sequence

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

_ARGUMENTS = "netmind_client.arguments"  # in click's context.meta


class _Terminated(KeyboardInterrupt):
    """SIGTERM came."""


@dataclass
class Connection:
    """How to reach the API, and what is to be told at the end.

    Attributes:
        as_json: Whether an error is told as JSON, too.
        resume: The command that goes on where this one was left.
    """

    api_key: str | None
    base_url: str
    as_json: bool = False
    resume: str | None = None

    def client(self) -> GenerationClient:
        """A client.

        Raises:
            ConfigurationError: There is no API key, or the base URL is none.
        """
        return GenerationClient(self.api_key, self.base_url)


def as_json() -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """The option ``--json``."""

    def note(context: click.Context, _: click.Parameter, value: bool) -> bool:
        if isinstance(context.obj, Connection):
            context.obj.as_json = value
        return value

    return click.option("--json", "as_json", is_flag=True, callback=note, help="Print one JSON document.")


def same_command(context: click.Context) -> str:
    """The command as it was given, without its token."""
    kept: list[str] = []
    arguments = iter(context.meta[_ARGUMENTS])
    for argument in arguments:
        if argument == "--api-key":
            next(arguments, None)
        elif not argument.startswith("--api-key="):
            kept.append(argument)
    return shlex.join(["netmind-client", *kept])


class Command(click.Command):
    """A command whose help tells the exit codes, and that takes the options before it as well after it."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **{"epilog": EXIT_CODES_HELP, **options})
        for name in ("--api-key", "--base-url"):
            self.params.append(
                click.Option([name], callback=_replace, expose_value=False, help="As before the command.")
            )


def _replace(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is not None and isinstance(context.obj, Connection):
        setattr(context.obj, str(parameter.name), value)


class Commands(click.Group):
    """Turns the client's errors, Ctrl-C and SIGTERM into a sentence or two and an exit code."""

    command_class = Command

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Remember the arguments, for a hint that repeats the command."""
        ctx.meta[_ARGUMENTS] = list(args)
        return super().parse_args(ctx, args)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command, and end with the exit code of what happened."""
        try:
            with _terminable():
                came = super().invoke(ctx)
            if sys.stdout is None:
                raise OSError(errno.EBADF, "stdout is closed")  # noqa: TRY301 - as where it is full
            return came  # noqa: TRY300
        except exceptions.NetMindError as error:
            code = next((code for kind, code in EXIT_CODES.items() if isinstance(error, kind)), FAILED)
            _tell(ctx, str(error), error)
            raise click.exceptions.Exit(code) from None
        except KeyboardInterrupt as error:
            resume = ctx.obj.resume if isinstance(ctx.obj, Connection) else None
            notes: Sequence[str] = [f"To go on: {resume}"] if resume else getattr(error, "__notes__", [])
            word, code = (
                ("Ended", TERMINATED) if isinstance(error, _Terminated) else ("Interrupted", INTERRUPTED)
            )
            click.echo("\n".join([f"\n{word}.", *notes]), err=True)
            raise click.exceptions.Exit(code) from None
        except OSError as error:
            _give_up_stdout()
            resume = ctx.obj.resume if isinstance(ctx.obj, Connection) else None
            if resume is None and error.errno in (errno.EPIPE, errno.EBADF):
                raise click.exceptions.Exit(FAILED) from None  # nobody reads on, and nothing is lost
            to_go_on = f"\nTo go on: {resume}" if resume else ""
            click.echo(f"Error: the result cannot be printed: {error.strerror}{to_go_on}", err=True)
            raise click.exceptions.Exit(FAILED) from None


def _tell(context: click.Context, message: str, error: exceptions.NetMindError) -> None:
    click.echo(f"Error: {message}", err=True)
    if isinstance(context.obj, Connection) and context.obj.as_json:
        told = {
            "error": type(error).__name__,
            "message": error.args[0],
            "generation_id": error.generation_id,
            "attempts": error.attempts,
            "resume": error.resume,
        }
        click.echo(json.dumps(told, indent=2))


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
