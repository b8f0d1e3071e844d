"""Which rows stand in one set of tables and not in another, by the 128-bit hashes that make up the digest.

DuckDB holds hashes and keys; it spills, so memory is bounded.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from loadlock.delivery.undo_sql import SHOWN
from loadlock.digest import digest_input, hash_of_input_sql, with_texts
from loadlock.types import ColumnType

if TYPE_CHECKING:
    import pyarrow as pa

MEMORY_LIMIT = "200MB"
Key = dict[str, str | None]


class RowSets:
    """The sets `wanted` and `found`, of rows with the same columns. Close it; not thread-safe."""

    def __init__(self, columns: Sequence[tuple[str, ColumnType]], key: Sequence[str], temp: Path) -> None:
        """`key` = columns whose values are kept for those who ask; `temp` = a folder to spill into."""
        import duckdb

        self._columns = columns
        kinds = dict(columns)
        names = [name for name, _ in columns]
        self._key = [(name, f"c{names.index(name)}") for name in key if name in kinds]
        self._connection = duckdb.connect(config={"threads": "1", "memory_limit": MEMORY_LIMIT})
        self._connection.execute(f"set temp_directory = '{str(temp).replace(chr(39), chr(39) * 2)}'").fetchall()
        self._connection.execute("set timezone = 'UTC'").fetchall()
        typed = "".join(f", k{number} {kinds[name].duckdb}" for number, (name, _) in enumerate(self._key))
        for name in ("wanted", "found"):
            self._connection.execute(f"create table {name} (h uhugeint{typed})").fetchall()

    def __enter__(self) -> RowSets:
        return self

    def __exit__(self, *exc: object) -> None:
        self._connection.close()

    def take(self, name: str, tables: Iterable[pa.Table]) -> None:
        """Add rows to a set."""
        row_hash = hash_of_input_sql(self._columns)
        keys = "".join(f", {column}" for _, column in self._key)
        for table in tables:
            if not table.num_rows:
                continue
            self._connection.register("part", with_texts(digest_input(table, self._columns), self._columns, self._ask))
            self._connection.execute(f"insert into {name} select {row_hash}{keys} from part").fetchall()
            self._connection.unregister("part")

    def _ask(self, sql: str, part: pa.Table) -> pa.Table:
        self._connection.register("part", part)
        found: pa.Table = self._connection.sql(sql).to_arrow_table()
        self._connection.unregister("part")
        return found

    def count(self, name: str) -> int:
        """Rows of a set."""
        return int(self._connection.execute(f"select count(*) from {name}").fetchall()[0][0])

    def surplus(self, left: str, right: str) -> tuple[int, list[Key]]:
        """Rows that stand in `left` more often than in `right`: how many, and the keys of some."""
        rows = _surplus(left, right)
        number = int(self._connection.execute(f"select count(*) {rows}").fetchall()[0][0])
        if not number or not self._key:
            return number, []
        keys = ", ".join(f"k{number}" for number in range(len(self._key)))
        shown = ", ".join(f"k{number}::varchar" for number in range(len(self._key)))
        query = f"select {shown} from (select {keys} {rows} order by all limit {SHOWN})"
        some = self._connection.execute(query).fetchall()
        return number, [dict(zip((name for name, _ in self._key), row, strict=True)) for row in some]

    def keys_of_surplus(self, left: str, right: str) -> pa.Table:
        """The keys of all rows that stand in `left` more often than in `right`, under their names."""
        keys = ", ".join(f"k{number}" for number in range(len(self._key)))
        found = self._connection.sql(f"select distinct {keys} {_surplus(left, right)}").to_arrow_table()
        return found.rename_columns([name for name, _ in self._key])


def _surplus(left: str, right: str) -> str:
    return (
        f"from (select *, row_number() over (partition by h) as nth from {left}) l"
        f" left join (select h, count(*) as times from {right} group by h) r using (h)"
        " where l.nth > coalesce(r.times, 0)"
    )
