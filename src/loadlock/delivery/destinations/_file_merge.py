"""Rows of a file by key: merging an upsert, and finding a batch's rows again. DuckDB joins; memory is bounded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from loadlock.delivery.base import DeliveryColumn, Published
from loadlock.delivery.destinations._duckdb_merge import DuckDBMerge
from loadlock.delivery.destinations._foresee import foresee
from loadlock.delivery.destinations._local import Spool
from loadlock.delivery.foreseen import Foreseen
from loadlock.delivery.names import quote_ansi
from loadlock.delivery.sqltext import FILE_COLUMN
from loadlock.errors import Refusal, RefusedError
from loadlock.model import WriteMode
from loadlock.rows import FILE

if TYPE_CHECKING:
    import pyarrow as pa

    from loadlock.delivery.destinations._files import Writer

MEMORY_LIMIT = "200MB"
READ_ROWS = 50_000


@contextmanager
def _duckdb(folder: Path) -> Iterator[Any]:
    """A DuckDB of its own that spills into a hidden folder beside `folder`."""
    import duckdb

    with TemporaryDirectory(prefix=f"{folder.name}-", dir=folder.parent) as spill, duckdb.connect() as connection:
        for setting in (
            "timezone = 'UTC'",
            f"memory_limit = '{MEMORY_LIMIT}'",
            "enable_progress_bar = false",
            "temp_directory = '" + spill.replace("'", "''") + "'",
        ):
            connection.execute(f"set {setting}").fetchall()
        yield connection


def key_refusal(rows: pa.Table, key: Sequence[int], spool: Spool) -> Refusal | None:
    """Why a row (under the spool's names) can't be merged by its key: it is null, or stands in the batch twice."""
    import duckdb
    import pyarrow as pa

    names = [f"c{index}" for index in key]
    with duckdb.connect() as connection:
        connection.register("_rows", rows.select(names).append_column("_n", pa.array(range(rows.num_rows))))
        null = " or ".join(f"{name} is null" for name in names)
        nth = f"row_number() over (partition by {', '.join(names)} order by _n)"
        queries = [
            f"select min(_n) from _rows where {null}",
            f"select min(_n) from (select _n, {nth} as nth from _rows) where nth > 1",
        ]
        if spool.paths:
            same = " and ".join(f"r.{name} = s.{name}" for name in names)
            queries.append(f"select min(r._n) from _rows r where exists (from {spool.sql()} s where {same})")
        found = [connection.execute(query).fetchall()[0][0] for query in queries]
    if found[0] is not None:
        return Refusal(message="a key column is null", code="not_null", row=found[0])
    row = min((row for row in found[1:] if row is not None), default=None)
    return None if row is None else Refusal(message="the key stands in the batch already", code="unique", row=row)


@dataclass(frozen=True, kw_only=True)
class Merge:
    """An upsert into a file: old rows keep their place, new rows follow. Columns go by their index in the job."""

    columns: Sequence[DeliveryColumn]
    key: Sequence[int]
    lineage: Sequence[int]
    new: Spool

    def run(self, old: Iterator[pa.Table], writer: Writer, order: list[str], label: str) -> Published:
        """Write the merged rows, columns in `order`; returns what changed."""
        import pyarrow as pa

        with self._both(old) as connection:
            published = self._counts(connection, label)
            for batch in connection.sql(self._merged(order)).to_arrow_reader(READ_ROWS):
                writer.write(_typed(pa.Table.from_batches([batch]), self._ordered(order)))
        return published

    def foresee(self, old: Iterator[pa.Table]) -> Foreseen:
        """What `run` would do."""
        names = [column.name for column in self.columns]
        values = ", ".join(f"c{index} as {quote_ansi(name)}" for index, name in enumerate(names))
        with self._both(old) as connection:
            connection.execute(f"create view _old as select {values} from o").fetchall()
            connection.execute(f"create view _new as select {values}, {FILE} as {FILE_COLUMN} from s").fetchall()
            merge = DuckDBMerge(
                run=lambda sql: list(connection.execute(sql).fetchall()),
                changed=lambda sql: 0,
                quote=quote_ansi,
                target="_old",
                staging="_new",
                unique=(),
                columns=tuple(names),
                key=tuple(names[index] for index in self.key),
                mode=WriteMode.UPSERT,
            )
            return foresee(merge, self.new.rows)

    @contextmanager
    def _both(self, old: Iterator[pa.Table]) -> Iterator[Any]:
        """A DuckDB with the old rows as `o`, numbered by `_n`, and the new ones as `s`."""
        import pyarrow as pa

        spool = Spool(self.new.folder.with_name(self.new.folder.name + "-old"))
        try:
            for number, table in enumerate(old):
                names = [f"c{index}" for index in range(table.num_columns)]
                rows = table.rename_columns(names).append_column(
                    "_n", pa.array(range(spool.rows, spool.rows + table.num_rows), pa.int64())
                )
                spool.write(str(number), rows)
            with _duckdb(self.new.folder) as connection:
                self._bind(connection, "o", spool, "_n bigint")
                self._bind(connection, "s", self.new, f"{FILE} integer")
                yield connection
        finally:
            spool.remove()

    def _bind(self, connection: Any, name: str, spool: Spool, last: str) -> None:
        """The spool as a view; an empty table of the same columns where it holds nothing."""
        if spool.paths:
            connection.execute(f"create view {name} as from {spool.sql()}").fetchall()
            return
        columns = ", ".join(f"c{index} {column.type.duckdb}" for index, column in enumerate(self.columns))
        connection.execute(f"create table {name} ({columns}, {last})").fetchall()

    @property
    def _same(self) -> str:
        return " and ".join(f"o.c{index} = s.c{index}" for index in self.key)

    def _counts(self, connection: Any, label: str) -> Published:
        others = [i for i in range(len(self.columns)) if i not in self.key and i not in self.lineage]
        differs = " or ".join(f"o.c{index} is distinct from s.c{index}" for index in others) or "false"
        rows = connection.execute(
            f"select s.{FILE}, count(*) filter (where o._n is null),"
            f" count(*) filter (where o._n is not null and ({differs})), count(*)"
            f" from s left join o on {self._same} group by all"
        ).fetchall()
        by_file = {file: (new, changed, total - new - changed) for file, new, changed, total in sorted(rows)}
        inserted, updated, unchanged = (sum(counts[i] for counts in by_file.values()) for i in range(3))
        if inserted + updated + unchanged != self.new.rows:
            raise RefusedError(
                f"a key stands in several rows of {label}: which one to update is not known",
                hint="Remove the repeated keys from the file.",
            )
        return Published(inserted=inserted, updated=updated, unchanged=unchanged, by_file=by_file)

    def _ordered(self, order: list[str]) -> list[DeliveryColumn]:
        by_name = {column.name: column for column in self.columns}
        return [by_name[name] for name in order]

    def _merged(self, order: list[str]) -> str:
        names = [column.name for column in self.columns]
        indexes = [names.index(name) for name in order]
        chosen = ", ".join(
            f"case when s.{FILE} is null then o.c{index} else s.c{index} end as c{index}" for index in indexes
        )
        added = ", ".join(f"s.c{index}" for index in indexes)
        numbered = "(select *, row_number() over () as _n from s) s"
        return (
            f"select * exclude (_part, _n) from (select {chosen}, 0 as _part, o._n from o left join s on {self._same}"
            f" union all select {added}, 1, s._n from {numbered}"
            f" where not exists (from o where {self._same})) order by _part, _n"
        )


def _typed(table: pa.Table, columns: Sequence[DeliveryColumn]) -> pa.Table:
    import pyarrow as pa

    schema = pa.schema([(column.name, column.type.arrow()) for column in columns])
    return table.rename_columns(schema.names).cast(schema)


def of_batch(tables: Iterator[pa.Table], batch: str) -> Iterator[pa.Table]:
    """The rows of one batch; the last column `_batch` is taken off."""
    import pyarrow.compute as pc

    for table in tables:
        column = table.column(table.num_columns - 1)
        yield table.filter(pc.equal(column, batch)).select(range(table.num_columns - 1))


def behind(tables: Iterator[pa.Table], rows: int) -> Iterator[pa.Table]:
    """The rows behind the first `rows`."""
    for table in tables:
        yield table.slice(min(rows, table.num_rows))
        rows = max(0, rows - table.num_rows)


def with_keys(
    tables: Iterator[pa.Table],
    given: Sequence[DeliveryColumn],
    wanted: Sequence[DeliveryColumn],
    key: Mapping[str, int],
    spool: Spool,
) -> Iterator[pa.Table]:
    """The wanted columns of the rows whose key stands in the spool. `given` are the tables' columns, `key` is the key's
    names with their indexes in the spool."""
    import pyarrow as pa

    names = [f"f{index}" for index in range(len(given))]
    schema = pa.schema([pa.field(name, c.type.arrow()) for name, c in zip(names, given, strict=True)])
    batches = (batch for table in tables for batch in table.rename_columns(names).cast(schema).to_batches())
    positions = [column.name for column in given]
    same = " and ".join(f"t.f{positions.index(name)} = s.c{index}" for name, index in key.items())
    with _duckdb(spool.folder) as connection:
        connection.register("t", pa.RecordBatchReader.from_batches(schema, batches))
        chosen = ", ".join(f"t.f{positions.index(column.name)}" for column in wanted)
        query = f"select {chosen} from t where exists (from {spool.sql()} s where {same})"
        for batch in connection.sql(query).to_arrow_reader(READ_ROWS):
            yield _typed(pa.Table.from_batches([batch]), wanted)
