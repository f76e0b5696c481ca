"""From a fake to a page of HTML."""

from __future__ import annotations

import shlex
from functools import cache
from importlib import resources
from importlib.metadata import version
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import orjson

from netmind_mock.control.dashboard import views
from netmind_mock.control.dashboard.journal import requests_of
from netmind_mock.control.operations import OPERATIONS_BY_NAME, call
from netmind_mock.simulation.faults import OPERATIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import jinja2

    from netmind_mock.fake import Fake
    from netmind_mock.jobs.job import Job

PAGES = (("", "Jobs"), ("pages/journal", "Journal"), ("pages/steer", "Clock and orders"))
STATUSES = ("pending", "initializing", "processing", "completed", "failed", "deleted")
_FILTERS = ("status", "model", "account", "text", "operation")
_JSON = "-H 'Content-Type: application/json'"


class Pages:
    """The pages of a fake, as a client reaches them at a base URL."""

    def __init__(self, fake: Fake, base_url: str, query: Mapping[str, str]) -> None:
        self._fake = fake
        self._base_url = base_url
        self._query = {name: query.get(name, "") for name in _FILTERS}
        self._before = query.get("before", "")

    def jobs(self) -> str:
        """The table of jobs."""
        shown = views.jobs_of(self._fake, {**self._query, "before": self._before})
        older = self._older(shown.before)
        return self._page("jobs.html", "Jobs", "", jobs=shown, statuses=STATUSES, older=older)

    def job(self, job: Job) -> str:
        """A job's own page."""
        shown = views.shown_job(self._fake, job, self._base_url)
        here = f"pages/jobs/{job.id}"
        curls = {
            "advance": self._curl("steer_clock", {"advance": shown.to_next}, own=shown.own_clock),
            "complete": self._curl("complete", {}, job.id),
            "fail": self._curl("fail", {"reason": "Failed by hand"}, job.id),
            "expire_links": self._curl("expire_links", {}, job.id),
            "delete": self._curl("delete", None, job.id),
            "create": _create_curl(shown.request),
        }
        title = f"Job {job.id}"
        return self._page("job.html", title, here, job=shown, curls=curls, pytest=_pytest_of(shown))

    def journal(self) -> str:
        """The journal."""
        shown = requests_of(self._fake, {**self._query, "before": self._before})
        known = (*OPERATIONS, "other")
        older = self._older(str(shown.before or ""))
        return self._page(
            "journal.html", "Journal", "pages/journal", requests=shown, operations=known, older=older
        )

    def steer(self) -> str:
        """The clock, and what is ordered."""
        fake = self._fake
        clock = call(fake, None, "clock", {})
        to_next = views.next_event(fake.store.page(None), clock["now"])
        curls = {
            "second": self._curl("steer_clock", {"advance": 1}),
            "minute": self._curl("steer_clock", {"advance": 60}),
            "next": self._curl("steer_clock", {"advance": to_next}),
            "freeze": self._curl("steer_clock", {"freeze": True}),
            "resume": self._curl("steer_clock", {"freeze": False}),
            "speed": self._curl("steer_clock", {"speed": 60}),
            "next_job": self._curl("add_next_job", {"scenario": "failed after=3", "times": 1}),
            "fault": self._curl("add_fault", {"operation": "get", "kind": "status", "code": 503, "times": 1}),
            "clear_faults": self._curl("clear_faults", None),
            "reset": self._curl("reset", {}),
        }
        known = call(fake, None, "scenarios", {})
        return self._page(
            "steer.html",
            "Clock and orders",
            "pages/steer",
            clock=clock,
            to_next=to_next,
            curls=curls,
            scenarios=known["scenarios"],
            faults=[one for one in known["faults"] if fake.accounts.can_carry(one["kind"])],
            operations=OPERATIONS,
            next_jobs=call(fake, None, "next_jobs", {})["next_jobs"],
            ordered=call(fake, None, "faults", {})["faults"],
        )

    def message(self, message: str, back: str, *, asks_key: bool = False) -> str:
        """What could not be done, and why."""
        return self._page("message.html", "netmind-mock", "", message=message, back=back, asks_key=asks_key)

    def _page(self, template: str, title: str, here: str, **shown: Any) -> str:
        shown = {"back": f"/__mock/{here}", **shown}
        return (
            _environment()
            .get_template(template)
            .render(
                title=title,
                here=here,
                pages=PAGES,
                version=version("netmind-testkit"),
                mode=views.mode_of(self._fake, self._base_url),
                query=self._query,
                told="",
                **shown,
            )
        )

    def _older(self, before: str) -> str:
        return urlencode({name: value for name, value in self._query.items() if value} | {"before": before})

    def _curl(self, operation: str, payload: Any, job_id: str = "", *, own: bool = False) -> str:
        """The command that does the same."""
        one = OPERATIONS_BY_NAME[operation]
        command = f"curl {self._base_url}/__mock/{one.path.replace('{id}', job_id)}"
        if own:  # only its account can steer it
            command += ' -H "Authorization: Bearer $NETMIND_API_KEY"'
        if payload is None:
            return f"{command} -X {one.method}"
        return f"{command} {_JSON} -d {shlex.quote(orjson.dumps(payload).decode())}"


def text_of(name: str) -> str:
    """One of the files that the pages bring along."""
    return resources.files("netmind_mock.control.dashboard").joinpath(name).read_text(encoding="utf-8")


def _create_curl(request: str) -> str:
    where = '"$NETMIND_BASE_URL/v1/generation" -H "Authorization: Bearer $NETMIND_API_KEY"'
    return f"curl {where} {_JSON} -d {shlex.quote(request)}"


def _pytest_of(shown: views.Shown) -> str:
    """A test that creates the same, and sees it become of it what became of this one."""
    order = f"    netmind_mock.next_job({shown.scenario!r})\n" if shown.scenario else ""
    return (
        "import requests\n\n\n"
        "def test_it(netmind_mock):\n"
        f"{order}"
        "    answer = requests.post(\n"
        '        f"{netmind_mock.base_url}/v1/generation",\n'
        '        headers={"Authorization": f"Bearer {netmind_mock.api_key}"},\n'
        f"        json={orjson.loads(shown.request)!r},\n"
        "    )\n"
        "    assert answer.status_code == 200\n"
    )


@cache
def _environment() -> jinja2.Environment:
    import jinja2  # noqa: PLC0415 - only who looks at a page pays for it

    loader = jinja2.FunctionLoader(lambda name: text_of(f"templates/{name}"))
    return jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True)
