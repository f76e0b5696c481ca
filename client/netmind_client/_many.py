"""Many generations: what is to be done, what was done already, and what each came to."""

from __future__ import annotations

import contextlib
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from netmind_client import _files
from netmind_client._call import seconds as call_seconds
from netmind_client._call import whole
from netmind_client._core import Waiting
from netmind_client._effects import Do, Flow, Stopped
from netmind_client._operations import seconds, timestamp
from netmind_client.exceptions import (
    ApiError,
    ConfigurationError,
    CreateOutcomeUnknown,
    NetMindError,
    TransportError,
    UnexpectedAnswer,
)

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from netmind_client._call import Call
    from netmind_client._core import Core, Generated
    from netmind_client._models import Generation
    from netmind_client._saving import Saving


class GenerationRequest(NamedTuple):
    """What is to be generated.

    Attributes:
        model: Such as ``Qwen/Qwen-Image``.
        config: The model's options.
    """

    model: str
    config: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Outcome:
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
    last: Outcome


@dataclass(slots=True)
class _Known:
    """What the file of jobs says of one request."""

    digest: str
    sent_at: str | None = None
    generation_id: str | None = None
    paths: tuple[str, ...] | None = None


class Batch:
    """The requests, and the file of their jobs, if there is one.

    The file has a line of JSON an event, and lines are only added: that a create is being sent, before it
    is; that it made this job, or certainly none; that the job's results are saved. It holds no prompts.
    """

    def __init__(
        self,
        core: Core,
        requests: Sequence[GenerationRequest],
        saving: Saving,
        timeout: float,
        jobs_file: Path | None,
    ) -> None:
        """Read what was done.

        Raises:
            ConfigurationError: The file is no such file, or belongs to other requests.
        """
        self.requests = requests
        self._creating: set[int] = set()  # whose creates are on their way
        self._core = core
        self._saving = saving
        self._timeout = timeout
        self._file = jobs_file
        self._known = {} if jobs_file is None else _read_jobs(jobs_file, requests)
        core.known |= {known.generation_id for known in self._known.values() if known.generation_id}

    def is_creating(self) -> bool:
        """Whether a create is on its way, or its job's id not yet in the file."""
        return bool(self._creating)

    def tally(self, on_progress: Callable[[ManyProgress], object] | None) -> Tally:
        """What they came to, so far nothing."""
        return Tally(len(self.requests), on_progress)

    def outcome(self, number: int) -> Flow[Outcome]:
        """Do one request, or what is left of it; never raises a NetMindError."""
        request = self.requests[number]
        call = self._core.long_call(self._timeout)
        try:
            done = self._done_before(number)
            if done is not None:
                return done
            made = yield from call.told(self._made(call, number))
        except NetMindError as error:
            return Outcome(request, generation_id=error.generation_id, error=error)
        return Outcome(request, made.generation.id, made.generation, made.paths)

    def _done_before(self, number: int) -> Outcome | None:
        known = self._known.get(number)
        if known is None or known.paths is None:
            return None
        paths = [Path(path) for path in known.paths]
        if not all(path.is_file() for path in paths):
            return None
        return Outcome(self.requests[number], known.generation_id, paths=paths)

    def _made(self, call: Call, number: int) -> Flow[Generated]:
        core, saving = self._core, self._saving
        known = self._known.get(number)
        if known is not None and known.generation_id is not None:
            call.about("wait", known.generation_id, "-o", str(saving.folder))
            seen = yield from core.waited(call, known.generation_id, Waiting())
            made = yield from core.saved(call, seen, saving)
        elif known is not None and known.sent_at is not None:
            raise _left_open(core, call, self.requests[number], known.sent_at)
        else:
            created = yield from self._create(call, number)
            made = yield from core.finished(call, created, saving, Waiting())
        paths = [str(path) for path in made.paths]
        yield from self._note(number, "saved", generation_id=made.generation.id, paths=paths)
        return made

    def _create(self, call: Call, number: int) -> Flow[Generation]:
        request = self.requests[number]
        yield from self._note(number, "sending", sent_at=timestamp(call.wall()))
        self._creating.add(number)
        try:
            created = yield from self._core.created(call, request.model, request.config)
            yield from self._note(number, "created", generation_id=created.id)
        except CreateOutcomeUnknown:
            raise
        except (ApiError, TransportError, UnexpectedAnswer, ConfigurationError, Stopped):
            yield from self._note(number, "not created")
            raise
        finally:
            self._creating.discard(number)
        return created

    def _note(self, number: int, event: str, **facts: Any) -> Flow[None]:
        """Add a line to the file, before anything else happens."""
        if self._file is None:
            return
        line = {"request": number + 1, "digest": _digest(self.requests[number]), "event": event, **facts}
        text, path = json.dumps(line) + "\n", self._file
        yield Do(lambda: _files.append(path, text))


class Tally:
    """What many requests came to, so far.

    Attributes:
        outcomes: In the order of the requests, once all have ended.
    """

    def __init__(self, of: int, on_progress: Callable[[ManyProgress], object] | None) -> None:
        self._by_number: dict[int, Outcome] = {}
        self._of = of
        self._on_progress = on_progress

    @property
    def outcomes(self) -> Sequence[Outcome]:
        return [self._by_number[number] for number in range(self._of)]

    def add(self, number: int, outcome: Outcome) -> None:
        """One has ended."""
        self._by_number[number] = outcome
        if self._on_progress is not None:
            failed = sum(one.error is not None for one in self._by_number.values())
            self._on_progress(ManyProgress(len(self._by_number), failed, self._of, outcome))


@contextlib.contextmanager
def opened(
    core: Core,
    requests: Iterable[GenerationRequest | tuple[str, Mapping[str, Any]]],
    saving: Saving,
    timeout: float,
    concurrency: int,
    jobs_file: str | os.PathLike[str] | None,
) -> Iterator[Batch]:
    """What is to be done, as a user gives it, with the file of jobs for this run alone.

    Raises:
        ConfigurationError: Something is not what it should be.
        DownloadError: Nothing can be saved there.
    """
    whole("concurrency", concurrency)
    call_seconds("timeout", timeout)
    read = [_read_request(number, one) for number, one in enumerate(requests, 1)]
    _files.prepare(saving.folder)
    path = None if jobs_file is None else Path(jobs_file)
    with contextlib.nullcontext() if path is None else _files.locked(path):
        yield Batch(core, read, saving, timeout, path)


def _left_open(core: Core, call: Call, request: GenerationRequest, sent_at: str) -> CreateOutcomeUnknown:
    """The error for a create that an earlier run sent, and of whose outcome it did not hear."""
    moment = seconds(sent_at) or 0.0
    message = f"an earlier run sent this create at {sent_at} UTC, and heard no answer: there may be a job"
    call.resume_by("find-created", "--sent-at", sent_at, "--model", request.model)
    error = CreateOutcomeUnknown(message, model=request.model, config=dict(request.config), sent_at=moment)
    error._find = lambda timeout: core.run(core.find_created_at(moment, request.model, timeout))
    return error


def _digest(request: GenerationRequest) -> str:
    canonical = json.dumps([request.model, request.config], sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]


def _read_request(number: int, given: Any) -> GenerationRequest:
    try:
        model, config = given
        request = GenerationRequest(model, dict(config))
        _digest(request)
    except (TypeError, ValueError) as error:
        example = ("Qwen/Qwen-Image", {"prompt": "A cup"})
        message = f"request {number}: expected (model, config), such as {example}, got {given!r}"
        raise ConfigurationError(message) from error
    if not isinstance(model, str):
        raise ConfigurationError(f"request {number}: expected a model's name, got {model!r}")
    return request


def _read_jobs(path: Path, requests: Sequence[GenerationRequest]) -> dict[int, _Known]:
    known: dict[int, _Known] = {}
    for number, text in enumerate(_files.complete_lines(path), 1):
        where = f"{path}, line {number}"
        try:
            line = json.loads(text)
            index, digest, event = line["request"] - 1, line["digest"], line["event"]
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigurationError(f"{where}: not a file of jobs, as generate_many writes it") from error
        if not 0 <= index < len(requests) or _digest(requests[index]) != digest:
            raise ConfigurationError(
                f"{where}: request {index + 1} was another one. The file belongs to other requests: keep "
                "their order, add new ones at the end, or name another file"
            )
        one = known.setdefault(index, _Known(digest))
        match event:
            case "sending":
                one.sent_at = str(line.get("sent_at"))
            case "created":
                one.generation_id = str(line.get("generation_id"))
            case "not created":
                one.sent_at = None
            case "saved":
                one.paths = tuple(line.get("paths", ()))
    return known
