"""One query over tables that come one after the other: DuckDB plans it once, which takes longer than to run it on a part."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pyarrow as pa

PART = "part"
"""The relation that the query reads."""
_READS_PART = re.compile(r"\bfrom part\b")
_WORD = re.compile(r"\w+")


class _Source:
    """What a prepared statement reads: the table of the moment, handed over without copying."""

    def __init__(self, schema: pa.Schema) -> None:
        self.empty = schema.empty_table()
        self.table = self.empty

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


class Statement:
    """A query over the relation `part`, prepared on a DuckDB connection for tables with the columns of `part`.

    `number` must be a new one for each statement of the connection. Not thread-safe, like the connection.
    """

    def __init__(self, connection: Any, number: int, sql: str, part: pa.Table) -> None:
        self._connection = connection
        words = set(_WORD.findall(sql))
        names = [name for name in part.column_names if name in words or not _WORD.fullmatch(name)]
        self._columns = names or part.column_names[:1]
        self._source = _Source(part.select(self._columns).schema)
        self._call = f"execute q{number}"
        relation = f"loadlock_part_{number}"
        connection.register(relation, self._source)
        connection.execute(f"prepare q{number} as {_READS_PART.sub(f'from {relation}', sql)}").fetchall()

    def run(self, part: pa.Table) -> pa.Table:
        """The result over the rows of `part`."""
        self._source.table = part.select(self._columns)
        try:
            return self._connection.execute(self._call).to_arrow_reader(max(part.num_rows, 1)).read_all()
        finally:
            self._source.table = self._source.empty


def is_preparable(sql: str) -> bool:
    """Whether `from part` stands only where the query reads the part, never inside a literal."""
    outside = re.sub(r"'(?:[^']|'')*'", "''", sql)
    return len(_READS_PART.findall(outside)) == len(_READS_PART.findall(sql))
