"""`***` for the values of masked columns, wherever rows are shown to people."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict
from typing import Any

from loadlock.cleanup.rejecting import hide
from loadlock.cleanup.sampling import SampleRow
from loadlock.pipeline.model import Pipeline
from loadlock.rows import HIDDEN, JSON_RECORD


def hidden(values: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """The values with those of some columns hidden; null stays null."""
    return {name: HIDDEN if name in names and value is not None else value for name, value in values.items()}


def hidden_problem(problem: Mapping[str, Any], names: Collection[str]) -> dict[str, Any]:
    """A problem without the value of its column, where that is one of these; the message may quote it."""
    if problem["column"] not in names or problem["value"] is None:
        return dict(problem)
    return {**problem, "value": HIDDEN, "message": hide(problem["message"], problem["value"])}


def sample_document(file: str, row: SampleRow, columns: Mapping[str, tuple[str, ...]]) -> dict[str, Any]:
    """A row before and after cleanup with what it shows, as JSON; `columns` = what `masked_columns` gave."""
    before = _before(columns) | {row.reads[name] for name in columns if name in row.reads} if columns else set()
    return {
        "file": file,
        "row": row.row,
        **({"sub": row.sub} if row.sub else {}),
        "fate": row.fate,
        "before": hidden(row.before, before),
        "after": hidden(row.after, columns),
        "reads": row.reads,
        "shows": [
            {**asdict(mark.sort), **{k: v for k, v in asdict(mark).items() if k != "sort"}} for mark in row.marks
        ],
    }


def masked_rejects(rejects: Iterable[dict[str, Any]], pipeline: Pipeline) -> list[dict[str, Any]]:
    """Rejects without problems' values of masked columns, their staged values, and the raw text, which holds them too."""
    columns = masked_columns(pipeline)
    if not columns:
        return list(rejects)
    before = _before(columns)
    return [_masked_reject(reject, set(columns) | before, before) for reject in rejects]


def masked_columns(pipeline: Pipeline) -> dict[str, tuple[str, ...]]:
    """Masked column → the files' columns it is read from."""
    return {column.name: column.source or (column.name,) for column in pipeline.columns or () if column.mask}


def _before(columns: Mapping[str, tuple[str, ...]]) -> set[str]:
    return {JSON_RECORD, *(name for names in columns.values() for name in names)}


def _masked_reject(reject: dict[str, Any], names: set[str], before: set[str]) -> dict[str, Any]:
    raw = {name: HIDDEN for name in ("raw", "raw_base64") if reject.get(name) is not None}
    values = hidden(reject["values"], before) if isinstance(reject["values"], dict) else reject["values"]
    problems = [hidden_problem(problem, names) for problem in reject["problems"]]
    return {**reject, **raw, "problems": problems, "values": values}
