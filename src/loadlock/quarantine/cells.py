"""Rejects as columns of texts, worked out for whole parts: what exports write, and what edited files are compared with."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadlock.quarantine.edits import RAW_COLUMN
from loadlock.quarantine.read import raw_text
from loadlock.quarantine.sheet import FORMULA, Layout, Token, texts
from loadlock.rows import FILE, LINE, ROW, SOURCE_FILE, SUB

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class Cells:
    """The cells of some rejects; all arrays have a text (or null) for each reject."""

    info: list[pa.Array]
    """Key, file, row, line, stage and problems."""
    values: dict[str, pa.Array]
    """As they are now; null for malformed rows."""
    raw: pa.Array
    was: dict[str, pa.Array]
    """As staged."""
    staged: pa.Array
    """Whether the reject has values."""

    def columns(self) -> list[pa.Array]:
        """In the order of the table's columns."""
        return [*self.info, *self.values.values(), self.raw, *self.was.values()]


def cells_of(table: pa.Table, layout: Layout) -> Cells:
    """The cells of rejects as the quarantine gives them (`state` and `corrected` may be missing)."""
    staged = plain(table["values"])
    was = value_columns(staged, layout.names)
    values, raw = dict(was), raw_column(table)
    for column, (at, news) in corrections(table).items():
        if column == RAW_COLUMN:
            raw = replaced(raw, at, news)
        elif column in values:
            values[column] = replaced(values[column], at, news)
    return Cells(info=_info(table, layout.token), values=values, raw=raw, was=was, staged=staged.is_valid())


def plain(column: Any) -> Any:
    """The column in one piece."""
    import pyarrow as pa

    if isinstance(column, pa.ChunkedArray):
        return column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    return column


def value_columns(staged: pa.Array, names: Sequence[str]) -> dict[str, pa.Array]:
    """The named values of JSON objects as texts; null where the object or the value is."""
    import pyarrow as pa

    wanted = pa.schema([(name, pa.string()) for name in names])
    if not len(staged) or not names:
        return {name: pa.nulls(len(staged), pa.string()) for name in names}
    try:
        table = _read(staged, wanted)
        return {name: plain(table[name]) for name in names}
    except pa.ArrowInvalid:
        return _value_by_value(staged, names)


def _read(staged: pa.Array, wanted: pa.Schema | None) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import json as arrow_json

    lines = pc.binary_join(pa.ListArray.from_arrays([0, len(staged)], pc.fill_null(staged, "{}")), "\n")
    buffer = lines.buffers()[2]
    known = {} if wanted is None else {"explicit_schema": wanted, "unexpected_field_behavior": "ignore"}
    table = arrow_json.read_json(
        pa.BufferReader(buffer),
        read_options=arrow_json.ReadOptions(block_size=max(buffer.size, 1), use_threads=False),
        parse_options=arrow_json.ParseOptions(**known),
    )
    if table.num_rows != len(staged):
        raise pa.ArrowInvalid("some objects are no lines")
    return table


def _value_by_value(staged: pa.Array, names: Sequence[str]) -> dict[str, pa.Array]:
    """Where a value is no text, or no valid Unicode (shown as `\\udc80`)."""
    import pyarrow as pa

    rows: list[Mapping[str, str | None]] = [
        {} if text is None else texts(json.loads(text)) for text in staged.to_pylist()
    ]
    return {name: pa.array([sound(row.get(name)) for row in rows], pa.string()) for name in names}


def sound(text: str | None) -> str | None:
    """The text with what is no valid Unicode shown as an escape."""
    return None if text is None else text.encode("utf-8", "backslashreplace").decode()


def value_names(staged: pa.Array) -> list[str]:
    """The names of all values of JSON objects, in order of appearance."""
    import pyarrow as pa

    if not len(staged):
        return []
    try:
        return list(_read(staged, None).column_names)
    except pa.ArrowInvalid:
        found: dict[str, None] = {}
        for text in staged.drop_null().to_pylist():
            found.update(dict.fromkeys(json.loads(text)))
        return list(found)


def raw_column(table: pa.Table) -> pa.Array:
    """The raw texts; base64 where they don't decode."""
    import pyarrow as pa
    import pyarrow.compute as pc

    raw = plain(table["raw"])
    try:
        return pc.cast(raw, pa.string())
    except pa.ArrowInvalid:
        rows = zip(raw.to_pylist(), table["raw_truncated"].to_pylist(), strict=True)
        return pa.array(
            [None if text is None else raw_text(text, truncated=bool(cut)) for text, cut in rows], pa.string()
        )


def corrections(table: pa.Table, name: str = "corrected") -> dict[str, tuple[list[int], list[str | None]]]:
    """Corrected column → the rows (indexes) and their new values; "" = raw text. `name`: where they stand, if anywhere."""
    found: dict[str, tuple[list[int], list[str | None]]] = {}
    if name not in table.column_names or table[name].null_count == table.num_rows:
        return found
    for index, text in enumerate(table[name].to_pylist()):
        for column, new in json.loads(text).items() if text else ():
            at, news = found.setdefault(column, ([], []))
            at.append(index)
            news.append(sound(new))
    return found


def replaced(column: pa.Array, at: Sequence[int], news: Sequence[str | None]) -> pa.Array:
    """The column with new texts in some rows (indexes, ascending)."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    mask = np.zeros(len(column), bool)
    mask[list(at)] = True
    return pc.replace_with_mask(column, pa.array(mask), pa.array(news, pa.string()))


def _info(table: pa.Table, token: Token) -> list[pa.Array]:
    import pyarrow as pa
    import pyarrow.compute as pc

    places = zip(*(table[name].to_pylist() for name in (FILE, ROW, SUB)), strict=True)
    keys = pa.array([token.key(*place) for place in places], pa.string())
    numbers = [pc.cast(plain(table[name]), pa.string()) for name in (ROW, LINE)]
    return [keys, plain(table[SOURCE_FILE]), *numbers, plain(table["stage"]), problem_words(plain(table["problems"]))]


def problem_words(lists: pa.Array) -> pa.Array:
    """All problems of each reject in words, as `sheet.in_words`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    problems = lists.flatten()
    code, column, message = (pc.struct_field(problems, name) for name in ("code", "column", "message"))
    named = pc.not_equal(pc.fill_null(column, ""), "")
    place = pc.if_else(named, pc.binary_join_element_wise(pc.fill_null(column, ""), ": ", ""), "")
    words = pc.binary_join_element_wise(place, message, " (", code, ")", "")
    counts = pc.fill_null(pc.list_value_length(lists), 0)
    ends = pc.cumulative_sum(pc.cast(counts, pa.int32()))
    offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends])
    return pc.binary_join(pa.ListArray.from_arrays(offsets, words), "; ")


def as_texts(column: pa.Array) -> pa.Array:
    """The cells so that no spreadsheet runs them, as `sheet.as_text`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    risky = pc.is_in(pc.utf8_slice_codeunits(column, 0, 1), value_set=pa.array(FORMULA))
    if not pc.any(risky).as_py():
        return column
    return pc.if_else(risky, pc.binary_join_element_wise("'", column, ""), column)
