"""A PostgreSQL database, which processes of several machines share."""

from __future__ import annotations

import contextlib
import math
import threading
from typing import TYPE_CHECKING, Any

import psycopg
import sqlalchemy as sa

from netmind_mock.stores import StoreUnavailable, WouldBlock
from netmind_mock.stores.database import Database, Session
from netmind_mock.stores.tables import given
from netmind_mock.system_time import system_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy.pool import PoolProxiedConnection

_BUSY_SECONDS = 5  # how long a transaction waits for another one
_CONNECT_SECONDS = 5
_RESPONSE_SECONDS = 15.0  # how long to wait for the server; it cancels statements some seconds earlier
_MAX_CONNECTIONS = 8  # of a process, for reading and for writing; PostgreSQL allows 100 in total by default
_IDLE_SECONDS = 1.0  # a connection that was not used for longer is tested before it is used

_TIMEOUT = "timeout expired"  # the end of the driver's messages about a server that does not respond

_HAS_TABLE = sa.select(sa.func.to_regclass(given("name")))
_LOCK = sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(given("name"), 0)))


class PostgresqlDatabase(Database):
    """Connections to a PostgreSQL server.

    Reading and writing have separate pools. So transactions that wait for each other cannot occupy all
    connections, and readers do not have to wait.

    After a timeout, one session at a time finds out whether the server responds again. The others fail at
    once: otherwise each would wait for the timeout, and occupy a thread of the fake.
    """

    errors = (psycopg.Error, sa.exc.SQLAlchemyError)

    def __init__(self, url: sa.URL) -> None:
        """Keep the URL of the server, to which sessions connect."""
        self._engines = _engine(url), _engine(url)  # for reading, for writing
        self._failed_at = -math.inf
        self._is_silent = False  # whether the last session ended with a timeout
        self._trying = threading.Lock()  # held by the session that tries it again
        super().__init__(url, self._engines[0].dialect)

    @contextlib.contextmanager
    def _session(self, *, writes: bool) -> Iterator[Session]:
        """Return a session, as the base class does.

        Raises:
            StoreUnavailable: As in the base class; or another session waits for a server that is silent.
        """
        tries = self._is_silent
        if tries and not self._trying.acquire(blocking=False):
            raise StoreUnavailable("the server does not respond")
        try:
            with super()._session(writes=writes) as session:
                yield session
            self._is_silent = False
        except StoreUnavailable as error:
            self._is_silent = str(error).endswith(_TIMEOUT)
            raise
        finally:
            if tries:
                self._trying.release()

    def version(self) -> tuple[int, int]:
        """Raise ``WouldBlock``: the network may take any time."""
        raise WouldBlock

    def has_table(self, session: Session, name: str) -> bool:
        """Return whether a table exists."""
        return session.run(_HAS_TABLE, name=name).fetchone()[0] is not None

    def lock(self, session: Session, name: str) -> None:
        """Lock a name until the end of this transaction. Wait for another transaction that has locked it."""
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
        """Return whether a connection works. It does not if the server was restarted since it was last used.

        It is tested if it was not used for some time, or if another connection failed since then.
        """
        idle_since = connection.info.get("idle_since", math.inf)  # a new connection works
        if idle_since < max(self._failed_at, system_time.monotonic() - _IDLE_SECONDS):
            try:
                connection.execute("SELECT 1")
            except psycopg.Error:
                return False
        return True

    def _release(self, connection: PoolProxiedConnection, _writes: bool, is_intact: bool) -> None:
        if is_intact:
            connection.info["idle_since"] = system_time.monotonic()
            connection.close()
        else:
            self._failed_at = system_time.monotonic()
            connection.invalidate()

    def close_idle(self) -> None:
        """Close the connections that are not in use."""
        for engine in self._engines:
            # Not engine.dispose(): it replaces the pool, and connections in use would never be closed.
            engine.pool.dispose()


def _engine(url: sa.URL) -> sa.Engine:
    engine = sa.create_engine(
        url.set(drivername="postgresql+psycopg"),
        isolation_level="AUTOCOMMIT",
        pool_size=_MAX_CONNECTIONS,
        max_overflow=0,  # an overflowing connection would be closed after each session
        pool_timeout=_RESPONSE_SECONDS,
        pool_use_lifo=True,
        pool_reset_on_return=None,  # Database rolls back itself
        connect_args={
            "connect_timeout": _CONNECT_SECONDS,
            "options": f"-c lock_timeout={_BUSY_SECONDS}s -c statement_timeout={2 * _BUSY_SECONDS}s",
            "tcp_user_timeout": _CONNECT_SECONDS * 1000,
        },
    )
    sa.event.listen(
        engine, "do_connect", lambda _dialect, _record, args, kw: _Connection.connect(*args, **kw)
    )
    return engine


class _Connection(psycopg.Connection[Any]):
    """A connection that raises an error if the server does not respond. libpq has no timeout for this."""

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Return the result of an operation. Raise an error of the driver after the timeout."""
        return super().wait(gen, interval, timeout or _RESPONSE_SECONDS)
