"""A PostgreSQL database, which processes of several machines share."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import psycopg
import sqlalchemy as sa

from netmind_mock.stores import StoreUnavailable
from netmind_mock.stores.database import Database, Session
from netmind_mock.stores.tables import given

if TYPE_CHECKING:
    from sqlalchemy.pool import PoolProxiedConnection

_BUSY_SECONDS = 5  # for which a transaction waits for another one
_CONNECT_SECONDS = 5
_RESPONSE_SECONDS = 20.0  # for which the server is waited for; it ends statements itself some seconds before
_MAX_CONNECTIONS = 8  # of a process to read, and to write; a PostgreSQL has 100 for all
_MAX_IDLE = 4  # that are kept, of each kind
_IDLE_SECONDS = 1.0  # after which a connection is tried before it is used

_LOCK = sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(given("name"), 0)))


class PostgresqlDatabase(Database):
    """Connections to a PostgreSQL, in two pools, so that writers that wait for each other stop no reader."""

    _errors = (psycopg.Error, sa.exc.SQLAlchemyError)

    def __init__(self, url: sa.URL) -> None:
        """Connect to the server."""
        self._engines = _engine(url), _engine(url)  # that read, and that write
        self._failed_at = -math.inf
        super().__init__(url, self._engines[0].dialect)

    def lock(self, session: Session, name: str) -> None:
        """Wait until no other transaction has locked this name; no other can until this one has ended."""
        session.run(_LOCK, name=name)

    def _acquire(self, writes: bool) -> PoolProxiedConnection:
        while True:
            try:
                connection = self._engines[writes].raw_connection()
            except sa.exc.TimeoutError:
                raise StoreUnavailable(f"all {_MAX_CONNECTIONS} connections are in use") from None
            if self._works(connection):
                return connection
            self._release(connection, writes, is_intact=False)

    def _works(self, connection: PoolProxiedConnection) -> bool:
        """Return False if the server was started again since a connection was used.

        It is tried if it was idle for long, or if another one failed meanwhile.
        """
        idle_since = connection.info.get("idle_since", math.inf)  # a new one was not
        if idle_since < max(self._failed_at, time.monotonic() - _IDLE_SECONDS):
            try:
                connection.execute("SELECT 1")
            except psycopg.Error:
                return False
        return True

    def _release(self, connection: PoolProxiedConnection, _writes: bool, is_intact: bool) -> None:
        if is_intact:
            connection.info["idle_since"] = time.monotonic()
            connection.close()
        else:
            self._failed_at = time.monotonic()
            connection.invalidate()

    def _close_idle(self) -> None:
        for engine in self._engines:
            # The engine's own dispose() would take a new pool, and so never close what is in use now.
            engine.pool.dispose()


def _engine(url: sa.URL) -> sa.Engine:
    engine = sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        isolation_level="AUTOCOMMIT",
        pool_size=_MAX_IDLE,
        max_overflow=_MAX_CONNECTIONS - _MAX_IDLE,
        pool_timeout=_RESPONSE_SECONDS,
        pool_use_lifo=True,
        pool_reset_on_return=None,  # Database has rolled back
        connect_args={
            "connect_timeout": _CONNECT_SECONDS,
            "options": f"-c lock_timeout={_BUSY_SECONDS}s -c statement_timeout={3 * _BUSY_SECONDS}s",
            "tcp_user_timeout": _CONNECT_SECONDS * 1000,
        },
    )
    sa.event.listen(
        engine, "do_connect", lambda _dialect, _record, args, kw: _Connection.connect(*args, **kw)
    )
    return engine


class _Connection(psycopg.Connection[Any]):
    """A connection that gives up a server that stopped responding, for which libpq has no timeout."""

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Return the result of an operation."""
        return super().wait(gen, interval, timeout or _RESPONSE_SECONDS)
