"""What a test holds: orders before, assertions after; the same for a fake in process and a served one."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from netmind_mock.control.operations import call
from netmind_mock.journal.polling import Polling, polling_from_json
from netmind_mock.journal.spend import Spend, spend_from_json
from netmind_mock.simulation.faults import OPERATIONS
from netmind_mock.testing.assertions import Actual, assert_created, assert_times
from netmind_mock.validation import InvalidInput, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from netmind_mock.fake import Fake
    from netmind_mock.journal.entries import Entry


_EVERY_OPERATION = dict.fromkeys((*OPERATIONS, "other"))


@dataclass(frozen=True, slots=True)
class JobState:
    """A job as it is now.

    Attributes:
        id: 32 hexadecimal digits.
        model: As it was asked for.
        status: As a poll would be answered.
        scenario: What was ordered for it; empty if nothing was.
        deleted: Whether it was deleted.
    """

    id: str
    model: str
    status: str
    scenario: str
    deleted: bool


class Handle:
    """Orders what becomes of jobs and answers, and says what the client under test did.

    Attributes:
        base_url: Where the API is, without a slash or /v1 at its end; also in ``NETMIND_BASE_URL``.
        api_key: A token that is accepted; also in ``NETMIND_API_KEY``.
    """

    base_url: str
    api_key: str
    _if_nothing_came = ""

    def __init__(self, fake: Fake, user_id: str | None, base_url: str, api_key: str) -> None:
        """Control a fake.

        Args:
            fake: The fake.
            user_id: The only account that it is about; None for all.
            base_url: Where its API is.
            api_key: An API key that is accepted.
        """
        self._fake = fake
        self._user_id = user_id
        self.base_url = base_url
        self.api_key = api_key

    def _call(self, name: str, payload: Mapping[str, Any] | None = None) -> Any:
        """Call an operation of the control API, and return its JSON."""
        __tracebackhide__ = True
        self._check_used()
        try:
            return call(self._fake, self._user_id, name, payload or {})
        except InvalidInput as mistake:  # raised where the test asked for it, and not by our own frames
            raise type(mistake)(str(mistake)) from None

    def _entries(self, operation: str | None = None) -> list[Entry]:
        self._check_used()
        return self._fake.journal.entries(self._user_id, operation=operation)

    def _check_used(self) -> None:
        """Raise if no client can have called the fake."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self.base_url!r})"

    # Orders

    def next_job(self, scenario: str = "completed", /, *, times: int = 1, **arguments: Any) -> None:
        """Order what becomes of the next job that is created, or of the next ``times`` jobs.

        Args:
            scenario: Its name, such as ``failed``; ``netmind-mock scenarios`` lists them.
            times: For how many jobs, one after the other.
            arguments: The scenario's own, such as ``after=600``.

        Raises:
            InvalidInput: There is no such scenario or argument; with the nearest that there is.
        """
        __tracebackhide__ = True
        self._call("add_next_job", {**arguments, "scenario": scenario, "times": times, "where": _caller()})

    def every_job(
        self, scenario: str, /, *, model: str | None = None, prompt: str | None = None, **arguments: Any
    ) -> None:
        """Order what becomes of every job, or of those of a model (``Qwen/*``) or with words in the prompt.

        Raises:
            InvalidInput: It cannot be, or can never match.
        """
        __tracebackhide__ = True
        conditions = {"model": model, "prompt": prompt}
        stated = {name: value for name, value in conditions.items() if value is not None}
        self._call("add_rule", {**stated, **arguments, "scenario": scenario})

    def otherwise(self, scenario: str, /, **arguments: Any) -> None:
        """Order what becomes of the jobs that nothing else is ordered for; the mark of a test does so.

        Raises:
            InvalidInput: There is no such scenario or argument.
        """
        __tracebackhide__ = True
        self._call("add_rule", {**arguments, "scenario": scenario, "otherwise": True})

    def clear_rules(self) -> None:
        """Take away what was ordered for every job."""
        self._call("clear_rules")

    def fault(self, operation: str, kind: str = "status", /, **arguments: Any) -> None:
        """Let something go wrong with the answers of an operation; by default with the next one.

        Args:
            operation: ``create``, ``get``, ``list``, ``delete`` or ``file``.
            kind: Such as ``status``, ``reset`` or ``delay``; ``netmind-mock scenarios`` lists them.
            arguments: The kind's own, and ``times``, ``skip``, ``probability``, ``job``.

        Raises:
            InvalidInput: There is no such operation, kind or argument; with the nearest that there is.
        """
        __tracebackhide__ = True
        asked = {**arguments, "operation": operation, "kind": kind, "where": _caller()}
        self._call("add_fault", asked)

    def clear_faults(self) -> None:
        """Take all faults away."""
        self._call("clear_faults")

    def complete(self, job: Any) -> None:
        """Complete a job now: a ``by_hand`` one, or any that has not ended.

        Raises:
            InvalidInput: There is no such job, or it has ended.
        """
        __tracebackhide__ = True
        self._call("complete", {"id": _id_of(job)})

    def fail(self, job: Any, reason: str = "Failed by hand") -> None:
        """Let a job fail now, with its last log line.

        Raises:
            InvalidInput: There is no such job, or it has ended.
        """
        __tracebackhide__ = True
        self._call("fail", {"id": _id_of(job), "reason": reason})

    def reset(self) -> None:
        """Forget jobs, orders and journal."""
        self._call("reset")

    # What happened

    @property
    def jobs(self) -> Sequence[JobState]:
        """The jobs, oldest first."""
        return [
            JobState(job["id"], job["model"], job["status"], job["scenario"], job["deleted_at"] is not None)
            for job in reversed(self._call("jobs")["jobs"])
        ]

    @property
    def journal(self) -> Sequence[Entry]:
        """Every request and its answer, oldest first."""
        return self._entries()

    def requests(self, operation: str) -> Sequence[Entry]:
        """The requests of an operation, oldest first.

        Raises:
            InvalidInput: There is no such operation.
        """
        __tracebackhide__ = True
        if operation not in _EVERY_OPERATION:
            hint = nearest(operation, _EVERY_OPERATION)
            raise InvalidInput(f"requests: no such operation as {operation[:60]!r}; {hint}")
        return self._entries(operation)

    @property
    def spend(self) -> Spend:
        """What the jobs would have cost, by the price table; without one, each create costs 1."""
        return spend_from_json(self._call("spend"))

    def polling(self, job: Any = None) -> Polling:
        """How a job was polled; by default the only one.

        Raises:
            InvalidInput: There is no such job, or several and none is named.
        """
        __tracebackhide__ = True
        return polling_from_json(self._call("polling", {"id": _id_of(job or self._only_job())}))

    def unused(self) -> Sequence[str]:
        """The orders that came to nothing, each with the place where it was written.

        Those for a next job that no create used, and faults for so many requests that struck none.
        """
        waiting = self._call("next_jobs")["next_jobs"]
        faults = [
            one
            for one in self._call("faults")["faults"]
            if one["times"] is not None and one["probability"] == 1 and not one["applied"]
        ]
        return [
            *(f"next_job({one['scenario']!r}), written in {one['where']}" for one in waiting),
            *(f"fault({one['operation']!r}, {one['kind']!r}), written in {one['where']}" for one in faults),
        ]

    # Assertions

    def assert_created(
        self,
        *,
        times: int | None = 1,
        model: str | None = None,
        config: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        """Fail unless so many creates were accepted that ask for this.

        Args:
            times: How many; None for at least one.
            model: The model's name.
            config: The whole config.
            options: Options of the config, such as ``prompt="A cup of coffee"``; others may be there besides.

        Raises:
            AssertionError: The message names the field, what was expected and came, and the nearest request.
        """
        __tracebackhide__ = True
        assert_created(self._seen(), times=times, model=model, config=config, options=options)

    def assert_requested(self, operation: str, *, times: int | None = None) -> None:
        """Fail unless an operation was asked for so often; None for at least once.

        Raises:
            AssertionError: It was not; the message lists what was.
            InvalidInput: There is no such operation.
        """
        __tracebackhide__ = True
        assert_times(self._seen(), self.requests(operation), operation, times)

    def assert_billed_once(self) -> None:
        """Fail if a create was sent again because the answer to the first was lost.

        Raises:
            AssertionError: One was; the message names both requests and the jobs.
        """
        __tracebackhide__ = True
        spend = self.spend
        if spend.twice:
            raise AssertionError("paid for twice: " + "; ".join(map(str, spend.twice)))
        if spend.dropped:
            room = f"the journal had no room for {spend.dropped} requests"
            raise AssertionError(f"nobody knows whether anything was paid for twice: {room}")

    def assert_all_used(self) -> None:
        """Fail if an order came to nothing: a next job that no create used, a fault that struck no request.

        Raises:
            AssertionError: One did; the message says which, and where it was written.
        """
        __tracebackhide__ = True
        unused = self.unused()
        if not unused:
            return
        operations = [entry.operation for entry in self.journal]
        actual = ", ".join(f"{operations.count(name)} of {name}" for name in dict.fromkeys(operations))
        raise AssertionError(
            f"ordered, and come to nothing: {'; '.join(unused)}. What came: {actual or 'no request'}. "
            "Does the code under test do less than this test orders, or with another token? "
            "(netmind_mock_unused = ignore lets it pass)"
        )

    def _seen(self) -> Actual:
        dropped: int = self._call("journal", {"limit": 1})["dropped"]
        return Actual(self.journal, dropped, self._if_nothing_came)

    def _only_job(self) -> str:
        jobs = self.jobs
        if len(jobs) != 1:
            raise InvalidInput(
                f"polling: there are {len(jobs)} jobs; say which, such as mock.polling(mock.jobs[0])"
            )
        return jobs[0].id


def _id_of(job: Any) -> str:
    """The id of a job: itself, or what has one as an attribute or a key."""
    if isinstance(job, str):
        return job
    found = job.get("id") if isinstance(job, dict) else getattr(job, "id", None)
    if not isinstance(found, str):
        raise InvalidInput(f"job: expected a generation or its id, got {type(job).__name__}")
    return found


def _caller() -> str:
    """Where the test is that calls the handle: ``file:line``."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__") == __name__:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
