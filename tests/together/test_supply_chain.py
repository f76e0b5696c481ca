"""Tests of what is installed from elsewhere: each file is pinned by its hash, and each action by its commit."""

import json
import re
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from support import ROOT

LISTS = ("constraints.txt", "constraints-server.txt", "constraints-build.txt")
WORKFLOWS = (
    *(ROOT / ".github" / "workflows").glob("*.yml"),
    *(ROOT / "examples").rglob("github-actions/*.yml"),
)
PINNED_ACTION = re.compile(r"[\w.-]+/[\w./-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+")
HASH = re.compile(r"--hash=sha256:[0-9a-f]{64}")
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PYPROJECT["project"]["optional-dependencies"]
GROUPS = PYPROJECT["dependency-groups"]


def read(name):
    return (ROOT / name).read_text(encoding="utf-8")


def pinned(name):
    """Return the entries of a list: each requirement with its hashes."""
    lines = [line for line in read(name).replace("\\\n", "").splitlines() if not line.startswith("#")]
    return [(Requirement(line.split("--hash")[0]), line.split()) for line in lines]


def group(name):
    """Return the requirements of a dependency group and of the groups that it includes."""
    own = [each for each in GROUPS[name] if isinstance(each, str)]
    included = [each["include-group"] for each in GROUPS[name] if not isinstance(each, str)]
    return own + [each for one in included for each in group(one)]


def requirements(*extras):
    """Return the requirements of the project with some extras, without the project itself."""
    found = [*PYPROJECT["project"]["dependencies"], *(each for extra in extras for each in EXTRAS[extra])]
    return [each for each in found if not each.startswith("netmind-testkit")]


@pytest.mark.parametrize("name", LISTS)
def test_every_requirement_is_pinned_by_version_and_hash(name):
    entries = pinned(name)
    assert len(entries) >= 5
    assert [str(one) for one, _ in entries if [each.operator for each in one.specifier] != ["=="]] == []
    assert [str(one) for one, words in entries if not any(map(HASH.fullmatch, words))] == []


@pytest.mark.parametrize("name", [*LISTS, "tests/browser/package-lock.json"])
def test_no_list_names_an_index(name):
    assert "://" not in read(name)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("constraints.txt", requirements(*EXTRAS) + group("dev")),
        ("constraints-server.txt", requirements("mock", "sql", "postgresql")),
        ("constraints-build.txt", group("build") + PYPROJECT["build-system"]["requires"]),
    ],
    ids=LISTS,
)
def test_every_requirement_of_the_project_is_pinned(name, wanted):
    versions = {}
    for one, _ in pinned(name):
        versions.setdefault(canonicalize_name(one.name), []).append(next(iter(one.specifier)).version)
    for text in wanted:
        needed = Requirement(text)
        actual = versions.get(canonicalize_name(needed.name), [])
        assert actual, f"{name} does not list {text}; run make lock"
        assert list(needed.specifier.filter(actual)) == actual, f"{name}: {text}; run make lock"


@pytest.mark.parametrize("name", LISTS[1:])
def test_the_lists_agree(name):
    everything = {(one.name, str(one.specifier)): set(words) for one, words in pinned("constraints.txt")}
    for one, words in pinned(name):
        hashes = {word for word in words if HASH.fullmatch(word)}
        assert hashes <= everything[one.name, str(one.specifier)], f"{name}: {one}; run make lock"


@pytest.mark.parametrize("folder", ["tests/browser", "tests/contracts/generators"])
def test_npm_packages_are_pinned_by_hash_and_without_an_index(folder):
    wanted = json.loads(read(f"{folder}/package.json"))["devDependencies"]
    packages = json.loads(read(f"{folder}/package-lock.json"))["packages"]
    installed = {name: package for name, package in packages.items() if name}
    assert {f"node_modules/{name}" for name in wanted} <= set(installed)
    assert all(package["integrity"].startswith("sha512-") for package in installed.values())
    assert not any("resolved" in package for package in installed.values())


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_pinned_to_a_commit(workflow):
    used = re.findall(r"uses: (.+)", workflow.read_text(encoding="utf-8"))
    assert used
    assert [action for action in used if not PINNED_ACTION.fullmatch(action)] == []


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_has_no_permission_to_write_code_and_keeps_no_credentials(workflow):
    parsed = yaml.safe_load(workflow.read_text(encoding="utf-8"))
    jobs = parsed["jobs"].values()
    granted = [parsed["permissions"], *(job["permissions"] for job in jobs if "permissions" in job)]
    assert {each.get("contents", "none") for each in granted} <= {"none", "read"}
    steps = [
        step for job in jobs for step in job["steps"] if step.get("uses", "").startswith("actions/checkout@")
    ]
    assert steps
    assert [step for step in steps if step["with"]["persist-credentials"] is not False] == []
