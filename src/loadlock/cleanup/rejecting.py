"""Makes rejects of the bad rows of a part: every problem of every row, without a loop over rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from loadlock import rows as shared
from loadlock.cleanup._sql import literal
from loadlock.cleanup.plan import Finding, Plan
from loadlock.cleanup.prepared import query
from loadlock.cleanup.python_checks import CheckResult
from loadlock.cleanup.steps import whole
from loadlock.model import Problem, Severity, Stage

if TYPE_CHECKING:
    import pyarrow as pa

SHOWN = 120
"""Characters of a value in a message."""
KEPT = 4096
"""Characters of a value in a problem; the whole value is in the reject's `values`."""


@dataclass(frozen=True, kw_only=True)
class Hits:
    """The rows (indexes in the part, ascending) in which one finding holds."""

    finding: Finding
    rows: np.ndarray[Any, Any]


def all_hits(plan: Plan, marked: Marked, checks: CheckResult) -> list[Hits]:
    """What was found in a part: SQL findings by their packed bits, then what Python checks found."""
    hits: list[Hits] = []
    for finding, place in zip(plan.findings, plan.found_in, strict=True):
        rows = marked.rows(place)
        for number in finding.unless if len(rows) else ():
            rows = np.setdiff1d(rows, hits[number].rows, assume_unique=True)
        hits.append(Hits(finding=finding, rows=rows))
    return hits + [Hits(finding=finding, rows=rows) for finding, rows in checks.found]


class Marked:
    """The packed columns of a part. A bit that no row has set is told without looking at the rows again."""

    def __init__(self, column: Callable[[str], pa.Array]) -> None:
        self._column = column
        self._words: dict[str, tuple[np.ndarray[Any, Any], int]] = {}

    def rows(self, place: tuple[str, int]) -> np.ndarray[Any, Any]:
        """The rows in which the bit at a place is set, ascending."""
        name, bit = place
        if name not in self._words:
            word = self._column(name).to_numpy()
            self._words[name] = word, int(np.bitwise_or.reduce(word, initial=np.uint64(0)))
        word, union = self._words[name]
        return np.flatnonzero(word & np.uint64(1 << bit)) if union >> bit & 1 else np.zeros(0, np.int64)


@dataclass(frozen=True, kw_only=True)
class Texts:
    """Values as text of some rows of a part. `rows` are their indexes in the part, ascending."""

    rows: np.ndarray[Any, Any]
    table: pa.Table

    def of(self, name: str, rows: np.ndarray[Any, Any]) -> pa.Array:
        """The texts of an internal column in rows that are among these."""
        import pyarrow as pa

        return whole(self.table[name]).take(pa.array(np.searchsorted(self.rows, rows)))


def row_rejects(
    rows: pa.Table, bad: np.ndarray[Any, Any], hits: Sequence[Hits], texts: Texts, *, file_index: int
) -> pa.Table:
    """Rejects of the staged rows at the indexes `bad` (ascending), with all their problems."""
    if not len(bad):
        return shared.reject_schema().empty_table()
    rejecting = [hit for hit in hits if hit.finding.severity == Severity.REJECT and len(hit.rows)]
    return reject_rows(rows.take(bad), _problems(rejecting, bad, texts), file_index=file_index)


def _problems(hits: Sequence[Hits], bad: np.ndarray[Any, Any], texts: Texts) -> pa.Array:
    """A list of problem structs for each bad row, in the order of the findings."""
    import pyarrow as pa

    structs = pa.chunked_array([_structs(hit, texts) for hit in hits])
    rows = np.concatenate([hit.rows for hit in hits])
    order = np.argsort(rows, kind="stable")
    offsets = np.append(np.searchsorted(rows[order], bad), len(rows))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), structs.combine_chunks().take(pa.array(order)))


def _structs(hit: Hits, texts: Texts) -> pa.Array:
    import pyarrow as pa
    import pyarrow.compute as pc

    count, finding = len(hit.rows), hit.finding
    values = pa.nulls(count, pa.string()) if finding.value is None else texts.of(finding.value, hit.rows)
    values = pc.utf8_slice_codeunits(values, 0, KEPT)
    messages = _told(finding, values) if finding.error is None else texts.of(finding.error, hit.rows)
    if finding.masked and finding.error is not None:
        messages = _without(messages, values)
    fields = shared.reject_schema().field("problems").type.value_type
    codes, columns = (pa.repeat(pa.scalar(text, pa.string()), count) for text in (finding.code, finding.column))
    return pa.StructArray.from_arrays([codes, columns, values, messages], fields=list(fields))


def _told(finding: Finding, values: pa.Array) -> pa.Array:
    """The finding's message for each value, which a masked column's doesn't show."""
    message = finding.message
    return _messages(message.replace("{value}", f"'{shared.HIDDEN}'") if finding.masked else message, values)


def _without(messages: pa.Array, values: pa.Array) -> pa.Array:
    """Messages that were written for their values, with these hidden in them."""
    import pyarrow as pa

    pairs = zip(messages.to_pylist(), values.to_pylist(), strict=True)
    return pa.array([hide(message, value) for message, value in pairs], pa.string())


def hide(message: str | None, value: str | None) -> str | None:
    """A message without the value, also where only its beginning is quoted."""
    for shown in (value, (value or "")[:SHOWN], (value or "").strip()):
        message = message.replace(shown, shared.HIDDEN) if message and shown else message
    return message


def _messages(message: str, values: pa.Array) -> pa.Array:
    """The message with each value put in."""
    import pyarrow as pa
    import pyarrow.compute as pc

    pieces = message.split("{value}")
    if len(pieces) == 1:
        return pa.repeat(pa.scalar(message, pa.string()), len(values))
    whole_text = pc.fill_null(values, "")
    short = pc.utf8_slice_codeunits(whole_text, 0, SHOWN)
    end = pc.if_else(pc.equal(short, whole_text), "'", "…'")
    shown = pc.if_else(pc.is_null(values), "nothing", pc.binary_join_element_wise("'", short, end, ""))
    parts: list[Any] = [pieces[0]]
    for piece in pieces[1:]:
        parts += [shown, piece]
    return pc.binary_join_element_wise(*parts, "").cast(pa.string())


def reject_rows(rows: pa.Table, problems: pa.Array, *, file_index: int) -> pa.Table:
    """Rejects (stage cleanup) of staged rows, one for each entry of `problems`."""
    import pyarrow as pa

    schema = shared.reject_schema()
    count = rows.num_rows
    columns: dict[str, Any] = {
        shared.FILE: pa.array(np.full(count, file_index, np.int32)),
        shared.SOURCE_FILE: whole(rows[shared.SOURCE_FILE]).cast(pa.string()),
        "stage": pa.repeat(pa.scalar(str(Stage.CLEANUP), pa.string()), count),
        "problems": problems,
        "values": staged_values(rows),
        "raw": pa.nulls(count, pa.binary()),
        "raw_truncated": pa.array(np.zeros(count, bool)),
    }
    for name in (shared.ROW, shared.SUB, shared.LINE, shared.OFFSET, shared.LENGTH):
        columns[name] = whole(rows[name])
    return pa.table([columns[name] for name in schema.names], schema=schema)


def staged_values(rows: pa.Table) -> pa.Array:
    """The staged values of each row as a JSON object by the files' column names.

    DuckDB writes the JSON (it never reads it here): the values are texts or null, written as JSON strings.
    """
    import pyarrow as pa

    own = (*shared.PROVENANCE, shared.SUB)
    indexes = [index for index, name in enumerate(rows.column_names) if name not in own]
    if not indexes:
        return pa.repeat(pa.scalar("{}", pa.string()), rows.num_rows)
    renamed = pa.table({f"r{n}": rows.column(index) for n, index in enumerate(indexes)})
    # json_object, not a struct: names that differ only in case are two names
    packed = ", ".join(f"{literal(rows.column_names[index])}, r{n}" for n, index in enumerate(indexes))
    return whole(query(f"select json_object({packed})::varchar as v from part", renamed)["v"])


def record_rejects(raw: pa.Table, problems: Sequence[tuple[int, Problem]], *, file_index: int) -> pa.Table:
    """Rejects of records that could not be flattened."""
    found: dict[int, list[Problem]] = {}
    for index, problem in problems:
        found.setdefault(index, []).append(problem)
    place = raw.select([name for name in raw.column_names if name in shared.PROVENANCE]).take(list(found)).to_pylist()
    return shared.reject_table(
        shared.reject(_place(row, file_index), problems=listed, stage=Stage.CLEANUP)
        for listed, row in zip(found.values(), place, strict=True)
    )


def _place(row: Mapping[str, Any], file_index: int) -> shared.Place:
    return shared.Place(
        file=file_index,
        source_file=row[shared.SOURCE_FILE],
        row=row[shared.ROW],
        line=row[shared.LINE],
        offset=row[shared.OFFSET],
        length=row[shared.LENGTH],
    )
