"""Jobs in a database: a SQLite file, or PostgreSQL.

What a call has returned is kept, whatever becomes of this process then. A SQLite file is written ahead and
not synced at each job (``synchronous=NORMAL``): a machine that loses power may lose the last moments, and has
no half of a job.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import time
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError, SQLAlchemyError

from netmind_mock.stores import Counts, InvalidStore, Limits, StoreUnavailable
from netmind_mock.stores.rows import changing_of, job_of, row_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from netmind_mock.jobs import Job

_BUSY_SECONDS = 5  # that a writer waits for another one's turn to end
_CONNECT_SECONDS = 5
_PUTS_BETWEEN_EVICTIONS = 100
_EVICTED = "evicted"
_WRITES = {"netmind_writes": True}

_metadata = sa.MetaData()

_jobs = sa.Table(
    "netmind_jobs",
    _metadata,
    sa.Column(
        "number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True
    ),
    sa.Column("id", sa.String(32), nullable=False, unique=True),
    sa.Column("user_id", sa.String(32), nullable=False),
    sa.Column("model", sa.LargeBinary, nullable=False),
    sa.Column("config", sa.LargeBinary, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("plan", sa.LargeBinary, nullable=False),
    sa.Column("deleted_at", sa.Double),
    sa.Column("polled_at", sa.LargeBinary, nullable=False),
    sa.Column("put_at", sa.Double, nullable=False),
    sa.Index("netmind_jobs_of_user", "user_id", "number"),
    sa.Index("netmind_jobs_put_at", "put_at"),
)

_facts = sa.Table(
    "netmind_facts",
    _metadata,
    sa.Column("name", sa.String(64), primary_key=True),
    sa.Column("fact", sa.LargeBinary, nullable=False),
)

_INSERT = sa.insert(_jobs)
_GET = sa.select(_jobs).where(_jobs.c.id == sa.bindparam("job_id"))
_LOCK = _GET.with_for_update()
_UPDATE = sa.update(_jobs).where(_jobs.c.id == sa.bindparam("job_id"))
_PAGE_OF_ALL = sa.select(_jobs).order_by(_jobs.c.number)
_PAGE = _PAGE_OF_ALL.where(_jobs.c.user_id == sa.bindparam("user"))
_RECALL = sa.select(_facts.c.fact).where(_facts.c.name == sa.bindparam("fact_name"))


class SqlStore:
    """Keeps jobs in a database, which several processes may share."""

    def __init__(
        self,
        url: str,
        limits: Limits = Limits(),  # noqa: B008 - it is frozen
        *,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Open the database, and make the tables that are missing.

        Args:
            url: Where it is.
            limits: How much is kept.
            wall: The system's clock, in seconds since the epoch.

        Raises:
            InvalidStore: It cannot be opened, or its driver is not installed.
        """
        parsed = _parsed(url)
        plain = parsed.set(drivername=parsed.get_backend_name(), query={})
        self.name = plain.render_as_string(hide_password=True)
        self._limits = limits
        self._wall = wall
        self._puts = itertools.count()
        self._engine = _engine(parsed)
        self._reading = self._engine.execution_options(isolation_level="AUTOCOMMIT")
        try:
            with self._engine.execution_options(**_WRITES).begin() as connection:
                if connection.dialect.name == "postgresql":  # else two that start at once make them twice
                    connection.exec_driver_sql("SELECT pg_advisory_xact_lock(7106721)")
                _metadata.create_all(connection)
        except (SQLAlchemyError, TypeError, ValueError) as error:  # of an option of the URL, or an encoding
            self.close()
            raise InvalidStore(f"store: {self.name} cannot be opened: {_reason(error)}") from None
        path = os.path.abspath(parsed.database or "")  # noqa: PTH100 - as it was named
        self._file = (path, _identity(path)) if parsed.drivername == "sqlite" else None

    def put(self, job: Job) -> bool:
        """Keep a new job; False if its id is taken."""
        with self._writing() as connection:
            try:
                connection.execute(_INSERT, {**row_of(job), "put_at": self._wall()})
            except IntegrityError:
                return False
            if next(self._puts) % _PUTS_BETWEEN_EVICTIONS == 0:
                self._evict(connection)
        return True

    def get(self, job_id: str) -> Job | None:
        """The job, whoever it belongs to, or None."""
        with self._read() as connection:
            row = connection.execute(_GET, {"job_id": job_id}).first()
        return None if row is None or row.put_at <= self._last_evicted() else job_of(row)

    def change(self, job_id: str, how: Callable[[Job], Job]) -> Job | None:
        """Put ``how(job)`` in the job's place; the job as it was before."""
        with self._writing() as connection:
            row = connection.execute(_LOCK, {"job_id": job_id}).first()
            if row is None:
                return None
            before = job_of(row)
            after = how(before)
            if after is not before:
                connection.execute(_UPDATE, {"job_id": job_id, **changing_of(after)})
            return before

    def page(self, user_id: str | None) -> list[Job]:
        """The tenant's jobs, or everybody's, oldest first, deleted ones among them."""
        statement, given = (_PAGE_OF_ALL, {}) if user_id is None else (_PAGE, {"user": user_id})
        with self._read() as connection:
            last = self._last_evicted()
            return [job_of(row) for row in connection.execute(statement, given) if row.put_at > last]

    def forget(self, user_id: str | None) -> None:
        """Drop the tenant's jobs, or everybody's, as if there had been none."""
        statement = sa.delete(_jobs)
        with self._writing() as connection:
            connection.execute(statement if user_id is None else statement.where(_jobs.c.user_id == user_id))

    def counts(self) -> Counts:
        """How many jobs there are, and how many were evicted so far."""
        with self._writing() as connection:
            self._evict(connection)
            jobs = connection.execute(sa.select(sa.func.count()).select_from(_jobs)).scalar() or 0
            return Counts(jobs, _evicted(connection))

    def keep(self, name: str, fact: bytes | None) -> None:
        """Keep a fact that is no job; None for no longer."""
        with self._writing() as connection:
            if fact is None:
                connection.execute(sa.delete(_facts).where(_facts.c.name == name))
            else:
                _keep(connection, name, fact)

    def recall(self, prefix: str) -> dict[str, bytes]:
        """What was kept by names that begin so."""
        named = _facts.c.name.startswith(prefix, autoescape=True)
        with self._read() as connection:
            return {
                name: bytes(fact) for name, fact in connection.execute(sa.select(_facts).where(named)).all()
            }

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def _last_evicted(self) -> float:
        """What was put at this moment or before is no longer kept, though it may still be there."""
        return self._wall() - self._limits.retain

    def _evict(self, connection: sa.Connection) -> None:
        """Drop what is beyond the limits."""
        first_kept = sa.select(_jobs.c.number).order_by(_jobs.c.number.desc()).limit(1)
        beyond = connection.execute(first_kept.offset(self._limits.max_jobs)).scalar()
        too_many = sa.false() if beyond is None else _jobs.c.number <= beyond
        too_old = _jobs.c.put_at <= self._last_evicted()
        evicted = connection.execute(sa.delete(_jobs).where(too_many | too_old)).rowcount
        if evicted:
            _keep(connection, _EVICTED, b"%d" % (_evicted(connection) + evicted))

    @contextlib.contextmanager
    def _read(self) -> Iterator[sa.Connection]:
        """A connection that sees what is there, and takes nobody's turn."""
        with _available():
            self._check_file()
            with self._reading.connect() as connection:
                yield connection

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        """A transaction, which is there as a whole or not at all."""
        with _available():
            self._check_file()
            with self._engine.execution_options(**_WRITES).begin() as connection:
                yield connection

    def _check_file(self) -> None:
        """See that a SQLite file is still the one that was opened: SQLite would go on in one that is gone."""
        if self._file is not None and _identity(self._file[0]) != self._file[1]:
            raise StoreUnavailable(f"{self._file[0]} was removed or replaced; start the server again")


def _identity(path: str) -> tuple[int, int] | None:
    try:
        status = os.stat(path)  # noqa: PTH116 - at each request, and quicker so
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _keep(connection: sa.Connection, name: str, fact: bytes) -> None:
    dialect: Any = {"sqlite": sqlite, "postgresql": postgresql}[connection.dialect.name]
    statement = dialect.insert(_facts).values(name=name, fact=fact)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_={"fact": fact}))


def _evicted(connection: sa.Connection) -> int:
    kept = connection.execute(_RECALL, {"fact_name": _EVICTED}).scalar()
    return 0 if kept is None else int(bytes(kept))


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        raise InvalidStore(
            "store: expected a URL such as sqlite:///jobs.db, got none that can be read"
        ) from None
    is_file = bool(parsed.database) and parsed.database != ":memory:" and not parsed.query
    if parsed.drivername == "sqlite" and not is_file:
        raise InvalidStore("store: expected a file, such as sqlite:///jobs.db; without one, use memory")
    return parsed.set(drivername="postgresql+psycopg") if parsed.drivername == "postgresql" else parsed


def _engine(url: URL) -> sa.Engine:
    connect = (
        {"timeout": _BUSY_SECONDS}
        if url.drivername == "sqlite"
        else {
            "connect_timeout": _CONNECT_SECONDS,
            "options": f"-c lock_timeout={_BUSY_SECONDS}s -c statement_timeout={3 * _BUSY_SECONDS}s",
            "tcp_user_timeout": _CONNECT_SECONDS * 1000,
        }
    )
    try:
        engine = sa.create_engine(
            url, connect_args=connect, pool_size=16, max_overflow=-1, pool_pre_ping=url.drivername != "sqlite"
        )
    except (ModuleNotFoundError, NoSuchModuleError):
        advice = "pip install 'netmind-testkit[postgresql]'"
        raise InvalidStore(f"store: postgresql needs a driver: {advice}") from None
    if url.drivername == "sqlite":
        sa.event.listen(engine, "connect", _tune_sqlite)
        sa.event.listen(engine, "begin", _begin_sqlite)
    return engine


def _tune_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # else Python decides when a transaction begins
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL"):
        connection.execute(f"PRAGMA {pragma}")


def _begin_sqlite(connection: sa.Connection) -> None:
    """Take the turn to write before anything is read, so that no other can come in between."""
    if "netmind_writes" in connection.get_execution_options():
        connection.exec_driver_sql("BEGIN IMMEDIATE")


@contextlib.contextmanager
def _available() -> Iterator[None]:
    try:
        yield
    except SQLAlchemyError as error:
        raise StoreUnavailable(_reason(error)) from error


def _reason(error: Exception) -> str:
    """Why, in one line, without the statement and its values."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    return " ".join(str(cause).split())[:200]
