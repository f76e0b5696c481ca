"""Installs each peer by itself, in ``.venv-peers`` or ``.peers-npm``, and nothing elsewhere."""

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

PYTHON_PEERS = ROOT / ".venv-peers" / "alone"  # beside the environment that compare_clients.py makes
NPM_PEERS = ROOT / ".peers-npm"
BLOCK_BYTES = 512  # what st_blocks counts


class Absent(Exception):
    """It cannot be measured here. The message is the reason, in a line."""


class Installed(NamedTuple):
    """Where something is installed, its version, and the bytes that it takes on the disk."""

    folder: Path
    version: str
    size: int


def install(served: Served) -> Installed:
    """Install a peer, unless an earlier run has.

    Raises:
        Absent: It cannot be installed, or a program that it needs is not there.
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
    told = folder / "node_modules" / package / "package.json"
    if not told.exists():
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"private": true}')
        _run(["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", package], folder)
    version = json.loads(told.read_text(encoding="utf-8"))["version"]
    return Installed(folder, version, size_of(folder / "node_modules"))


def size_of(folder: Path) -> int:
    """What a folder takes on the disk; a file that has several names counts once."""
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
        lines = [line for line in error.stderr.splitlines() if "rror" in line] or ["it said nothing"]
        raise Absent(f"{command[0]} failed: {lines[-1].strip()}") from None
