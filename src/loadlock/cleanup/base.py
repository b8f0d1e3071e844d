"""The contracts of rules and checks.

A rule changes one column's values; it is an SQL expression (DuckDB) over the value, or, where SQL can't do it, a
function over an Arrow array. A check judges and changes nothing. Both are classes with a frozen dataclass `Options`,
one file each; the instance is made from the options and must be picklable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

from loadlock.types import ColumnType

if TYPE_CHECKING:
    import pyarrow as pa


def option(doc: str, *, default: Any = ..., default_factory: Any = None) -> Any:
    """A documented field of an `Options` dataclass."""
    if default_factory is not None:
        return field(default_factory=default_factory, metadata={"doc": doc})
    if default is ...:
        return field(metadata={"doc": doc})
    return field(default=default, metadata={"doc": doc})


@dataclass(frozen=True, kw_only=True)
class Example:
    """One example of a rule or check, shown in the docs and run as a test. `options` as written in a pipeline."""

    options: Any
    before: str | None
    after: str | None = None
    """For rules: the value after. For checks: unused."""
    passes: bool | None = None
    """For checks: whether the value passes."""


@dataclass(frozen=True, kw_only=True)
class RowExample:
    """One example of a rule over the row: values of columns before it and after it (`None`: the row is skipped)."""

    options: Any
    before: Mapping[str, str | None]
    after: Mapping[str, str | None] | None
    column: str = ""
    """What is written beside the rule as `column:`."""


@dataclass(frozen=True, kw_only=True)
class Touched:
    """The columns that a rule over the row reads and those that it writes."""

    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class ColumnSource:
    """Another column of the row as checks see it: an SQL expression of its value, and its type."""

    sql: str
    type: ColumnType


@dataclass(frozen=True, kw_only=True)
class RuleContext:
    """What a rule or check may know of its place. Lookups come read: path as written → rows of the file."""

    column: str
    type: ColumnType
    base_folder: str = "."
    lookups: dict[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    """Lookup files by the path written in the pipeline: rows of text, the header first."""
    decision: Any = None
    """What the survey decided for this rule in this column (see `Surveyed`), or None."""
    columns: Mapping[str, ColumnSource] = field(default_factory=dict)
    """For checks: the columns of the row by name."""


@runtime_checkable
class SqlRule(Protocol):
    """A rule as SQL. `value` is an SQL expression of type varchar (never null-safe by itself); the result is varchar.

    A null stays null unless the rule says otherwise. The expression must not raise on any text.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    examples: ClassVar[tuple[Example, ...]]

    def sql(self, value: str, context: RuleContext) -> str:
        """The value after the rule, as an SQL expression. `value` may be repeated: it is a plain column reference."""
        ...


@runtime_checkable
class ArrowRule(Protocol):
    """A rule as a function over an Arrow string array, each value by itself; nulls stay null. Must not raise on any text.

    Where a column's values repeat, it is given each different one once.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    examples: ClassVar[tuple[Example, ...]]

    def apply(self, values: pa.Array, context: RuleContext) -> pa.Array:
        """The values after the rule: same length, type string. Called with parts of any size, in any order."""
        ...


@runtime_checkable
class JudgingRule(Protocol):
    """An `ArrowRule` that can also find a value bad, and may look at other columns of the row."""

    code: ClassVar[str]
    """The problem code of what it finds."""

    def beside(self) -> tuple[str, ...]:
        """Names of other columns whose values (as text) it needs; under `rules:` as they are by then, else as staged."""
        ...

    def judged(
        self, values: pa.Array, context: RuleContext, others: Sequence[pa.Array] = ()
    ) -> tuple[pa.Array, pa.Array]:
        """The values after the rule, and for each what is wrong with it (for people) or null."""
        ...


@runtime_checkable
class RowRule(Protocol):
    """A rule that reads or writes several columns of the row. Stands under `rules:` of the pipeline.

    It sees the columns as text (typed values in their ISO form) and gives text, which is read by each column's type.
    """

    name: ClassVar[str]
    summary: ClassVar[str]
    examples: ClassVar[tuple[RowExample, ...]]

    def touches(self, column: str) -> Touched:
        """What it reads and writes. `column` is the one written beside the rule, "" where there is none."""
        ...


@runtime_checkable
class RowSqlRule(Protocol):
    """A `RowRule` as SQL."""

    def row_sql(self, values: Mapping[str, str], column: str, context: RuleContext) -> dict[str, str]:
        """Column written → its text as SQL (varchar). `values`: column read → a plain reference to its text."""
        ...

    def row_findings(self, values: Mapping[str, str], column: str, context: RuleContext) -> list[Finding]:
        """What makes the row bad, over the same values. `{value}` is that of the first column read."""
        ...


@runtime_checkable
class RowArrowRule(Protocol):
    """A `RowRule` as a function over Arrow."""

    code: ClassVar[str]
    """The problem code of what it finds."""

    def row_apply(self, values: pa.Table, column: str, context: RuleContext) -> tuple[pa.Table, pa.Array]:
        """The columns written (text), and for each row what is wrong (for people) or null."""
        ...


@runtime_checkable
class ColumnsRule(Protocol):
    """A rule under `rules:` that says which columns are delivered; the others can still be read by rules and checks."""

    def kept(self, names: Sequence[str]) -> list[str]:
        """Those of the columns that stay."""
        ...


@dataclass(frozen=True, kw_only=True)
class Winner:
    """Which of several rows with equal values in `by` stays (empty: equal in all columns)."""

    by: tuple[str, ...]
    keep: str
    """`first`, `last`: by file and row; `least`, `greatest`: by `order`, then the first of them."""
    order: str | None = None
    why: str = ""
    """For people: said of each row that does not stay."""


@runtime_checkable
class WinnerRule(Protocol):
    """A rule under `rules:` that keeps one of several equal rows of the batch; the others are superseded."""

    def winner(self) -> Winner:
        """What is kept."""
        ...


@runtime_checkable
class ShapeRule(Protocol):
    """An `SqlRule` that may tell no digit from another, but for whether the first digit of the value is 0.

    Then its SQL (value, findings and survey) is run once for each shape of value (`9,999.99`) instead of for each
    value. All digits must come out in their order, and no other character may become a 9.
    """

    def by_shape(self) -> bool:
        """Whether that holds with the options of this rule."""
        ...


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One way in which a rule or check can find a value bad, as SQL over a row."""

    code: str
    """A problem code of `loadlock.problems.CATALOGUE` (or the plug-in's own)."""
    sql: str
    """Boolean SQL expression: true = bad. Null counts as fine."""
    message: str
    """For people; `{value}` is replaced by the value."""


@runtime_checkable
class FindingRule(Protocol):
    """An `SqlRule` that can also find a value bad (a map without the value, an ambiguous number)."""

    def findings(self, value: str, context: RuleContext) -> list[Finding]:
        """Conditions over the value *before* the rule."""
        ...


@runtime_checkable
class Surveyed(Protocol):
    """A rule (or type) whose meaning depends on the whole column: date order, decimal mark.

    The survey counts over all rows before the kernel runs; `decide` gets the sums and returns a picklable decision
    that the kernel hands back in `RuleContext.decision`. Decisions are recorded and shown.
    """

    def survey(self, value: str, context: RuleContext) -> dict[str, str]:
        """Name → boolean SQL expression to count over all rows. Empty: nothing to decide."""
        ...

    def decide(self, counts: dict[str, int], context: RuleContext) -> tuple[Any, str]:
        """The decision and, for people, its reason."""
        ...


@runtime_checkable
class Check(Protocol):
    """Judges one column. `value` is the typed value; `text` the value as text before the type was applied."""

    name: ClassVar[str]
    summary: ClassVar[str]
    examples: ClassVar[tuple[Example, ...]]

    def findings(self, value: str, text: str, context: RuleContext) -> list[Finding]:
        """What makes a value bad. Nulls are fine for every check but `required`."""
        ...
