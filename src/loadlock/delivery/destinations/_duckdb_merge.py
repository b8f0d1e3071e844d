"""The publish into a DuckDB table from the chunks beside it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from loadlock.delivery.base import DeliveryColumn
from loadlock.delivery.destinations._duckdb_checks import Chunked
from loadlock.delivery.destinations._foresee import foresee
from loadlock.delivery.destinations._local import Spool, short_hash
from loadlock.delivery.destinations._merge import Counts, Merge
from loadlock.delivery.foreseen import Foreseen
from loadlock.delivery.names import quote_ansi as quote
from loadlock.delivery.sqltext import FILE_COLUMN
from loadlock.model import WriteMode
from loadlock.rows import FILE


@dataclass(frozen=True, kw_only=True)
class DuckDBMerge(Merge):
    """In DuckDB's words. The staging table is a view, so rows that an insert only leaves out are not marked."""

    def changes(self, name: str) -> str:
        return f"t.{quote(name)} is distinct from s.{quote(name)}"

    def _split(self) -> Counts:
        # the target's key need not be unique: a join could count a row twice
        known = f"exists (select 1 from {self.target} t where {self.match})"
        found = self.run(
            f"select s.{quote(FILE_COLUMN)}, count(*) filter (where not {known}), count(*) filter (where {known})"
            f" from {self.staging} s group by 1 order by 1"
        )
        return {int(file): (int(new), 0, int(left)) for file, new, left in found}

    @property
    def _is_new(self) -> str:
        return self.absent


@contextmanager
def merging(connection: Any, chunked: Chunked, spool: Spool) -> Iterator[DuckDBMerge]:
    """The merge of the chunks into their table; its view is gone at the end of the block."""
    job = chunked.job
    view = f"_loadlock_{short_hash(str(chunked.name))}"
    connection.execute(f"create or replace temp view {view} as {_view(chunked, spool)}").fetchall()
    yield DuckDBMerge(
        run=lambda sql: list(connection.execute(sql).fetchall()),
        changed=lambda sql: int(connection.execute(sql).fetchall()[0][0]),
        quote=quote,
        target=chunked.target,
        staging=f"temp.{view}",
        unique=chunked.shape.info.unique,
        columns=tuple(column.name for column in chunked.columns),
        key=job.key,
        mode=job.mode,
        max_delete_percent=job.max_delete_percent,
        update=job.update,
        versions=chunked.versions,
    )
    connection.execute(f"drop view temp.{view}").fetchall()


def _view(chunked: Chunked, spool: Spool) -> str:
    """The chunks as rows of the target."""
    if spool.paths:
        values = [f"{chunked.value(column.name)} as {quote(column.name)}" for column in chunked.columns]
        return f"select {', '.join(values)}, {FILE} as {FILE_COLUMN} from {spool.sql()}"
    nothing = [f"null::{_type(chunked, column)} as {quote(column.name)}" for column in chunked.columns]
    return f"select {', '.join(nothing)}, null::int as {FILE_COLUMN} where false"


def _type(chunked: Chunked, column: DeliveryColumn) -> str:
    return chunked.info(column).sql_type


def foresee_chunks(connection: Any, chunked: Chunked, spool: Spool) -> Foreseen:
    """What publishing the chunks into their table would do."""
    if chunked.job.mode.by_key:
        with merging(connection, chunked, spool) as merge:
            return foresee(merge, spool.rows)
    before = int(connection.execute(f"select count(*) from {chunked.target}").fetchall()[0][0])
    return Foreseen(
        inserted=spool.rows, deleted=before if chunked.job.mode == WriteMode.REPLACE else 0, rows_before=before
    )
