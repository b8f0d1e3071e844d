"""The steps of a plan over Arrow: queries that add columns, and functions that SQL can't do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from loadlock.cleanup import python_rules
from loadlock.cleanup.base import ArrowRule, JudgingRule, RowArrowRule, RuleContext
from loadlock.cleanup.prepared import query
from loadlock.cleanup.python_rules import PythonFunction
from loadlock.digest import canonical_json

if TYPE_CHECKING:
    import pyarrow as pa


SMALL = 1_000
"""Parts of fewer rows are not searched for repeated texts."""
SAMPLE = 2_048
REPEATS = 0.9
"""Share of different texts in the sample up to which texts are looked up."""


class Step(Protocol):
    """Adds columns to the part; picklable and pure."""

    def run(self, part: pa.Table) -> pa.Table: ...


@dataclass(frozen=True, kw_only=True)
class SqlStep:
    """Columns computed by SQL."""

    sql: str

    def run(self, part: pa.Table) -> pa.Table:
        return append(part, query(self.sql, part))


@dataclass(frozen=True, kw_only=True)
class ArrowStep:
    """A rule over one column."""

    rule: ArrowRule
    context: RuleContext
    before: str
    after: str

    def run(self, part: pa.Table) -> pa.Table:
        import pyarrow as pa

        column = whole(part[self.before])
        coded = column.dictionary_encode() if repeats(column) else None
        given = column if coded is None else coded.dictionary
        values = self.rule.apply(given, self.context).cast(pa.string())
        return part.append_column(self.after, values if coded is None else values.take(coded.indices))


@dataclass(frozen=True, kw_only=True)
class JudgingStep:
    """A rule over one column that also says what is wrong; `others` are columns that it looks at."""

    rule: JudgingRule
    context: RuleContext
    before: str
    others: tuple[str, ...]
    after: str
    error: str

    def run(self, part: pa.Table) -> pa.Table:
        others = [whole(part[name]) for name in self.others]
        values, faults = self.rule.judged(whole(part[self.before]), self.context, others)
        return part.append_column(self.after, values).append_column(self.error, faults)


@dataclass(frozen=True, kw_only=True)
class RowStep:
    """A rule over several columns. `before`, `after`: (real name, internal name)."""

    rule: RowArrowRule
    context: RuleContext
    column: str
    before: tuple[tuple[str, str], ...]
    after: tuple[tuple[str, str], ...]
    error: str

    def run(self, part: pa.Table) -> pa.Table:
        import pyarrow as pa

        given = pa.table({name: whole(part[internal]) for name, internal in self.before})
        made, faults = self.rule.row_apply(given, self.column, self.context)
        for name, internal in self.after:
            part = part.append_column(internal, whole(made[name]).cast(pa.string()))
        return part.append_column(self.error, faults)


@dataclass(frozen=True, kw_only=True)
class PythonStep:
    """A user's function over the values of a column or the column as a whole."""

    function: PythonFunction
    kind: str
    before: str
    after: str
    error: str

    def run(self, part: pa.Table) -> pa.Table:
        call = python_rules.each_value if self.kind == "value" else python_rules.whole_column
        values, errors = call(self.function, whole(part[self.before]))
        return part.append_column(self.after, values).append_column(self.error, errors)


@dataclass(frozen=True, kw_only=True)
class TableStep:
    """A user's function over all columns. `columns`: (real name, internal name before, internal name after)."""

    function: PythonFunction
    columns: tuple[tuple[str, str, str], ...]
    error: str

    def run(self, part: pa.Table) -> pa.Table:
        import pyarrow as pa

        given = pa.table({name: whole(part[before]) for name, before, _ in self.columns})
        result, errors = python_rules.whole_table(self.function, given)
        for name, _, after in self.columns:
            part = part.append_column(after, whole(result[name]).cast(pa.string()))
        return part.append_column(self.error, errors)


@dataclass(frozen=True, kw_only=True)
class JsonStep:
    """Texts that are valid JSON (others become null), and their canonical form for the digest."""

    before: str
    value: str
    canonical: str

    def run(self, part: pa.Table) -> pa.Table:
        import pyarrow as pa

        encoded = whole(part[self.before]).dictionary_encode()
        pairs = [strict_json(text) for text in encoded.dictionary.to_pylist()]
        for name, index in ((self.value, 0), (self.canonical, 1)):
            values = pa.array([pair[index] for pair in pairs], pa.string()).take(encoded.indices)
            part = part.append_column(name, values)
        return part


def strict_json(text: str) -> tuple[str | None, str | None]:
    """(the text, its canonical form) of valid JSON (RFC 8259), else nulls. NaN and Infinity are not valid."""
    import json

    try:
        json.loads(text, parse_constant=_refuse, parse_int=str, parse_float=str)
        return text, canonical_json(text)
    except (ValueError, RecursionError, ArithmeticError):
        return None, None


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no JSON value")


def repeats(column: pa.Array) -> bool:
    """Whether texts seem to come again so often that looking up each different one is worth it."""
    if len(column) < SMALL:
        return False
    sample = column.slice(len(column) // 2, SAMPLE)
    return len(sample.unique()) <= REPEATS * len(sample)


def whole(column: Any) -> pa.Array:
    """A column as one array."""
    import pyarrow as pa

    if not isinstance(column, pa.ChunkedArray):
        return column
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def append(part: pa.Table, more: pa.Table) -> pa.Table:
    """The columns of both tables side by side."""
    for name in more.column_names:
        part = part.append_column(name, more[name])
    return part
