"""The methods of ``Mock`` and ``LiveMock``: set up scenarios and faults, read the journal, assert."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Unpack

from netmind_mock.control.operations import call
from netmind_mock.control.operations.verification import unused
from netmind_mock.journal.matching import Wanted
from netmind_mock.journal.polling import Polling, polling_from_json
from netmind_mock.journal.spend import Spend, spend_from_json
from netmind_mock.simulation.faults import OPERATIONS
from netmind_mock.testing.assertions import Actual, assert_created, assert_times
from netmind_mock.validation import InvalidInput, nearest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from netmind_mock.fake import Fake
    from netmind_mock.journal.entries import Entry
    from netmind_mock.testing.names import (
        FaultArguments,
        FaultKind,
        FaultOperation,
        Operation,
        ScenarioArguments,
        ScenarioName,
    )


_EVERY_OPERATION = dict.fromkeys((*OPERATIONS, "other"))


@dataclass(frozen=True, slots=True)
class JobState:
    """A job as it is now.

    Attributes:
        id: 32 hexadecimal digits.
        model: The model of the create request.
        status: The status that a poll would get.
        scenario: Its scenario; empty without one.
        deleted: Whether it was deleted.
    """

    id: str
    model: str
    status: str
    scenario: str
    deleted: bool


class Handle:
    """What a test can do with a fake: set up scenarios and faults, and assert what the client did.

    Attributes:
        base_url: The URL of the API, without ``/v1`` or a slash at the end; also in ``NETMIND_BASE_URL``.
        api_key: An API key that is accepted; also in ``NETMIND_API_KEY``.
    """

    base_url: str
    api_key: str
    _if_no_requests = ""

    def __init__(self, fake: Fake, user_id: str | None, base_url: str, api_key: str) -> None:
        """Control a fake.

        Args:
            fake: The fake.
            user_id: The account to control; None for all.
            base_url: The URL of its API.
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
        except InvalidInput as mistake:  # raised at the test's own line, without our frames
            raise type(mistake)(str(mistake)) from None

    def _entries(self, operation: str | None = None) -> list[Entry]:
        self._check_used()
        return self._fake.journal.entries(self._user_id, operation=operation)

    def _check_used(self) -> None:
        """Raise if no client can have called the fake."""

    @property
    def environment(self) -> dict[str, str]:
        """Return the environment variables that lead a client to the fake."""
        return {"NETMIND_BASE_URL": self.base_url, "NETMIND_API_KEY": self.api_key}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(base_url={self.base_url!r})"

    # Setup

    def next_job(
        self,
        scenario: ScenarioName = "completed",
        /,
        *,
        times: int = 1,
        **arguments: Unpack[ScenarioArguments],
    ) -> None:
        """Queue a scenario for the next job that is created, or for the next ``times`` jobs.

        Args:
            scenario: Its name, such as ``failed``; ``netmind-mock scenarios`` lists them.
            times: For how many jobs.
            arguments: The arguments of the scenario, such as ``after=600``.

        Raises:
            InvalidInput: There is no such scenario or argument. The message suggests a similar one.
        """
        __tracebackhide__ = True
        self._call("add_next_job", {**arguments, "scenario": scenario, "times": times, "where": _caller()})

    def every_job(
        self,
        scenario: ScenarioName,
        /,
        *,
        model: str | None = None,
        prompt: str | None = None,
        **arguments: Unpack[ScenarioArguments],
    ) -> None:
        """Set the scenario of all jobs, or only of those that match.

        Args:
            scenario: Its name, such as ``failed``.
            model: Only jobs of this model; ``Qwen/*`` matches all models of Qwen.
            prompt: Only jobs with this text in the prompt.
            arguments: The arguments of the scenario, such as ``after=600``.

        Raises:
            InvalidInput: There is no such scenario, argument or model, or an earlier rule matches first.
        """
        __tracebackhide__ = True
        conditions = {"model": model, "prompt": prompt}
        given = {name: value for name, value in conditions.items() if value is not None}
        self._call("add_rule", {**given, **arguments, "scenario": scenario})

    def otherwise(self, scenario: ScenarioName, /, **arguments: Unpack[ScenarioArguments]) -> None:
        """Set the scenario of all jobs without another one, as the marker of a test does.

        Raises:
            InvalidInput: There is no such scenario or argument.
        """
        __tracebackhide__ = True
        self._call("add_rule", {**arguments, "scenario": scenario, "otherwise": True})

    def clear_rules(self) -> None:
        """Remove the scenario and rules for all jobs."""
        self._call("clear_rules")

    def fault(
        self, operation: FaultOperation, kind: FaultKind = "status", /, **arguments: Unpack[FaultArguments]
    ) -> None:
        """Add a fault to the responses of an operation; by default to the next one.

        Args:
            operation: ``create``, ``get``, ``list``, ``delete`` or ``file``.
            kind: Such as ``status``, ``reset`` or ``delay``; ``netmind-mock scenarios`` lists them.
            arguments: The arguments of this kind, and ``times``, ``skip``, ``probability``, ``job``.

        Raises:
            InvalidInput: There is no such operation, kind or argument. The message suggests a similar one.
        """
        __tracebackhide__ = True
        payload = {**arguments, "operation": operation, "kind": kind, "where": _caller()}
        self._call("add_fault", payload)

    def clear_faults(self) -> None:
        """Remove all faults."""
        self._call("clear_faults")

    def complete(self, job: Any) -> None:
        """Complete a job now. Its scenario can be ``by_hand`` or any other.

        Raises:
            InvalidInput: There is no such job, or it has ended.
        """
        __tracebackhide__ = True
        self._call("complete", {"id": _id_of(job)})

    def fail(self, job: Any, reason: str = "Failed by hand") -> None:
        """Make a job fail now, with ``reason`` as its last log line.

        Raises:
            InvalidInput: There is no such job, or it has ended.
        """
        __tracebackhide__ = True
        self._call("fail", {"id": _id_of(job), "reason": reason})

    def reset(self) -> None:
        """Delete all jobs, scenarios, rules, faults and journal entries."""
        self._call("reset")

    # What happened

    @property
    def jobs(self) -> Sequence[JobState]:
        """Return the jobs, oldest first."""
        return [
            JobState(job["id"], job["model"], job["status"], job["scenario"], job["deleted_at"] is not None)
            for job in reversed(self._call("jobs")["jobs"])
        ]

    @property
    def journal(self) -> Sequence[Entry]:
        """Return every request with its response, oldest first."""
        return self._entries()

    def requests(self, operation: Operation) -> Sequence[Entry]:
        """Return the requests of an operation, oldest first.

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
        """Return what the jobs would have cost by the price table. Without one, each create costs 1."""
        return spend_from_json(self._call("spend"))

    def polling(self, job: Any = None) -> Polling:
        """Return how a job was polled.

        Args:
            job: The job or its id. Not needed if there is only one.

        Raises:
            InvalidInput: There is no such job, or there are several and ``job`` is missing.
        """
        __tracebackhide__ = True
        return polling_from_json(self._call("polling", {"id": _id_of(job or self._only_job())}))

    def unused(self) -> Sequence[str]:
        """Return the scenarios and faults that were never used, each with the file and line that set it up.

        These are queued scenarios that no create used, and faults that were not applied to any request. A
        fault with a probability, or without a number of times, is not reported.
        """
        return unused(self._call("next_jobs"), self._call("faults"))

    # Assertions

    def assert_created(
        self,
        *,
        times: int | None = 1,
        model: str | None = None,
        config: Mapping[str, Any] | None = None,
        **options: Any,
    ) -> None:
        """Fail unless ``times`` creates with this model, config and options were accepted.

        Args:
            times: How many; None for at least one.
            model: The model's name.
            config: The whole config.
            options: Some options of the config, such as ``prompt="A cup of coffee"``.

        Raises:
            AssertionError: The message names the field, the expected and the actual value, and the
                closest request.
        """
        __tracebackhide__ = True
        assert_created(self._received(), Wanted(model, config, options), times)

    def assert_requested(self, operation: Operation, *, times: int | None = None) -> None:
        """Fail unless ``times`` requests of an operation were sent; None for at least one.

        Raises:
            AssertionError: There were more or fewer; the message lists the requests.
            InvalidInput: There is no such operation.
        """
        __tracebackhide__ = True
        assert_times(self._received(), self.requests(operation), operation, times)

    def assert_billed_once(self) -> None:
        """Fail if a create was sent again because the response to the first was lost.

        Raises:
            AssertionError: The message names both requests and both jobs.
        """
        __tracebackhide__ = True
        spend = self.spend
        if spend.twice:
            raise AssertionError("billed twice: " + "; ".join(map(str, spend.twice)))
        if spend.dropped:
            dropped = f"{spend.dropped} requests were dropped from the journal (see the option journal)"
            raise AssertionError(f"unknown whether anything was billed twice: {dropped}")

    def assert_all_used(self) -> None:
        """Fail if a scenario or fault was never used, as :meth:`unused` returns them.

        Raises:
            AssertionError: The message names each one, and the file and line that set it up.
        """
        __tracebackhide__ = True
        unused = self.unused()
        if not unused:
            return
        operations = [entry.operation for entry in self.journal]
        actual = ", ".join(f"{operations.count(name)} {name}" for name in dict.fromkeys(operations))
        raise AssertionError(
            f"set up but never used: {'; '.join(unused)}. Requests your client sent: {actual or 'none'}. "
            "Does the code under test send fewer requests than this test expects, or use another API key? "
            "(To allow this, set netmind_mock_unused = ignore.)"
        )

    def _received(self) -> Actual:
        dropped: int = self._call("journal", {"limit": 1})["dropped"]
        return Actual(self.journal, dropped, self._if_no_requests)

    def _only_job(self) -> str:
        jobs = self.jobs
        if len(jobs) != 1:
            raise InvalidInput(
                f"polling: there are {len(jobs)} jobs; pass one of them, such as mock.polling(mock.jobs[0])"
            )
        return jobs[0].id


def _id_of(job: Any) -> str:
    """Return the id of a job: a string, or an object or dict with an ``id``."""
    if isinstance(job, str):
        return job
    found = job.get("id") if isinstance(job, dict) else getattr(job, "id", None)
    if not isinstance(found, str):
        raise InvalidInput(f"job: expected a generation or its id, got {type(job).__name__}")
    return found


def _caller() -> str:
    """Return the file and line that called a method of the handle, as ``file:line``."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__") == __name__:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"
