"""Queries over a part, planned once a thread: DuckDB takes longer to plan a pipeline's queries than to run them on a part."""

from __future__ import annotations

import atexit
import threading
from collections import deque
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

from loadlock.cleanup import sandbox
from loadlock.prepared import PART, Statement, is_preparable

if TYPE_CHECKING:
    import pyarrow as pa

MOST = 1_000
"""Statements a thread keeps; then it begins anew, as when it goes on to another pipeline."""


class Statements:
    """The statements of one thread."""

    def __init__(self) -> None:
        self._connection = sandbox.connect()
        self._known: dict[tuple[Any, ...], Statement] = {}
        _OPEN.add(self)

    def run(self, sql: str, part: pa.Table) -> pa.Table:
        """The result of `sql` over `part`, planned at the first call with such columns."""
        key = (sql, *((entry.name, str(entry.type)) for entry in part.schema))
        statement = self._known.get(key)
        if statement is None:
            if len(self._known) >= MOST:
                self.close()
                self._connection = sandbox.connect()
            statement = self._known[key] = Statement(self._connection, len(self._known), sql, part)
        return statement.run(part)

    def close(self) -> None:
        """Let go of the connection and all that was prepared on it."""
        self._known.clear()
        with suppress(Exception):
            self._connection.close()


_preparable = lru_cache(maxsize=512)(is_preparable)
_OPEN: WeakSet[Statements] = WeakSet()
_FREE: deque[Statements] = deque(maxlen=1)
_LOCAL = threading.local()


def query(sql: str, part: pa.Table) -> pa.Table:
    """The result of one query over a part (the relation `part`), on this thread's locked-down connection."""
    if not _preparable(sql):
        return query_once(sql, part)
    statements = getattr(_LOCAL, "statements", None)
    if statements is None:
        statements = _LOCAL.statements = _taken_over() or Statements()
    found: pa.Table = statements.run(sql, part)
    return found


def hand_over() -> None:
    """Let the next thread that begins have this thread's statements: it need not plan what was tried out here."""
    if (statements := getattr(_LOCAL, "statements", None)) is not None:
        _LOCAL.statements = None
        _FREE.append(statements)


def _taken_over() -> Statements | None:
    with suppress(IndexError):
        return _FREE.pop()
    return None


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
