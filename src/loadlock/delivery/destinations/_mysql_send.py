"""Rows into MySQL: LOAD DATA LOCAL from memory, or multi-row INSERT where the server forbids it. Never a silent change.

LOCAL turns errors into warnings: values are cut, zeroed or skipped and the statement succeeds. So the rows taken and
`@@warning_count` are compared with what was sent, and on any difference RowsRefusedError is raised; the caller rolls back to
its savepoint. A single row is then sent by a strict INSERT, which gives the true error.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from loadlock.delivery.destinations._mysql_errors import refusal
from loadlock.delivery.destinations._mysql_odd import refuse_unlike, written_sql
from loadlock.delivery.destinations._mysql_types import TEXTS, CatalogColumn, CatalogTable
from loadlock.delivery.destinations._mysql_wire import WireConnection, changed, run, translated
from loadlock.delivery.names import quote_backtick as quote
from loadlock.delivery.tabtext import TextColumn, encode_lines
from loadlock.errors import Refusal, RowsRefusedError
from loadlock.types import ColumnType

if TYPE_CHECKING:
    import pyarrow as pa

_INSERT_BYTES = 4 << 20


@dataclass(frozen=True, kw_only=True)
class Sender:
    """Sends tables of the same columns. `load_data` = the server takes LOAD DATA LOCAL."""

    connection: WireConnection
    table: CatalogTable
    columns: tuple[tuple[str, ColumnType], ...]
    load_data: bool
    duckdb: Any = field(repr=False)

    def send(self, target: str, rows: pa.Table) -> None:
        """Send the rows of a table with these columns in order. Nothing is rolled back here."""
        self._refuse_unlike(rows)
        if self.load_data and rows.num_rows > 1:
            self._load(target, rows)
        else:
            self._insert(target, rows)

    def _refuse_unlike(self, rows: pa.Table) -> None:
        for index, (name, kind) in enumerate(self.columns):
            if (column := self._found(name)) is not None:
                refuse_unlike(column, kind, rows.column(index))

    def _found(self, name: str) -> CatalogColumn | None:
        return next((column for column in self.table.columns if column.name == name), None)

    def _written(self, name: str, kind: ColumnType, value: str) -> str | None:
        column = self._found(name)
        return None if column is None else written_sql(column, kind, value)

    def _load(self, target: str, rows: pa.Table) -> None:
        statement = (
            f"load data local infile 'loadlock' into table {target} character set utf8mb4"
            f" fields terminated by '\\t' escaped by '\\\\' lines terminated by '\\n' {self._fields}"
        )
        taken = self.connection.load(statement, self._lines(rows))
        self._compare(taken, rows.num_rows)

    def _compare(self, taken: int, sent: int) -> None:
        warnings = int(run(self.connection, "select @@warning_count")[0][0])
        if taken == sent and not warnings:
            return
        first = run(self.connection, "show warnings limit 1")
        if first:
            raise RowsRefusedError(refusal(int(first[0][1]), str(first[0][2])))
        raise RowsRefusedError(Refusal(message=f"the server took {taken:,} of {sent:,} rows without saying why"))

    def _insert(self, target: str, rows: pa.Table) -> None:
        """Multi-row INSERT, its values in the same text as LOAD DATA's."""
        limit = min(_INSERT_BYTES, int(run(self.connection, "select @@max_allowed_packet")[0][0]) // 4)
        head = f"insert into {target} ({self._names}) values "
        taken = 0
        for values in self._value_lists(rows, limit):
            taken += changed(self.connection, head + values)
            self._compare(0, 0)
        if taken != rows.num_rows:
            raise RowsRefusedError(Refusal(message=f"the server took {taken:,} of {rows.num_rows:,} rows"))

    def each(self, target: str, rows: pa.Table) -> list[Refusal | None]:
        """Why each row is refused by an INSERT of its own (None: it is taken); in an open transaction, nothing is kept."""
        head = f"insert into {target} ({self._names}) values "
        run(self.connection, "savepoint loadlock_each")
        found: list[Refusal | None] = []
        for values in self._value_lists(rows, 0):
            try:
                with translated():
                    changed(self.connection, head + values)
                    self._compare(0, 0)
                found.append(None)
            except RowsRefusedError as error:
                found.append(error.refusal)
            run(self.connection, "rollback to savepoint loadlock_each")
        return found

    def _value_lists(self, rows: pa.Table, limit: int) -> Iterator[str]:
        """`(...), (...)` of up to about `limit` characters."""
        waiting: list[str] = []
        size = 0
        odd = [one for one in enumerate(self.columns) if self._written(*one[1], "") is not None]
        for block in self._lines(rows):
            for line in bytes(block).decode().split("\n")[:-1]:
                # the escapes of the lines are those of MySQL's literals, but for quotes
                texts = ["null" if word == "\\N" else "'" + word.replace("'", "''") + "'" for word in line.split("\t")]
                for index, (name, kind) in odd:
                    texts[index] = self._written(name, kind, texts[index]) or texts[index]
                waiting.append(f"({','.join(texts)})")
                size += len(waiting[-1])
                if size >= limit:
                    yield ",".join(waiting)
                    waiting, size = [], 0
        if waiting:
            yield ",".join(waiting)

    def _lines(self, rows: pa.Table) -> Iterator[memoryview]:
        columns = [TextColumn(type=kind, as_text=self._is_text(name)) for name, kind in self.columns]
        return encode_lines(rows, columns, self.duckdb)

    def _is_text(self, name: str) -> bool:
        return any(column.name == name and column.type in TEXTS for column in self.table.columns)

    @property
    def _fields(self) -> str:
        """What LOAD DATA does with the fields of a line: into the columns, or through a variable where a column takes no text."""
        fields, sets = [], []
        for index, (name, kind) in enumerate(self.columns):
            variable = f"@loadlock_{index}"
            value = self._written(name, kind, variable)
            fields.append(quote(name) if value is None else variable)
            if value is not None:
                sets.append(f"{quote(name)} = {value}")
        return f"({', '.join(fields)})" + (f" set {', '.join(sets)}" if sets else "")

    @property
    def _names(self) -> str:
        return ", ".join(quote(name) for name, _ in self.columns)
