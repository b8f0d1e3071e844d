"""Tallies of one part, from what the kernel's queries gave."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from loadlock.cleanup.binding import Bound
from loadlock.cleanup.plan import Change, Plan
from loadlock.cleanup.rejecting import Hits, Texts
from loadlock.cleanup.steps import whole
from loadlock.cleanup.tallies import MAX_EXAMPLES, CheckTally, ColumnTally, RuleTally, Tallies
from loadlock.model import Problem, Severity
from loadlock.types import ColumnType

if TYPE_CHECKING:
    import pyarrow as pa

_LOOKED = 4 * MAX_EXAMPLES
"""Changed rows looked at for examples: some show the same change."""


@dataclass(frozen=True, kw_only=True)
class Counted:
    """What the kernel knows of a part when all rows are judged."""

    staged: int
    exploded: int
    clean: pa.Table
    rejected: int
    skipped: int
    part: pa.Table
    changed: list[np.ndarray[Any, Any]]
    """The rows that each of the plan's changes touched."""
    hits: list[Hits]
    texts: Texts
    records: list[tuple[int, Problem]]
    """Problems of records that could not be flattened."""
    bound: Bound
    found: list[str]
    unnamed: dict[str, int]


def examples_of(plan: Plan, changed: list[np.ndarray[Any, Any]], part: pa.Table) -> list[np.ndarray[Any, Any]]:
    """For each change the rows to show it by; none for masked columns."""
    return [_rows_to_show(change, rows, part) for change, rows in zip(plan.changes, changed, strict=True)]


def _rows_to_show(change: Change, rows: np.ndarray[Any, Any], part: pa.Table) -> np.ndarray[Any, Any]:
    if change.kind != "rule" or change.masked:
        return rows[:0]
    if not change.shown or change.before not in part.column_names:
        return rows[:_LOOKED]
    # the first row of each different value
    codes = whole(part[change.before]).take(rows).dictionary_encode(null_encoding="encode").indices
    first = np.sort(np.unique(codes.to_numpy(), return_index=True)[1])
    found: np.ndarray[Any, Any] = rows[first[: change.shown]]
    return found


def count_part(plan: Plan, part: Counted) -> Tallies:
    """The tallies of one part."""
    rejecting = [hit for hit in part.hits if hit.finding.severity == Severity.REJECT and len(hit.rows)]
    codes: list[tuple[str, str | None, int]] = [(p.code, p.column, 1) for _, p in part.records]
    codes += [(hit.finding.code, hit.finding.column, len(hit.rows)) for hit in rejecting]
    tallies = Tallies(
        staged=part.staged,
        exploded=part.exploded,
        clean=part.clean.num_rows,
        rejected=part.rejected,
        skipped=part.skipped,
        rules=_rules(plan, part),
        checks=_checks(part),
        columns=_columns(plan, part),
        codes=tuple(codes),
        bound=part.bound.loosely,
        found=tuple(part.found),
        unnamed=part.unnamed,
    )
    return tallies + Tallies()  # sums equal codes


def _rules(plan: Plan, part: Counted) -> tuple[RuleTally, ...]:
    rejected: dict[tuple[str, str | None], int] = {}
    for hit in part.hits:
        if hit.finding.source == "rule":
            place = hit.finding.path, hit.finding.column
            rejected[place] = rejected.get(place, 0) + len(hit.rows)
    shown = examples_of(plan, part.changed, part.part)
    return tuple(
        RuleTally(
            path=change.path,
            column=change.column,
            rule=change.rule,
            looked=part.part.num_rows - part.part[change.input].null_count,
            changed=len(rows),
            rejected=rejected.get((change.path, change.column), 0),
            examples=_pairs(change, part.texts, few),
            limit=change.shown or MAX_EXAMPLES,
        )
        for change, rows, few in zip(plan.changes, part.changed, shown, strict=True)
        if change.kind == "rule"
    )


def _pairs(change: Change, texts: Texts, rows: np.ndarray[Any, Any]) -> tuple[tuple[str | None, str | None], ...]:
    if not len(rows):
        return ()
    before, after = (texts.of(name, rows).to_pylist() for name in (change.before, change.after))
    pairs = dict.fromkeys((_short(old), _short(new)) for old, new in zip(before, after, strict=True))
    return tuple(pairs)[: change.shown or MAX_EXAMPLES]


def _short(text: str | None, limit: int = 200) -> str | None:
    return text if text is None or len(text) <= limit else text[:limit] + "…"


def _checks(part: Counted) -> tuple[CheckTally, ...]:
    """All checks, and what types and failing checks found."""
    return tuple(
        CheckTally(
            path=hit.finding.path,
            column=hit.finding.column,
            check=hit.finding.name,
            severity=str(hit.finding.severity),
            message=hit.finding.message,
            found=len(hit.rows),
        )
        for hit in part.hits
        if hit.finding.source != "rule"
        and (len(hit.rows) or (hit.finding.source == "check" and hit.finding.code != "sql_error"))
    )


def _columns(plan: Plan, part: Counted) -> tuple[ColumnTally, ...]:
    noted = {
        (change.column, change.kind): len(rows)
        for change, rows in zip(plan.changes, part.changed, strict=True)
        if change.kind != "rule"
    }
    found = (_column(name, kind, whole(part.clean[name]), noted) for name, kind in plan.columns)
    masked = {column.name for column in plan.pipeline.columns or () if column.mask}
    return tuple(replace(tally, low=None, high=None) if tally.name in masked else tally for tally in found)


def _column(name: str, kind: ColumnType, values: pa.Array, noted: dict[tuple[str, str], int]) -> ColumnTally:
    import pyarrow as pa
    import pyarrow.compute as pc

    empties, shortest, longest, low, high = 0, None, None, None, None
    if pa.types.is_string(values.type):
        lengths = pc.utf8_length(values)
        limits = pc.min_max(lengths).as_py()
        shortest, longest = limits["min"], limits["max"]
        empties = pc.sum(pc.equal(lengths, 0)).as_py() or 0 if shortest == 0 else 0
    else:
        limits = pc.min_max(values)
        low, high = (_text(limits[side]) for side in ("min", "max"))
    return ColumnTally(
        name=name,
        type=str(kind),
        values=len(values) - values.null_count,
        nulls=values.null_count,
        empties=empties,
        trimmed=noted.get((name, "trimmed"), 0),
        emptied=noted.get((name, "emptied"), 0),
        low=low,
        high=high,
        shortest=shortest,
        longest=longest,
    )


def _text(value: Any) -> str | None:
    import pyarrow as pa

    return None if not value.is_valid else str(value.cast(pa.string()).as_py())
