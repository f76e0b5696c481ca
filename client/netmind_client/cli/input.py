"""Read a model's options and the requests of a batch from arguments and files."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import click

from netmind_client.batch import GenerationRequest

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_EXAMPLE = '{"model": "Qwen/Qwen-Image", "config": {"prompt": "A cup"}}'


def config(prompt: str | None, pairs: tuple[str, ...], config_file: Path | None) -> dict[str, Any]:
    """Return the model's options. Those from the pairs and the prompt replace those from the file.

    Raises:
        click.UsageError: There are no options, one is given twice, or one cannot be read.
    """
    given: dict[str, Any] = {} if prompt is None else {"prompt": prompt}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not equals or not key:
            raise click.UsageError(f"--config {pair}: expected KEY=VALUE")
        if key in given:
            raise click.UsageError(f"--config {pair}: {key} is given twice")
        try:
            given[key] = json.loads(value)
        except (ValueError, RecursionError):
            given[key] = value
    if config_file is not None:
        return _read_file(config_file) | given
    if not given:
        raise click.UsageError("no prompt or config: pass --prompt, --config or --config-file")
    return given


def _read_file(path: Path) -> dict[str, Any]:
    try:
        read = json.loads(_text(path.read_bytes()))
    except (ValueError, OSError, RecursionError) as error:
        raise click.UsageError(f"{path}: not a JSON file: {error}") from None
    if not isinstance(read, dict):
        raise click.UsageError(f"{path}: expected a JSON object, got {_kind(read)}")
    return read


def requests(name: str, content: bytes) -> Sequence[GenerationRequest]:
    """Return the requests in a file, one per line. Error messages refer to the file by ``name``.

    Raises:
        click.UsageError: A line is not a request, or the file is not text.
    """
    try:
        lines = _text(content).split("\n")
    except ValueError as error:
        raise click.UsageError(f"{name}: expected text in UTF-8: {error}") from None
    read = [_request(f"{name}, line {number}", line) for number, line in enumerate(lines, 1) if line.strip()]
    if not read:
        raise click.UsageError(f"{name}: no requests: expected one JSON object per line, such as {_EXAMPLE}")
    return read


def _request(where: str, line: str) -> GenerationRequest:
    try:
        document = json.loads(line)
        reason = _what_is_wrong(document)
    except RecursionError:
        reason = "it is nested too deeply"
    except ValueError as error:
        reason = f"not JSON: {error}"
    if reason:
        raise click.UsageError(f"{where}: {reason}; expected a JSON object such as {_EXAMPLE}")
    return GenerationRequest(document["model"], document["config"])


def _what_is_wrong(document: Any) -> str | None:
    if not isinstance(document, dict):
        return f"got {_kind(document)}"
    unknown = sorted(document.keys() - {"model", "config"})
    if not isinstance(document.get("model"), str) or not document["model"].strip():
        return "no model"
    if not isinstance(document.get("config"), dict):
        return f"no config: {unknown[0]} belongs in config" if unknown else "no config"
    return f"{unknown[0]} is neither model nor config" if unknown else None


def _text(content: bytes) -> str:
    """Return the text of a UTF-8 file, without the byte order mark that some editors add."""
    if content[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise ValueError("this is UTF-16")
    return content.decode("utf-8-sig")


def _kind(value: Any) -> str:
    names = {list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), "a number")
