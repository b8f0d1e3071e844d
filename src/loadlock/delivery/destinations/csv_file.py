"""A CSV file, written beside and renamed: UTF-8, quotes doubled, lines end in LF.

Null is an empty field without quotes, empty text is `""`. Texts are quoted only where they must be. In a file of one column
a null is an empty line. All columns of an existing file count as text.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, ClassVar

from loadlock.delivery.base import Capabilities, ColumnInfo, DeliveryColumn, Job, TableInfo, Target
from loadlock.delivery.destinations._files import (
    Columns,
    FileSession,
    forget_record,
    inspect_file,
    last_record,
    target_path,
)
from loadlock.delivery.destinations._texts import DATE_RANGE, from_text, string_bytes, to_text
from loadlock.errors import RefusedError, UsageError
from loadlock.model import WriteMode

if TYPE_CHECKING:
    import pyarrow as pa

WRITE_BYTES = 8 << 20
READ_BYTES = 16 << 20
"""Block of the reader; a record must fit into it."""
_FORMULA = r"^('*[=+\-@\t\r])"
_ESCAPED = r"^'('*[=+\-@\t\r])"


class CsvFile:
    """A CSV file."""

    name: ClassVar[str] = "csv"
    summary: ClassVar[str] = "a CSV file"
    schemes: ClassVar[tuple[str, ...]] = (".csv", ".tsv")
    capabilities: ClassVar[Capabilities] = Capabilities(
        modes=frozenset({WriteMode.APPEND, WriteMode.REPLACE, WriteMode.UPSERT}),
        transactions=False,
        foresees=True,
        undoes=frozenset({WriteMode.APPEND, WriteMode.REPLACE, WriteMode.UPSERT}),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        """Options of a CSV file."""

        delimiter: str | None = field(
            default=None, metadata={"doc": "One ASCII character; a comma by default, a tab for `.tsv`."}
        )
        header: bool = field(default=True, metadata={"doc": "Write the columns' names first."})
        escape_formulas: bool = field(
            default=False, metadata={"doc": "Put `'` before texts that a spreadsheet would execute."}
        )

    def label(self, target: Target) -> str:
        return str(target_path(target))

    def inspect(self, target: Target) -> TableInfo | None:
        return inspect_file(target, CsvForm(target))

    def session(self, job: Job) -> FileSession:
        return FileSession(job, CsvForm(job.target), self.label(job.target))

    def last_delivery(self, target: Target) -> dict[str, Any] | None:
        return last_record(target)

    def settled(self, target: Target, run: str) -> None:
        forget_record(target, run)


def _delimiter(target: Target) -> str:
    given = target.options.get("delimiter")
    if given is None:
        return "\t" if target_path(target).suffix.lower() == ".tsv" else ","
    if len(given) != 1 or not given.isascii() or given in '"\r\n\0':
        raise UsageError(f"{given!r} can't be the delimiter of a CSV file", hint="Give one ASCII character, as ';'.")
    return str(given)


class CsvForm:
    """CSV for `FileSession`."""

    def __init__(self, target: Target) -> None:
        self.delimiter = _delimiter(target)
        self.header = bool(target.options.get("header", True))
        self.escape_formulas = bool(target.options.get("escape_formulas", False))

    def planned(self, columns: Columns) -> TableInfo:
        return TableInfo(columns=tuple(_info(column.name) for column in columns))

    def inspect(self, path: Path) -> TableInfo:
        if not self.header:
            raise RefusedError(
                f"{path} has no header: its columns can't be matched by name", hint="Use mode replace, or header: true."
            )
        for table in self._texts(path, skip_header=False):
            return TableInfo(columns=tuple(_info(values[0].as_py() or "") for values in table.columns))
        return TableInfo(columns=())

    def count(self, path: Path) -> int:
        return sum(table.num_rows for table in self._texts(path, skip_header=self.header))

    def start(self, path: Path, columns: Columns) -> CsvWriter:
        writer = CsvWriter(path.open("wb"), self, columns)
        if self.header:
            writer.write_names()
        return writer

    def go_on(self, old: Path, path: Path, columns: Columns) -> CsvWriter:
        file = path.open("wb")
        with old.open("rb") as source:
            shutil.copyfileobj(source, file, WRITE_BYTES)
            if source.tell():
                source.seek(-1, 2)
                if source.read(1) not in (b"\n", b"\r"):
                    file.write(b"\n")
        return CsvWriter(file, self, columns)

    def read(self, path: Path, columns: Columns) -> Iterator[pa.Table]:
        import pyarrow as pa

        indexes = self._indexes(path, columns)
        for table in self._texts(path, skip_header=self.header):
            arrays = [self._value(table.column(i).combine_chunks(), c) for i, c in zip(indexes, columns, strict=True)]
            yield pa.table(arrays, pa.schema([(c.name, c.type.arrow()) for c in columns]))

    def _indexes(self, path: Path, columns: Columns) -> list[int]:
        if not self.header:
            return list(range(len(columns)))
        names = [column.name for column in self.inspect(path).columns]
        return [names.index(column.name) for column in columns]

    def _value(self, text: pa.Array, column: DeliveryColumn) -> pa.Array:
        import pyarrow.compute as pc

        if self.escape_formulas and column.type.kind == "text":
            return pc.replace_substring_regex(text, _ESCAPED, r"\1", max_replacements=1)
        return from_text(text, column.type)

    def _texts(self, path: Path, *, skip_header: bool) -> Iterator[pa.Table]:
        """The file's fields as strings."""
        import pyarrow as pa
        from pyarrow import csv

        if not path.stat().st_size:
            return
        with _readable(path):
            width = self._width(path)
            reader = csv.open_csv(
                path,
                read_options=csv.ReadOptions(
                    column_names=[f"f{i}" for i in range(width)], block_size=READ_BYTES, use_threads=False
                ),
                parse_options=csv.ParseOptions(
                    delimiter=self.delimiter, newlines_in_values=True, ignore_empty_lines=False
                ),
                convert_options=csv.ConvertOptions(
                    column_types={f"f{i}": pa.string() for i in range(width)},
                    strings_can_be_null=True,
                    quoted_strings_can_be_null=False,
                    null_values=[""],
                ),
            )
            for batch in reader:
                table = pa.Table.from_batches([batch])
                if skip_header and table.num_rows:
                    table, skip_header = table.slice(1), False
                yield table

    def _width(self, path: Path) -> int:
        """Fields of the first record."""
        import csv

        with path.open(encoding="utf-8-sig", newline="") as file:
            first = next(csv.reader(file, delimiter=self.delimiter), [""])
        return len(first) or 1


def _info(name: str) -> ColumnInfo:
    return ColumnInfo(name=name, sql_type="CSV text", forbids="nul", date_range=DATE_RANGE)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    import csv

    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, csv.Error, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0]
        raise RefusedError(f"can't read {path} as CSV: {reason}", hint="Is it a CSV file in UTF-8?") from error


class CsvWriter:
    """Writes tables as CSV lines, column by column."""

    def __init__(self, file: BinaryIO, form: CsvForm, columns: Columns) -> None:
        self._file = file
        self._form = form
        self._columns = columns
        delimiter = form.delimiter.replace("\\", "\\\\").replace("]", "\\]").replace("^", "\\^").replace("-", "\\-")
        # white space at an end and a byte order mark are quoted, so that no reader takes them for something else
        self._special = rf'[{delimiter}"\r\n]|^[ \t\x{{feff}}]|[ \t]$|^$'

    def write_names(self) -> None:
        import pyarrow as pa

        names = [pa.array([column.name], pa.string()) for column in self._columns]
        self._write_lines([self._quoted(name) for name in names])

    def write(self, rows: pa.Table) -> None:
        step = max(1, rows.num_rows * WRITE_BYTES // max(rows.nbytes, 1))
        for start in range(0, rows.num_rows, step):
            self._write_lines(self._fields(rows.slice(start, step)))

    def _fields(self, rows: pa.Table) -> list[pa.Array]:
        return [
            self._field(values.combine_chunks(), column)
            for values, column in zip(rows.columns, self._columns, strict=True)
        ]

    def _field(self, values: pa.Array, column: DeliveryColumn) -> pa.Array:
        import pyarrow.compute as pc

        text = to_text(values, column.type)
        if column.type.kind == "text" and self._form.escape_formulas:
            text = pc.replace_substring_regex(text, _FORMULA, r"'\1", max_replacements=1)
        return self._quoted(text)

    def _quoted(self, text: pa.Array) -> pa.Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        special = pc.match_substring_regex(text, self._special)
        if not pc.any(special).as_py():
            return text
        doubled = pc.replace_substring(text, '"', '""')
        quote = pa.scalar('"')
        return pc.if_else(special, pc.binary_join_element_wise(quote, doubled, quote, ""), text)

    def _write_lines(self, fields: list[pa.Array]) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        filled = [field.fill_null("") for field in fields]
        lines = pc.binary_join_element_wise(*filled, self._form.delimiter) if len(filled) > 1 else filled[0]
        ended = pc.binary_join_element_wise(lines, pa.scalar(""), "\n")
        self._file.write(string_bytes(ended))

    def close(self) -> None:
        self._file.close()
