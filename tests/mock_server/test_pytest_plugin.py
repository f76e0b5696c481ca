"""The fixtures as users see them: each test runs pytest on a small project, in another process."""

import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


CREATE = """
    import os, time, requests

    def create(prompt="x"):
        return requests.post(
            os.environ["NETMIND_BASE_URL"] + "/v1/generation",
            json={"model": "Qwen/Qwen-Image", "config": {"prompt": prompt}},
            headers={"Authorization": os.environ["NETMIND_API_KEY"]}, timeout=5,
        ).json()

    def get(job):
        return requests.get(
            os.environ["NETMIND_BASE_URL"] + "/v1/generation/" + job["id"],
            headers={"Authorization": os.environ["NETMIND_API_KEY"]}, timeout=5,
        ).json()

    def wait(job):
        while get(job)["status"] not in ("completed", "failed"):
            time.sleep(5)
        return get(job)
"""


def test_the_fixtures_work_without_an_import(project):
    project.run(CREATE + """
    def test_in_process(netmind_mock, netmind_clock):
        job = create()
        netmind_clock.advance(2)
        assert get(job)["status"] == "completed"
        assert netmind_mock.base_url == "https://api.netmind.ai"

    def test_served(netmind_server):
        job = create()
        netmind_server.clock.advance(2)
        assert get(job)["status"] == "completed"
        assert netmind_server.base_url.startswith("http://127.0.0.1:")

    def test_neither():
        assert "NETMIND_BASE_URL" not in os.environ
    """)  # fmt: skip
    assert "3 passed" in project.output


def test_the_marker_sets_the_scenario_of_every_job(project):
    project.run(CREATE + """
    import pytest

    @pytest.mark.netmind(scenario="failed", reason="no GPU", sleep=True)
    def test_failed(netmind_mock, netmind_clock):
        for _ in range(2):
            assert wait(create())["logs"][-1]["text"] == "no GPU"
        assert netmind_clock.elapsed == 10

    @pytest.mark.netmind(scenario="slow")
    class TestSlow:
        @pytest.mark.netmind(sleep=True)
        def test_markers_are_merged(self, netmind_mock, netmind_clock):
            assert wait(create())["status"] == "completed"
            assert netmind_clock.elapsed == 780

        @pytest.mark.netmind(scenario="failed", reason="near")
        def test_the_closest_marker_wins(self, netmind_mock, netmind_clock):
            netmind_clock.patch_sleep()
            assert wait(create())["logs"][-1]["text"] == "near"

        def test_served(self, netmind_server):
            job = create()
            netmind_server.clock.advance(700)
            assert get(job)["status"] == "pending"

    def test_time_is_real_again():
        before = time.monotonic()
        time.sleep(0.01)
        assert 0.005 < time.monotonic() - before < 5
    """)  # fmt: skip
    assert "5 passed" in project.output


def test_an_unused_scenario_fails_its_test(project):
    project.run("""
    def test_unused(netmind_mock):
        netmind_mock.next_job("failed", after=3)

    def test_unused_served(netmind_server):
        netmind_server.next_job("failed", after=3)
    """)  # fmt: skip
    assert "set up but never used: next_job('failed after=3') at " in project.output
    assert "test_made_up.py:3" in project.output
    assert "Requests your client sent: none. Does the code under test send fewer requests" in project.output
    assert project.code == 1


def test_an_unused_scenario_can_be_allowed(project):
    project.ini("netmind_mock_unused = ignore").run("""
    def test_unused(netmind_mock):
        netmind_mock.next_job("failed")
    """)  # fmt: skip
    assert "1 passed" in project.output


def test_unused_scenarios_are_not_reported_if_the_test_fails(project):
    project.run("""
    def test_unused(netmind_mock):
        netmind_mock.next_job("failed")
        assert 1 == 2
    """)  # fmt: skip
    assert "assert 1 == 2" in project.output
    assert "never used" not in project.output
    assert "1 failed" in project.output
    assert "error" not in project.output.splitlines()[-1]


OPTIONS = (
    CREATE
    + """
    def test_options(netmind_mock, netmind_clock):
        job = create()
        netmind_clock.advance(41)
        assert get(job)["status"] == "processing"
        netmind_clock.advance(1)
        assert get(job)["status"] == "completed"
        assert job["id"].startswith(os.environ.get("EXPECTED", ""))
"""
)


class TestOptions:
    def test_by_ini(self, project):
        project.ini("netmind_mock_profile = observed\nnetmind_mock_duration = 42").run(OPTIONS)
        assert "1 passed" in project.output

    def test_by_flag(self, project):
        project.run(OPTIONS, "--netmind-mock-profile", "observed", "--netmind-mock-duration=42")
        assert "1 passed" in project.output

    def test_by_variable(self, project):
        project.run(OPTIONS, NETMIND_MOCK_PROFILE="observed", NETMIND_MOCK_DURATION="42")
        assert "1 passed" in project.output

    def test_flags_override_variables_and_variables_override_ini_values(self, project):
        project.ini("netmind_mock_profile = observed\nnetmind_mock_duration = 1").run(
            OPTIONS, "--netmind-mock-duration=42", NETMIND_MOCK_DURATION="2"
        )
        assert "1 passed" in project.output

    def test_netmind_server_uses_the_same_options(self, project):
        project.ini("netmind_mock_profile = observed\nnetmind_mock_duration = 42").run(
            OPTIONS.replace("netmind_mock, netmind_clock", "netmind_server").replace(
                "netmind_clock", "netmind_server.clock"
            )
        )
        assert "1 passed" in project.output

    def test_paths_are_relative_to_the_root_of_the_project(self, project):
        project.ini(
            "netmind_mock_rules = rules.toml\nnetmind_mock_prices = prices.toml\nnetmind_mock_patch_sleep = true"
        )
        (project.folder / "rules.toml").write_text('[[rule]]\nprompt = "tea"\nscenario = "failed"\n')
        (project.folder / "prices.toml").write_text("default = 0.5\n")
        (project.folder / "deeper").mkdir()
        project.run(CREATE + """
    def test_rules(netmind_mock):
        assert wait(create("green tea"))["status"] == "failed"
        assert wait(create("coffee"))["status"] == "completed"
        assert netmind_mock.spend.total == 1.0
        """, "-c", "pytest.ini", name="deeper/test_rules.py")  # fmt: skip
        assert "1 passed" in project.output

    @pytest.mark.parametrize(
        ("ini", "message"),
        [
            (
                "netmind_mock_duration = soon",
                "netmind_mock_duration: how long a job takes, in seconds: expected a number from 0 to 1e+09, got 'soon'",
            ),
            ("netmind_mock_unused = maybe", 'expected one of "fail", "ignore", got'),
            ("netmind_mock_patch_sleep = perhaps", "expected true or false, got 'perhaps'"),
            (
                "netmind_mock_profile = observd",
                "netmind_mock: observd: no such profile; give documented or observed",
            ),
            ("netmind_mock_rules = nowhere.toml", "expected a file that exists, got 'nowhere.toml'"),
        ],
    )
    def test_an_invalid_option_is_reported_without_a_traceback(self, project, ini, message):
        project.ini(ini).run("def test_it(netmind_mock): pass")
        assert message in project.output
        assert "Traceback" not in project.output
        assert "pytest_plugin.py" not in project.output  # no source lines of the plugin
        assert project.code != 0

    def test_help_lists_every_option(self, project):
        project.run("", "--help")
        for name in (
            "profile",
            "duration",
            "seed",
            "rules",
            "prices",
            "strict-models",
            "base-url",
            "max-polls",
            "unused",
        ):
            assert f"--netmind-mock-{name}" in project.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("scenario='faild'", "netmind: scenario: no such scenario as 'faild'; did you mean failed?"),
        (
            "scenario='failed', resaon='x'",
            "netmind: rule: resaon: no such key; did you mean reason?",
        ),
        ("reason='x'", "netmind(reason=…): expected sleep, now, or scenario and its arguments"),
        ("senario='failed'", "netmind(senario=…): did you mean scenario?"),
        (
            "profile='observed'",
            "netmind(profile=…): set it with the option netmind_mock_profile, or pass it to",
        ),
        ("'failed'", "netmind takes keyword arguments only, such as netmind(scenario='failed')"),
    ],
)
def test_a_mistake_in_a_marker_names_the_test(project, arguments, message):
    project.run(f"import pytest\n@pytest.mark.netmind({arguments})\ndef test_it(netmind_mock): pass\n")
    assert f"test_made_up.py::test_it: {message}" in project.output
    assert "Traceback" not in project.output


def test_a_marker_without_a_fake_is_an_error(project):
    project.run("import pytest\n@pytest.mark.netmind(scenario='failed')\ndef test_it(): pass\n")
    assert "test_made_up.py::test_it: has the marker netmind but uses no fake" in project.output
    assert "1 error" in project.output


@pytest.mark.parametrize("fixtures", ["netmind_mock, netmind_server", "netmind_server, netmind_clock"])
def test_two_fakes_in_one_test_are_an_error(project, fixtures):
    project.run(f"def test_it({fixtures}): pass\n")
    assert "uses netmind_mock and netmind_server; use one" in project.output


def test_an_unused_fault_fails_its_test(project):
    project.run("def test_it(netmind_mock):\n    netmind_mock.fault('get', 'reset')\n")
    assert "fault('get', 'reset') at " in project.output
    assert "1 passed, 1 error" in project.output


def test_a_failed_test_shows_its_requests_and_hints(project):
    project.run(CREATE + """
    def test_in_process(netmind_mock):
        create("[[mock:faild]]")["id"]

    def test_served(netmind_server):
        create("[[mock:faild]]")["id"]
    """)  # fmt: skip
    assert project.output.count("- Requests your client sent -") == 2
    assert project.output.count("1. create /v1/generation → 422") == 2
    assert project.output.count("did you mean failed? (read docs/mock_server.md)") == 2


def test_errors_are_raised_at_the_line_of_the_test(project):
    project.run(CREATE + """
    def test_typo(netmind_mock):
        netmind_mock.next_job("faild")

    def test_typo_served(netmind_server):
        netmind_server.next_job("faild")

    def test_rude(netmind_mock):
        job = create()
        get(job), get(job)
        netmind_mock.polling().assert_polite()
    """)  # fmt: skip
    assert "3 failed" in project.output
    assert (
        "netmind_mock.InvalidInput: scenario: no such scenario as 'faild'; did you mean failed?"
        in project.output
    )
    assert "/netmind_mock/" not in project.output.replace("netmind_mock/pytest_plugin", "")


def test_code_that_sleeps_in_real_time_is_reported_soon(project):
    project.run(CREATE + """
    def test_forgotten(netmind_mock):
        job = create()
        while get(job)["status"] != "completed":
            time.sleep(0.6)
    """)  # fmt: skip
    assert "was polled 4 times while the virtual clock did not advance" in project.output


def test_the_decorator_can_be_used_on_a_test(project):
    project.run("""
    import netmind_mock, pytest, requests

    @pytest.fixture
    def own():
        return "own"

    @netmind_mock.start(patch_sleep=True)
    def test_decorated(own, mock):
        assert own == "own"
        assert mock.jobs == []
    """)  # fmt: skip
    assert "1 passed" in project.output


def test_sleep_does_not_work_with_netmind_server(project):
    project.run("import pytest\n@pytest.mark.netmind(sleep=True)\ndef test_it(netmind_server): pass\n")
    assert "netmind(sleep=…) works with netmind_mock only: netmind_server keeps real time" in project.output


def test_a_client_that_polls_without_end_fails_only_its_test(project):
    project.run(CREATE + """
    import pytest

    @pytest.mark.netmind(scenario="stuck", sleep=True)
    def test_stuck(netmind_mock):
        wait(create())

    def test_other(netmind_mock):
        create()
    """)  # fmt: skip
    assert "PollLimitReached: generation" in project.output
    assert "1 failed, 1 passed" in project.output


def test_it_works_in_a_project_with_folders_of_the_same_names(project):
    for name in ("client", "contracts", "mock_server"):
        (project.folder / name).mkdir()
        (project.folder / name / "__init__.py").write_text("OWN = True\n")
    project.run(CREATE + """
    import client, contracts, mock_server

    def test_imports(netmind_mock):
        assert client.OWN and contracts.OWN and mock_server.OWN
        create()
        netmind_mock.assert_created(prompt="x")
    """)  # fmt: skip
    assert "1 passed" in project.output


PARALLEL = ("-p", "xdist", "-n", "2")
RANDOM = ("-p", "randomly")


@pytest.mark.parametrize("options", [PARALLEL, RANDOM, PARALLEL + RANDOM])
def test_it_works_in_parallel_and_in_random_order(project, options):
    project.run(CREATE + """
    import pytest

    @pytest.mark.parametrize("number", range(12))
    def test_in_process(netmind_mock, number):
        create(str(number))
        netmind_mock.assert_created(prompt=str(number))

    @pytest.mark.parametrize("number", range(12))
    def test_served(netmind_server, number):
        netmind_server.next_job("failed", after=0, reason=str(number))
        assert get(create())["logs"][-1]["text"] == str(number)
        netmind_server.assert_created()
    """, *options)  # fmt: skip
    assert "24 passed" in project.output


def test_no_fixture_is_used_automatically(project):
    project.run("""
    import sys

    def test_nothing(request):
        assert [name for name in request.fixturenames if "netmind" in name] == []
        assert not any(name in sys.modules for name in ("netmind_mock.app", "netmind_mock.testing", "uvicorn"))
    """)  # fmt: skip
    assert "1 passed" in project.output


def test_the_plugin_imports_only_pytest():
    script = (
        "import sys, pytest; before = set(sys.modules); import netmind_mock.pytest_plugin; "
        "print(sorted({name.partition('.')[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names)))"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30)
    assert ended.stdout == "['netmind_mock']\n", ended.stderr
