"""Never run: mypy proves that the public names have the types that users rely on."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, assert_type

from flask import Flask

from netmind_client import Generated, Generation, GenerationClient, Result
from netmind_contracts import Claim, Level, Violation, check, load_claims, openapi, violations
from netmind_mock import MemoryStore, Profile, SteerableClock, create_app, load_profile


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


def contracts() -> None:
    assert_type(load_claims(), tuple[Claim, ...])
    assert_type(load_claims()[0].level, Level)
    assert_type(violations("generation", {}, closed=True), tuple[Violation, ...])
    assert_type(openapi(), dict[str, Any])
    check("deleted", {"message": "Generation deleted"})


def mock() -> None:
    clock = SteerableClock(speed=60)
    app = create_app(profile="observed", clock=clock, store=MemoryStore(), api_keys=["key"], seed=1)
    assert_type(app, Flask)
    assert_type(load_profile("documented"), Profile)
    assert_type(clock.now(), float)
