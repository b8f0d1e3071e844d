"""Tallies of one part, from what the kernel's queries gave."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from loadlock.cleanup.binding import Bound
from loadlock.cleanup.plan import Change, Plan
from loadlock.cleanup.python_checks import CheckResult
from loadlock.cleanup.queries import counted
from loadlock.cleanup.rejecting import set_rows
from loadlock.cleanup.steps import query, whole
from loadlock.cleanup.tallies import MAX_EXAMPLES, CheckTally, ColumnTally, RuleTally, Tallies
from loadlock.model import Problem
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
    keep: np.ndarray[Any, Any]
    skipped: int
    main: pa.Table
    part: pa.Table
    codes: list[tuple[str, str | None, int]]
    rejected_by: dict[int, int]
    records: list[tuple[int, Problem]]
    checks: CheckResult
    bound: Bound
    found: list[str]
    unnamed: dict[str, int]


def count_part(plan: Plan, part: Counted) -> Tallies:
    """The tallies of one part."""
    changed = [set_rows(part.main, "g", number) for number in range(len(plan.changes))]
    bad_records = len({index for index, _ in part.records})
    rejected = len(part.keep) - int(part.keep.sum()) - part.skipped + bad_records
    record_codes: list[tuple[str, str | None, int]] = [(p.code, p.column, 1) for _, p in part.records]
    tallies = Tallies(
        staged=part.staged,
        exploded=part.exploded,
        clean=part.clean.num_rows,
        rejected=rejected,
        skipped=part.skipped,
        rules=_rules(plan, part, changed),
        checks=_checks(plan, part),
        columns=_columns(plan, part, changed),
        codes=(*part.codes, *record_codes),
        bound=part.bound.loosely,
        found=tuple(part.found),
        unnamed=part.unnamed,
    )
    return tallies + Tallies()  # sums equal codes


def _rules(plan: Plan, part: Counted, changed: list[np.ndarray[Any, Any]]) -> tuple[RuleTally, ...]:
    examples = _examples(plan, part, changed)
    rejected: dict[tuple[str, str | None], int] = {}
    for number, rows in part.rejected_by.items():
        finding = plan.findings[number]
        if finding.source == "rule":
            rejected[finding.path, finding.column] = rejected.get((finding.path, finding.column), 0) + rows
    return tuple(
        RuleTally(
            path=change.path,
            column=change.column,
            rule=change.rule,
            looked=part.part.num_rows - part.part[change.input].null_count,
            changed=len(rows),
            rejected=rejected.get((change.path, change.column), 0),
            examples=examples.get(number, ()),
        )
        for number, (change, rows) in enumerate(zip(plan.changes, changed, strict=True))
        if change.kind == "rule"
    )


def _examples(
    plan: Plan, part: Counted, changed: list[np.ndarray[Any, Any]]
) -> dict[int, tuple[tuple[str | None, str | None], ...]]:
    """A few values before and after each rule that changed some; none of masked columns."""
    wanted = {
        number: rows[:_LOOKED]
        for number, rows in enumerate(changed)
        if len(rows) and plan.changes[number].kind == "rule" and not plan.changes[number].masked
    }
    if not wanted:
        return {}
    indexes = np.unique(np.concatenate(list(wanted.values())))
    some = part.part.take(indexes)
    shown = query(plan.queries["examples"], some)
    return {
        number: _pairs(plan.changes[number], shown, np.searchsorted(indexes, rows)) for number, rows in wanted.items()
    }


def _pairs(change: Change, shown: pa.Table, rows: np.ndarray[Any, Any]) -> tuple[tuple[str | None, str | None], ...]:
    before, after = (whole(shown[name]).take(rows).to_pylist() for name in (change.before, change.after))
    pairs = dict.fromkeys((_short(old), _short(new)) for old, new in zip(before, after, strict=True))
    return tuple(pairs)[:MAX_EXAMPLES]


def _short(text: str | None, limit: int = 200) -> str | None:
    return text if text is None or len(text) <= limit else text[:limit] + "…"


def _checks(plan: Plan, part: Counted) -> tuple[CheckTally, ...]:
    """Checks, types and rules' findings, with the rows each found; of what rejects only what was found."""
    soft = counted(plan)
    found = dict(part.rejected_by)
    found |= {number: len(set_rows(part.main, "f", place)) for place, number in enumerate(soft)}
    tallies = [
        (finding, found.get(number, 0)) for number, finding in enumerate(plan.findings) if finding.source != "rule"
    ]
    tallies += [(finding, len(rows)) for finding, rows in part.checks.found]
    return tuple(
        CheckTally(
            path=finding.path,
            column=finding.column,
            check=finding.name,
            severity=str(finding.severity),
            message=finding.message,
            found=rows,
        )
        for finding, rows in tallies
        if rows or (finding.source == "check" and finding.code != "sql_error")
    )


def _columns(plan: Plan, part: Counted, changed: list[np.ndarray[Any, Any]]) -> tuple[ColumnTally, ...]:
    noted = {
        (change.column, change.kind): len(rows)
        for change, rows in zip(plan.changes, changed, strict=True)
        if change.kind != "rule"
    }
    return tuple(_column(name, kind, whole(part.clean[name]), noted) for name, kind in plan.columns)


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
