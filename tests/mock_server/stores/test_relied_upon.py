"""Behaviour of libraries that the stores rely on and that is not documented. pyproject.toml bounds the versions."""

import contextlib
import inspect
import math
import sqlite3
import tomllib
from pathlib import Path

import msgspec
import psycopg
import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.dialects.postgresql import psycopg as dialects

from netmind_mock.jobs.job import Stage, Status
from netmind_mock.stores import postgresql as ours
from netmind_mock.stores.sql import open_database
from netmind_mock.stores.tables import facts, given

ROOT = Path(__file__).parents[3]


@pytest.fixture
def engine(postgresql):
    """Return the engine for reading of an open database."""
    with contextlib.closing(open_database(postgresql)) as database:
        yield database._engines[0]


@pytest.mark.parametrize("package", ["msgspec", "sqlalchemy", "psycopg[binary]"])
def test_the_versions_are_bounded(package):
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    required = {need for needs in project["optional-dependencies"].values() for need in needs}
    [bounded] = [need for need in required if need.startswith(f"{package}>")]
    assert ",<" in bounded


class TestSqlalchemy:
    @pytest.mark.parametrize(
        ("dialect", "parameter"),
        [(sqlite.dialect(paramstyle="named"), ":account"), (dialects.dialect(), "%(account)s::VARCHAR")],
    )
    def test_a_statement_is_rendered_with_names_and_has_its_own_values_in_params(self, dialect, parameter):
        statement = sa.select(facts.c.fact).where(facts.c.user_id == given("account"), facts.c.kind == "k")
        compiled = statement.compile(dialect=dialect)
        assert parameter in compiled.string
        assert compiled.params == {"account": None, "kind_1": "k"}

    def test_a_statement_can_be_a_dictionary_key_by_its_identity(self):
        one, other = sa.select(facts), sa.select(facts)
        assert {one: 1, other: 2}[one] == 1

    def test_do_connect_decides_the_class_of_a_connection_and_it_is_in_autocommit_mode(self, engine):
        with contextlib.closing(engine.raw_connection()) as connection:
            assert type(connection.driver_connection) is ours._Connection
            assert connection.driver_connection.autocommit is True
            assert connection.cursor().connection is connection.driver_connection

    def test_info_is_kept_until_the_connection_is_replaced(self, engine):
        with contextlib.closing(engine.raw_connection()) as connection:
            connection.info["idle_since"] = 1.0
        connection = engine.raw_connection()
        assert connection.info["idle_since"] == 1.0
        connection.invalidate()
        with contextlib.closing(engine.raw_connection()) as connection:
            assert "idle_since" not in connection.info

    def test_a_disposed_pool_takes_back_connections_in_use_and_can_be_disposed_of_again(self, engine):
        pool, connection = engine.pool, engine.raw_connection()
        driver = connection.driver_connection
        pool.dispose()
        assert engine.pool is pool
        connection.close()
        assert not driver.closed
        pool.dispose()
        assert driver.closed

    def test_a_checkout_that_times_out_raises_its_own_timeout_error(self, postgresql):
        engine = sa.create_engine(
            postgresql.replace("://", "+psycopg://", 1), pool_size=1, max_overflow=0, pool_timeout=0.01
        )
        with contextlib.closing(engine.raw_connection()), pytest.raises(sa.exc.TimeoutError):
            engine.raw_connection()
        engine.dispose()


class TestPsycopg:
    def test_a_connection_waits_in_one_method_which_takes_a_timeout(self, engine, monkeypatch):
        assert list(inspect.signature(psycopg.Connection.wait).parameters) == [
            "self", "gen", "interval", "timeout",
        ]  # fmt: skip
        waits = []

        def wait(connection, gen, *rest):
            waits.append(rest)
            return psycopg.Connection.wait(connection, gen, *rest)

        with contextlib.closing(engine.raw_connection()) as connection:
            monkeypatch.setattr(ours._Connection, "wait", wait)
            for end in (connection.commit, connection.rollback):
                connection.cursor().execute("BEGIN")
                end()
        assert len(waits) == 4

    def test_a_statement_over_the_timeout_raises_an_error_of_the_driver(self, engine, monkeypatch):
        monkeypatch.setattr(ours, "_RESPONSE_SECONDS", 0.1)
        connection = engine.raw_connection()
        with pytest.raises(psycopg.Error, match=r"timeout expired$"):
            connection.cursor().execute("SELECT pg_sleep(10)")
        connection.invalidate()

    def test_bytes_are_returned_as_bytes_and_a_row_as_a_tuple(self, engine):
        with contextlib.closing(engine.raw_connection()) as connection:
            [row] = connection.cursor().execute("SELECT %(one)s::bytea", {"one": b"\x00a"}).fetchall()
            assert (type(row), type(row[0]), row) == (tuple, bytes, (b"\x00a",))

    def test_values_that_a_statement_does_not_name_are_ignored(self, engine):
        with contextlib.closing(engine.raw_connection()) as connection:
            found = connection.cursor().execute("SELECT %(one)s::int", {"one": 1, "other": 2}).fetchone()
            assert found == (1,)


class TestSqlite:
    def test_values_that_a_statement_does_not_name_are_ignored(self):
        with contextlib.closing(sqlite3.connect(":memory:")) as connection:
            assert connection.execute("SELECT :one", {"one": 1, "other": 2}).fetchone() == (1,)

    def test_a_transaction_from_an_explicit_begin_can_be_committed_and_rolled_back(self):
        with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
            for end in (connection.commit, connection.rollback):
                connection.execute("BEGIN IMMEDIATE")
                end()
                assert not connection.in_transaction

    def test_waiting_for_a_writer_raises_an_error_with_the_word_locked(self, tmp_path):
        path = tmp_path / "jobs.db"
        with (
            contextlib.closing(sqlite3.connect(path, isolation_level=None)) as writer,
            contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=0)) as other,
        ):
            writer.execute("BEGIN IMMEDIATE")
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")


def test_msgspec_decodes_a_status_as_text_and_infinity_as_a_float():
    stage = msgspec.msgpack.decode(msgspec.msgpack.encode(Stage(Status.PENDING, math.inf)), type=Stage)
    assert (type(stage.status), stage.status, stage.begins) == (str, "pending", math.inf)
