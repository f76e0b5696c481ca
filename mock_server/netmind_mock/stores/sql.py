"""A store in a database: a SQLite file, or PostgreSQL.

When a method has returned, its change is not lost if this process is killed. A SQLite file has a write-ahead
log that is not synced at each commit (``synchronous=NORMAL``): if the machine loses power, the last
transactions may be lost, but only as a whole.
"""

from __future__ import annotations

import itertools
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa
from msgspec.structs import replace

from netmind_mock.jobs.job import Job, Plan, Stage, Status
from netmind_mock.stores import Counts, Facts, InvalidStore, Limits
from netmind_mock.stores.entries import EntryStore
from netmind_mock.stores.recent import Recent
from netmind_mock.stores.schema import prepare
from netmind_mock.stores.sqlite import SqliteDatabase
from netmind_mock.stores.tables import (
    facts,
    given,
    inserted,
    jobs,
    last_over_limits,
    oldest_of,
    size_of,
    upserted,
)
from netmind_mock.system_time import system_time

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from contextlib import AbstractContextManager

    from netmind_mock.stores import Result
    from netmind_mock.stores.database import Database, Session


_PUTS_BETWEEN_EVICTIONS = 100
_AMENDMENTS_BETWEEN_EVICTIONS = 100
_SLACK = 0.05  # the share of the limit on bytes that may be put before all sizes are added up
_EVICTED = "evicted"  # the kind of the fact that counts evicted jobs; ``forget`` does not remove it


def _first_over_limit(column: sa.Column[int], newest_first: Any, condition: Any, limit: str) -> Any:
    """Return the value of a column in the newest row over a limit; NULL if there are not so many rows."""
    newest = sa.select(column).where(condition).order_by(newest_first)
    return newest.limit(1).offset(given(limit)).correlate(None).scalar_subquery()


_JOB = sa.select(*(column for column in jobs.columns if column is not jobs.c.size))
_GET = _JOB.where(jobs.c.id == given("job_id"))
_LOCK = _GET.with_for_update()
_UPDATE = (
    sa.update(jobs)
    .where(jobs.c.id == given("job_id"))
    .values({name: given(f"new_{name}") for name in ("packed_plan", "deleted_at", "polled_at")})
)
_PAGE_OF_ALL = _JOB.where(jobs.c.put_at > given("last")).order_by(jobs.c.number)
_PAGE = _PAGE_OF_ALL.where(jobs.c.user_id == given("account"))
_FORGET_ALL_JOBS = sa.delete(jobs)
_FORGET_JOBS = _FORGET_ALL_JOBS.where(jobs.c.user_id == given("account"))
_ENDS = sa.select(sa.func.min(jobs.c.number), sa.func.max(jobs.c.number))
_SIZE = size_of(jobs)
_OLDEST = oldest_of(jobs)
_EVICT = sa.delete(jobs).where(jobs.c.number <= given("number"))
_EVICT_OLD = sa.delete(jobs).where(jobs.c.put_at <= given("last"))
_COUNT = sa.select(sa.func.count()).select_from(jobs)

_ONE = (facts.c.kind == given("the_kind")) & (facts.c.user_id == given("account"))
_FACT = sa.select(facts.c.fact).where(_ONE)
_CHANGED = sa.select(facts).where(facts.c.revision > given("since"))
_NEXT_REVISION = sa.update(facts).where(facts.c.kind == "").values(revision=facts.c.revision + 1)
_REVISION = sa.select(facts.c.revision).where(facts.c.kind == "")
_DROP = sa.update(facts).values(fact=sa.null(), revision=given("now"))
_DROP_ALL_FACTS = _DROP.where(
    facts.c.fact.is_not(None),
    facts.c.kind != _EVICTED,
    (facts.c.kind != given("keep_kind")) | (facts.c.user_id != ""),
)
_DROP_FACTS = _DROP_ALL_FACTS.where(facts.c.user_id == given("account"))
# A fact that is not followed has a negative revision, so that no process reads it as a change: the negative
# time of its last change, so the newest has the lowest.
_NEWEST = facts.c.revision.desc()
_UNFOLLOWED = facts.c.revision < 0
_FOLLOWED = (facts.c.revision > 0) & (facts.c.user_id != "")
_KEPT = _FOLLOWED & facts.c.fact.is_not(None)
_DROPPED = _FOLLOWED & facts.c.fact.is_(None)
_EVICT_FACTS = (
    _DROP.where(_KEPT, facts.c.revision <= _first_over_limit(facts.c.revision, _NEWEST, _KEPT, "max_facts")),
    sa.delete(facts).where(
        _DROPPED, facts.c.revision <= _first_over_limit(facts.c.revision, _NEWEST, _DROPPED, "max_facts")
    ),
    sa.delete(facts).where(
        _UNFOLLOWED,
        facts.c.revision >= _first_over_limit(facts.c.revision, facts.c.revision, _UNFOLLOWED, "max_facts"),
    ),
)


def open_database(url: str) -> Database:
    """Open the database that a URL names. Create missing tables, and migrate those of an earlier version.

    Raises:
        InvalidStore: The URL is not valid, or the database cannot be opened.
    """
    try:
        database = _database_of(sa.make_url(url))
    except (sa.exc.ArgumentError, ValueError) as error:
        if isinstance(error, InvalidStore):
            raise
        # The URL is not shown, since it may contain a password.
        raise InvalidStore("store: this is not a valid URL; expected one such as sqlite:///jobs.db") from None
    prepare(database)
    return database


def _database_of(url: sa.URL) -> Database:
    if url.drivername == "sqlite":
        return SqliteDatabase(url)
    from netmind_mock.stores.postgresql import PostgresqlDatabase  # noqa: PLC0415 - it imports psycopg

    return PostgresqlDatabase(url.set(drivername="postgresql"))


class SqlStore:
    """A store in a database, which several processes may share.

    Attributes:
        name: The URL of the database, without its password.
        entries: The entries of the request journal, which the processes share as well.
    """

    def __init__(
        self,
        database: Database,
        limits: Limits = Limits(),  # noqa: B008 - it is frozen
        *,
        wall: Callable[[], float] = system_time.time,
    ) -> None:
        """Create a store over an open database.

        Args:
            database: The database.
            limits: How much it contains at most.
            wall: The system clock, in seconds since the epoch.
        """
        self._database = database
        self.name = database.name
        self.entries = EntryStore(database)
        self._limits = limits
        self._wall = wall
        self._recent = Recent(database)
        self._puts = itertools.count()
        self._put_bytes = 0  # by this process, since it last compared the bytes of all jobs with the limit
        self._amendments = itertools.count(1)
        dialect = database.dialect
        self._insert = inserted(dialect, jobs, without=("number",)).on_conflict_do_nothing()
        self._keep = upserted(inserted(dialect, facts))

    def nonblocking(self) -> AbstractContextManager[object]:
        """Return a context in which this thread does not wait: what would wait raises ``WouldBlock``."""
        return self._recent

    def put(self, job: Job) -> bool:
        """Store a new job, and return True. Return False if there is a job with its id."""
        size = job.size
        with self._database.writing() as session:
            if not session.run(self._insert, **_row_of(job), put_at=self._wall(), size=size).rowcount:
                return False
            self._put_bytes += size
            if next(self._puts) % _PUTS_BETWEEN_EVICTIONS == 0 or self._is_too_large():
                self._evict(session)
        return True

    def get(self, job_id: str) -> Job | None:
        """Return the job with an id, of any account; None if there is no such job."""
        recent = self._recent.jobs.get(job_id) if self._recent.is_valid else None
        if recent is None:
            with self._database.reading() as session:
                row = session.run(_GET, job_id=job_id).fetchone()
            if row is None:
                return None
            recent = _job_of(row), row[-1]
            self._recent.add(*recent)
        job, put_at = recent
        return None if put_at <= self._last_evicted() else job

    def change(self, job_id: str, how: Callable[[Job], Job]) -> Job | None:
        """Replace a job with ``how(job)``, and return the job before the change."""
        with self._database.writing() as session:
            row = session.run(_LOCK, job_id=job_id).fetchone()
            if row is None:
                return None
            before = _job_of(row)
            after = how(before)
            if after is not before:
                changed = {f"new_{name}": value for name, value in _changing(after).items()}
                session.run(_UPDATE, job_id=job_id, **changed)
            return before

    def page(self, user_id: str | None) -> list[Job]:
        """Return the jobs of an account, or (None) of all accounts, oldest first."""
        last = self._last_evicted()
        with self._database.reading() as session:
            rows = session.run(_PAGE_OF_ALL if user_id is None else _PAGE, last=last, account=user_id)
            return [_job_of(row) for row in rows]

    def forget(self, user_id: str | None, *, keep_kind: str = "") -> None:
        """Remove everything of an account, or (None) of all accounts except their fact of ``keep_kind``."""
        with self._database.writing() as session:
            now = self._next_revision(session)
            of_all = (_FORGET_ALL_JOBS, _DROP_ALL_FACTS)
            for statement in of_all if user_id is None else (_FORGET_JOBS, _DROP_FACTS):
                session.run(statement, now=now, account=user_id, keep_kind=keep_kind)
            self.entries.forget(session, user_id)

    def counts(self) -> Counts:
        """Return the number of jobs, and of jobs evicted so far."""
        with self._database.writing() as session:
            self._evict(session)
            (count,) = session.run(_COUNT).fetchone()
            return Counts(count, _evicted(session))

    def facts(self, since: int) -> Facts | None:
        """Return the followed facts that changed after a revision; None if no fact changed."""
        if self._recent.is_valid and since == self._recent.revision:
            return None
        with self._database.reading() as session:
            rows = session.run(_CHANGED, since=since).fetchall()
        if not rows:
            self._recent.set_revision(since)
            return None
        changed = {(kind, user_id): fact for kind, user_id, fact, _ in rows if kind}
        return Facts(max(revision for *_, revision in rows), changed)

    def amend(
        self,
        kind: str,
        user_id: str | None,
        how: Callable[[bytes | None], tuple[bytes, Result]],
        *,
        followed: bool = True,
    ) -> Result:
        """Replace a fact of an account, or (None) of all accounts, and return the result of ``how``."""
        # Lock order: the row with the store's revision, then a name. Transactions that lock them in another
        # order could block each other (a deadlock).
        with self._database.writing() as session:
            if next(self._amendments) % _AMENDMENTS_BETWEEN_EVICTIONS == 0:
                self._evict_facts(session)  # changes the row with the revision, so it is first
            now = self._next_revision(session) if followed else -int(self._wall() * 1e6)
            if not followed:  # a name, since the fact may have no row yet that others would wait for
                self._database.lock(session, f"{kind} {user_id}")
            row = session.run(_FACT, the_kind=kind, account=user_id or "").fetchone()
            before = None if row is None else row[0]
            after, result = how(before)
            if after != before:
                session.run(self._keep, kind=kind, user_id=user_id or "", fact=after, revision=now)
        return result

    def close(self) -> None:
        """Close the connections."""
        self._database.close()

    def _evict_facts(self, session: Session) -> None:
        """Drop the facts whose last change is the oldest, and the rows of those dropped long ago."""
        now = self._next_revision(session)
        for statement in _EVICT_FACTS:
            session.run(statement, max_facts=self._limits.max_facts, now=now)

    def _next_revision(self, session: Session) -> int:
        """Increment the store's revision, and return it.

        Other transactions that do this wait until this one has ended.
        """
        session.run(_NEXT_REVISION)
        revision: int = session.run(_REVISION).fetchone()[0]
        return revision

    def _last_evicted(self) -> float:
        """Return the time up to which jobs are evicted. Their rows may still exist, so readers skip them."""
        return self._wall() - self._limits.retain

    def _is_too_large(self) -> bool:
        """Return whether the bytes of all jobs may exceed the limit by more than is tolerated."""
        return self._put_bytes > self._limits.max_bytes * _SLACK

    def _evict(self, session: Session) -> None:
        """Drop the jobs that exceed the limits, and count them."""
        evicted = session.run(_EVICT_OLD, last=self._last_evicted()).rowcount
        first, last = session.run(_ENDS).fetchone()
        # Counting all jobs is slow, but the lowest and the highest number are found in the index. There
        # cannot be too many jobs unless these are far enough apart, nor too many bytes unless some were put.
        if first is not None and (last - first >= self._limits.max_jobs or self._is_too_large()):
            self._put_bytes = 0
            count, size = session.run(_SIZE).fetchone()
            too_many, too_large = count - self._limits.max_jobs, int(size) - self._limits.max_bytes
            over = last_over_limits(session.run(_OLDEST), too_many, too_large)
            if over is not None:
                evicted += session.run(_EVICT, number=min(over, last - 1)).rowcount  # the newest stays
        if evicted:
            total = b"%d" % (_evicted(session) + evicted)
            session.run(self._keep, kind=_EVICTED, user_id="", fact=total, revision=0)


def _evicted(session: Session) -> int:
    row = session.run(_FACT, the_kind=_EVICTED, account="").fetchone()
    return 0 if row is None else int(row[0])


_STATUSES: dict[str, str] = {status.value: status for status in Status}
_TIMES = msgspec.msgpack.Decoder(tuple[float, ...])


def _row_of(job: Job) -> dict[str, Any]:
    return {
        "id": job.id,
        "user_id": job.user_id,
        "model": job.model.encode(),
        "config": job.config,
        "created_at": job.created_at,
        **_changing(job),
    }


def _changing(job: Job) -> dict[str, Any]:
    """Return the values of the columns that a change of the job may affect."""
    return {
        "packed_plan": _packed(job.plan),
        "deleted_at": job.deleted_at,
        "polled_at": msgspec.msgpack.encode(job.polled_at),
    }


def _job_of(row: Sequence[Any]) -> Job:
    _, job_id, user_id, model, config, created_at, plan, deleted_at, polled_at, _ = row
    name = model.decode()
    return Job(
        job_id, user_id, name, config, created_at, _unpacked(plan), deleted_at, _TIMES.decode(polled_at)
    )


# Many jobs have equal plans: each plan is encoded once, and jobs that are read share one in memory.
@lru_cache(maxsize=1024)
def _packed(plan: Plan) -> bytes:
    return msgspec.msgpack.encode(plan)


@lru_cache(maxsize=1024)
def _unpacked(packed: bytes) -> Plan:
    plan = msgspec.msgpack.decode(packed, type=Plan)
    # A status is a Status or any other word. msgspec cannot express this type, and returns all as plain text.
    stages = [Stage(_STATUSES.get(one.status, one.status), one.begins, one.polls) for one in plan.stages]
    return replace(plan, stages=tuple(stages))
