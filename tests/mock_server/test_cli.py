"""Each option of serve is a flag, an environment variable and a TOML key, and mistakes are told in a sentence."""

import tomllib

import click
import pytest
from click.testing import CliRunner

from netmind_mock import cli
from netmind_mock.jobs.profile import SHIPPED
from netmind_mock.serving import server

# A value for each option, as a flag has it, and as a TOML file does.
VALUES = {
    "host": ("127.0.0.2", '"127.0.0.2"'),
    "port": ("8765", "8765"),
    "ready_file": ("ready.txt", '"ready.txt"'),
    "store": ("sqlite:///jobs.db", '"sqlite:///jobs.db"'),
    "workers": ("2", "2"),
    "max_jobs": ("1000", "1000"),
    "retain": ("3600.0", "3600"),
    "profile": ("observed", '"observed"'),
    "duration": ("7.5", "7.5"),
    "speed": ("60.0", "60"),
    "seed": ("11", "11"),
    "api_key": ("key-1", '["key-1"]'),
    "strict_models": ("true", "true"),
    "public_url": ("https://mock.example", '"https://mock.example"'),
    "allowed_host": ("mock.example", '["mock.example"]'),
    "rules": ("{folder}/rules.toml", '"rules.toml"'),
    "prices": ("{folder}/prices.toml", '"prices.toml"'),
    "journal": ("500", "500"),
    "latency": ("0.1-0.5", '"0.1-0.5"'),
    "capacity": ("4", "4"),
    "rate_limit": ("60/m", '"60/m"'),
    "log": ("json", '"json"'),
    "wire_faults": ("true", "true"),
    "control_key": ("a-control-key", '"a-control-key"'),
    "fd": ("7", "7"),
    "end_with_stdin": ("true", "true"),
}
OPTIONS = [option for option in cli.serve.params if option.name not in ("config", "help")]


@pytest.fixture
def served(monkeypatch, tmp_path):
    """Runs serve without serving; returns click's result and what the server would have been given."""
    monkeypatch.chdir(tmp_path)
    given = {}
    (tmp_path / "rules.toml").write_text('[[rule]]\nscenario = "failed"\n')
    (tmp_path / "prices.toml").write_text("default = 2\n")

    class Listener:
        """Stands in for a socket that listens."""

        def __init__(self, host, port):
            self.getsockname = lambda: (host, port)

    monkeypatch.setattr(server, "listen", Listener)
    monkeypatch.setattr(server, "adopt", lambda fd: Listener("127.0.0.1", 9000 + fd))

    def serve(settings, listener, public_url, on_ready):
        host, port = listener.getsockname()
        given.update(settings=settings, host=host, port=port, public_url=public_url)
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
def test_flag_variable_and_key_are_one(served, tmp_path, option):
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
    if option.name != "ready_file":
        assert given_by_flag != given_by_default


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_every_option_is_explained(option):
    assert isinstance(option, click.Option)
    assert option.help.endswith(".")


def test_a_flag_comes_before_a_variable_before_a_key(served, tmp_path):
    config = tmp_path / "config.toml"
    config.write_text("duration = 1\nspeed = 1\nseed = 1")
    _, given = served(
        "--config", str(config), "--duration", "3", NETMIND_MOCK_DURATION="2", NETMIND_MOCK_SPEED="2"
    )
    assert (given["settings"].duration, given["settings"].speed, given["settings"].seed) == (3, 2, 1)


def test_several_keys_can_be_given_in_each_way(served, tmp_path):
    config = tmp_path / "config.toml"
    config.write_text('api_key = ["a", "b"]')
    for _, given in (
        served("--api-key", "a", "--api-key", "b"),
        served(NETMIND_MOCK_API_KEY="a b"),
        served("--config", str(config)),
    ):
        assert given["settings"].api_keys == ("a", "b")


def test_a_profile_is_looked_for_beside_the_file_that_names_it(served, tmp_path):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "mine.toml").write_text('name = "mine"')
    (tmp_path / "sub" / "config.toml").write_text('profile = "mine.toml"')
    result, given = served("--config", "sub/config.toml")
    assert (result.exit_code, given["settings"].profile) == (0, "sub/mine.toml")


MISTAKES = {
    "prot = 1": "prot: no such key; did you mean port?",
    "xyzzy = 1": "xyzzy: no such key; known are allowed_host, api_key, capacity, control_key",
    'port = "8000"': "port: expected a whole number, got '8000'",
    "port = 99999": "port: 99999 is not in the range 0<=x<=65535",
    "port = true": "port: expected a whole number, got True",
    'duration = "long"': "duration: expected a number, got 'long'",
    "duration = -1": "duration: -1.0 is not in the range",
    "strict_models = 1": "strict_models: expected true or false, got 1",
    'api_key = "k"': "api_key: expected a list, each of it a string, got 'k'",
    "api_key = [1]": "api_key: expected a list, each of it a string, got [1]",
    "host = 1": "host: expected a string, got 1",
    "port = ": "not valid TOML: Invalid value",
}


@pytest.mark.parametrize(("text", "sentence"), MISTAKES.items())
def test_a_mistake_in_the_file_names_the_file_the_key_and_what_was_expected(served, tmp_path, text, sentence):
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
            "Error: observd: no such profile; give documented or observed, or a TOML file\n",
        ),
        (["--api-key", "a b"], "Error: --api-key: expected a token without white space in it\n"),
        (["--api-key", ""], "Error: --api-key: expected a token without white space in it\n"),
        (
            ["--public-url", "http://["],
            "Error: --public-url: expected a URL such as https://mock.example.org, got 'http://['\n",
        ),
        (
            ["--public-url", "mock.example"],
            "Error: --public-url: expected a URL such as https://mock.example.org, got 'mock.example'\n",
        ),
        (
            ["--allowed-host", "http://x"],
            "Error: allowed host: expected a host such as example.org or example.org:8000, got 'http://x'\n",
        ),
        (
            ["--store", "mongodb://h"],
            "Error: store: expected memory, sqlite:///FILE or postgresql://USER@HOST/DATABASE, got one of 'mongodb'\n",
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
def test_a_mistake_on_the_command_line_is_told_in_a_sentence(served, arguments, sentence):
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
def test_the_base_url_is_one_that_a_client_can_use(served, host, base_url):
    result, given = served("--host", host, "--port", "1")
    assert given["public_url"] == base_url
    assert base_url in result.output


def test_the_host_that_is_listened_on_may_stand_in_urls(served):
    assert served("--host", "fake.lan")[1]["settings"].allowed_hosts == ("fake.lan",)
    assert served("--host", "fe80::1")[1]["settings"].allowed_hosts == ("[fe80::1]",)
    assert served("--host", "0.0.0.0")[1]["settings"].allowed_hosts == ()  # noqa: S104 - nothing listens


def test_a_shipped_profile_is_printed_whole():
    for name in SHIPPED:
        printed = CliRunner().invoke(cli.main, ["profile", name]).output
        assert tomllib.loads(printed)["name"] == name


def test_the_models_are_listed():
    printed = CliRunner().invoke(cli.main, ["models"]).output
    assert (
        "Qwen/Qwen-Image  (image; documented: vendor's page, Create generation)\n    prompt, image_size,"
        in printed
    )


def test_several_workers_on_a_memory_are_refused_with_what_to_do(served):
    result, _ = served("--workers", "2")
    assert result.exit_code == 2
    assert result.output == (
        "Error: --workers: 2 processes cannot share a memory; keep the jobs in a file with "
        "--store sqlite:///jobs.db, or in a database with --store postgresql://USER@HOST/DATABASE\n"
    )
