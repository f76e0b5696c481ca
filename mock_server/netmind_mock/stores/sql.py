"""Jobs in a database: a SQLite file, or PostgreSQL.

What a call has kept stays kept if this process is killed. A SQLite file has a write-ahead log that is not
synced at each commit (``synchronous=NORMAL``): if the machine loses power, the last moments may be lost, but
never half of a job.
"""

from __future__ import annotations

import itertools
import time
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec
import sqlalchemy as sa
from msgspec.structs import replace

from netmind_mock.jobs.job import Job, Plan, Stage, Status
from netmind_mock.stores import Counts, Facts, InvalidStore, Limits
from netmind_mock.stores.entries import EntryStore
from netmind_mock.stores.sqlite import SqliteDatabase
from netmind_mock.stores.tables import facts, given, inserted, jobs, upserted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from netmind_mock.stores import Result
    from netmind_mock.stores.database import Database, Session


_PUTS_BETWEEN_EVICTIONS = 100
_AMENDMENTS_BETWEEN_EVICTIONS = 100
_EVICTED = "evicted"  # a fact that no reset drops


def _beyond(column: sa.Column[int], newest_first: Any, condition: Any, most: str) -> Any:
    """Return the value of a column in the newest row that is too many, or NULL."""
    newest = sa.select(column).where(condition).order_by(newest_first)
    return newest.limit(1).offset(given(most)).correlate(None).scalar_subquery()


_GET = sa.select(jobs).where(jobs.c.id == given("job_id"))
_LOCK = _GET.with_for_update()
_UPDATE = (
    sa.update(jobs)
    .where(jobs.c.id == given("job_id"))
    .values({name: given(f"new_{name}") for name in ("packed_plan", "deleted_at", "polled_at")})
)
_PAGE_OF_ALL = sa.select(jobs).where(jobs.c.put_at > given("last")).order_by(jobs.c.number)
_PAGE = _PAGE_OF_ALL.where(jobs.c.user_id == given("whose"))
_FORGET_ALL_JOBS = sa.delete(jobs)
_FORGET_JOBS = _FORGET_ALL_JOBS.where(jobs.c.user_id == given("whose"))
_ENDS = sa.select(sa.func.min(jobs.c.number), sa.func.max(jobs.c.number))
_EVICT_MANY = sa.delete(jobs).where(
    jobs.c.number <= _beyond(jobs.c.number, jobs.c.number.desc(), sa.true(), "max_jobs")
)
_EVICT_OLD = sa.delete(jobs).where(jobs.c.put_at <= given("last"))
_COUNT = sa.select(sa.func.count()).select_from(jobs)

_ONE = (facts.c.kind == given("the_kind")) & (facts.c.user_id == given("whose"))
_FACT = sa.select(facts.c.fact).where(_ONE)
_CHANGED = sa.select(facts).where(facts.c.revision > given("since"))
_COUNT_UP = sa.update(facts).where(facts.c.kind == "").values(revision=facts.c.revision + 1)
_COUNTED = sa.select(facts.c.revision).where(facts.c.kind == "")
_DROP = sa.update(facts).values(fact=sa.null(), revision=given("now"))
_DROP_ALL_FACTS = _DROP.where(
    facts.c.fact.is_not(None),
    facts.c.kind != _EVICTED,
    (facts.c.kind != given("but")) | (facts.c.user_id != ""),
)
_DROP_FACTS = _DROP_ALL_FACTS.where(facts.c.user_id == given("whose"))
# A fact that is not told has a revision below 0, the later the lower, which is never after any other.
_NEWEST = facts.c.revision.desc()
_UNTOLD = facts.c.revision < 0
_TOLD = (facts.c.revision > 0) & (facts.c.user_id != "")
_KEPT = _TOLD & facts.c.fact.is_not(None)
_DROPPED = _TOLD & facts.c.fact.is_(None)
_EVICT_FACTS = (
    _DROP.where(_KEPT, facts.c.revision <= _beyond(facts.c.revision, _NEWEST, _KEPT, "max_facts")),
    sa.delete(facts).where(
        _DROPPED, facts.c.revision <= _beyond(facts.c.revision, _NEWEST, _DROPPED, "max_facts")
    ),
    sa.delete(facts).where(
        _UNTOLD, facts.c.revision >= _beyond(facts.c.revision, facts.c.revision, _UNTOLD, "max_facts")
    ),
)


def open_database(url: str) -> Database:
    """Return the database that a URL names.

    Raises:
        InvalidStore: It cannot be opened.
    """
    try:
        parsed = sa.make_url(url)
        if parsed.drivername == "sqlite":
            return SqliteDatabase(parsed)
        from netmind_mock.stores.postgresql import PostgresqlDatabase  # noqa: PLC0415 - it brings psycopg along

        return PostgresqlDatabase(parsed.set(drivername="postgresql"))
    except InvalidStore:
        raise
    except (sa.exc.ArgumentError, ValueError):
        expected = "expected a URL such as sqlite:///jobs.db, got none that can be read"
        raise InvalidStore(f"store: {expected}") from None


class SqlStore:
    """Keeps jobs in a database, which several processes may share.

    Attributes:
        entries: The request journal, which they share as well.
    """

    def __init__(
        self,
        database: Database,
        limits: Limits = Limits(),  # noqa: B008 - it is frozen
        *,
        wall: Callable[[], float] = time.time,
    ) -> None:
        """Create a store over an open database.

        Args:
            database: Where jobs are kept.
            limits: How much is kept.
            wall: The system's clock, in seconds since the epoch.
        """
        self._database = database
        self.name = database.name
        self.entries = EntryStore(database)
        self._limits = limits
        self._wall = wall
        self._puts = itertools.count()
        self._amendments = itertools.count(1)
        dialect = database.dialect
        self._insert = inserted(dialect, jobs, without=("number",)).on_conflict_do_nothing()
        self._keep = upserted(inserted(dialect, facts))

    def put(self, job: Job) -> bool:
        """Keep a new job. Return False if its id is taken."""
        with self._database.writing() as session:
            if not session.run(self._insert, **_row_of(job), put_at=self._wall()).rowcount:
                return False
            if next(self._puts) % _PUTS_BETWEEN_EVICTIONS == 0:
                self._evict(session)
        return True

    def get(self, job_id: str) -> Job | None:
        """Return a job, whichever account it belongs to, or None."""
        with self._database.reading() as session:
            row = session.run(_GET, job_id=job_id).fetchone()
        return None if row is None or row[-1] <= self._last_evicted() else _job_of(row)

    def change(self, job_id: str, how: Callable[[Job], Job]) -> Job | None:
        """Replace a job with ``how(job)``, and return it as it was before."""
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
        """Return an account's jobs, or (None) all jobs, oldest first."""
        last = self._last_evicted()
        with self._database.reading() as session:
            rows = session.run(_PAGE_OF_ALL if user_id is None else _PAGE, last=last, whose=user_id)
            return [_job_of(row) for row in rows]

    def forget(self, user_id: str | None, *, but: str = "") -> None:
        """Drop all that is kept of an account, or (None) of all accounts."""
        with self._database.writing() as session:
            now = self._count_up(session)
            everything = (_FORGET_ALL_JOBS, _DROP_ALL_FACTS)
            for statement in everything if user_id is None else (_FORGET_JOBS, _DROP_FACTS):
                session.run(statement, now=now, whose=user_id, but=but)
            self.entries.forget(session, user_id)

    def counts(self) -> Counts:
        """Return how many jobs there are, and how many were evicted so far."""
        with self._database.writing() as session:
            self._evict(session)
            (count,) = session.run(_COUNT).fetchone()
            return Counts(count, _evicted(session))

    def facts(self, since: int) -> Facts | None:
        """Return the facts that were kept after the revision ``since``, or None if there are none."""
        with self._database.reading() as session:
            rows = session.run(_CHANGED, since=since).fetchall()
        if not rows:
            return None
        changed = {(kind, user_id): fact for kind, user_id, fact, _ in rows if kind}
        return Facts(max(revision for *_, revision in rows), changed)

    def amend(
        self,
        kind: str,
        user_id: str | None,
        how: Callable[[bytes | None], tuple[bytes, Result]],
        *,
        told: bool = True,
    ) -> Result:
        """Replace a fact of an account, or (None) of all accounts, and return the result of ``how``."""
        with self._database.writing() as session:
            if next(self._amendments) % _AMENDMENTS_BETWEEN_EVICTIONS == 0:
                self._evict_facts(session)  # first, since it changes the row that counts
            now = self._count_up(session) if told else -int(self._wall() * 1e6)
            if not told:  # there may be no row yet that other transactions would wait for
                self._database.lock(session, f"{kind} {user_id}")
            row = session.run(_FACT, the_kind=kind, whose=user_id or "").fetchone()
            before = None if row is None else row[0]
            after, result = how(before)
            if after != before:
                session.run(self._keep, kind=kind, user_id=user_id or "", fact=after, revision=now)
        return result

    def close(self) -> None:
        """Close the connections."""
        self._database.close()

    def _evict_facts(self, session: Session) -> None:
        """Drop the facts that were changed longest ago, and forget which were dropped longest ago."""
        now = self._count_up(session)
        for statement in _EVICT_FACTS:
            session.run(statement, max_facts=self._limits.max_facts, now=now)

    def _count_up(self, session: Session) -> int:
        session.run(_COUNT_UP)
        revision: int = session.run(_COUNTED).fetchone()[0]
        return revision

    def _last_evicted(self) -> float:
        """Return the moment up to which what was put is evicted, though it may still be there."""
        return self._wall() - self._limits.retain

    def _evict(self, session: Session) -> None:
        """Drop what is beyond the limits."""
        evicted = session.run(_EVICT_OLD, last=self._last_evicted()).rowcount
        first, last = session.run(_ENDS).fetchone()
        # The ends are found at once; what lies between is not counted unless there may be too many.
        if first is not None and last - first >= self._limits.max_jobs:
            evicted += session.run(_EVICT_MANY, max_jobs=self._limits.max_jobs).rowcount
        if evicted:
            total = b"%d" % (_evicted(session) + evicted)
            session.run(self._keep, kind=_EVICTED, user_id="", fact=total, revision=0)


def _evicted(session: Session) -> int:
    row = session.run(_FACT, the_kind=_EVICTED, whose="").fetchone()
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
    """Return the columns that a change may change."""
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


# Jobs with equal plans share one in memory, also when they are read.
@lru_cache(maxsize=1024)
def _packed(plan: Plan) -> bytes:
    return msgspec.msgpack.encode(plan)


@lru_cache(maxsize=1024)
def _unpacked(packed: bytes) -> Plan:
    plan = msgspec.msgpack.decode(packed, type=Plan)
    # A status is one of Status or any other word, which is a type that msgspec cannot express.
    stages = [Stage(_STATUSES.get(one.status, one.status), one.begins, one.polls) for one in plan.stages]
    return replace(plan, stages=tuple(stages))
