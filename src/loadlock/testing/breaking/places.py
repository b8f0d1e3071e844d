"""The destinations of the trials: how each is made ready, read from outside, and looked through for what was left behind."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from loadlock.delivery.base import CHUNK_TABLE, CONTROL_TABLE, Capabilities
from loadlock.model import WriteMode
from loadlock.testing.breaking.batch import fill_sql, modes_of, old_rows
from loadlock.testing.databases import connect_mysql

OUT = "out"
"""The folder, below the trial's, in which local targets lie."""
LOCKS = (".lock", "loadlock-lock")
LOGS = (".wal",)
"""DuckDB's own: it stays where the disk was full when the file was closed, and the next process takes it in."""
_COLUMNS = ("id", "name", "amount", "day")


def state_of(rows: Sequence[Sequence[Any]] | bytes) -> str:
    """A short name for what a target holds."""
    text = rows if isinstance(rows, bytes) else repr(sorted(tuple(map(str, row)) for row in rows)).encode()
    return hashlib.sha256(text).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class Place(ABC):
    """A destination of one kind. Can be pickled: the watching process has its own copy."""

    kind: str
    url: str
    """As the harness reaches it: the database's URL, or the file's path."""

    is_table: ClassVar[bool] = True
    is_server: ClassVar[bool] = False
    watched: ClassVar[bool] = True
    """Can be read while a run has it open."""

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities: ...

    @property
    def modes(self) -> list[WriteMode]:
        return modes_of(self.capabilities)

    def address(self, port: int | None) -> str:
        """The URL in the pipeline; servers are reached by `port` where one is given."""
        return self.url

    @abstractmethod
    def fill(self, mode: WriteMode) -> None:
        """Nothing in the target but the old rows."""

    @abstractmethod
    def state(self) -> str:
        """What the target holds now. Errors are the driver's."""

    def watch(self) -> Callable[[], str]:
        """What `state` gives, for somebody who asks again and again."""
        return self.state

    @abstractmethod
    def left(self) -> list[str]:
        """What a delivery left behind: tables, receipts, sessions, files."""

    @abstractmethod
    def deliveries(self) -> int | None:
        """Control rows of the target; None for files."""


@dataclass(frozen=True, kw_only=True)
class _Local(Place):
    @property
    def path(self) -> Path:
        return Path(self.url)

    def _beside(self) -> list[str]:
        found = [path.name for path in self.path.parent.iterdir() if path != self.path]
        return sorted(name for name in found if not name.endswith((*LOCKS, *LOGS)))


@dataclass(frozen=True, kw_only=True)
class DuckdbPlace(_Local):
    """A DuckDB file: one process at a time, so it is looked at only when the run is gone."""

    watched: ClassVar[bool] = False

    @property
    def capabilities(self) -> Capabilities:
        from loadlock.delivery.destinations.duckdb import DuckDB

        return DuckDB.capabilities

    def address(self, port: int | None) -> str:
        return f"duckdb:///{OUT}/{self.path.name}"

    def fill(self, mode: WriteMode) -> None:
        import duckdb

        _empty(self.path.parent)
        with duckdb.connect(str(self.path)) as connection:
            for sql in fill_sql(mode):
                connection.execute(sql).fetchall()

    def state(self) -> str:
        return state_of(self._query("select id, name, amount, day from orders"))

    def left(self) -> list[str]:
        tables = [name for (name,) in self._query("select table_name from duckdb_tables()")]
        return [*self._beside(), *sorted(set(tables) - {"orders", CONTROL_TABLE})]

    def deliveries(self) -> int | None:
        return int(self._query(f"select count(*) from {CONTROL_TABLE}")[0][0])

    def _query(self, sql: str) -> list[tuple[Any, ...]]:
        import duckdb

        with duckdb.connect(str(self.path), read_only=True) as connection:
            return connection.execute(sql).fetchall()


@dataclass(frozen=True, kw_only=True)
class SqlitePlace(_Local):
    """A SQLite file."""

    @property
    def capabilities(self) -> Capabilities:
        from loadlock.delivery.destinations.sqlite import SQLite

        return SQLite.capabilities

    def address(self, port: int | None) -> str:
        return f"sqlite:///{OUT}/{self.path.name}"

    def fill(self, mode: WriteMode) -> None:
        _empty(self.path.parent)
        with closing(sqlite3.connect(self.path)) as connection, connection:
            for sql in fill_sql(mode):
                connection.execute(sql)

    def state(self) -> str:
        return state_of(self._query("select id, name, printf('%.2f', amount), day from orders"))

    def left(self) -> list[str]:
        tables = [name for (name,) in self._query("select name from sqlite_master where type = 'table'")]
        return [*self._beside(), *sorted(set(tables) - {"orders", CONTROL_TABLE})]

    def deliveries(self) -> int | None:
        return int(self._query(f"select count(*) from {CONTROL_TABLE}")[0][0])

    def _query(self, sql: str) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.path, timeout=0.2)) as connection:
            return connection.execute(sql).fetchall()


@dataclass(frozen=True, kw_only=True)
class FilePlace(_Local):
    """A CSV, NDJSON or Parquet file; `kind` is its ending."""

    is_table: ClassVar[bool] = False

    @property
    def capabilities(self) -> Capabilities:
        from loadlock.workflow.destinations import destination_for

        return destination_for(self.url).capabilities

    def address(self, port: int | None) -> str:
        return f"{OUT}/{self.path.name}"

    def fill(self, mode: WriteMode) -> None:
        import duckdb

        _empty(self.path.parent)
        rows = ", ".join(f"({i}, '{n}', {a}::decimal(12,2), '{d}'::date)" for i, n, a, d in old_rows(mode))
        options = {"csv": "format csv, header", "ndjson": "format json", "parquet": "format parquet"}[self.kind]
        with duckdb.connect() as connection:
            query = f"select * from (values {rows}) v ({', '.join(_COLUMNS)})"
            connection.execute(f"copy ({query}) to '{self.path}' ({options})").fetchall()

    def state(self) -> str:
        return state_of(self.path.read_bytes())

    def left(self) -> list[str]:
        return self._beside()

    def deliveries(self) -> int | None:
        return None


@dataclass(frozen=True, kw_only=True)
class ServerPlace(Place):
    """A database on a server."""

    is_server: ClassVar[bool] = True

    def address(self, port: int | None) -> str:
        parts = urlsplit(self.url)
        if port is None:
            return self.url
        return parts._replace(netloc=f"{parts.netloc.rpartition(':')[0]}:{port}").geturl()

    def state(self) -> str:
        return state_of(self.query(self._rows))

    @property
    def _rows(self) -> str:
        return f"select id, name, {self._as_text('amount')}, {self._as_text('day')} from orders"

    def watch(self) -> Callable[[], str]:
        """Over one connection; a new one where it is lost."""
        held = ExitStack()
        asked: list[Callable[[str], list[tuple[Any, ...]]]] = []

        def look() -> str:
            try:
                if not asked:
                    asked.append(self.session(held))
                return state_of(asked[0](self._rows))
            except BaseException:
                asked.clear()
                held.close()
                raise

        return look

    def deliveries(self) -> int | None:
        return int(self.query(f"select count(*) from {CONTROL_TABLE}")[0][0])

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a statement on a connection of its own."""
        with ExitStack() as held:
            return self.session(held)(sql)

    @abstractmethod
    def session(self, held: ExitStack) -> Callable[[str], list[tuple[Any, ...]]]:
        """Runs statements on a connection that stays open until `held` is closed."""

    @abstractmethod
    def _as_text(self, column: str) -> str: ...


@dataclass(frozen=True, kw_only=True)
class PostgresPlace(ServerPlace):
    """A database on a PostgreSQL server."""

    @property
    def capabilities(self) -> Capabilities:
        from loadlock.delivery.destinations.postgres import PostgresDestination

        return PostgresDestination.capabilities

    def fill(self, mode: WriteMode) -> None:
        self.query("drop schema if exists public cascade; drop schema if exists harness cascade; create schema public")
        for sql in fill_sql(mode):
            self.query(sql)

    def left(self) -> list[str]:
        known = f"('orders', '{CONTROL_TABLE}', '{CHUNK_TABLE}')"
        found = self.query(
            f"select relname::text from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'S', 'v')"
            f" and relname not in {known} union all select chunk_id from {CHUNK_TABLE}"
            " union all select 'session ' || application_name from pg_stat_activity where application_name like 'loadlock%'"
            " and datname = current_database() union all select 'trigger ' || tgname from pg_trigger where not tgisinternal"
        )
        return [str(name) for (name,) in found]

    def session(self, held: ExitStack) -> Callable[[str], list[tuple[Any, ...]]]:
        import psycopg

        connection = held.enter_context(psycopg.connect(self.url, autocommit=True))

        def run(sql: str) -> list[tuple[Any, ...]]:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

        return run

    def _as_text(self, column: str) -> str:
        return f"{column}::text"


@dataclass(frozen=True, kw_only=True)
class MysqlPlace(ServerPlace):
    """A database on a MariaDB or MySQL server."""

    @property
    def capabilities(self) -> Capabilities:
        from loadlock.delivery.destinations.mysql import MysqlDestination

        return MysqlDestination.capabilities

    def fill(self, mode: WriteMode) -> None:
        self.empty()
        for sql in fill_sql(mode, "datetime(6)"):
            self.query(sql)

    def empty(self) -> None:
        """Drop all tables."""
        for (table,) in self.query("show tables"):
            self.query(f"drop table `{table}`")

    def left(self) -> list[str]:
        tables = {str(name) for (name,) in self.query("show tables")} - {"orders", CONTROL_TABLE, CHUNK_TABLE}
        # a row says who holds the lock; where the connection was cut it stays until the next delivery writes its own
        receipts = [
            str(name)
            for (name,) in self.query(f"select chunk_id from {CHUNK_TABLE} where chunk_id not like 'loadlock:%'")
        ]
        return [*sorted(tables), *receipts]

    def session(self, held: ExitStack) -> Callable[[str], list[tuple[Any, ...]]]:
        connection = held.enter_context(closing(connect_mysql(self.url)))

        def run(sql: str) -> list[tuple[Any, ...]]:
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return list(cursor.fetchall())

        return run

    def _as_text(self, column: str) -> str:
        return f"cast({column} as char)"


LOCAL: dict[str, type[_Local]] = {
    "duckdb": DuckdbPlace,
    "sqlite": SqlitePlace,
    "csv": FilePlace,
    "ndjson": FilePlace,
    "parquet": FilePlace,
}
SERVERS: dict[str, type[ServerPlace]] = {"postgres": PostgresPlace, "mariadb": MysqlPlace, "mysql": MysqlPlace}


def local_place(kind: str, folder: Path) -> Place:
    """A local target below a trial's folder."""
    return LOCAL[kind](kind=kind, url=str(folder / OUT / f"orders.{kind}"))


def _empty(folder: Path) -> None:
    """Nothing in the folder; the folder itself may be a mount."""
    folder.mkdir(exist_ok=True)
    for path in folder.iterdir():
        with suppress(OSError):
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink()
