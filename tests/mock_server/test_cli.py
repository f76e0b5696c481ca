"""Each option of serve is a flag, an environment variable and a TOML key. Errors are one sentence."""

import tomllib

import click
import pytest
from click.testing import CliRunner
from support import running_fake

from netmind_mock import cli
from netmind_mock.fake import fake_of
from netmind_mock.jobs.profile import SHIPPED
from netmind_mock.serving import server

# A value for each option: as a flag, and in a TOML file.
VALUES = {
    "host": ("127.0.0.2", '"127.0.0.2"'),
    "port": ("8765", "8765"),
    "fd": ("7", "7"),
    "ready_file": ("ready.txt", '"ready.txt"'),
    "end_with_stdin": ("true", "true"),
    "workers": ("2", "2"),
    "store": ("sqlite:///jobs.db", '"sqlite:///jobs.db"'),
    "max_jobs": ("1000", "1000"),
    "max_bytes": ("5000000", "5000000"),
    "retain": ("3600.0", "3600"),
    "profile": ("observed", '"observed"'),
    "duration": ("7.5", "7.5"),
    "speed": ("60.0", "60"),
    "now": ("2025-09-18 09:14:20", "2025-09-18T09:14:20Z"),
    "seed": ("11", "11"),
    "api_key": ("key-1", '["key-1"]'),
    "strict_models": ("true", "true"),
    "public_url": ("https://mock.example", '"https://mock.example"'),
    "allowed_host": ("mock.example", '["mock.example"]'),
    "trust_proxy": ("1", "1"),
    "cors_origin": ("http://localhost:5173", '["http://localhost:5173"]'),
    "rules": ("{folder}/rules.toml", '"rules.toml"'),
    "prices": ("{folder}/prices.toml", '"prices.toml"'),
    "journal": ("500", "500"),
    "latency": ("0.1-0.5", '"0.1-0.5"'),
    "capacity": ("4", "4"),
    "rate_limit": ("60/m", '"60/m"'),
    "log": ("json", '"json"'),
    "control_key": ("a-control-key", '"a-control-key"'),
}
OPTIONS = [option for option in cli.serve.params if option.name not in ("config", "help")]


@pytest.fixture
def served(monkeypatch, tmp_path):
    """Return a function that runs serve without a server, and returns click's result and the server's arguments."""
    monkeypatch.chdir(tmp_path)
    given = {}
    (tmp_path / "rules.toml").write_text('[[rule]]\nscenario = "failed"\n')
    (tmp_path / "prices.toml").write_text("default = 2\n")

    class Listener:
        """A substitute for a listening socket."""

        def __init__(self, host, port):
            self.getsockname = lambda: (host, port)

    monkeypatch.setattr(server, "listen", Listener)
    monkeypatch.setattr(server, "adopt", lambda fd: Listener("127.0.0.1", 9000 + fd))

    def serve(options, app, listener, on_ready):
        fake_of(app).store.close()
        given.update(options=options, address=listener.getsockname())
        on_ready()

    monkeypatch.setattr(server, "serve", serve)

    def served(*arguments, **environment):
        given.clear()
        result = CliRunner().invoke(cli.main, ["serve", *arguments], env=environment)
        return result, dict(given)

    return served


def test_every_option_has_a_value_here():
    assert [option.name for option in OPTIONS] == list(VALUES)


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_a_flag_a_variable_and_a_key_have_the_same_effect(served, tmp_path, option):
    flag_value, toml_value = VALUES[option.name]
    flag_value = flag_value.replace("{folder}", str(tmp_path))
    config = tmp_path / "config.toml"
    config.write_text(f"{option.name} = {toml_value}")
    flag = option.opts[0]
    others = ("--store", "sqlite:///shared.db") if option.name == "workers" else ()
    by_flag, given_by_flag = served(*others, flag) if option.is_flag else served(*others, flag, flag_value)
    by_variable, given_by_variable = served(*others, **{f"NETMIND_MOCK_{option.name.upper()}": flag_value})
    by_key, given_by_key = served(*others, "--config", str(config))
    by_default, given_by_default = served(*others)
    assert by_flag.exit_code == by_variable.exit_code == by_key.exit_code == by_default.exit_code == 0, (
        by_key.output
    )
    assert given_by_flag == given_by_variable == given_by_key
    assert given_by_flag != given_by_default


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_every_option_is_explained(option):
    assert isinstance(option, click.Option)
    assert option.help.endswith(".")


def test_flags_override_variables_and_variables_override_keys(served, tmp_path):
    config = tmp_path / "config.toml"
    config.write_text("duration = 1\nspeed = 1\nseed = 1")
    _, given = served(
        "--config", str(config), "--duration", "3", NETMIND_MOCK_DURATION="2", NETMIND_MOCK_SPEED="2"
    )
    assert (given["options"].duration, given["options"].speed, given["options"].seed) == (3, 2, 1)


def test_several_keys_can_be_given_in_each_way(served, tmp_path):
    config = tmp_path / "config.toml"
    config.write_text('api_key = ["a", "b"]')
    for _, given in (
        served("--api-key", "a", "--api-key", "b"),
        served(NETMIND_MOCK_API_KEY="a b"),
        served("--config", str(config)),
    ):
        assert given["options"].api_key == ("a", "b")


def test_the_path_of_a_profile_is_relative_to_the_config_file(served, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "mine.toml").write_text('name = "mine"')
    (tmp_path / "sub" / "config.toml").write_text('profile = "mine.toml"')
    result, given = served("--config", "sub/config.toml")
    assert (result.exit_code, given["options"].profile) == (0, "sub/mine.toml")


ERRORS = {
    "prot = 1": "prot: no such key; did you mean port?",
    "xyzzy = 1": "xyzzy: no such key; available: allowed_host, api_key, capacity, control_key",
    'port = "8000"': "port: expected a whole number from 0 to 65535, got '8000'",
    "port = 99999": "port: expected a whole number from 0 to 65535, got 99999",
    "port = true": "port: expected a whole number from 0 to 65535, got true",
    'duration = "long"': "duration: expected a number from 0 to 1e+09, got 'long'",
    "duration = -1": "duration: expected a number from 0 to 1e+09, got -1",
    "strict_models = 1": "strict_models: expected true or false, got 1",
    "api_key = 7": "api_key: expected a list, got int",
    "api_key = [1]": "api_key: expected a string, got int",
    "host = 1": "host: expected a string, got 1",
    "port = ": "not valid TOML: Invalid value",
}


@pytest.mark.parametrize(("text", "sentence"), ERRORS.items())
def test_an_error_in_the_file_names_the_file_the_key_and_the_expected_value(served, tmp_path, text, sentence):
    config = tmp_path / "config.toml"
    config.write_text(text)
    result, given = served("--config", str(config))
    assert (result.exit_code, given) == (2, {})
    assert result.output.startswith(f"Error: {config}: {sentence}")
    assert result.output.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (
            ["--profile", "observd"],
            "Error: observd: no such profile; give documented or observed, or a TOML file (did you mean observed?)\n",
        ),
        (
            ["--api-key", "a b"],
            "Error: --api-key: expected a key without white space, of 1 to 2048 characters\n",
        ),
        (
            ["--api-key", ""],
            "Error: --api-key: expected a key without white space, of 1 to 2048 characters\n",
        ),
        (
            ["--public-url", "http://["],
            "Error: --public-url (NETMIND_MOCK_PUBLIC_URL): expected a URL such as https://mock.example.org, got 'http://['\n",
        ),
        (
            ["--public-url", "mock.example"],
            "Error: --public-url (NETMIND_MOCK_PUBLIC_URL): expected a URL such as https://mock.example.org, got 'mock.example'\n",
        ),
        (
            ["--allowed-host", "http://x"],
            "Error: --allowed-host (NETMIND_MOCK_ALLOWED_HOST): expected a host such as example.org or example.org:8000, got 'http://x'\n",
        ),
        (
            ["--store", "mongodb://h"],
            "Error: store: expected memory, sqlite:///FILE or postgresql://USER@HOST/DATABASE, got a URL that starts with 'mongodb'\n",
        ),
        (
            ["--store", "sqlit:///jobs.db"],
            "Error: store: expected memory, sqlite:///FILE or postgresql://USER@HOST/DATABASE, got a URL that starts with 'sqlit'; did you mean sqlite:///FILE?\n",
        ),
        (
            ["--rate-limit", "0/s"],
            "Error: rate limit: expected a number of at least 1 and a period (s, m or h), such as 10/s, 60/m or 1000/h, got '0/s'\n",
        ),
        (
            ["--store", "sqlite:///no/such/file"],
            "Error: store: sqlite:///no/such/file cannot be opened: unable to open database file\n",
        ),
        (
            ["--ready-file", "no/such/file"],
            "Error: --ready-file: no/such/file cannot be written: No such file or directory\n",
        ),
    ],
)
def test_a_usage_error_is_one_sentence(served, arguments, sentence):
    result, given = served(*arguments)
    assert (result.exit_code, result.output, given) == (2, sentence, {})


@pytest.mark.parametrize(
    ("host", "base_url"),
    [
        ("127.0.0.1", "http://127.0.0.1:1"),
        ("0.0.0.0", "http://127.0.0.1:1"),  # noqa: S104 - nothing listens
        ("::", "http://[::1]:1"),
        ("::1", "http://[::1]:1"),
        ("fake.lan", "http://fake.lan:1"),
    ],
)
def test_clients_can_use_the_base_url(served, host, base_url):
    result, given = served("--host", host, "--port", "1")
    assert (given["options"].host, given["options"].port, given["options"].public_url) == (host, 1, None)
    assert base_url in result.output


def test_a_shipped_profile_is_printed_completely():
    for name in SHIPPED:
        printed = CliRunner().invoke(cli.main, ["profile", name]).output
        assert tomllib.loads(printed)["name"] == name


def test_the_models_are_listed():
    printed = CliRunner().invoke(cli.main, ["models"]).output
    assert (
        "Qwen/Qwen-Image  (image; documented: vendor documentation, Create generation)\n    prompt, image_size,"
        in printed
    )


def test_several_workers_with_a_store_in_memory_are_refused_with_advice(served):
    result, _ = served("--workers", "2")
    assert result.exit_code == 2
    assert result.output == (
        "Error: --workers: 2 processes cannot share --store memory; store the jobs in a file "
        "with --store sqlite:///jobs.db, or in a database with --store postgresql://USER@HOST/DATABASE\n"
    )


def test_a_variable_of_an_unknown_option_is_refused_with_a_suggestion(served):
    result, given = served(NETMIND_MOCK_DURATON="2")
    sentence = "Error: environment: NETMIND_MOCK_DURATON: no such key; did you mean NETMIND_MOCK_DURATION?\n"
    assert (result.exit_code, result.output, given) == (2, sentence, {})


def test_a_variable_of_an_option_of_the_tests_is_accepted(served):
    result, _ = served(NETMIND_MOCK_MAX_POLLS="7")
    assert result.exit_code == 0


@pytest.mark.parametrize("key", ["", " "])
def test_an_empty_control_key_is_a_mistake(served, tmp_path, key):
    (tmp_path / "empty.toml").write_text(f'control_key = "{key}"')
    for result, _ in (served("--control-key", key), served("--config", str(tmp_path / "empty.toml"))):
        assert result.exit_code == 2
        assert "a key that is not empty" in result.output
    result, _ = served(NETMIND_MOCK_CONTROL_KEY=key)
    assert result.exit_code == 2
    assert "NETMIND_MOCK_CONTROL_KEY" in result.output


def test_a_ready_file_that_no_server_wrote_is_kept(served, tmp_path):
    notes = tmp_path / "notes.txt"
    notes.write_text("http://example.org is a good site\nmy notes of a year\n")
    result, _ = served("--ready-file", str(notes))
    assert result.exit_code != 0
    assert "exists, and no server has written it; name another file" in result.output
    assert notes.read_text().endswith("my notes of a year\n")


def test_the_ready_file_of_a_killed_server_is_replaced(served, tmp_path):
    (tmp_path / "ready").write_text("http://127.0.0.1:8000\n")
    result, _ = served("--ready-file", str(tmp_path / "ready"))
    assert result.exit_code == 0


class TestHealth:
    def run(self, *arguments, **environment):
        return CliRunner().invoke(cli.main, ["health", *arguments], env=environment)

    @pytest.mark.slow
    def test_it_needs_neither_the_key_nor_an_allowed_host(self, tmp_path):
        with running_fake(tmp_path, "--host", "0.0.0.0", "--control-key", "a-key") as (base_url, _):  # noqa: S104 - tested
            port = base_url.rpartition(":")[2]
            for given in ([base_url], [base_url + "/"], [f"http://127.0.0.2:{port}"]):
                assert self.run(*given, http_proxy="http://127.0.0.1:9").exit_code == 0
            by_variables = self.run(NETMIND_MOCK_HOST="0.0.0.0", NETMIND_MOCK_PORT=port)  # noqa: S104
            assert (by_variables.exit_code, by_variables.output) == (0, f"{base_url}: the fake can serve\n")
        gone = self.run(base_url)
        assert (gone.exit_code, "the fake cannot serve: " in gone.output) == (1, True)

    def test_it_says_what_a_url_is(self):
        result = self.run("localhost:8000")
        assert result.exit_code == 2
        assert "expected a URL such as http://127.0.0.1:8000, got 'localhost:8000'" in result.output
