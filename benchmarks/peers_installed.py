"""Install each of the other servers separately, in ``.venv-peers`` or ``.peers-npm``."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

from peers_served import ROOT

if TYPE_CHECKING:
    from pathlib import Path

    from peers_served import Served

PYTHON_PEERS = ROOT / ".venv-peers" / "alone"  # next to the environment of compare_clients.py
NPM_PEERS = ROOT / ".peers-npm"
BLOCK_BYTES = 512  # the unit of st_blocks


class Absent(Exception):
    """A server cannot be measured here. The message is the reason, in one line."""


class Installed(NamedTuple):
    """An installation: its folder, its version, and its size on the disk."""

    folder: Path
    version: str
    size: int


def install(served: Served) -> Installed:
    """Install a server, unless an earlier run has installed it.

    Raises:
        Absent: It cannot be installed, or a program that it needs is missing.
    """
    if shutil.which(served.needs) is None:
        raise Absent(f"{served.needs} is not installed")
    return _from_npm(served.package) if served.index == "npm" else _from_pypi(served.package)


def install_fake() -> Installed:
    """Install this clone with the extra ``[mock]``, as a user would."""
    return _from_pypi(f"{ROOT}[mock]", "netmind-testkit")


def _from_pypi(requirement: str, name: str = "") -> Installed:
    name = name or requirement.partition("[")[0]
    folder = PYTHON_PEERS / name
    python = str(folder / "bin" / "python")
    if not folder.exists():
        _run([sys.executable, "-m", "venv", "--without-pip", str(folder)], ROOT)
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet"]
    _run([*pip, "--disable-pip-version-check", requirement], ROOT)
    script = f"import importlib.metadata; print(importlib.metadata.version({name!r}))"
    return Installed(folder, _run([python, "-c", script], folder).strip(), size_of(folder))


def _from_npm(package: str) -> Installed:
    folder = NPM_PEERS / package.rpartition("/")[0].removeprefix("@") / package.rpartition("/")[2]
    manifest = folder / "node_modules" / package / "package.json"
    if not manifest.exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"private": true}')
        _run(["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", package], folder)
    version = json.loads(manifest.read_text(encoding="utf-8"))["version"]
    return Installed(folder, version, size_of(folder / "node_modules"))


def size_of(folder: Path) -> int:
    """Return the size of a folder on the disk. Hard links to the same file count once."""
    found = {
        (stat.st_dev, stat.st_ino): stat.st_blocks for stat in (path.lstat() for path in folder.rglob("*"))
    }
    return sum(found.values()) * BLOCK_BYTES


def _run(command: list[str], folder: Path) -> str:
    try:
        return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
    except OSError as error:
        raise Absent(f"{command[0]}: {error.strerror}") from None
    except subprocess.CalledProcessError as error:
        lines = [line for line in error.stderr.splitlines() if "rror" in line] or ["no error message"]
        raise Absent(f"{command[0]} failed: {lines[-1].strip()}") from None
