"""Never run: mypy proves that the public names have the types that users rely on."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, assert_type

from flask import Flask

from netmind_client import AsyncGenerationClient, Generated, Generation, GenerationClient, Result
from netmind_client.batch import BatchOutcome, GenerationRequest
from netmind_contracts import Claim, Level, Violation, check, load_claims, openapi, violations
from netmind_mock import (
    Entry,
    LiveMock,
    LiveServer,
    MemoryStore,
    Mock,
    Profile,
    SimulatedClock,
    VirtualClock,
    create_app,
    load_profile,
    start,
)


def client() -> None:
    with GenerationClient("key", base_url="http://127.0.0.1:8000", request_timeout=5) as opened:
        assert_type(opened.create("model", {"prompt": "x"}), Generation)
        assert_type(opened.get("id"), Generation)
        assert_type(opened.list(), Sequence[Generation])
        done = opened.wait("id", timeout=5, on_poll=lambda seen: print(seen.status))
        assert_type(opened.download(done, Path("folder")), Sequence[Path])
        made = opened.generate("model", {"prompt": "x"}, "folder")
        assert_type(made, Generated)
        assert_type(made.generation.results, tuple[Result, ...])
        assert_type(made.generation.raw, Mapping[str, Any])
        assert_type([seen.status for seen in opened.states("id")], list[str])
        requests = [GenerationRequest("model", {"prompt": "x"})]
        assert_type(opened.generate_many(requests, jobs_file="jobs"), Sequence[BatchOutcome])
        assert_type(opened.generate_many([("model", {"prompt": "x"})])[0].paths, Sequence[Path])
        assert_type(opened.find_created(0.0), Sequence[Generation])


async def async_client() -> None:
    async with AsyncGenerationClient("key", base_url="http://127.0.0.1:8000") as opened:
        assert_type(await opened.create("model", {"prompt": "x"}), Generation)
        assert_type(await opened.list(), Sequence[Generation])
        assert_type([seen async for seen in opened.states("id")], list[Generation])
        assert_type(await opened.generate("model", {"prompt": "x"}), Generated)
        assert_type(await opened.generate_many([("model", {})]), Sequence[BatchOutcome])


def contracts() -> None:
    assert_type(load_claims(), tuple[Claim, ...])
    assert_type(load_claims()[0].level, Level)
    assert_type(violations("generation", {}, closed=True), tuple[Violation, ...])
    assert_type(openapi(), dict[str, Any])
    check("deleted", {"message": "Generation deleted"})


def mock() -> None:
    clock = SimulatedClock(speed=60)
    app = create_app(profile="observed", clock=clock, store=MemoryStore(), api_key=["key"], seed=1)
    assert_type(app, Flask)
    assert_type(load_profile("documented"), Profile)
    assert_type(clock.now(), float)


def testing(fixture: Mock, served: LiveMock) -> None:
    with start(profile="observed", duration=780, patch_sleep=True) as opened:
        assert_type(opened, Mock)
        assert_type(opened.clock, VirtualClock)
        assert_type(opened.clock.elapsed, float)
    with LiveServer(profile="observed") as server, server.account() as account:
        assert_type(account, LiveMock)
    for handle in (fixture, served):
        handle.next_job("failed", after=3, reason="x")
        handle.every_job("slow", model="Qwen/*")
        handle.fault("get", "status", code=503, times=2)
        assert_type(handle.requests("create"), Sequence[Entry])
        assert_type(handle.spend.total, float)
        assert_type(handle.polling(handle.jobs[0]).intervals, tuple[float, ...])
        handle.assert_created(times=1, model="m", prompt="x")
        # A wrong name is an error: otherwise these comments would be, as unused.
        handle.next_job("faild")  # type: ignore[arg-type]
        handle.next_job("failed", aftr=3)  # type: ignore[call-arg]
        handle.next_job("failed", after="3")  # type: ignore[arg-type]
        handle.every_job("slw")  # type: ignore[arg-type]
        handle.fault("lst", "reset")  # type: ignore[arg-type]
        handle.fault("list", "rest")  # type: ignore[arg-type]
        handle.fault("list", "status", cod=503)  # type: ignore[call-arg]
        handle.requests("creat")  # type: ignore[arg-type]
        handle.assert_requested("creat")  # type: ignore[arg-type]


@start()
def decorated(mock: Mock) -> int:
    return len(mock.jobs)


@start(patch_sleep=True)
async def decorated_coroutine(name: str, mock: Mock) -> str:
    return name + mock.base_url


async def decorators() -> None:
    assert_type(decorated(), int)
    assert_type(await decorated_coroutine("x"), str)
    decorated(1)  # type: ignore[call-arg]


async def virtual(clock: VirtualClock) -> None:
    with clock.patch_sleep():
        assert_type(await clock.async_sleep(1, "done"), str | None)
