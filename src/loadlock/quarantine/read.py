"""Reading the quarantine: rejects as the JSON of the contract, filtered and counted, with their raw text."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from loadlock.model import RejectState, SourceFile
from loadlock.rows import FILE, LENGTH, LINE, OFFSET, RAW_LIMIT, ROW, SOURCE_FILE, SUB

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

RAW_TOTAL = 64 << 20
"""Bytes of raw text that one call of `fill_raw` brings, at most: one exploded record may make very many rejects."""
_BATCH_ROWS = 10_000
_LONGEST_CHARACTER = 4


class KeptBytes(Protocol):
    """The kept bytes of source files: `loadlock.staging.sources.SourceStore`."""

    def has(self, file: SourceFile) -> bool: ...

    def slices(
        self, file: SourceFile, offsets: np.ndarray[Any, Any], lengths: np.ndarray[Any, Any], limit: int = RAW_LIMIT
    ) -> list[bytes]: ...


@dataclass(frozen=True, kw_only=True)
class RejectFilter:
    """Which rejects to show; None = all. `code` and `column` must be those of one and the same problem."""

    code: str | None = None
    column: str | None = None
    file: str | None = None
    """Base name."""
    stage: str | None = None
    state: str | None = None
    """One of `RejectState`; None: all but resolved ones."""
    limit: int | None = None
    """Rejects in all."""


ALL = RejectFilter()


def reject_rows(
    tables: Iterable[pa.Table], *, batch: str, run: str, wanted: RejectFilter = ALL, places: bool = False
) -> Iterator[dict[str, Any]]:
    """Rejects (tables of `rows.reject_schema()`) as JSON objects, in the tables' order, streaming.

    The keys of the contract; `sub` too for a row of an exploded record, `corrected` where values were corrected. `raw` is
    text where the bytes are UTF-8, else null beside `raw_base64`. The tables may have the columns `state` and `corrected`.
    `places`: `_place` (file, row, sub) too.
    """
    yield from json_rows(filtered(tables, wanted), batch=batch, run=run, places=places)


def filtered(tables: Iterable[pa.Table], wanted: RejectFilter) -> Iterator[pa.Table]:
    """The rejects that the filter names, no more than its limit."""
    left = wanted.limit
    for table in tables:
        table = filter_rejects(table, wanted)
        if left is not None:
            table = table.slice(0, max(left, 0))
            left -= table.num_rows
        if table.num_rows:
            yield table
        if left == 0:
            return


def json_rows(tables: Iterable[pa.Table], *, batch: str, run: str, places: bool = False) -> Iterator[dict[str, Any]]:
    """The rejects as `reject_rows` gives them, all of the tables."""
    for table in tables:
        for part in table.to_batches(max_chunksize=_BATCH_ROWS):
            for row in part.to_pylist():
                place = {"_place": (row[FILE], row[ROW], row[SUB])} if places else {}
                yield {**place, "batch": batch, "run": run, **_reject_json(row)}


def _reject_json(row: Mapping[str, Any]) -> dict[str, Any]:
    document: dict[str, Any] = {"file": row[SOURCE_FILE], "row": row[ROW]}
    corrected = json.loads(row["corrected"]) if row.get("corrected") else {}
    raw_corrected = {"corrected_raw": corrected.pop("")} if "" in corrected else {}
    if row[SUB]:
        document["sub"] = row[SUB]
    return {
        **document,
        "line": row[LINE],
        "offset": row[OFFSET],
        "length": row[LENGTH],
        "stage": row["stage"],
        "state": row.get("state") or str(RejectState.OPEN),
        "problems": row["problems"] or [],
        "values": None if row["values"] is None else json.loads(row["values"]),
        **({"corrected": corrected} if corrected else {}),
        **raw_corrected,
        **_raw_json(row["raw"], truncated=bool(row["raw_truncated"])),
    }


def _raw_json(raw: bytes | None, *, truncated: bool) -> dict[str, Any]:
    said = {"raw_truncated": True} if truncated else {}
    if raw is None:
        return {"raw": None, **said}
    # a cut may go through a character: up to three bytes of it are left off
    for missing in range(_LONGEST_CHARACTER if truncated else 1):
        try:
            return {"raw": raw[: len(raw) - missing].decode(), **said}
        except UnicodeDecodeError:
            continue
    return {"raw": None, "raw_base64": base64.b64encode(raw).decode(), **said}


def raw_text(raw: bytes | None, *, truncated: bool = False) -> str:
    """Raw bytes as an export shows them: text, or base64 where they don't decode."""
    shown = _raw_json(raw, truncated=truncated)
    return str(shown["raw"] or shown.get("raw_base64") or "")


def filter_rejects(table: pa.Table, wanted: RejectFilter) -> pa.Table:
    """The rejects that the filter names (its limit aside), in their order."""
    import pyarrow.compute as pc

    for column, value in ((SOURCE_FILE, wanted.file), ("stage", wanted.stage)):
        if value is not None:
            table = table.filter(pc.equal(table[column], value))
    if "state" in table.column_names:
        resolved = str(RejectState.RESOLVED)
        asked_state = pc.not_equal(table["state"], resolved) if wanted.state is None else None
        table = table.filter(pc.equal(table["state"], wanted.state) if asked_state is None else asked_state)
    problem = {"code": wanted.code, "column": wanted.column}
    asked = {name: value for name, value in problem.items() if value is not None}
    if not asked or not table.num_rows:
        return table
    problems = _problems(table)
    for name, value in asked.items():
        problems = problems.filter(pc.equal(problems[name], value))
    return table.take(problems["reject"].unique())


def _problems(table: pa.Table) -> pa.Table:
    """One row a problem: `reject` (row of the table), `stage`, `code`, `column`."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lists = table["problems"].combine_chunks()
    parents = pc.list_parent_indices(lists)
    problems = lists.flatten()
    columns = {
        "reject": parents,
        "stage": table["stage"].combine_chunks().take(parents),
        "code": pc.struct_field(problems, "code"),
        "column": pc.fill_null(pc.struct_field(problems, "column"), ""),
    }
    return pa.table(columns)


def count_rejects(table: pa.Table) -> dict[tuple[str, str, str], int]:
    """(stage, code, column or "") → rejects that have such a problem, each counted once; most first."""
    if not table.num_rows:
        return {}
    keys = ["stage", "code", "column"]
    problems = _problems(table)
    if len(problems) > table.num_rows:
        # only then can a reject have the same problem twice
        problems = problems.group_by(["reject", *keys]).aggregate([])
    counted = (
        problems.group_by(keys)
        .aggregate([([], "count_all")])
        .sort_by([("count_all", "descending"), *((key, "ascending") for key in keys)])
    )
    return {(row["stage"], row["code"], row["column"]): row["count_all"] for row in counted.to_pylist()}


def fill_raw(rejects: pa.Table, store: KeptBytes, files: Mapping[int, SourceFile]) -> pa.Table:
    """The rejects with their raw text cut from the kept bytes where it is null and the place is known.

    Rows of formats without places (workbooks, Parquet, Arrow) get the JSON of their values instead.
    64 KiB a reject, `RAW_TOTAL` in all: beyond it, and where the source was not kept, raw stays null. `files` is by
    `_file`. Raises WorkspaceError where the kept bytes are damaged.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if not rejects.num_rows or not rejects["raw"].null_count:
        return rejects
    known = pc.and_(pc.is_valid(rejects[OFFSET]), pc.is_valid(rejects[LENGTH]))
    open_rows = pc.and_(pc.is_null(rejects["raw"]), known)
    raw = rejects["raw"].combine_chunks()
    truncated = rejects["raw_truncated"].combine_chunks()
    for index in rejects[FILE].filter(open_rows).unique().to_pylist():
        file = files.get(index)
        if file is None or not store.has(file):
            continue
        places = _within(rejects, pc.and_(open_rows, pc.equal(rejects[FILE], index)))
        offsets, lengths = (rejects[name].combine_chunks().take(places).to_numpy() for name in (OFFSET, LENGTH))
        cut = pa.array(store.slices(file, offsets, lengths), pa.binary())
        mask = _mask(places, rejects.num_rows)
        raw = pc.replace_with_mask(raw, mask, cut)
        truncated = pc.replace_with_mask(truncated, mask, pa.array(lengths > RAW_LIMIT))
    values = rejects["values"].combine_chunks().cast(pa.binary())
    placeless = pc.and_(pc.and_(pc.is_null(raw), pc.is_null(rejects[OFFSET])), pc.is_valid(values)).combine_chunks()
    raw = pc.if_else(placeless, pc.binary_slice(values, 0, RAW_LIMIT), raw)
    truncated = pc.if_else(placeless, pc.greater(pc.binary_length(values), RAW_LIMIT), truncated)
    table = rejects.set_column(rejects.schema.get_field_index("raw"), "raw", raw)
    return table.set_column(table.schema.get_field_index("raw_truncated"), "raw_truncated", truncated)


def _within(rejects: pa.Table, chosen: pa.ChunkedArray) -> pa.Array:
    """Indices of the chosen rows, as many as fit into `RAW_TOTAL`."""
    import pyarrow.compute as pc

    places = pc.indices_nonzero(chosen)
    lengths = pc.min_element_wise(rejects[LENGTH].take(places), RAW_LIMIT)
    return places.filter(pc.less_equal(pc.cumulative_sum(lengths).combine_chunks(), RAW_TOTAL))


def _mask(places: pa.Array, rows: int) -> pa.Array:
    import numpy as np
    import pyarrow as pa

    mask = np.zeros(rows, dtype=bool)
    mask[places.to_numpy()] = True
    return pa.array(mask)
