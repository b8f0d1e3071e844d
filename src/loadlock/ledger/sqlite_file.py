"""Open the ledger of a workspace: made when absent, upgraded (with a backup) when older, refused when newer."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import URL

from loadlock.durable import workspace_error, written_whole
from loadlock.errors import WorkspaceError
from loadlock.faults import point
from loadlock.ledger import schema
from loadlock.ledger.sqlite_errors import BUSY_SECONDS, in_words

FILE = "ledger.db"
VERSION_TABLE = (
    "create table alembic_version"
    " (version_num varchar(32) not null, constraint alembic_version_pkc primary key (version_num))"
)


def sqlite_engine(path: Path, *, busy_seconds: float = BUSY_SECONDS) -> Engine:
    """An engine for the file: write-ahead log, full fsync, foreign keys; writers begin IMMEDIATE, see `writing`."""
    engine = create_engine(
        URL.create("sqlite", database=str(path)), connect_args={"timeout": busy_seconds}, max_overflow=-1
    )

    @event.listens_for(engine, "connect")
    def _prepare(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # the driver must not begin or commit by itself
        for pragma in ("journal_mode = wal", "synchronous = full", "foreign_keys = on"):
            connection.execute(f"pragma {pragma}").close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # a writer that began as a reader could fail at its first write without waiting for the lock
        writes = connection.get_execution_options().get("writes", False)
        connection.exec_driver_sql("begin immediate" if writes else "begin")

    return engine


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes: committed at the end of the block, rolled back on any error."""
    with engine.connect().execution_options(writes=True) as connection:
        with connection.begin():
            yield connection
            point("ledger.before_commit")
        point("ledger.committed")


def prepare(engine: Engine, path: Path) -> None:
    """Bring the file's schema to `schema.HEAD`: create, upgrade with a backup, or refuse what is newer."""
    with in_words(str(path)):
        with engine.connect() as connection:
            version = _version(connection)
        if version is None:
            with writing(engine) as connection:
                version = _version(connection) or _create(connection)
    if version not in schema.REVISIONS:
        raise WorkspaceError(
            f"the ledger {path} was written by a newer version of Loadlock (its schema is {version!r},"
            f" this version knows up to {schema.HEAD!r})",
            hint="Update Loadlock, or choose another workspace with --workspace.",
        )
    if version != schema.HEAD:
        _upgrade(engine, path, version)


def _version(connection: Connection) -> str | None:
    """The stamped version; None for an empty file. Another program's database is refused."""
    names = set(connection.execute(text("select name from sqlite_master where type = 'table'")).scalars())
    if "alembic_version" in names:
        version: str | None = connection.execute(text("select version_num from alembic_version")).scalar()
        return version
    if names:
        raise WorkspaceError(
            f"{connection.engine.url.database} is a database, but no ledger of Loadlock",
            hint="Choose another folder with --workspace.",
        )
    return None


def _create(connection: Connection) -> str:
    schema.metadata.create_all(connection, checkfirst=False)
    connection.execute(text(VERSION_TABLE))
    connection.execute(text("insert into alembic_version (version_num) values (:head)"), {"head": schema.HEAD})
    return schema.HEAD


def _upgrade(engine: Engine, path: Path, version: str) -> None:
    from loadlock.ledger.migrations import upgrade

    _back_up(path, path.with_name(f"{path.name}.bak-{version}"))
    with in_words(str(path)), writing(engine) as connection:
        if _version(connection) == version:
            upgrade(connection)


def _back_up(path: Path, copy: Path) -> None:
    """A copy by SQLite's own means: right also while others write."""
    try:
        with (
            in_words(str(path)),
            written_whole(copy) as beside,
            closing(sqlite3.connect(path)) as source,
            closing(sqlite3.connect(beside)) as target,
        ):
            source.backup(target)
    except OSError as error:
        raise workspace_error(f"can't write the backup {copy}", error) from error
