"""Many generations: what is to be done, what was done already, and what each came to."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from netmind_client import _clock, _files
from netmind_client._flows import operations
from netmind_client._flows.call import Call, check_callback, check_whole, seconds
from netmind_client._flows.effects import Do, Flow, Stopped
from netmind_client._flows.generate import finish
from netmind_client._flows.operations import moment, timestamp
from netmind_client._flows.waiting import Waiting
from netmind_client.exceptions import (
    ApiError,
    ConfigurationError,
    CreateOutcomeUnknown,
    DownloadError,
    GenerationFailed,
    NetMindError,
    NotFoundError,
    TransportError,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from netmind_client._files import Lines
    from netmind_client._flows.call import Client
    from netmind_client._flows.generate import Generated
    from netmind_client._flows.saving import Saving
    from netmind_client._models import Generation


_NO_JOBS = "not a file of jobs, as generate_many writes it; name another"


class GenerationRequest(NamedTuple):
    """What is to be generated.

    Attributes:
        model: Such as ``Qwen/Qwen-Image``.
        config: The model's options.
    """

    model: str
    config: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class BatchOutcome:
    """What one of many requests came to.

    Attributes:
        request: The request.
        generation_id: Its job, if there is one.
        generation: The completed job; None if it failed, or was done by an earlier run.
        paths: The files that it was saved to.
        error: What went wrong; None if nothing did.
    """

    request: GenerationRequest
    generation_id: str | None = None
    generation: Generation | None = None
    paths: Sequence[Path] = ()
    error: NetMindError | None = None


class ManyProgress(NamedTuple):
    """How far many generations are.

    Attributes:
        done: How many have ended, well or not.
        failed: How many of these ended otherwise than well.
        of: How many there are.
        last: What the last one came to.
    """

    done: int
    failed: int
    of: int
    last: BatchOutcome


@dataclass(slots=True)
class _KnownLine:
    """What is known of one request: by the file of jobs, and since."""

    sent_at: str | None = None
    generation_id: str | None = None
    paths: Sequence[str] | None = None
    has_failed: bool = False
    is_noted: bool = True  # whether the file has its id


@dataclass(slots=True, eq=False)
class Batch:
    """The requests, and the file of their jobs, if there is one.

    The file has a line of JSON an event, and lines are only added: that a create is being sent, before it
    is; that it made this job, or certainly none; that the job failed, or its results are saved. It holds no
    prompts.
    """

    client: Client
    requests: Sequence[GenerationRequest]
    timeout: float
    saving: Saving
    jobs: Lines | None
    known: list[_KnownLine]
    on_progress: Callable[[ManyProgress], object] | None
    creating: set[int] = field(default_factory=set)  # whose creates are on their way
    ended: dict[int, BatchOutcome] = field(default_factory=dict)

    @property
    def outcomes(self) -> Sequence[BatchOutcome]:
        """What the requests came to, in their order, once all have ended."""
        return [self.ended[number] for number in range(len(self.requests))]

    def is_creating(self) -> bool:
        """Return whether a create is on its way, or its job's id not yet in the file."""
        return bool(self.creating)

    def how_to_go_on(self) -> str:
        """Return a text that says how many jobs are saved, and how to go on with the others."""
        done = f"{sum(one.paths is not None for one in self.known)} of {len(self.requests)} are saved"
        if self.jobs is not None:
            return f"To go on: make the same call again, with the jobs_file {self.jobs.path} ({done})"
        left = [one for one in self.known if one.paths is None and not one.has_failed]
        lines = [done]
        for generation_id in filter(None, [one.generation_id for one in left]):
            wait = shlex.join(["wait", generation_id, *self.saving.options])
            lines.append(f"To go on: {self.client.api.command} {wait}")
        if unheard := sum(one.sent_at is not None and one.generation_id is None for one in left):
            lines.append(f"Creates of which no answer was heard: {unheard}. Look for them: find_created")
        return "\n".join(lines)

    def end(self, number: int, outcome: BatchOutcome) -> None:
        """Keep what a request came to, and report the progress."""
        self.ended[number] = outcome
        if self.on_progress is not None:
            failed = sum(one.error is not None for one in self.ended.values())
            self.on_progress(ManyProgress(len(self.ended), failed, len(self.requests), outcome))

    def outcome(self, number: int) -> Flow[BatchOutcome]:
        """Do one request, or what is left of it; never raises a NetMindError."""
        request, known = self.requests[number], self.known[number]
        paths = [Path(path) for path in known.paths or ()]
        if known.paths is not None and all(path.is_file() for path in paths):
            return BatchOutcome(request, known.generation_id, paths=paths)
        call = Call(self.client, self.timeout, self.client.request_timeout)
        try:
            made = yield from call.annotated(self._made(call, number))
        except NetMindError as error:
            yield from self._note_end(number, error)
            return BatchOutcome(request, generation_id=error.generation_id, error=error)
        return BatchOutcome(request, made.generation.id, made.generation, made.paths)

    def _made(self, call: Call, number: int) -> Flow[Generated]:
        known = self.known[number]
        if known.generation_id is None and known.sent_at is not None:
            raise self._left_open(call, self.requests[number], known.sent_at)
        job = known.generation_id or (yield from self._create(call, number))
        made = yield from finish(call, job, self.saving, Waiting())
        self.known[number].paths = paths = [str(path) for path in made.paths]
        yield from self._note(number, "saved", generation_id=made.generation.id, paths=paths)
        return made

    def _create(self, call: Call, number: int) -> Flow[Generation]:
        request = self.requests[number]
        self.creating.add(number)  # until the file says what became of it
        known = self.known[number] = _KnownLine(sent_at=timestamp(_clock.wall()))
        try:
            yield from self._note(number, "sending", sent_at=known.sent_at)
            created = yield from operations.create(call, request.model, request.config)
        except CreateOutcomeUnknown:
            raise
        except (ApiError, TransportError, ConfigurationError, DownloadError, Stopped):
            known.sent_at = None  # there is certainly no job
            with contextlib.suppress(DownloadError):
                yield from self._note(number, "not created")
            raise
        else:
            known.generation_id, known.is_noted = created.id, False
            # The job is there, and is waited for, whatever the disk says: a later line names it.
            with contextlib.suppress(DownloadError):
                yield from self._note(number, "created", generation_id=created.id)
                known.is_noted = True
            return created
        finally:
            self.creating.discard(number)

    def _left_open(self, call: Call, request: GenerationRequest, sent_at: str) -> CreateOutcomeUnknown:
        """Return the error for a create that an earlier run sent, and of whose outcome it did not hear."""
        sent = moment(sent_at) or 0.0
        call.resume_by("find-created", "--sent-at", sent_at, "--model", request.model)
        return CreateOutcomeUnknown(
            f"an earlier run sent this create at {sent_at} UTC, and heard no answer: there may be a job",
            model=request.model,
            config=dict(request.config),
            sent_at=sent,
            find=lambda timeout: self.client.find(_clock.wall() - sent, request.model, timeout),
        )

    def _note_end(self, number: int, error: NetMindError) -> Flow[None]:
        """Note what the next run has to know of a request that did not end well."""
        known = self.known[number]
        with contextlib.suppress(DownloadError):
            if not known.is_noted:  # a disk that was full has room now
                yield from self._note(number, "created", generation_id=known.generation_id)
            if isinstance(error, GenerationFailed | NotFoundError) and known.generation_id:
                known.has_failed = True
                yield from self._note(number, "failed", generation_id=known.generation_id)

    def _note(self, number: int, event: str, **facts: Any) -> Flow[None]:
        """Add a line to the file, before anything else happens."""
        if self.jobs is None:
            return
        line = {"request": number + 1, "digest": _digest(self.requests[number]), "event": event, **facts}
        text, jobs = json.dumps(line), self.jobs
        yield Do(lambda: jobs.add(text))


@contextlib.contextmanager
def opened(
    client: Client,
    requests: Iterable[GenerationRequest | tuple[str, Mapping[str, Any]]],
    timeout: float,
    saving: Saving,
    jobs_file: str | os.PathLike[str] | None,
    *,
    concurrency: int,
    retry_failed: bool,
    on_progress: Callable[[ManyProgress], object] | None,
) -> Iterator[Batch]:
    """Return what is to be done, as a user gives it, with the file of jobs for this run alone.

    Raises:
        ConfigurationError: Something is not what it should be.
        DownloadError: Nothing can be saved there.
    """
    check_whole("concurrency", concurrency)
    seconds("timeout", timeout)
    check_callback("on_progress", on_progress)
    read = [_read_request(number, one) for number, one in enumerate(requests, 1)]
    _files.prepare(saving.folder)
    file: contextlib.AbstractContextManager[Lines | None] = contextlib.nullcontext()
    if jobs_file is not None:
        file = contextlib.closing(_files.Lines(Path(jobs_file)))
    with file as jobs:
        known = [_KnownLine() for _ in read] if jobs is None else _read_jobs(jobs, read)
        if retry_failed:
            known = [_KnownLine() if one.has_failed else one for one in known]
        client.created.update(one.generation_id for one in known if one.generation_id)
        batch = Batch(client, read, timeout, saving, jobs, known, on_progress)
        try:
            yield batch
        except BaseException as error:  # Ctrl-C, a cancelled task, a callback's own
            error.add_note(batch.how_to_go_on())
            raise


def _digest(request: GenerationRequest) -> str:
    canonical = json.dumps([request.model, request.config], sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _read_request(number: int, given: Any) -> GenerationRequest:
    try:
        model, config = given
        request = GenerationRequest(model, dict(config))
        _digest(request)
    except (TypeError, ValueError, RecursionError) as error:
        example = ("Qwen/Qwen-Image", {"prompt": "A cup"})
        message = f"request {number}: expected (model, config), such as {example}, got {type(given).__name__}"
        raise ConfigurationError(message) from error
    if not isinstance(model, str) or not model.strip():
        raise ConfigurationError(f"request {number}: expected a model's name, got {model!r}")
    return request


def _read_jobs(jobs: Lines, requests: Sequence[GenerationRequest]) -> list[_KnownLine]:
    known = [_KnownLine() for _ in requests]
    lines = jobs.whole.splitlines()
    for number, text in enumerate(lines, 1):
        where = f"{jobs.path}, line {number}"
        try:
            index, digest, event, line = _read_line(text)
        except (ValueError, RecursionError) as error:
            raise ConfigurationError(f"{where}: {_NO_JOBS}") from error
        if not 0 <= index < len(requests) or _digest(requests[index]) != digest:
            raise ConfigurationError(
                f"{where}: request {index + 1} was another one. The file belongs to other requests: keep "
                "their order, add new ones at the end, or name another file"
            )
        one = known[index]
        one.generation_id = line.get("generation_id", one.generation_id)
        match event:
            case "sending":
                one = known[index] = _KnownLine(line.get("sent_at"))
            case "failed":
                one.has_failed = True
            case "not created":
                one.sent_at = None
            case "saved":
                one.paths, one.has_failed = line["paths"], False
    begins = b'{"request": '
    if jobs.torn and not lines and jobs.torn[: len(begins)] != begins[: len(jobs.torn)]:
        raise ConfigurationError(f"{jobs.path}: {_NO_JOBS}")
    return known


def _read_line(text: bytes) -> tuple[int, str, str, dict[str, Any]]:
    """The index of a request, its digest, what happened, and the line.

    Raises:
        ValueError: It is no line of a file of jobs.
    """
    line: Any = json.loads(text)
    match line:
        case {"request": int(number), "digest": str(digest), "event": str(event)}:
            paths = line.get("paths", [])
            texts = [line.get("generation_id", ""), line.get("sent_at", "")]
            is_whole = isinstance(paths, list) and all(isinstance(one, str) for one in [*texts, *paths])
            needed = {"sending": "sent_at", "created": "generation_id", "saved": "paths"}.get(event, "event")
            if is_whole and line.get(needed):
                return number - 1, digest, event, line
    raise ValueError("no such line")
