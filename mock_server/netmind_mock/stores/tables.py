"""The tables of a database, and the parts of their statements.

Text from requests is stored as bytes, because text columns accept neither NUL nor a lone surrogate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_COUNTER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

metadata = sa.MetaData()

jobs = sa.Table(
    "netmind_jobs",
    metadata,
    sa.Column("number", _COUNTER, primary_key=True, autoincrement=True),
    sa.Column("id", sa.String(32), nullable=False, unique=True),
    sa.Column("user_id", sa.String(32), nullable=False),
    sa.Column("model", sa.LargeBinary, nullable=False),
    sa.Column("config", sa.LargeBinary, nullable=False),
    sa.Column("created_at", sa.Double, nullable=False),
    sa.Column("packed_plan", sa.LargeBinary, nullable=False),
    sa.Column("deleted_at", sa.Double),
    sa.Column("polled_at", sa.LargeBinary, nullable=False),
    sa.Column("put_at", sa.Double, nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Index("netmind_jobs_of_user", "user_id", "number"),
    sa.Index("netmind_jobs_put_at", "put_at"),
    sa.Index("netmind_jobs_sizes", "number", "size"),  # otherwise their sum would read all jobs
)

# Facts of accounts. ``user_id`` is empty for a fact of all accounts, and ``fact`` is NULL if it was removed.
# The row without a kind has the store's revision. A transaction that changes facts increments it first, and
# thereby locks the row until it is committed. So lower revisions are always committed before higher ones.
facts = sa.Table(
    "netmind_facts",
    metadata,
    sa.Column("kind", sa.String(16), primary_key=True),
    sa.Column("user_id", sa.String(32), primary_key=True),
    sa.Column("fact", sa.LargeBinary),
    sa.Column("revision", sa.BigInteger, nullable=False),
    sa.Index("netmind_facts_revision", "revision"),
)

entries = sa.Table(
    "netmind_entries",
    metadata,
    sa.Column("number", _COUNTER, primary_key=True, autoincrement=True),
    sa.Column("user_id", sa.String(32)),
    sa.Column("operation", sa.String(16), nullable=False),
    sa.Column("job_id", sa.String(32), nullable=False),
    sa.Column("happened", sa.Double, nullable=False),
    sa.Column("size", sa.Integer, nullable=False),
    sa.Column("entry", sa.LargeBinary, nullable=False),
    sa.Index("netmind_entries_of_user", "user_id", "happened"),
    sa.Index("netmind_entries_of_job", "job_id", "operation"),
    sa.Index("netmind_entries_sizes", "number", "size"),  # otherwise their sum would read all entries
)

dropped_entries = sa.Table(
    "netmind_dropped_entries",
    metadata,
    sa.Column("user_id", sa.String(32), primary_key=True),
    sa.Column("dropped", sa.BigInteger, nullable=False),
)

totals = sa.Table(
    "netmind_totals",
    metadata,
    sa.Column("operation", sa.String(16), primary_key=True),
    sa.Column("status", sa.Integer, primary_key=True),
    sa.Column("requests", sa.BigInteger, nullable=False),
    sa.Column("seconds", sa.Double, nullable=False),
    sa.Column("with_fault", sa.BigInteger, nullable=False),
)

# The processes that write entries, with the last call that each has acknowledged. The row without a name has
# the number of the last call.
writers = sa.Table(
    "netmind_writers",
    metadata,
    sa.Column("name", sa.String(200), primary_key=True),
    sa.Column("acknowledged", sa.BigInteger, nullable=False),
)

# One row: the version of these tables, as ``netmind_mock.stores.schema`` explains.
schema = sa.Table("netmind_schema", metadata, sa.Column("version", sa.Integer, primary_key=True))

tables = (jobs, facts, entries, dropped_entries, totals, writers, schema)


def given(name: str) -> sa.BindParameter[Any]:
    """Return a parameter, whose value is given when the statement is executed."""
    return sa.bindparam(name)


def size_of(table: sa.Table) -> Any:
    """Return a SELECT of the number of rows, and of the sum of their sizes."""
    return sa.select(sa.func.count(), sa.func.coalesce(sa.func.sum(table.c.size), 0)).select_from(table)


def oldest_of(table: sa.Table) -> Any:
    """Return a SELECT of the numbers and sizes of all rows, the oldest first."""
    return sa.select(table.c.number, table.c.size).order_by(table.c.number)


def last_over_limits(rows: Iterable[tuple[int, int]], too_many: int, too_large: int) -> int | None:
    """Return the number of the last row to be dropped so that the others are within the limits.

    Args:
        rows: The numbers and sizes of all rows, the oldest first.
        too_many: How many rows are to be dropped at least.
        too_large: How many bytes are to be dropped at least.

    Returns:
        The number; None if no row is to be dropped.
    """
    last = None
    for number, size in rows:
        if too_many <= 0 and too_large <= 0:
            break
        last, too_many, too_large = number, too_many - 1, too_large - size
    return last


def insertion(dialect: str, table: sa.Table) -> Any:
    """Return an INSERT that supports ``on_conflict_do_update`` and ``on_conflict_do_nothing``."""
    return {"sqlite": sqlite.insert, "postgresql": postgresql.insert}[dialect](table)


def inserted(dialect: str, table: sa.Table, *, without: tuple[str, ...] = ()) -> Any:
    """Return an INSERT of a row. Its parameters have the names of the columns."""
    columns = {column.name: given(column.name) for column in table.columns if column.name not in without}
    return insertion(dialect, table).values(columns)


def upserted(statement: Any) -> Any:
    """Return an INSERT that replaces a row with the same key."""
    return _over(statement, lambda column: statement.excluded[column.name])


def added(statement: Any) -> Any:
    """Return an INSERT that adds its numbers to those of a row with the same key."""
    return _over(statement, lambda column: column + statement.excluded[column.name])


def _over(statement: Any, value: Callable[[sa.Column[Any]], Any]) -> Any:
    table = statement.table
    keys = [column.name for column in table.primary_key]
    others = {column.name: value(column) for column in table.columns if column.name not in keys}
    return statement.on_conflict_do_update(index_elements=keys, set_=others)
