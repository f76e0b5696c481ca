"""Tests of the examples for containers: the linter, the compose specification, and the fake's options."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from compose_spec import PyCompose
from support import ROOT

from netmind_mock.cli import serve

DOCKER = ROOT / "examples" / "docker"
DOCKERFILE = (DOCKER / "Dockerfile").read_text(encoding="utf-8")
COMPOSE = (ROOT / "examples" / "compose.yaml").read_text(encoding="utf-8")
HADOLINT = Path(sys.executable).with_name("hadolint")
PINNED = re.compile(r"[a-z]+(:\d+\.\d+(\.\d+)?-[a-z-]+)?@sha256:[0-9a-f]{64}")
VARIABLE = re.compile(r"NETMIND_MOCK_[A-Z_]+")


def instructions(text):
    """Return the instructions of a Dockerfile, each as its keyword and its arguments."""
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", " ")
    return [(line.split()[0], line.split(maxsplit=1)[1].strip()) for line in joined.splitlines() if line]


def arguments_of(keyword):
    return [rest for first, rest in instructions(DOCKERFILE) if first == keyword]


def lint(text):
    return subprocess.run([HADOLINT, "-"], input=text, capture_output=True, text=True, timeout=60)


def build_context():
    """Return the paths that are in the build context."""
    ignored = (DOCKER / "Dockerfile.dockerignore").read_text().splitlines()
    return [line.removeprefix("!") for line in ignored if line.startswith("!")]


def services():
    return yaml.safe_load(COMPOSE)["services"]


@pytest.mark.slow
def test_the_linter_finds_nothing_in_the_dockerfile():
    assert lint(DOCKERFILE).stdout == ""


@pytest.mark.slow
def test_the_linter_finds_a_base_without_a_tag_and_a_shell_command():
    spoiled = re.sub(r":3\.13\.7-slim-trixie@\S+\n", "\n", DOCKERFILE).replace(
        '["netmind-mock", "serve"]', "netmind-mock serve"
    )
    assert {"DL3006", "DL3025"} <= set(re.findall(r"DL\d+", lint(spoiled).stdout))


def test_the_image_runs_the_fake_as_a_user_other_than_root():
    user, group = arguments_of("USER")[-1].split(":")
    assert (int(user), int(group)) > (0, 0)
    assert json.loads(arguments_of("ENTRYPOINT")[-1]) == ["netmind-mock", "serve"]
    assert arguments_of("CMD") == []


def test_every_base_image_is_pinned():
    bases = [*(rest.split()[0] for rest in arguments_of("FROM")), services()["postgresql"]["image"]]
    assert [base for base in bases if not PINNED.fullmatch(base)] == []


def test_the_health_check_needs_no_shell():
    assert json.loads(arguments_of("HEALTHCHECK")[0].partition(" CMD ")[2]) == ["netmind-mock", "health"]


def test_every_variable_is_an_option_of_the_fake():
    options = {option.envvar for option in serve.params if option.envvar}
    named = set(VARIABLE.findall(DOCKERFILE + COMPOSE))
    assert named >= {"NETMIND_MOCK_STORE", "NETMIND_MOCK_CONTROL_KEY", "NETMIND_MOCK_HOST"}
    assert named - options == set()


@pytest.mark.slow
def test_the_wheel_can_be_built_from_the_build_context(tmp_path):
    for name in build_context():
        source, copied = ROOT / name, tmp_path / name
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(source, copied) if source.is_dir() else shutil.copy(source, copied)
    built = subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", "wheels"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert built.returncode == 0, built.stdout + built.stderr
    assert len(list((tmp_path / "wheels").glob("netmind_testkit-*.whl"))) == 1


def test_the_compose_file_matches_the_specification():
    PyCompose.from_yaml(COMPOSE).validate()


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("restart: unless-stopped", "restarts: unless-stopped"),
        ("condition: service_healthy", "condition: well"),
    ],
    ids=["unknown key", "unknown condition"],
)
def test_a_compose_file_with_a_mistake_is_refused(right, wrong):
    assert right in COMPOSE
    with pytest.raises(ValueError, match=r"restarts|well"):
        PyCompose.from_yaml(COMPOSE.replace(right, wrong)).validate()


def test_services_restart_and_are_published_on_loopback_only():
    published = [port for service in services().values() for port in service.get("ports", ())]
    assert [port for port in published if not port.startswith("127.0.0.1:")] == []
    assert {service["restart"] for service in services().values()} == {"unless-stopped"}
    assert services()["netmind-mock"]["depends_on"] == {"postgresql": {"condition": "service_healthy"}}
    assert services()["postgresql"]["healthcheck"]["test"][0] == "CMD"
    assert services()["postgresql"]["volumes"] == ["jobs:/var/lib/postgresql/data"]
    assert list(yaml.safe_load(COMPOSE)["volumes"]) == ["jobs"]


def test_secrets_are_required_from_the_environment():
    store = services()["netmind-mock"]["environment"]["NETMIND_MOCK_STORE"]
    secrets = [
        re.fullmatch(r"postgresql://netmind:(.*)@postgresql/netmind", store)[1],
        services()["netmind-mock"]["environment"]["NETMIND_MOCK_CONTROL_KEY"],
        services()["postgresql"]["environment"]["POSTGRES_PASSWORD"],
    ]
    assert [secret for secret in secrets if not re.fullmatch(r"\$\{[A-Z_]+:\?[^}]+\}", secret)] == []
