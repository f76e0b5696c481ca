"""The private interfaces of other libraries that the fake uses. Each library has an upper bound."""

import asyncio
import inspect
import tomllib

import flask
import pytest
import responses
import uvicorn
from support import ROOT
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.supervisors import Multiprocess
from werkzeug import routing


@pytest.mark.parametrize("library", ["flask", "httptools", "msgspec", "responses", "uvicorn", "werkzeug"])
def test_each_library_has_an_upper_bound(library):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    needs = [need for needs in project["optional-dependencies"].values() for need in needs]
    bounds = [need for need in needs if need.startswith(f"{library}>")]
    assert bounds
    assert all(",<" in bound for bound in bounds)


class TestUvicorn:
    def test_a_server_accepts_listening_sockets(self):
        """``serving/server.serve``, ``testing/live``."""
        assert "sockets" in inspect.signature(uvicorn.Server.run).parameters
        assert list(inspect.signature(Multiprocess.__init__).parameters) == ["self", "config", "sockets"]

    def test_a_server_has_a_flag_to_stop_it(self):
        """``testing/live``."""
        assert uvicorn.Server(uvicorn.Config(lambda: None)).should_exit is False

    def test_a_protocol_has_these_callbacks_and_attributes(self):
        """``serving/wire_faults.Connection``."""
        names = (
            "connection_lost",
            "data_received",
            "eof_received",
            "on_headers_complete",
            "on_message_complete",
        )
        assert all(callable(getattr(HttpToolsProtocol, name)) for name in names)
        source = inspect.getsource(HttpToolsProtocol)
        assert all(f"self.{name}" in source for name in ("transport", "scope", "cycle", "loop"))

    def test_a_cycle_knows_whether_a_response_is_due(self):
        """``serving/wire_faults.Connection.eof_received``."""
        source = inspect.getsource(RequestResponseCycle)
        assert all(f"self.{name}" in source for name in ("response_complete", "more_body", "keep_alive"))


class TestFlask:
    def test_an_application_creates_its_url_adapter_by_a_method(self):
        """``app._FakeFlask``."""
        assert list(inspect.signature(flask.Flask.create_url_adapter).parameters) == ["self", "request"]
        assert flask.Flask.url_rule_class is routing.Rule

    def test_a_rule_compiles_how_to_build_a_url_by_a_method(self):
        """``app._RouteRule``, which would be slower without it."""
        parameters = inspect.signature(routing.Rule._compile_builder).parameters
        assert list(parameters) == ["self", "append_unknown"]

    def test_hooks_are_stored_in_these_tables(self):
        """``app._direct``, which calls no view directly if there is a hook."""
        app = flask.Flask("empty")
        tables = (
            "before_request_funcs",
            "after_request_funcs",
            "teardown_request_funcs",
            "url_value_preprocessors",
        )
        assert all(isinstance(getattr(app, table), dict) for table in tables)


class TestResponses:
    def test_a_mock_handles_requests_by_a_method(self):
        """``testing/for_requests.Guard``, without which a mock of a test's own would send to the real API."""
        parameters = list(inspect.signature(responses.RequestsMock._on_request).parameters)
        assert parameters[:3] == ["self", "adapter", "request"]

    def test_a_query_is_parsed_by_a_method(self):
        """``testing/for_requests.Guard``."""
        assert responses.RequestsMock()._parse_request_params("/a?b=c") == {"b": "c"}

    def test_the_argument_for_retries_has_this_name(self):
        """``testing/for_requests.Interception._wait_as_urllib3_would``."""
        assert "retries" in inspect.signature(responses.RequestsMock._on_request).parameters


def test_an_event_loop_lists_the_callbacks_that_are_due():
    """For testing.virtual_time: time advances only if no task is due. A loop without the list is allowed."""
    loop = asyncio.new_event_loop()
    try:
        assert len(loop._ready) == 0
        loop.call_soon(print)
        assert len(loop._ready) == 1
    finally:
        loop.close()
