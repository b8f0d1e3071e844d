"""Arrow tables from split records: clean records through Arrow's CSV parser in one piece, the others value by value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from loadlock import rows
from loadlock.errors import BalanceError
from loadlock.intake._csv_exact import FieldParser, Shape
from loadlock.intake._csv_lines import Positions
from loadlock.intake._csv_torn import BEFORE
from loadlock.intake._csv_wide import WIDE, WideRows, rows_with
from loadlock.intake.decode import to_utf8
from loadlock.intake.splitter import Records, Status
from loadlock.model import SourceFile, Stage

CODES = {
    Status.FIELD_COUNT: "field_count",
    Status.STRAY_QUOTE: "stray_quote",
    Status.OPEN_QUOTE: "open_quote",
    Status.NUL_BYTE: "nul_byte",
    Status.INVALID_ENCODING: "invalid_encoding",
    Status.TOO_LONG: "record_too_long",
    Status.TORN: "torn_row",
    Status.SHIFTED: "field_count",
    Status.MISFIT: "field_count",
    Status.OTHER_TABLE: "other_table",
    Status.OUTSIDE: "field_count",
    Status.GOES_ON: "torn_row",
    Status.OTHER_NAMES: "other_table",
}


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A split buffer with everything that is needed to make its rows and rejects, on any thread."""

    data: bytes
    records: Records
    first_row: int
    first_line: int
    offset: Positions
    """In the original file, of every record."""
    length: Positions
    """In original bytes, of every record."""
    foreign: dict[int, tuple[str, list[str | None]]]
    """Rows in another encoding than the file's: index → encoding and values."""
    raws: dict[int, bytes]
    """Original bytes of rejects where they are not `data`'s own (transcoded files)."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """What stays the same for all batches of a file."""

    file: SourceFile
    names: tuple[str, ...]
    shape: Shape
    encoding: str
    """Of the bytes in `Batch.data`."""
    enclosed: str = ""
    """A letter around values, to be taken away."""


class TableMaker:
    """Makes the tables of one file's batches. Thread-safe: holds options only."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        shape = layout.shape
        self._parser = FieldParser(shape)
        keys = [str(place) for place in range(len(layout.names))]
        self._delimiter = shape.delimiter if len(shape.delimiter) == 1 and shape.delimiter.isascii() else b"\x1f"
        self._read = pa.csv.ReadOptions(column_names=keys, use_threads=False, block_size=(1 << 31) - 1)
        self._quote = shape.quote.decode("ascii") if shape.simple and shape.quote else False
        self._convert = pa.csv.ConvertOptions(
            column_types=dict.fromkeys(keys, pa.string()), strings_can_be_null=False, check_utf8=False
        )
        self._placeholder = b"x" + self._delimiter * (len(keys) - 1) + b"\n"

    @cached_property
    def schema(self) -> pa.Schema:
        """Of the rows' tables."""
        return pa.schema([*(pa.field(name, pa.string()) for name in self._layout.names), *rows.provenance_fields()])

    def make(self, batch: Batch) -> tuple[pa.Table, pa.Table]:
        """Rows and rejects of a batch. Raises BalanceError where rows out are not records in."""
        return self._rows(batch), self._rejects(batch)

    def _rows(self, batch: Batch) -> pa.Table:
        records = batch.records
        chosen = np.flatnonzero(records.status <= Status.EXACT)
        by_value = np.flatnonzero(records.status[chosen] == Status.EXACT)
        if len(self._layout.names) >= WIDE and len(chosen):
            columns = self._columns_wide(batch, chosen)
        elif len(by_value) == len(chosen):
            columns = self._columns_by_value(batch, chosen)
        elif self._writes_back(batch):
            columns = self._without_missing(batch, chosen, by_value, self._columns_parsed(batch, chosen))
        else:
            values = self._columns_by_value(batch, chosen[by_value])
            parsed = self._columns_parsed(batch, chosen)
            flags = _flags(len(chosen), by_value)
            columns = [pc.replace_with_mask(old, flags, new) for old, new in zip(parsed, values, strict=True)]
        if self._layout.enclosed:
            columns = [opened(column, self._layout.enclosed) for column in columns]
        return pa.table([*columns, *self._provenance(batch, chosen)], schema=self.schema)

    def _writes_back(self, batch: Batch) -> bool:
        """Whether rows known by value can go through Arrow's parser with the others, quoted afresh."""
        return self._quote is not False and not (batch.foreign and self._layout.encoding != "utf-8")

    def _written(self, batch: Batch, index: int) -> bytes:
        """A row known by value, as CSV."""
        if not self._writes_back(batch):
            return self._placeholder
        foreign = batch.foreign.get(index)
        values = batch.records.exact[index] if foreign is None else [(value or "").encode() for value in foreign[1]]
        quote = self._layout.shape.quote
        cells = (quote + (value or b"").replace(quote, quote + quote) + quote for value in values)
        return self._delimiter.join(cells) + b"\n"

    def _without_missing(
        self, batch: Batch, chosen: Positions, by_value: Positions, columns: list[pa.Array]
    ) -> list[pa.Array]:
        """The columns with null where a row lacks the field."""
        lacking: dict[int, list[int]] = {}
        for place, index in zip(by_value.tolist(), chosen[by_value].tolist(), strict=True):
            values = batch.foreign[index][1] if index in batch.foreign else batch.records.exact[index]
            # fields are only ever missing at a row's end
            for column in range(len(values) - 1, -1, -1):
                if values[column] is not None:
                    break
                lacking.setdefault(column, []).append(place)
        for column, places in lacking.items():
            missing = pa.nulls(len(places), pa.string())
            columns[column] = pc.replace_with_mask(columns[column], _flags(len(chosen), places), missing)
        return columns

    def _columns_parsed(self, batch: Batch, chosen: Positions) -> list[pa.Array]:
        clean = self._clean(batch, chosen)
        delimiter = self._delimiter if self._layout.shape.delimiter else _absent_byte(clean)
        if self._layout.encoding != "utf-8":
            clean = to_utf8(bytes(clean), self._layout.encoding)
        parse = pa.csv.ParseOptions(delimiter=delimiter.decode(), quote_char=self._quote, newlines_in_values=True)
        table = pa.csv.read_csv(pa.BufferReader(pa.py_buffer(clean)), self._read, parse, self._convert)
        if table.num_rows != len(chosen):
            raise BalanceError(
                f"{self._layout.file.name}: {len(chosen):,} records near byte {int(batch.offset[0]):,} became"
                f" {table.num_rows:,} rows",
                hint="This is a defect of Loadlock: please report it with the file.",
            )
        return [column.chunk(0) if column.num_chunks == 1 else column.combine_chunks() for column in table.columns]

    def _clean(self, batch: Batch, chosen: Positions) -> bytes | memoryview:
        """The chosen records' bytes in one piece; a placeholder for each record that is filled in by value."""
        records, data = batch.records, memoryview(batch.data)
        special = (records.status[chosen] == Status.EXACT) | (records.trim[chosen] > 0)
        # the file's last record may have no record end
        special[-1] |= records.next[chosen[-1]] == records.end[chosen[-1]]
        starts = special | np.concatenate([[True], (np.diff(chosen) != 1) | special[:-1]])
        # a byte order mark between two records separates them
        starts[1:] |= records.start[chosen[1:]] != records.next[chosen[:-1]]
        first = np.flatnonzero(starts)
        last = np.append(first[1:], len(chosen)) - 1
        if len(first) == 1 and not special[0]:
            return data[int(records.start[chosen[0]]) : int(records.next[chosen[-1]])]
        begin, end = records.start[chosen[first]], records.next[chosen[last]]
        if not special.any():
            return memoryview(_cut(batch.data, begin, end).buffers()[2])[: int((end - begin).sum())]
        pieces: list[bytes | memoryview] = []
        inner = records.end[chosen[first]] - records.trim[chosen[first]]
        exact = records.status[chosen[first]] == Status.EXACT
        columns = (special[first], exact, chosen[first], begin, end, inner)
        for alone, by_value, index, at, stop, content in zip(*(column.tolist() for column in columns), strict=True):
            if not alone:
                pieces.append(data[at:stop])
            elif by_value:
                pieces.append(self._written(batch, index))
            else:
                pieces += (data[at:content], b"\n")
        return b"".join(pieces)

    def _columns_wide(self, batch: Batch, chosen: Positions) -> list[pa.Array]:
        records, data, encoding = batch.records, batch.data, self._layout.encoding
        quote = self._layout.shape.quote
        quoted = set(rows_with(quote[0] if quote else -1, data, records.next))
        made = WideRows(len(self._layout.names), self._delimiter, partial(to_utf8, encoding=encoding))
        for index in chosen.tolist():
            raw = data[records.start[index] : records.end[index] - records.trim[index]]
            if records.status[index] == Status.EXACT:
                made.add_values(self._values(batch, index))
            elif index in quoted:
                made.add_values([value.decode(encoding) for value in self._parser.parse(raw).values])
            else:
                made.add_plain(raw)
        return made.columns()

    def _columns_by_value(self, batch: Batch, chosen: Positions) -> list[pa.Array]:
        width = len(self._layout.names)
        values = [self._values(batch, index) for index in chosen.tolist()]
        columns = zip(*values, strict=True) if values else ([] for _ in range(width))
        return [pa.array(column, pa.string()) for column in columns]

    def _values(self, batch: Batch, index: int) -> Sequence[str | None]:
        foreign = batch.foreign.get(index)
        if foreign is not None:
            return foreign[1]
        encoding = self._layout.encoding
        return [None if value is None else value.decode(encoding) for value in batch.records.exact[index]]

    def _provenance(self, batch: Batch, chosen: Positions) -> list[pa.Array]:
        size = len(chosen)
        name = pa.DictionaryArray.from_arrays(
            pa.array(np.zeros(size, dtype=np.int32)), pa.array([self._layout.file.name], pa.string())
        )
        encodings = pa.nulls(size, pa.string())
        if batch.foreign:
            places = np.searchsorted(chosen, sorted(batch.foreign))
            found = [batch.foreign[index][0] for index in sorted(batch.foreign)]
            encodings = pc.replace_with_mask(encodings, _flags(size, places), pa.array(found, pa.string()))
        return [
            name,
            pa.array(_row_numbers(batch)[chosen]),
            pa.array(batch.records.line[chosen] + batch.first_line),
            pa.array(batch.offset[chosen]),
            pa.array(batch.length[chosen]),
            encodings,
        ]

    def _rejects(self, batch: Batch) -> pa.Table:
        records = batch.records
        chosen = np.flatnonzero(records.status >= Status.FIELD_COUNT)
        if not len(chosen):
            return rows.reject_schema().empty_table()
        starts = records.start[chosen]
        ends = np.minimum(records.end[chosen], starts + rows.RAW_LIMIT)
        raws = _cut(batch.data, starts, ends)
        if batch.raws:
            raws = pa.array([batch.raws[index] for index in chosen.tolist()], pa.binary())
        return rejects_table(
            self._layout.file,
            problems=self._problems(batch, chosen),
            place=[
                _row_numbers(batch)[chosen],
                records.line[chosen] + batch.first_line,
                batch.offset[chosen],
                batch.length[chosen],
            ],
            raws=raws,
        )

    def _problems(self, batch: Batch, chosen: Positions) -> tuple[pa.Array, pa.Array]:
        """Codes and messages of the rejects; equal ones are made once."""
        records, names = batch.records, self._layout.names
        detail = np.where(records.status[chosen] == Status.FIELD_COUNT, records.fields[chosen], 0)
        places = np.searchsorted(chosen, list(records.where))
        detail[places] = list(records.where.values())
        kinds, which = np.unique(records.status[chosen] + (detail << 8), return_inverse=True)
        found = [(Status(kind & 255), kind >> 8) for kind in kinds.tolist()]
        codes = pa.array([CODES[status] for status, _ in found], pa.string())
        messages = pa.array([_message(status, number, names) for status, number in found], pa.string())
        return codes.take(pa.array(which)), messages.take(pa.array(which))


def opened(column: pa.Array, mark: str) -> pa.Array:
    """The values without the letter on both sides; those without it as they are."""
    inner = pc.utf8_slice_codeunits(column, 1, -1)
    around = pc.binary_join_element_wise(mark, inner, mark, "")
    return pc.if_else(pc.equal(around, column), inner, column)


def _cut(data: bytes, starts: Positions, ends: Positions) -> pa.BinaryArray:
    """The bytes from each start to its end; ranges ascend and don't overlap."""
    # they are every second value of an array over all of the data
    wide = len(data) >= 1 << 31
    offsets = np.empty(2 * len(starts), dtype=np.int64 if wide else np.int32)
    offsets[::2], offsets[1::2] = starts, ends
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    values = pa.Array.from_buffers(pa.large_binary() if wide else pa.binary(), len(offsets) - 1, buffers)
    return values.take(pa.array(np.arange(0, len(offsets) - 1, 2))).cast(pa.binary())


def _row_numbers(batch: Batch) -> Positions:
    status = batch.records.status
    counted = (status <= Status.EXACT) | (status >= Status.FIELD_COUNT)
    return np.cumsum(counted) - 1 + batch.first_row


def _flags(size: int, places: Positions | list[int]) -> pa.Array:
    flags = np.zeros(size, dtype=bool)
    flags[places] = True
    return pa.array(flags)


def _absent_byte(data: bytes | memoryview) -> bytes:
    """A control character that `data` does not hold, to stand for the delimiter of a file that has none."""
    used = np.bincount(np.frombuffer(data, dtype=np.uint8), minlength=256)
    return bytes([next(byte for byte in (*range(31, 0, -1), 127) if not used[byte] and byte not in b"\t\n\r")])


def _message(status: Status, detail: int, names: tuple[str, ...]) -> str:
    column = f"field {detail}" + (f" ({names[detail - 1]})" if 0 < detail <= len(names) else "")
    match status:
        case Status.FIELD_COUNT:
            return f"{detail:,} field{'s' if detail != 1 else ''} instead of {len(names):,}"
        case Status.STRAY_QUOTE:
            return f"a quote stands inside or right behind the text of {column}"
        case Status.OPEN_QUOTE:
            return f"the quote opened in {column} is never closed"
        case Status.NUL_BYTE:
            return "the row holds NUL bytes"
        case Status.TORN:
            piece, part = ("before", "beginning") if detail == BEFORE else ("behind", "end")
            return f"the line {piece} the row has one field only and may be the {part} of the row"
        case Status.SHIFTED:
            return (
                f"{len(names) + 1:,} fields instead of {len(names):,}: the last one is empty, but the delimiter too many may"
                " stand before it and move values on; `tolerate: [drop_extra]` takes the row"
            )
        case Status.MISFIT:
            return f"the header names {len(names):,} column{'s' if len(names) != 1 else ''}, but most rows have {detail:,} fields"
        case Status.OTHER_TABLE:
            return (
                f"the row stands below the header of another table, at line {detail:,}; `table:` says which one is read"
            )
        case Status.OTHER_NAMES:
            return f"the row stands below other names of columns, at line {detail:,} (#Fields:); read it from a file of its own"
        case Status.OUTSIDE:
            return "text stands outside of the bars around the table"
        case Status.GOES_ON:
            return "a value goes on from line to line (+), as psql prints values of several lines"
        case Status.TOO_LONG:
            return "the record is longer than the record limit"
        case _:
            return f"byte {detail:,} of the file, counted from 0, decodes in no allowed encoding"


def rejects_table(
    file: SourceFile, *, problems: tuple[pa.Array, pa.Array], place: Sequence[Positions], raws: pa.BinaryArray
) -> pa.Table:
    """Rejects of the intake, column by column.

    `problems`: codes and messages; `place`: row, line, offset and length of each; `raws`: cut at the limit already.
    """
    size = len(raws)
    schema = rows.reject_schema()
    fields = schema.field("problems").type.value_type
    details = pa.StructArray.from_arrays(
        [
            problems[0],
            pa.nulls(size, pa.string()),
            pa.nulls(size, pa.string()),
            problems[1],
        ],
        fields=list(fields),
    )
    row, line, offset, length = (pa.array(numbers, pa.int64()) for numbers in place)
    return pa.table(
        [
            pa.array(np.full(size, file.index, dtype=np.int32)),
            pa.repeat(pa.scalar(file.name, pa.string()), size),
            row,
            pa.array(np.zeros(size, dtype=np.int32)),
            line,
            offset,
            length,
            pa.repeat(pa.scalar(str(Stage.INTAKE), pa.string()), size),
            pa.ListArray.from_arrays(np.arange(size + 1, dtype=np.int32), details),
            pa.nulls(size, pa.string()),
            raws,
            pa.array(np.asarray(place[3]) > rows.RAW_LIMIT),
        ],
        schema=schema,
    )
