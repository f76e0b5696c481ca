"""The version of a database's tables: creation, and migration from an earlier version.

Each version has the tables of the one before, changed by the statements in ``_MIGRATIONS``. Opening a
database brings it to the version of this package, in one transaction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa
from sqlalchemy.schema import CreateIndex, CreateTable

from netmind_mock.stores import InvalidStore, StoreUnavailable
from netmind_mock.stores.tables import facts, inserted, jobs, schema, tables

if TYPE_CHECKING:
    from netmind_mock.stores.database import Database, Session

# By version, the statements that lead to the next one.
_MIGRATIONS: Final = {
    1: (
        sa.text("ALTER TABLE netmind_jobs ADD COLUMN size INTEGER NOT NULL DEFAULT 0"),
        sa.update(jobs).values(size=sa.func.length(jobs.c.model) + sa.func.length(jobs.c.config)),
    )
}
_VERSION: Final = 1 + max(_MIGRATIONS)
_FIRST: Final = 1  # the version of tables that were made before their version was stored
_STORED_VERSION = sa.select(schema.c.version)
_SET_VERSION = sa.insert(schema).values(version=sa.bindparam("new_version"))


def prepare(database: Database) -> None:
    """Create missing tables, and migrate those of an earlier version, in one transaction.

    Raises:
        InvalidStore: The database cannot be opened, or its tables are of a later version, or of one that
            cannot be migrated.
    """
    try:
        with database.writing() as session:
            database.lock(session, "tables")  # servers that start at the same time would create them twice
            _prepare(session, database)
    except (StoreUnavailable, TypeError) as error:  # TypeError: an option in the URL is not valid
        raise InvalidStore(f"store: {database.name} cannot be opened: {error}") from None
    finally:
        database.close_idle()  # otherwise they would stay open if this raises


def _prepare(session: Session, database: Database) -> None:
    version = _version(session, database)
    if version > _VERSION:
        raise InvalidStore(
            f"store: {database.name} was changed by a later version of netmind-testkit (its tables have "
            f"version {version}, this one knows versions up to {_VERSION}): update netmind-testkit, or use "
            "another database"
        )
    _migrate(session, version)
    for table in tables:
        names = {
            column[0]
            for column in session.run(sa.select(sa.text("*")).select_from(table).limit(0)).description
        }
        if missing := {column.name for column in table.columns} - names:
            raise InvalidStore(
                f"store: {table.name} in {database.name} is of a development version of netmind-testkit "
                f"(it has no column {min(missing)}); use another database, or drop its tables netmind_…"
            )
    # The row that has the store's revision
    first = inserted(database.dialect, facts).on_conflict_do_nothing()
    session.run(first, kind="", user_id="", fact=None, revision=0)


def _migrate(session: Session, version: int) -> None:
    """Bring the tables from a version to the version of this package."""
    for earlier in range(version, _VERSION):
        for statement in _MIGRATIONS[earlier]:
            session.run(statement)
    for table in tables:
        session.run(CreateTable(table, if_not_exists=True))
        for index in table.indexes:
            session.run(CreateIndex(index, if_not_exists=True))
    session.run(sa.delete(schema))
    session.run(_SET_VERSION, new_version=_VERSION)


def _version(session: Session, database: Database) -> int:
    """Return the version of the tables. Without tables, it is the one that they will be created in."""
    if database.has_table(session, schema.name):
        row = session.run(_STORED_VERSION).fetchone()
        return _FIRST if row is None else int(row[0])
    return _FIRST if database.has_table(session, jobs.name) else _VERSION
