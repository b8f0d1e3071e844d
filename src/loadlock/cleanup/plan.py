"""The compiled plan: everything the kernel needs to clean a part, frozen and picklable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from loadlock.model import Severity
from loadlock.pipeline.model import Flatten, Pipeline
from loadlock.rows import PROVENANCE
from loadlock.types import ColumnType

if TYPE_CHECKING:
    from loadlock.cleanup.filling import Fill
    from loadlock.cleanup.steps import Step


@dataclass(frozen=True, kw_only=True)
class Input:
    """A column of the staged rows that the plan reads, under the internal name `name`."""

    name: str
    column: str
    """The declared column (or the source's own name) it stands for, for people."""
    candidates: tuple[str, ...]
    """Names to look for, in order."""
    tolerant: bool
    """Whether a name may differ in case, white space and punctuation."""
    optional: bool
    """Whether no file needs to have it (rules fill it)."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One way in which a row can be found bad. `condition` is SQL; null counts as fine."""

    path: str
    """Of the rule, check or column in the pipeline."""
    source: str
    """`rule`, `type` or `check`."""
    name: str
    """Of the rule or check; `type`, `required`, `key`."""
    column: str | None
    code: str
    message: str
    condition: str
    severity: Severity = Severity.REJECT
    value: str | None = None
    """Internal column with the value to show."""
    error: str | None = None
    """Internal column with the message, where the condition has none."""
    unless: tuple[int, ...] = ()
    """Earlier findings (by their place in the plan) that have said it already: then this one is silent."""
    masked: bool = False
    """Whether messages must not show the value: the column holds personal data."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """A rule (or the type's trimming) whose changes are counted, with the internal columns before and after it."""

    path: str
    kind: str
    """`rule`, `trimmed` or `emptied`."""
    column: str
    rule: str
    before: str
    after: str
    condition: str
    input: str
    """Internal name of the staged column."""
    masked: bool = False
    shown: int = 0
    """Different changes to show, where the rule wants more of them shown than usual."""


@dataclass(frozen=True, kw_only=True)
class PythonCheck:
    """A check written in Python; it judges the final values."""

    function: Any
    kind: str
    finding: Finding


@dataclass(frozen=True, kw_only=True)
class SurveyItem:
    """One question about a column that only all its values can answer. `counts`: name → boolean SQL to count."""

    key: str
    column: str
    counts: tuple[tuple[str, str], ...]
    rule: Any = None
    """The `Surveyed` rule and its context, or None for date formats."""
    context: Any = None
    formats: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class BatchCheck:
    """A question about all clean rows, answered by one boolean."""

    path: str
    sql: str
    severity: Severity
    message: str


@dataclass(frozen=True, kw_only=True)
class UniqueCheck:
    """Columns that must be unique together over the batch."""

    columns: tuple[str, ...]
    severity: Severity
    message: str | None
    path: str
    when: str | None = None
    """SQL condition over the clean rows: only those for which it is true are judged."""


@dataclass(frozen=True, kw_only=True)
class DriftCheck:
    """How much the batch may differ from the one delivered before: percent of rows, points of each column's missing values."""

    rows: float | None
    missing: float | None
    columns: tuple[str, ...]
    severity: Severity
    message: str | None
    path: str
    values: float | None = None
    """Points by which the values of a column may have moved to others."""


@dataclass(frozen=True, kw_only=True)
class TargetCheck:
    """Columns that are looked up in a table of the destination's database."""

    columns: tuple[str, ...]
    severity: Severity
    message: str | None
    path: str
    when: str | None = None
    """As `UniqueCheck.when`."""
    table: str | None = None
    """The rows' values must stand in this table; None: they must not stand in the target."""
    names: tuple[str, ...] = ()
    """The table's columns, where they have other names."""


@dataclass(frozen=True, kw_only=True)
class WinnerRule:
    """Columns in which rows of the batch may not be equal: one of them is kept, the others are superseded."""

    columns: tuple[str, ...]
    keep: str
    """`first`, `last`; `least` and `greatest` by `order`, then the first."""
    order: str | None
    nulls_equal: bool
    message: str
    path: str


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A pipeline compiled for the columns at hand. Made by `compile_plan`."""

    pipeline: Pipeline
    names: tuple[str, ...] | None
    run_time: datetime
    decisions: Mapping[str, Any]
    columns: tuple[tuple[str, ColumnType], ...]
    """The clean columns in declared order."""
    inputs: tuple[Input, ...]
    fills: tuple[Fill, ...]
    """Columns whose gaps are filled from above, before all else."""
    steps: tuple[Step, ...]
    """What comes before the queries: functions over Arrow, and the SQL they need."""
    finals: tuple[str, ...]
    """Internal names of the clean columns' values."""
    digest_values: tuple[str, ...]
    """Internal names of what the digest sees: canonical text for JSON, else the value."""
    findings: tuple[Finding, ...]
    changes: tuple[Change, ...]
    skips: tuple[tuple[str, str], ...]
    """(reason, SQL condition under which the row is kept)."""
    python_checks: tuple[PythonCheck, ...]
    survey_items: tuple[SurveyItem, ...]
    survey_steps: tuple[Step, ...]
    batch_checks: tuple[BatchCheck, ...]
    drifts: tuple[DriftCheck, ...]
    uniques: tuple[UniqueCheck, ...]
    keys: tuple[tuple[str, ...], ...]
    """The keys of destinations that need them unique, each once."""
    winners: tuple[WinnerRule, ...]
    """Rules that keep one of several equal rows."""
    required: frozenset[str]
    """Columns that are never null in clean rows."""
    keep_unique: str
    keep_duplicates: str
    found_in: tuple[tuple[str, int], ...] = ()
    """For each finding where it is marked: the packed column and the bit."""
    target_checks: tuple[TargetCheck, ...] = ()
    """What is looked up in the destinations before anything is delivered."""
    changed_in: tuple[tuple[str, int], ...] = ()
    """The same for each change."""
    queries: Mapping[str, str] = field(default_factory=dict)
    """Queries over the part as the steps leave it: `main`, `texts`; over the survey's steps: `survey`."""

    @property
    def flatten(self) -> Flatten:
        return self.pipeline.source.flatten

    @property
    def sources(self) -> tuple[str, ...]:
        """Every name that is looked for in the files."""
        return tuple(dict.fromkeys(name for entry in self.inputs for name in entry.candidates))

    @property
    def wanted(self) -> list[str] | None:
        """The columns to flatten from JSON records (keys are matched exactly); None = all."""
        if self.pipeline.columns is None:
            return None
        return [name for name in self.sources if name not in PROVENANCE]

    @property
    def needs_survey(self) -> bool:
        """Whether something is left to decide by what the whole column shows."""
        return bool(self.open_items or self.open_fills)

    @property
    def open_fills(self) -> list[Fill]:
        """Columns to fill of which it is not yet known what stands above their gaps."""
        return [fill for fill in self.fills if fill.key not in self.decisions]

    @property
    def open_items(self) -> list[SurveyItem]:
        """What is not yet decided."""
        return [item for item in self.survey_items if item.key not in self.decisions]

    @property
    def needs_batch(self) -> bool:
        """Whether something can only be judged over all clean rows."""
        return bool(self.uniques or self.keys or self.batch_checks or self.winners)

    def missing_sources(self, headers: Sequence[Sequence[str]]) -> list[str]:
        """Declared columns that none of the files (by their column names) has."""
        from loadlock.cleanup.binding import bind

        found = {name for header in headers for name in bind(self.inputs, header).indexes}
        return [entry.column for entry in self.inputs if entry.name not in found and not entry.optional]

    def unnamed(self, headers: Sequence[Sequence[str]]) -> list[str]:
        """Columns of the files that the pipeline doesn't name."""
        from loadlock.cleanup.binding import drift

        return list(dict.fromkeys(name for header in headers for name in drift(header, self)))
