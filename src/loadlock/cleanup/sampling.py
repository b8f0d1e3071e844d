"""Rows of a part that show rules at work and problems found, with their values before and after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from loadlock.cleanup import queries
from loadlock.cleanup.binding import Bound, bind
from loadlock.cleanup.filling import filled
from loadlock.cleanup.kernel import flags, flat_rows, staged_part
from loadlock.cleanup.plan import Change, Finding, Plan
from loadlock.cleanup.prepared import query
from loadlock.cleanup.python_checks import run_checks
from loadlock.cleanup.rejecting import Hits, Marked, all_hits, hide
from loadlock.cleanup.steps import whole
from loadlock.cleanup.tallies import Tallies
from loadlock.rows import HIDDEN, JSON_RECORD, PROVENANCE, ROW, SUB

if TYPE_CHECKING:
    import pyarrow as pa

RULE, PROBLEM = "rule", "problem"
_LONGEST = 400


@dataclass(frozen=True, kw_only=True, order=True)
class Sort:
    """One thing to be seen at work: a rule that changes a column, or a rule, type or check that finds a problem."""

    kind: str
    path: str
    column: str | None
    name: str


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A thing at work in one row."""

    sort: Sort
    before: str | None = None
    after: str | None = None
    """What a rule made of the value."""
    code: str | None = None
    message: str | None = None
    """What is wrong."""
    severity: str | None = None


@dataclass(frozen=True, kw_only=True)
class SampleRow:
    """One row on its way through cleanup."""

    row: int
    sub: int
    fate: str
    """`clean`, `rejected` or `skipped`."""
    before: dict[str, Any]
    """As staged, by the files' names."""
    after: dict[str, Any]
    """By the pipeline's names: typed values, also of a row that is kept out."""
    reads: dict[str, str]
    """The pipeline's column → the file's column it is read from."""
    marks: tuple[Mark, ...]


def sorts_of(tallies: Tallies) -> list[Sort]:
    """What was at work in the rows that these tallies count."""
    found = [
        Sort(kind=kind, path=tally.path, column=tally.column, name=tally.rule)
        for tally in tallies.rules
        for kind, count in ((RULE, tally.changed), (PROBLEM, tally.rejected))
        if count
    ]
    return found + [
        Sort(kind=PROBLEM, path=tally.path, column=tally.column, name=tally.check)
        for tally in tallies.checks
        if tally.found
    ]


def sample(raw: pa.Table, plan: Plan, *, file_index: int, wanted: Sequence[Sort], plain: int = 0) -> list[SampleRow]:
    """The fewest rows of one raw part that show each of the `wanted` sorts once, then `plain` clean rows, in row order."""
    return _Sampled(raw, plan, file_index).rows(wanted, plain)


class _Sampled:
    """One part with everything that the plan finds in it."""

    def __init__(self, raw: pa.Table, plan: Plan, file_index: int) -> None:
        self.plan = plan
        self.staged = flat_rows(raw, plan).table
        self.bound = bind(plan.inputs, self.staged.column_names)
        part = staged_part(self.staged, plan, self.bound, nested=JSON_RECORD in raw.column_names)
        part = filled(part, self.staged, plan.fills, plan.decisions, file_index)
        for step in plan.steps:
            part = step.run(part)
        self.part = part
        self.main = query(plan.queries["main"], part)
        checks = run_checks(plan, [self.column(name) for name in plan.finals])
        marked = Marked(self.column)
        self.bad = flags(self.main[queries.BAD]) | checks.rejecting(self.staged.num_rows)
        self.skipped = ~self.bad & ~flags(whole(self.main[queries.SKIP]).is_null())
        self.changes = [(change, marked.rows(at)) for change, at in zip(plan.changes, plan.changed_in, strict=True)]
        self.hits = [hit for hit in all_hits(plan, marked, checks) if len(hit.rows)]

    def column(self, name: str) -> pa.Array:
        """A column of the query over the row, or of the part as its steps left it."""
        return whole(self.main[name] if name in self.main.column_names else self.part[name])

    def rows(self, wanted: Sequence[Sort], plain: int) -> list[SampleRow]:
        chosen = self._chosen(set(wanted))
        clean = np.flatnonzero(~self.bad & ~self.skipped)
        chosen = np.union1d(chosen, _spread(np.setdiff1d(clean, chosen), plain)).astype(np.int64)
        if not len(chosen):
            return []
        texts = query(self.plan.queries["texts"], self.part.take(chosen))
        marks = self._marks(chosen, texts)
        before = self.staged.take(chosen)
        return [
            SampleRow(
                row=before[ROW][number].as_py(),
                sub=before[SUB][number].as_py(),
                fate="rejected" if self.bad[at] else "skipped" if self.skipped[at] else "clean",
                before=values,
                after=after,
                reads=_reads(self.plan, self.bound, before.column_names),
                marks=tuple(marks[number]),
            )
            for number, (at, values, after) in enumerate(
                zip(chosen.tolist(), _staged_values(before), self._finals(chosen), strict=True)
            )
        ]

    def _chosen(self, wanted: set[Sort]) -> np.ndarray[Any, Any]:
        """For each wanted sort the row that shows most of all, unless one that is chosen already shows it."""
        own = [(sort, rows) for sort, rows in self._sorts() if sort in wanted]
        shows = np.zeros(self.staged.num_rows, np.int32)
        for _, rows in own:
            shows[rows] += 1
        chosen: dict[int, None] = {}
        for _, rows in sorted(own, key=lambda entry: len(entry[1])):
            if not any(row in chosen for row in rows.tolist()[:1000]):
                chosen[int(rows[np.argmax(shows[rows])])] = None
        return np.array(sorted(chosen), np.int64)

    def _sorts(self) -> Iterator[tuple[Sort, np.ndarray[Any, Any]]]:
        """Everything at work here, with its rows."""
        for change, rows in self.changes:
            if change.kind == "rule" and len(rows):
                yield _of_change(change), rows
        for hit in self.hits:
            yield _of_finding(hit.finding), hit.rows

    def _marks(self, chosen: np.ndarray[Any, Any], texts: pa.Table) -> list[list[Mark]]:
        found: list[list[Mark]] = [[] for _ in range(len(chosen))]
        for change, rows in self.changes:
            if change.kind == "rule":
                for number in np.flatnonzero(np.isin(chosen, rows)).tolist():
                    found[number].append(_change_mark(change, texts, number))
        for hit in self.hits:
            for number in np.flatnonzero(np.isin(chosen, hit.rows)).tolist():
                found[number].append(_problem_mark(hit, texts, number))
        return found

    def _finals(self, chosen: np.ndarray[Any, Any]) -> list[dict[str, Any]]:
        import pyarrow as pa

        pairs = zip(self.plan.finals, self.plan.columns, strict=True)
        columns = {name: self.column(final).take(chosen).cast(kind.arrow()) for final, (name, kind) in pairs}
        if not columns:
            return [{} for _ in range(len(chosen))]
        found: list[dict[str, Any]] = pa.table(columns).to_pylist()
        return found


def _of_change(change: Change) -> Sort:
    return Sort(kind=RULE, path=change.path, column=change.column, name=change.rule)


def _of_finding(finding: Finding) -> Sort:
    return Sort(kind=PROBLEM, path=finding.path, column=finding.column, name=finding.name)


def _change_mark(change: Change, texts: pa.Table, number: int) -> Mark:
    sides = (texts[name][number].as_py() for name in (change.before, change.after))
    before, after = (HIDDEN if change.masked and text is not None else _short(text) for text in sides)
    return Mark(sort=_of_change(change), before=before, after=after)


def _problem_mark(hit: Hits, texts: pa.Table, number: int) -> Mark:
    finding = hit.finding
    value = None if finding.value is None else texts[finding.value][number].as_py()
    shown = "nothing" if value is None else f"'{HIDDEN if finding.masked else _short(value)}'"
    message = finding.message.replace("{value}", shown)
    if finding.error is not None:
        message = str(texts[finding.error][number].as_py())
        message = str(hide(message, value)) if finding.masked else message
    return Mark(
        sort=_of_finding(finding),
        before=HIDDEN if finding.masked and value is not None else _short(value),
        code=finding.code,
        message=message,
        severity=str(finding.severity),
    )


def _short(text: str | None) -> str | None:
    return text if text is None or len(text) <= _LONGEST else text[:_LONGEST] + "…"


def _spread(rows: np.ndarray[Any, Any], number: int) -> np.ndarray[Any, Any]:
    """So many of the rows, evenly over all of them."""
    if number <= 0 or not len(rows):
        return rows[:0]
    places = np.unique(np.linspace(0, len(rows) - 1, min(number, len(rows))).astype(np.int64))
    found: np.ndarray[Any, Any] = rows[places]
    return found


def _staged_values(rows: pa.Table) -> list[dict[str, Any]]:
    names = [name for name in rows.column_names if name not in (*PROVENANCE, SUB)]
    found: list[dict[str, Any]] = rows.select(names).to_pylist() if names else [{} for _ in range(rows.num_rows)]
    return found


def _reads(plan: Plan, bound: Bound, names: Sequence[str]) -> dict[str, str]:
    return {entry.column: names[bound.indexes[entry.name]] for entry in plan.inputs if entry.name in bound.indexes}
