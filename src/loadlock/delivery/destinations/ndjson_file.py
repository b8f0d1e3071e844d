"""A JSON file, written beside and renamed: one object a line for `.ndjson` and `.jsonl`, one array for `.json`.

Integers, decimals and floats are JSON numbers as written by us (`1.50` stays `1.50`), moments are ISO texts, a JSON column
is embedded as it is. Every column stands in every object, null included.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
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
from loadlock.errors import RefusedError
from loadlock.model import WriteMode

if TYPE_CHECKING:
    import pyarrow as pa

READ_ROWS = 20_000
READ_BYTES = 16 << 20
"""Block of Arrow's reader; longer lines are read object by object."""
WRITE_BYTES = 8 << 20
INSPECT_RECORDS = 1_000
_NUMBERS = ("integer", "decimal", "float", "boolean")


class NdjsonFile:
    """A JSON file: lines of objects, or an array of them."""

    name: ClassVar[str] = "ndjson"
    summary: ClassVar[str] = "a JSON file: one object a line, or one array for .json"
    schemes: ClassVar[tuple[str, ...]] = (".ndjson", ".jsonl", ".json")
    capabilities: ClassVar[Capabilities] = Capabilities(
        modes=frozenset({WriteMode.APPEND, WriteMode.REPLACE, WriteMode.UPSERT}),
        transactions=False,
        foresees=True,
        undoes=frozenset({WriteMode.APPEND, WriteMode.REPLACE, WriteMode.UPSERT}),
    )

    def label(self, target: Target) -> str:
        return str(target_path(target))

    def inspect(self, target: Target) -> TableInfo | None:
        return inspect_file(target, NdjsonForm(target))

    def session(self, job: Job) -> FileSession:
        return FileSession(job, NdjsonForm(job.target), self.label(job.target))

    def last_delivery(self, target: Target) -> dict[str, Any] | None:
        return last_record(target)

    def settled(self, target: Target, run: str) -> None:
        forget_record(target, run)


class _Number(str):
    """The text of a number in the file."""


class NdjsonForm:
    """JSON for `FileSession`."""

    def __init__(self, target: Target) -> None:
        self.is_array = target_path(target).suffix.lower() == ".json"

    def planned(self, columns: Columns) -> TableInfo:
        return TableInfo(columns=tuple(_info(column.name) for column in columns))

    def inspect(self, path: Path) -> TableInfo:
        names: dict[str, None] = {}
        for record in islice(self._records(path), INSPECT_RECORDS):
            names.update(dict.fromkeys(record))
        return TableInfo(columns=tuple(_info(name) for name in names))

    def count(self, path: Path) -> int:
        return sum(1 for _ in self._records(path))

    def start(self, path: Path, columns: Columns) -> JsonWriter:
        return JsonWriter(path.open("wb"), columns, is_array=self.is_array)

    def go_on(self, old: Path, path: Path, columns: Columns) -> JsonWriter:
        writer = self.start(path, columns)
        if self.is_array:
            for record in self._records(old):
                writer.write_record(dump(record))
            return writer
        with old.open("rb") as source:
            writer.copy(source)
        return writer

    def read(self, path: Path, columns: Columns) -> Iterator[pa.Table]:
        """By Arrow's reader where it can (lines, no JSON columns, values as we write them), else object by object."""
        import pyarrow as pa

        done = 0
        if not self.is_array and all(column.type.kind != "json" for column in columns):
            try:
                for table in _read_lines(path, columns):
                    yield table
                    done += table.num_rows
            except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
                pass
            else:
                return
        yield from self._read_objects(path, columns, done)

    def _read_objects(self, path: Path, columns: Columns, skip: int) -> Iterator[pa.Table]:
        import pyarrow as pa

        records = islice(self._records(path), skip, None)
        schema = pa.schema([(column.name, column.type.arrow()) for column in columns])
        while rows := list(islice(records, READ_ROWS)):
            with _readable(path):
                arrays = [_array([row.get(column.name) for row in rows], column) for column in columns]
                yield pa.table(arrays, schema)

    def _records(self, path: Path) -> Iterator[dict[str, Any]]:
        with _readable(path), path.open("rb") as file:
            for record in self._values(file):
                if not isinstance(record, dict):
                    raise RefusedError(f"{path} holds something other than objects", hint="Write to another file.")
                yield record

    def _values(self, file: BinaryIO) -> Iterator[Any]:
        """The records; an array as we write it line by line, any other array as a whole in memory."""
        if not self.is_array:
            yield from (_parse(line) for line in file if line.strip())
            return
        if file.readline() != b"[\n":
            file.seek(0)
            yield from _parse(file.read())
            return
        for line in file:
            if line == b"]\n":
                return
            yield _parse(line.rstrip(b",\n"))


def _info(name: str) -> ColumnInfo:
    return ColumnInfo(name=name, sql_type="JSON", forbids="nan", date_range=DATE_RANGE)


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, ValueError, TypeError, RecursionError) as error:
        reason = str(error).splitlines()[0]
        raise RefusedError(f"can't read {path} as JSON: {reason}", hint="Is it a JSON file of objects?") from error


def _read_lines(path: Path, columns: Columns) -> Iterator[pa.Table]:
    """The columns of a file of lines by Arrow's reader. Raises pyarrow.ArrowInvalid for what it can't read exactly."""
    import pyarrow as pa
    from pyarrow import json as arrow_json

    read_as = {c.name: c.type.arrow() if c.type.kind in _NUMBERS else pa.string() for c in columns}
    schema = pa.schema([(column.name, column.type.arrow()) for column in columns])
    with arrow_json.open_json(
        path,
        read_options=arrow_json.ReadOptions(use_threads=False, block_size=READ_BYTES),
        parse_options=arrow_json.ParseOptions(
            explicit_schema=pa.schema(list(read_as.items())), unexpected_field_behavior="ignore"
        ),
    ) as reader:
        for batch in reader:
            arrays = [
                batch.column(batch.schema.get_field_index(column.name))
                if column.type.kind in _NUMBERS
                else from_text(batch.column(batch.schema.get_field_index(column.name)), column.type)
                for column in columns
            ]
            yield pa.table(arrays, schema)


def _parse(text: bytes) -> Any:
    return json.loads(text, parse_int=_Number, parse_float=_Number)


def dump(value: Any) -> str:
    """JSON text of a parsed value, numbers as they were."""
    if isinstance(value, _Number):
        return str(value)
    if isinstance(value, dict):
        return (
            "{" + ",".join(f"{json.dumps(key, ensure_ascii=False)}:{dump(item)}" for key, item in value.items()) + "}"
        )
    if isinstance(value, list):
        return "[" + ",".join(map(dump, value)) + "]"
    return json.dumps(value, ensure_ascii=False)


def _array(values: list[Any], column: DeliveryColumn) -> pa.Array:
    import pyarrow as pa

    if column.type.kind == "boolean":
        return pa.array(values, pa.bool_())
    if column.type.kind == "json":
        # a JSON null in the file stands for the column's null: `write` can't tell them apart
        return pa.array([None if value is None else dump(value) for value in values], pa.string())
    texts = [value if value is None or isinstance(value, str) else dump(value) for value in values]
    return from_text(pa.array(texts, pa.string()), column.type)


class JsonWriter:
    """Writes tables as JSON objects, column by column."""

    def __init__(self, file: BinaryIO, columns: Columns, *, is_array: bool) -> None:
        self._file = file
        self._columns = columns
        self._is_array = is_array
        self._is_first = True
        if is_array:
            file.write(b"[\n")

    def copy(self, source: BinaryIO) -> None:
        """Take over the lines of another file as they are."""
        shutil.copyfileobj(source, self._file, WRITE_BYTES)
        if source.tell():
            source.seek(-1, 2)
            if source.read(1) != b"\n":
                self._file.write(b"\n")

    def write_record(self, text: str) -> None:
        """Write one object."""
        self._file.write(self._separator() + text.encode() + (b"" if self._is_array else b"\n"))

    def _separator(self) -> bytes:
        first, self._is_first = self._is_first, False
        return b"" if first or not self._is_array else b",\n"

    def write(self, rows: pa.Table) -> None:
        step = max(1, rows.num_rows * WRITE_BYTES // max(rows.nbytes, 1))
        for start in range(0, rows.num_rows, step):
            self._write_slice(rows.slice(start, step))

    def _write_slice(self, rows: pa.Table) -> None:
        import pyarrow as pa
        import pyarrow.compute as pc

        pieces: list[Any] = []
        for index, (values, column) in enumerate(zip(rows.columns, self._columns, strict=True)):
            name = json.dumps(column.name, ensure_ascii=False)
            pieces += [pa.scalar(f"{'{' if index == 0 else ','}{name}:"), _json(values.combine_chunks(), column)]
        objects = pc.binary_join_element_wise(*pieces, pa.scalar("}"), "")
        if not self._is_array:
            self._file.write(string_bytes(pc.binary_join_element_wise(objects, pa.scalar(""), "\n")))
            return
        self._file.write(self._separator())
        joined = string_bytes(pc.binary_join_element_wise(objects, pa.scalar(""), ",\n"))
        self._file.write(joined[: len(joined) - 2])

    def close(self) -> None:
        if self._is_array:
            self._file.write(b"]\n" if self._is_first else b"\n]\n")
        self._file.close()


def _json(values: pa.Array, column: DeliveryColumn) -> pa.Array:
    """The values as JSON texts, null as `null`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    text = to_text(values, column.type)
    if column.type.kind == "json":
        # line breaks in JSON text are white space between its tokens: inside texts they are escaped
        text = pc.replace_substring_regex(text, r"[\r\n]+", " ")
    elif column.type.kind not in _NUMBERS:
        quote = pa.scalar('"')
        text = pc.binary_join_element_wise(quote, _escaped(text), quote, "")
    return text.fill_null("null")


def _escaped(text: pa.Array) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    special = pc.fill_null(pc.match_substring_regex(text, r'[\x00-\x1f"\\]'), False)
    if not pc.any(special).as_py():
        return text
    escaped = [json.dumps(word, ensure_ascii=False)[1:-1] for word in text.filter(special).to_pylist()]
    return pc.replace_with_mask(text, special, pa.array(escaped, pa.string()))
