"""Queries over a part, planned once a thread: DuckDB takes longer to plan a pipeline's queries than to run them on a part."""

from __future__ import annotations

import atexit
import re
import threading
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from loadlock.cleanup import sandbox

if TYPE_CHECKING:
    import pyarrow as pa

PART = "part"
"""The relation that the plan's SQL reads."""
MOST = 200
"""Statements a thread keeps; then it begins anew, as when it goes on to another pipeline."""
_READS_PART = re.compile(r"\bfrom part\b")


class _Source:
    """What a prepared statement reads: the table of the moment, handed over without copying."""

    def __init__(self, schema: pa.Schema) -> None:
        self.empty = schema.empty_table()
        self.table = self.empty

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


class _Statement:
    """One query, prepared over a relation of its own, whose rows are exchanged for each call."""

    def __init__(self, connection: Any, number: int, sql: str, part: pa.Table) -> None:
        self.connection = connection
        self.columns = [name for name in part.column_names if re.search(rf"\b{re.escape(name)}\b", sql)]
        self.columns = self.columns or part.column_names[:1]
        self.source = _Source(part.select(self.columns).schema)
        self.call = f"execute q{number}"
        relation = f"loadlock_part_{number}"
        connection.register(relation, self.source)
        connection.execute(f"prepare q{number} as {_READS_PART.sub(f'from {relation}', sql)}").fetchall()

    def run(self, part: pa.Table) -> pa.Table:
        """The result over the rows of `part`."""
        self.source.table = part.select(self.columns)
        try:
            return self.connection.execute(self.call).to_arrow_reader(max(part.num_rows, 1)).read_all()
        finally:
            self.source.table = self.source.empty


class Statements:
    """The statements of one thread."""

    def __init__(self) -> None:
        self._connection = sandbox.connect()
        self._known: dict[tuple[Any, ...], _Statement] = {}
        _OPEN.add(self)

    def run(self, sql: str, part: pa.Table) -> pa.Table:
        """The result of `sql` over `part`, planned at the first call with such columns."""
        key = (sql, *((entry.name, str(entry.type)) for entry in part.schema))
        statement = self._known.get(key)
        if statement is None:
            if len(self._known) >= MOST:
                self.close()
                self._connection = sandbox.connect()
            statement = self._known[key] = _Statement(self._connection, len(self._known), sql, part)
        return statement.run(part)

    def close(self) -> None:
        """Let go of the connection and all that was prepared on it."""
        self._known.clear()
        with suppress(Exception):
            self._connection.close()


_OPEN: WeakSet[Statements] = WeakSet()
_LOCAL = threading.local()


def query(sql: str, part: pa.Table) -> pa.Table:
    """The result of one query over a part (the relation `part`), on this thread's locked-down connection."""
    if not is_safe(sql):
        return query_once(sql, part)
    statements = getattr(_LOCAL, "statements", None)
    if statements is None:
        statements = _LOCAL.statements = Statements()
    found: pa.Table = statements.run(sql, part)
    return found


@lru_cache(maxsize=512)
def is_safe(sql: str) -> bool:
    """Whether `from part` stands only where the query reads the part: never inside a literal."""
    outside = re.sub(r"'(?:[^']|'')*'", "''", sql)
    return len(_READS_PART.findall(outside)) == len(_READS_PART.findall(sql))


def query_once(sql: str, part: pa.Table) -> pa.Table:
    """The same without keeping anything."""
    connection = sandbox.connection()
    connection.register(PART, part)
    try:
        # execute binds the query once, sql() twice; the reader spares the copy that execute().to_arrow_table() makes
        return connection.execute(sql).to_arrow_reader(max(part.num_rows, 1)).read_all()
    finally:
        connection.unregister(PART)


@atexit.register
def _close_all() -> None:
    """Before the interpreter goes: DuckDB complains about what is alive after it."""
    for statements in list(_OPEN):
        statements.close()
