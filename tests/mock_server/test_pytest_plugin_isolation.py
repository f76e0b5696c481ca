"""The plugin keeps tests apart: their markers, their dates, their environment, and what outlives them."""

import os
import signal
import subprocess
import sys
import time

import pytest
from support import wait_for_file

pytestmark = pytest.mark.slow


def test_a_marker_of_a_module_is_for_its_tests_that_use_a_fake(project):
    project.run("""
    import pytest
    from netmind_client import GenerationClient
    from netmind_client.exceptions import GenerationFailedError

    pytestmark = pytest.mark.netmind(scenario="failed", reason="no GPU")

    @pytest.fixture(params=["netmind_mock", "netmind_server"])
    def fake(request):
        return request.getfixturevalue(request.param)

    def test_with_a_fake(fake):
        client = GenerationClient()
        job = client.create("Qwen/Qwen-Image", {"prompt": "x"})
        fake.clock.advance(10)
        with pytest.raises(GenerationFailedError, match="no GPU"):
            client.wait(job)

    def test_without_one():
        pass

    @pytest.mark.netmind(scenario="completed")
    def test_with_its_own_marker(fake):
        GenerationClient().create("Qwen/Qwen-Image", {"prompt": "x"})
    """)
    assert "5 passed" in project.output


def test_a_test_with_its_own_marker_needs_a_fake_also_from_a_fixture(project):
    project.run("""
    import pytest

    @pytest.fixture
    def fake(request):
        if request.config.getoption("verbose") > 5:
            return request.getfixturevalue("netmind_mock")

    @pytest.mark.netmind(scenario="failed")
    def test_it(fake):
        raise ZeroDivisionError
    """)
    assert "test_made_up.py::test_it: has the marker netmind but uses no fake" in project.output
    assert "ZeroDivisionError" not in project.output


def test_both_fakes_in_one_test_are_an_error_also_by_getfixturevalue(project):
    project.run("""
    def test_it(netmind_mock, request):
        request.getfixturevalue("netmind_server")
    """)
    assert "test_made_up.py::test_it: uses netmind_mock and netmind_server; use one" in project.output


def test_a_test_that_a_plugin_runs_again_gets_a_new_fake(project):
    """As pytest-rerunfailures does, with the same item."""
    (project.folder / "conftest.py").write_text("""
from _pytest.runner import runtestprotocol

def pytest_runtest_protocol(item, nextitem):
    for _ in range(2):
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
        item._initrequest()
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    return True
""")
    project.run("""
    import pytest

    @pytest.mark.parametrize("fake", ["netmind_mock", "netmind_server"])
    def test_it(fake, request):
        assert request.getfixturevalue(fake).jobs == []
    """)
    assert "2 passed" in project.output


def test_a_fixture_with_a_wider_scope_is_told_what_to_use(project):
    project.run("""
    import pytest

    @pytest.fixture(scope="module")
    def pictures(netmind_mock):
        return []

    def test_it(pictures):
        pass
    """)
    assert "In a fixture with a wider scope, use\n`with netmind_mock.start() as mock:`" in project.output


def test_a_fixture_with_a_wider_scope_can_start_a_fake(project):
    project.run("""
    import netmind_mock, pytest
    from netmind_client import GenerationClient

    @pytest.fixture(scope="module")
    def mock():
        with netmind_mock.start() as mock:
            yield mock

    def test_one(mock):
        GenerationClient().create("Qwen/Qwen-Image", {"prompt": "x"})

    def test_two(mock):
        assert GenerationClient().list() != []
    """, "-p", "no:randomly")  # fmt: skip
    assert "2 passed" in project.output


def test_the_date_of_a_test_can_be_set(project):
    project.ini("netmind_mock_now = 2025-09-18 09:14:20")
    project.run("""
    import pytest
    from netmind_client import GenerationClient

    def test_by_the_option(netmind_mock):
        job = GenerationClient().create("Qwen/Qwen-Image", {"prompt": "x"})
        assert job.created_at == "2025-09-18 09:14:20"

    @pytest.mark.netmind(now="2026-01-01")
    def test_by_the_marker(netmind_mock):
        job = GenerationClient().create("Qwen/Qwen-Image", {"prompt": "x"})
        assert job.created_at == "2026-01-01 00:00:00"

    @pytest.mark.netmind(now="yesterday")
    def test_by_a_mistake(netmind_mock):
        pass
    """)
    assert "2 passed, 1 error" in project.output
    assert "now: expected a date and time in UTC such as 2025-09-18 09:14:20" in project.output
    assert "'yesterday'" in project.output


def test_the_environment_ends_as_it_began_also_if_the_test_changes_it(project):
    project.run("""
    import os, pytest

    @pytest.fixture(autouse=True)
    def settings(monkeypatch):
        monkeypatch.setenv("MY_APP", "test")

    @pytest.mark.parametrize("fake", ["netmind_mock", "netmind_server"])
    def test_it(fake, request, monkeypatch):
        request.getfixturevalue(fake)
        monkeypatch.setenv("NETMIND_API_KEY", "mine")

    def test_afterwards():
        assert "NETMIND_API_KEY" not in os.environ
        assert "NETMIND_BASE_URL" not in os.environ
    """, "-p", "no:randomly")  # fmt: skip
    assert "3 passed" in project.output


def test_a_failed_test_shows_what_was_refused(project):
    project.run("""
    import contextlib, urllib.request

    def test_it(netmind_mock):
        with contextlib.suppress(OSError):
            urllib.request.urlopen(netmind_mock.base_url + "/v1/generation")
        assert netmind_mock.journal
    """)
    shown = project.output.partition("Requests your client sent")[2]
    assert "none\nrefused to connect to api.netmind.ai: netmind_mock responds to requests, httpx" in shown
    assert "not to urllib. Use the fixture netmind_server, a real HTTP server" in shown


def test_a_thread_that_outlives_its_test_is_named_at_the_end(project):
    project.run("""
    import contextlib, threading, requests

    over = threading.Event()

    def poll(url):
        over.wait()
        with contextlib.suppress(requests.ConnectionError):
            requests.get(url, timeout=5)

    def test_starts_a_thread(netmind_mock):
        global thread
        thread = threading.Thread(target=poll, args=[netmind_mock.base_url + "/v1/generation"])
        thread.start()

    def test_another():
        over.set()
        thread.join()
    """, "-p", "no:randomly")  # fmt: skip
    assert "2 passed" in project.output
    summary = project.output.partition("netmind_mock: requests to the real API that were refused")[2]
    assert "test_made_up.py::test_starts_a_thread has outlived it. End it in the test" in summary


def test_a_server_that_died_is_named_at_once(project):
    project.run("""
    import netmind_mock, pytest

    def test_the_first(netmind_server, _netmind_live_server):
        _netmind_live_server.stop()

    def test_the_next(netmind_server):
        pass
    """, "-p", "no:randomly")  # fmt: skip
    assert "1 passed, 1 error" in project.output
    assert "does not run any more: it was stopped" in project.output


def test_httpx_works_after_a_test_with_another_mock_of_it(project):
    """A monkeypatch that is undone after the fake has stopped must not bring its interception back."""
    project.run("""
    import httpx, pytest

    @pytest.fixture(autouse=True)
    def settings(monkeypatch):
        monkeypatch.setenv("MY_APP", "test")

    def test_both(netmind_mock, httpx_mock):
        httpx_mock.add_response(url="https://other/x", json={})
        assert httpx.get("https://other/x").json() == {}

    def test_the_fake_alone(netmind_mock):
        with pytest.raises(httpx.ConnectError):
            httpx.get("http://127.0.0.1:1/")

    def test_neither():
        with pytest.raises(httpx.ConnectError):
            httpx.get("http://127.0.0.1:1/")
    """, "-p", "no:randomly", "-p", "pytest_httpx")  # fmt: skip
    assert "3 passed" in project.output


def test_it_is_clean_under_strict_warnings(project):
    project.run("""
    import asyncio, aiohttp, httpx, httpx2, requests

    def test_it(netmind_mock):
        url = netmind_mock.base_url + "/v1/generation"
        headers = {"Authorization": "any"}
        for get in (requests.get, httpx.get, httpx2.get):
            assert get(url, headers=headers, timeout=5).status_code == 200

        async def main():
            async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as response:
                assert response.status == 200

        asyncio.run(main())

    def test_served(netmind_server):
        url = netmind_server.base_url + "/v1/generation"
        assert requests.get(url, headers={"Authorization": netmind_server.api_key}, timeout=5).status_code == 200
    """, "-W", "error", PYTHONDEVMODE="1", PYTHONWARNDEFAULTENCODING="1")  # fmt: skip
    assert "2 passed" in project.output


def test_ctrl_c_ends_a_run_with_requests_that_hang_and_writes_its_report(project):
    (project.folder / "test_made_up.py").write_text("""
import pathlib, threading, requests

def test_it(netmind_server):
    netmind_server.fault("list", "hang", times=None)
    url, headers = netmind_server.base_url + "/v1/generation", {"Authorization": netmind_server.api_key}
    for _ in range(5):
        threading.Thread(target=requests.get, args=[url], kwargs={"headers": headers}, daemon=True).start()
    body = {"model": "google/nano-banana-pro", "config": {"prompt": "x", "sync_mode": True}}
    netmind_server.next_job("stuck")
    pathlib.Path("ready").write_text("ready")
    requests.post(url, headers=headers, json=body)
""")
    command = [sys.executable, "-m", "pytest", "-p", "netmind_testkit", "--junitxml=report.xml"]
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    with subprocess.Popen(command, cwd=project.folder, env=environment, stdout=subprocess.PIPE) as run:
        wait_for_file(project.folder / "ready", run)
        began = time.monotonic()
        run.send_signal(signal.SIGINT)
        run.communicate(timeout=20)
    assert run.returncode == 2
    assert time.monotonic() - began < 3
    assert (project.folder / "report.xml").exists()
