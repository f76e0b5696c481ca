"""Generate many: the requests, the jobs file that records their progress, and their outcomes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netmind_client import _clock, _files
from netmind_client._flows import operations
from netmind_client._flows.call import Call, check_callback, check_positive_integer, seconds
from netmind_client._flows.effects import Do, Flow, Running, Stopped
from netmind_client._flows.generate import finish
from netmind_client._flows.operations import moment, timestamp
from netmind_client._flows.waiting import Waiting
from netmind_client.batch import BatchOutcome, BatchProgress, GenerationRequest
from netmind_client.exceptions import (
    ApiError,
    ConfigurationError,
    CreateOutcomeUnknownError,
    DownloadError,
    GenerationFailedError,
    NetMindError,
    NotFoundError,
    TransportError,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from netmind_client._files import LineFile
    from netmind_client._flows.call import Client
    from netmind_client._flows.generate import Generated
    from netmind_client._flows.saving import Saving
    from netmind_client._models import Generation


_NOT_A_JOBS_FILE = "not a jobs file of generate_many; choose another file"


@dataclass(slots=True)
class _RequestState:
    """The state of one request, from the jobs file and from this run.

    Attributes:
        sent_at: When its create was sent; None if it certainly created nothing.
        generation_id: The id of its generation, if it is known.
        paths: The files that its results were saved to; None if they are not saved.
        has_failed: Whether the generation failed or is gone.
        is_recorded: Whether the jobs file has the generation's id.
    """

    sent_at: str | None = None
    generation_id: str | None = None
    paths: Sequence[str] | None = None
    has_failed: bool = False
    is_recorded: bool = True


@dataclass(slots=True, eq=False)
class Batch:
    """The requests of a call of generate_many, their states, and the jobs file if there is one.

    The jobs file has one JSON line per event, and lines are only appended. The events of a request are:
    "sending" (written before the create is sent), "created" or "not created", "failed" or "saved". The file
    contains no prompts.

    Attributes:
        client: The client's settings.
        requests: The requests.
        timeout: Seconds for each request.
        saving: How to save the results.
        jobs_file: The jobs file, if there is one.
        states: The states of the requests, in their order.
        on_progress: Called after each request.
        creating: The numbers of the requests whose create is in progress.
        ended: The outcomes so far, by the number of their request.
    """

    client: Client
    requests: Sequence[GenerationRequest]
    timeout: float
    saving: Saving
    jobs_file: LineFile | None
    states: list[_RequestState]
    on_progress: Callable[[BatchProgress], object] | None
    creating: set[int] = field(default_factory=set)
    ended: dict[int, BatchOutcome] = field(default_factory=dict)

    @property
    def outcomes(self) -> Sequence[BatchOutcome]:
        """Return the outcomes in the order of the requests, once all have ended."""
        return [self.ended[number] for number in range(len(self.requests))]

    def is_creating(self) -> bool:
        """Return whether a create is in progress, or its outcome is not yet in the jobs file."""
        return bool(self.creating)

    def resume_hint(self) -> str:
        """Return a text that says how many generations are saved, and how to continue with the others."""
        done = f"{sum(one.paths is not None for one in self.states)} of {len(self.requests)} are saved"
        if self.jobs_file is not None:
            return f"To continue: repeat the call with jobs_file={str(self.jobs_file.path)!r} ({done})"
        lines = [done]
        for request, state in zip(self.requests, self.states, strict=True):
            if state.paths is not None or state.has_failed or state.sent_at is None:
                continue
            if state.generation_id is None:
                arguments = ["find-created", "--sent-at", state.sent_at, "--model", request.model]
            else:
                arguments = ["wait", state.generation_id, *self.saving.options]
            lines.append(f"To continue: {self.client.api.command} {shlex.join(arguments)}")
        return "\n".join(lines)

    def close(self) -> None:
        """Close the jobs file if there is one."""
        if self.jobs_file is not None:
            self.jobs_file.close()

    def abort(self, error: BaseException) -> None:
        """Close the jobs file because of an exception, and add to it how to continue."""
        error.add_note(self.resume_hint())
        self.close()

    def end(self, number: int, outcome: BatchOutcome) -> None:
        """Store the outcome of a request, and report the progress."""
        self.ended[number] = outcome
        if self.on_progress is not None:
            failed = sum(one.error is not None for one in self.ended.values())
            self.on_progress(BatchProgress(len(self.ended), failed, len(self.requests), outcome))

    def outcome(self, number: int) -> Running[BatchOutcome]:
        """Process one request, or what is left of it. Errors of the client are returned in the outcome."""
        call = Call(self.client, self.timeout, self.client.request_timeout)
        return call.running(self._outcome(call, number))

    def _outcome(self, call: Call, number: int) -> Flow[BatchOutcome]:
        request, state = self.requests[number], self.states[number]
        paths = [Path(path) for path in state.paths or ()]
        if state.paths is not None and all(path.is_file() for path in paths):
            return BatchOutcome(request, state.generation_id, paths=paths)
        try:
            generated = yield from self._generate(call, number)
        except NetMindError as error:
            call.annotate(error)
            yield from self._record_error(number, error)
            return BatchOutcome(request, generation_id=error.generation_id, error=error)
        return BatchOutcome(request, generated.generation.id, generated.generation, generated.paths)

    def _generate(self, call: Call, number: int) -> Flow[Generated]:
        state = self.states[number]
        if state.generation_id is None and state.sent_at is not None:
            raise self._outcome_unknown(call, number, state.sent_at)
        generation = state.generation_id or (yield from self._create(call, number))
        generated = yield from finish(call, generation, self.saving, Waiting())
        self.states[number].paths = paths = [str(path) for path in generated.paths]
        yield from self._record(number, "saved", generation_id=generated.generation.id, paths=paths)
        return generated

    def _create(self, call: Call, number: int) -> Flow[Generation]:
        request = self.requests[number]
        self.creating.add(number)  # until its outcome is in the jobs file
        state = self.states[number] = _RequestState(sent_at=timestamp(_clock.wall()))
        try:
            yield from self._record(number, "sending", sent_at=state.sent_at)
            created = yield from operations.create(call, request.model, request.config)
        except CreateOutcomeUnknownError:
            raise
        except (ApiError, TransportError, ConfigurationError, DownloadError, Stopped):
            state.sent_at = None  # certainly nothing was created
            with contextlib.suppress(DownloadError):
                yield from self._record(number, "not created")
            raise
        else:
            state.generation_id, state.is_recorded = created.id, False
            # If the disk is full, still wait for the generation. A later line will contain its id.
            with contextlib.suppress(DownloadError):
                yield from self._record(number, "created", generation_id=created.id)
                state.is_recorded = True
            return created
        finally:
            self.creating.discard(number)

    def _settle_command(self, number: int) -> str:
        file = "" if self.jobs_file is None else str(self.jobs_file.path)
        return f"{shlex.join(['netmind-client', 'settle', file, str(number + 1)])} --generation ID or --none"

    def _outcome_unknown(self, call: Call, number: int, sent_at: str) -> CreateOutcomeUnknownError:
        """Return the error for a create of an earlier run whose outcome is not in the jobs file."""
        request = self.requests[number]
        sent = moment(sent_at) or 0.0
        call.set_resume("find-created", "--sent-at", sent_at, "--model", request.model)
        return CreateOutcomeUnknownError(
            f"an earlier run sent this create at {sent_at} UTC and got no response: a generation may exist. "
            f"Look for it, and then settle it: {self._settle_command(number)}",
            model=request.model,
            config=dict(request.config),
            sent_at=sent,
            find=lambda timeout: self.client.find(_clock.wall() - sent, request.model, timeout),
        )

    def _record_error(self, number: int, error: NetMindError) -> Flow[None]:
        """Record in the jobs file what the next run needs to know about a request with an error."""
        state = self.states[number]
        with contextlib.suppress(DownloadError):
            if not state.is_recorded:  # try again: a full disk may have space now
                yield from self._record(number, "created", generation_id=state.generation_id)
            if isinstance(error, GenerationFailedError | NotFoundError) and state.generation_id:
                state.has_failed = True
                yield from self._record(number, "failed", generation_id=state.generation_id)

    def _record(self, number: int, event: str, **fields: Any) -> Flow[None]:
        """Append an event to the jobs file if there is one. It is on the disk when this ends."""
        if self.jobs_file is None:
            return
        line = {"request": number + 1, "digest": _digest(self.requests[number]), "event": event, **fields}
        text, jobs_file = json.dumps(line), self.jobs_file
        yield Do(lambda: jobs_file.add(text))


def open_batch(
    client: Client,
    requests: Iterable[GenerationRequest | tuple[str, Mapping[str, Any]]],
    timeout: float,
    saving: Saving,
    jobs_file: str | os.PathLike[str] | None,
    *,
    concurrency: int,
    retry_failed: bool,
    on_progress: Callable[[BatchProgress], object] | None,
) -> Batch:
    """Check the arguments of generate_many, and return the batch. The jobs file is locked until it is closed.

    Args:
        client: The client's settings.
        requests: The requests from the user.
        timeout: Seconds for each request.
        saving: How to save the results.
        jobs_file: The path of the jobs file, if there is one.
        concurrency: How many requests to process at a time.
        retry_failed: Whether to create generations again that failed in an earlier run.
        on_progress: Called after each request.

    Raises:
        ConfigurationError: An argument is invalid, or the jobs file belongs to other requests or is in use.
        DownloadError: The folder or the jobs file cannot be written to.
    """
    check_positive_integer("concurrency", concurrency)
    seconds("timeout", timeout)
    check_callback("on_progress", on_progress)
    checked = [_check_request(number, one) for number, one in enumerate(requests, 1)]
    _files.prepare(saving.folder)
    file = None if jobs_file is None else _files.LineFile(Path(jobs_file))
    batch = Batch(client, checked, timeout, saving, file, [_RequestState() for _ in checked], on_progress)
    try:
        if file is not None:
            batch.states = _read_states(file, checked)
    except BaseException:
        batch.close()
        raise
    if retry_failed:
        batch.states = [_RequestState() if one.has_failed else one for one in batch.states]
    client.created.update(one.generation_id for one in batch.states if one.generation_id)
    return batch


def _digest(request: GenerationRequest) -> str:
    canonical = json.dumps([request.model, request.config], sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _check_request(number: int, value: Any) -> GenerationRequest:
    try:
        model, config = value
        request = GenerationRequest(model, dict(config))
        _digest(request)
    except (TypeError, ValueError, RecursionError) as error:
        example = ("Qwen/Qwen-Image", {"prompt": "A cup"})
        message = f"request {number}: expected (model, config), such as {example}, got {type(value).__name__}"
        raise ConfigurationError(message) from error
    if not isinstance(model, str) or not model.strip():
        raise ConfigurationError(f"request {number}: expected a model's name, got {model!r}")
    return request


def _read_states(file: LineFile, requests: Sequence[GenerationRequest]) -> list[_RequestState]:
    states = [_RequestState() for _ in requests]
    lines = file.complete.splitlines()
    for number, text in enumerate(lines, 1):
        where = f"{file.path}, line {number}"
        try:
            index, digest, event, line = read_line(text)
        except (ValueError, RecursionError) as error:
            raise ConfigurationError(f"{where}: {_NOT_A_JOBS_FILE}") from error
        if not 0 <= index < len(requests) or _digest(requests[index]) != digest:
            raise ConfigurationError(
                f"{where}: request {index + 1} is different in this file. Keep the order of the requests and "
                "add new ones at the end, or choose another jobs file"
            )
        one = states[index]
        one.generation_id = line.get("generation_id", one.generation_id)
        match event:
            case "sending":
                one = states[index] = _RequestState(line.get("sent_at"))
            case "failed":
                one.has_failed = True
            case "not created":
                one.sent_at = None
            case "saved":
                one.paths, one.has_failed = line["paths"], False
    # A single incomplete line is removed later. Before that, check that it is the start of an event.
    begins = b'{"request": '
    if file.incomplete and not lines and file.incomplete[: len(begins)] != begins[: len(file.incomplete)]:
        raise ConfigurationError(f"{file.path}: {_NOT_A_JOBS_FILE}")
    return states


def read_line(text: bytes) -> tuple[int, str, str, dict[str, Any]]:
    """Return the index of a request, its digest, the event, and the whole line as JSON.

    Raises:
        ValueError: It is not a line of a jobs file.
    """
    line: Any = json.loads(text)
    match line:
        case {"request": int(number), "digest": str(digest), "event": str(event)}:
            paths = line.get("paths", [])
            texts = [line.get("generation_id", ""), line.get("sent_at", "")]
            has_valid_types = isinstance(paths, list) and all(
                isinstance(one, str) for one in [*texts, *paths]
            )
            needed = {"sending": "sent_at", "created": "generation_id", "saved": "paths"}.get(event, "event")
            if has_valid_types and line.get(needed):
                return number - 1, digest, event, line
    raise ValueError("not a line of a jobs file")
