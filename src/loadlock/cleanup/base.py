"""The contracts of rules and checks.

A rule changes one column's values; it is an SQL expression (DuckDB) over the value, or, where SQL can't do it, a
function over an Arrow array. A check judges and changes nothing. Both are classes with a frozen dataclass `Options`,
one file each; the instance is made from the options and must be picklable.
"""

from __future__ import annotations

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
class RuleContext:
    """What a rule or check may know of its place. Lookups come read: path as written → rows of the file."""

    column: str
    type: ColumnType
    base_folder: str = "."
    lookups: dict[str, tuple[tuple[str, ...], ...]] = field(default_factory=dict)
    """Lookup files by the path written in the pipeline: rows of text, the header first."""
    decision: Any = None
    """What the survey decided for this rule in this column (see `Surveyed`), or None."""


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
    """A rule as a function over an Arrow string array; nulls stay null. Must not raise on any text."""

    name: ClassVar[str]
    summary: ClassVar[str]
    examples: ClassVar[tuple[Example, ...]]

    def apply(self, values: pa.Array, context: RuleContext) -> pa.Array:
        """The values after the rule: same length, type string. Called with parts of any size, in any order."""
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
