"""Ctrl-C at any line of the client, and a cancelled task: the generation is named, and no part file is left."""

import asyncio
import os
import re
import sys
from typing import NamedTuple

import anyio
import httpx2
import pytest
import requests
from scripted import Api, OverHttpx, OverRequests

import netmind_client
from netmind_client import AsyncGenerationClient, GenerationClient
from netmind_client._transport import deadline

BASE = "https://api.netmind.ai"
URL = f"{BASE}/v1/generation"
ID = "6347623b2fce4998b0e842f7e935ccb0"
PACKAGE = os.path.dirname(netmind_client.__file__)  # noqa: PTH120 - as frames spell it
WAIT = f"To continue: netmind-client wait {ID}"
FIND = r"To continue: netmind-client find-created --sent-at '20\d\d-\d\d-\d\d \d\d:\d\d:\d\d' --model m"

# An interrupt may arrive between the opening of a file and the assignment of its name.
pytestmark = pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")


class Line(NamedTuple):
    file: str
    number: int
    sent: bool  # whether the create was sent


class Interrupter:
    """A tracer that raises KeyboardInterrupt at one line event of the client.

    Attributes:
        lines: The lines so far.
    """

    def __init__(self, api, at=None):
        self.lines = []
        self._api = api
        self._at = at

    def __call__(self, frame, _event, _argument):
        return self._line if frame.f_code.co_filename.startswith(PACKAGE) else None

    def _line(self, frame, event, _argument):
        if event == "line":
            if len(self.lines) == self._at:
                sys.settrace(None)
                raise KeyboardInterrupt
            self.lines.append(Line(frame.f_code.co_filename, frame.f_lineno, bool(self._api.calls)))
        return self._line


class Service:
    """An API with one generation that ends at the third poll, and a client of it in virtual time."""

    def __init__(self, generation, tmp_path, library, over_httpx=OverHttpx):
        self._generation = generation
        self._over_httpx = over_httpx
        self._library = library
        self._tmp_path = tmp_path
        self._runs = 0

    def run(self, method, at=None):
        """Call a method of a new client, interrupted at a line. Return what is raised, and the lines."""
        self.api, self._now, self._runs = Api(), 0.0, self._runs + 1
        self.folder = self._tmp_path / str(self._runs)
        self.api.post(URL, json=self._generation())
        self.api.get(f"{URL}/{ID}", json=self._generation())
        self.api.get(f"{URL}/{ID}", json=self._generation("completed"))
        self.api.get("https://files.example/a/cup.png", body=[b"pic", b"ture"])
        arguments = {
            "create": ("m", {}),
            "generate": ("m", {}, self.folder),
            "generate_many": ([("m", {})], self.folder),
        }[method]
        interrupter = Interrupter(self.api, at)
        call = self._sync if self._library == "requests" else self._async
        before = sys.gettrace()
        try:
            return call(method, arguments, interrupter), interrupter.lines
        finally:
            sys.settrace(before)

    def _sync(self, method, arguments, interrupter):
        session = requests.Session()
        session.trust_env = False  # takes less time
        session.mount("https://", OverRequests(self.api))
        client = GenerationClient("k3y", BASE, session=session, sleep=self._sleep, monotonic=self._monotonic)
        try:
            sys.settrace(interrupter)
            getattr(client, method)(*arguments)
        except BaseException as error:  # noqa: BLE001 - returned
            return error

    def _async(self, method, arguments, interrupter):
        async def call():
            http_client = httpx2.AsyncClient(transport=self._over_httpx(self.api))
            client = AsyncGenerationClient(
                "k3y", BASE, http_client=http_client, sleep=self._async_sleep, monotonic=self._monotonic
            )
            try:
                sys.settrace(interrupter)
                await getattr(client, method)(*arguments)
            except BaseException as error:  # noqa: BLE001 - returned
                return error

        return anyio.run(call)

    def _monotonic(self):
        return self._now

    def _sleep(self, seconds):
        self._now += seconds

    async def _async_sleep(self, seconds):
        self._sleep(seconds)


@pytest.fixture(params=["requests", "httpx"])
def service(request, generation, tmp_path, monkeypatch):
    monkeypatch.setattr("os.fsync", lambda _: None)  # takes most of the time
    # An interrupt of the line that resets it leaves the deadline of an exchange behind, for other tests.
    monkeypatch.setattr(deadline, "_current", deadline._Current())
    return Service(generation, tmp_path, request.param)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["create", "generate"])
@pytest.mark.parametrize("half", [0, 1])
def test_ctrl_c_at_any_line_after_the_create_names_the_generation(service, method, half):
    error, lines = service.run(method)
    assert error is None
    events = [(line, at) for at, line in enumerate(lines) if line.sent]
    first, last = dict(reversed(events)), dict(events)
    each = sorted(last)[half::2]  # half of the lines where they are reached first, and the others last
    numbers = {line: (first, last)[half][line] for line in each}
    assert len(numbers) > 15
    for line, at in numbers.items():
        error, _ = service.run(method, at)
        assert type(error) is KeyboardInterrupt, line
        [note] = error.__notes__
        options = f" -o {service.folder}" if method == "generate" else ""
        if "GET" in [call.method for call in service.api.calls]:
            assert note == WAIT + options, line
        else:
            assert note in (WAIT, WAIT + options) or re.fullmatch(FIND, note), line
        assert [path.name for path in service.folder.glob("*")] in ([], [f"{ID}-cup.png"]), line


@pytest.mark.parametrize("service", ["requests"], indirect=True)
def test_ctrl_c_at_any_line_of_the_thread_that_generates_many_names_the_generation(service):
    error, lines = service.run("generate_many")
    assert error is None
    for at in {line: at for at, line in enumerate(lines)}.values():
        error, _ = service.run("generate_many", at)
        assert type(error) is KeyboardInterrupt, lines[at]
        sent = [call.method for call in service.api.calls]  # read first, because a thread may still poll
        notes = "".join(getattr(error, "__notes__", []))
        if "POST" in sent:
            wait = f"0 of 1 are saved\n{WAIT} -o {service.folder}"
            assert notes in (wait, "1 of 1 are saved") or re.fullmatch(f"0 of 1 are saved\n{FIND}", notes), at
        else:
            assert "To continue" not in notes, lines[at]


class Cancelling(OverHttpx):
    """A transport that cancels the task which sends a request, after the server has received it."""

    def __init__(self, api, at):
        super().__init__(api)
        self._at = at

    async def handle_async_request(self, request):
        response = await super().handle_async_request(request)
        if len(self._api.calls) == self._at:
            asyncio.current_task().cancel()
            await asyncio.sleep(0)
        return response


@pytest.mark.parametrize(
    ("request_number", "expected"),
    [(1, FIND), (2, f"{WAIT} -o .*"), (3, f"{WAIT} -o .*"), (4, f"{WAIT} -o .*")],
)
def test_a_cancelled_task_names_the_generation_in_a_note_and_in_the_log(
    generation, tmp_path, caplog, request_number, expected
):
    service = Service(generation, tmp_path, "httpx", lambda api: Cancelling(api, request_number))
    error, _ = service.run("generate", at=-1)
    assert type(error) is asyncio.CancelledError
    [note] = error.__notes__
    assert re.fullmatch(expected, note)
    assert caplog.messages == [f"cancelled, but a generation may exist. {note}"]
    assert list(service.folder.iterdir()) == []
