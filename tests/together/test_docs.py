"""Every code block of README and docs runs, in order, unchanged except for the ports."""

import ast
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import docs_tables
import pytest
from PIL import Image
from support import ROOT, running_fake, wait_for_file

from netmind_mock.simulation.faults import KINDS
from netmind_mock.simulation.scenarios import SCENARIOS

DOCUMENTS = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    ROOT / "SECURITY.md",
    *sorted((ROOT / "docs").glob("*.md")),
]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SERVE = re.compile(r"^netmind-mock serve[^&\n]*$")

pytestmark = pytest.mark.slow


class Block(NamedTuple):
    """A code block: its language and its text."""

    language: str
    text: str


def blocks(document):
    return [Block(*match) for match in FENCE.findall(document.read_text(encoding="utf-8"))]


def needed(program):
    """Return a program's path. If it is not installed, skip the test, or fail it in CI."""
    path = shutil.which(program)
    if path is None and os.environ.get("CI"):
        pytest.fail(f"{program} is not installed, and CI must run every example")
    if path is None:
        pytest.skip(f"{program} is not installed")
    return path


class Reader:
    """Runs the code blocks of a document, in an empty folder."""

    def __init__(self, folder, addresses):
        self.folder = folder
        self.addresses = addresses
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environment = {"PATH": path, "HOME": str(folder), "PYTHONWARNINGS": "error"}
        # Only these plugins: loading all installed pytest plugins takes a second.
        self.environment |= {
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
            "PYTEST_ADDOPTS": "-p netmind_testkit -p netmind_contracts -p anyio -p no:cacheprovider",
        }

    def follow(self, block):
        text = block.text
        for written, real in self.addresses.items():
            text = text.replace(written, real)
        run = {"sh": self.shell, "python": self.python, "toml": self.toml, "js": self.node, "go": self.go}
        if block.language:  # a block without a language shows output
            run[block.language](text)

    def shell(self, text):
        lines = [line.split("#")[0].strip() for line in text.splitlines()]
        if all(SERVE.match(line) for line in lines):
            for line in lines:
                self.serve(line)
        elif all(line.startswith("make ") for line in lines):
            for line in lines:
                self.run(["make", "--dry-run", "--directory", str(ROOT), *line.split()[1:]])
        else:
            self.run(["bash", "-euo", "pipefail", "-c", text])

    def python(self, text):
        if "def test_" not in text:  # a script
            self.run([sys.executable, "-c", text])
            return
        (self.folder / "test_block.py").write_text(text)
        self.run([sys.executable, "-m", "pytest", "-q", "test_block.py"])

    def node(self, text):
        (self.folder / "block.mjs").write_text(text)
        self.run([needed("node"), "block.mjs"])

    def go(self, text):
        (self.folder / "block.go").write_text(text)
        self.run([needed("go"), "run", "block.go"])

    def toml(self, text):
        header = re.match(r"# (\S+), for: (netmind-mock serve .*)\n", text)
        file, command = (
            header.groups() if header else ("block.toml", "netmind-mock serve --config block.toml")
        )
        (self.folder / file).write_text(text)
        self.serve(command)

    def serve(self, line):
        command = re.sub(r" --port \d+", "", line)
        ready_file = self.folder / "ready"
        arguments = [*command.split(), "--port", "0", "--ready-file", str(ready_file)]
        arguments[0] = shutil.which(arguments[0], path=self.environment["PATH"])
        with subprocess.Popen(
            arguments,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert wait_for_file(ready_file, process).startswith("http://")
            process.terminate()
            _, errors = process.communicate(timeout=10)
        assert (process.returncode, errors) == (0, "")

    def run(self, command):
        ended = subprocess.run(
            command, cwd=self.folder, env=self.environment, capture_output=True, text=True, timeout=120
        )
        assert ended.returncode == 0, f"{command[-1]}\n{ended.stdout}{ended.stderr}"


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_every_block_runs(document, tmp_path):
    for name in ("reader", "first", "second"):
        (tmp_path / name).mkdir()
    with (
        running_fake(tmp_path / "first") as (documented, _),
        running_fake(tmp_path / "second", "--profile", "observed", "--duration", "0.5") as (observed, _),
    ):
        reader = Reader(
            tmp_path / "reader", {"http://127.0.0.1:8000": documented, "http://127.0.0.1:8001": observed}
        )
        for block in blocks(document):
            reader.follow(block)
        pictures = [path for path in reader.folder.rglob("*.png") if path.is_file()]
    for picture in pictures:
        with Image.open(picture) as opened:
            opened.verify()
    assert bool(pictures) == (document.name in ("README.md", "client.md"))


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.name)
def test_every_block_has_a_known_language(document):
    assert {block.language for block in blocks(document)} <= {"sh", "python", "toml", "js", "go", ""}


@pytest.mark.parametrize(
    "document", [*DOCUMENTS, ROOT / "ARCHITECTURE.md"], ids=lambda document: document.name
)
def test_every_relative_link_exists(document):
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", document.read_text(encoding="utf-8"))
    assert [link for link in links if "://" not in link and not (document.parent / link).exists()] == []


@pytest.mark.parametrize("document", docs_tables.DOCUMENTS, ids=lambda document: document.name)
def test_the_tables_match_the_code(document):
    """If this fails, run ``make docs-tables``."""
    text = document.read_text(encoding="utf-8")
    assert docs_tables.with_tables(text) == text


def test_the_types_of_names_are_those_of_the_code():
    assert docs_tables.NAMES.read_text(encoding="utf-8") == docs_tables.names()


def test_every_scenario_and_every_kind_of_fault_is_in_a_table():
    tables = "".join(document.read_text(encoding="utf-8") for document in docs_tables.DOCUMENTS)
    assert [name for name in (*SCENARIOS, *KINDS) if f"| `{name}` |" not in tables] == []


PACKAGES = ("client/netmind_client", "contracts/netmind_contracts", "mock_server/netmind_mock")
FOLDERS = [path.parent for package in PACKAGES for path in sorted((ROOT / package).glob("*/**/__init__.py"))]


def modules_in(folder):
    return {path.stem for path in folder.glob("*.py")} - {"__init__", "__main__"}


def missing(names, text):
    return sorted(name for name in names if not re.search(rf"(?<!\w){name}(?!\w)", text))


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_a_folders_docstring_names_each_of_its_modules(folder):
    text = ast.get_docstring(ast.parse((folder / "__init__.py").read_text(encoding="utf-8")))
    assert missing(modules_in(folder), text) == []


def test_architecture_names_every_folder_and_every_top_level_module():
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    at_the_top = set().union(*(modules_in(ROOT / package) for package in PACKAGES))
    assert missing({folder.name for folder in FOLDERS} | at_the_top, text) == []
