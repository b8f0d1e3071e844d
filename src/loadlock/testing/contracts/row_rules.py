"""The contract suite of rules over the row: each fact takes a rule's class and fails by an AssertionError.

The rule is run as a user runs it: in a pipeline, compiled, by the kernel.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from loadlock.cleanup.base import RowExample
from loadlock.cleanup.compile import compile_plan
from loadlock.cleanup.kernel import CleanPart, clean
from loadlock.cleanup.plan import Plan
from loadlock.pipeline.model import Column, Pipeline, RuleUse
from loadlock.registry import options_of
from loadlock.rows import provenance_fields
from loadlock.testing.contracts.rules import UGLY, made

if TYPE_CHECKING:
    import pyarrow as pa

Rows = Sequence[Mapping[str, str | None]]


def plan_of(rule_class: type[Any], example: RowExample) -> Plan:
    """A pipeline with the example's columns and this rule alone, compiled."""
    rule = made(rule_class, example.options)
    written = rule.touches(example.column).writes
    names = dict.fromkeys((*example.before, *written))
    options = {name: value for name, value in vars(rule.options).items() if value is not None}
    pipeline = Pipeline(
        name="contract",
        columns=tuple(Column(name=name) for name in names),
        rules=((example.column, RuleUse(name=rule_class.name, options=options)),),
        lookups=dict(getattr(rule_class, "example_lookups", {})),
    )
    return compile_plan(pipeline, list(example.before), run_time=datetime(2026, 1, 2, tzinfo=UTC))


def raw_part(rows: Rows, names: Sequence[str], first: int = 1) -> pa.Table:
    """Rows as a part of a CSV file; `first` is the number of the first one."""
    import pyarrow as pa

    count = len(rows)
    columns: dict[str, Any] = {name: pa.array([row[name] for row in rows], pa.string()) for name in names}
    for field in provenance_fields():
        values = list(range(first, first + count)) if pa.types.is_int64(field.type) else ["utf-8"] * count
        columns[field.name] = pa.array(values, field.type)
    return pa.table(columns)


def cleaned(plan: Plan, rows: Rows, names: Sequence[str], first: int = 1) -> CleanPart:
    """What the kernel makes of rows."""
    return clean(raw_part(rows, names, first), plan, file_index=0)


def each_way(rule_class: type[Any]) -> Iterator[tuple[RowExample, Plan]]:
    """The examples, each with a plan of its own."""
    for example in rule_class.examples:
        yield example, plan_of(rule_class, example)


def ugly_rows(example: RowExample, values: Sequence[str | None] = UGLY) -> Rows:
    """Rows of values that have broken cleaners before, another in each column, and the example itself."""
    shifted = ([*values[place:], *values[:place]] for place in range(len(example.before)))
    rows = zip(*shifted, strict=True)
    return [*(dict(zip(example.before, row, strict=True)) for row in rows), dict(example.before)]


def is_described(rule_class: type[Any]) -> None:
    """Name, summary, docstring, a doc for each option, an example at least."""
    assert rule_class.name.isidentifier()
    assert rule_class.summary.endswith(".")
    assert rule_class.__doc__
    assert rule_class.examples
    for info in options_of(rule_class):
        assert info.doc, info.name


def keeps_its_examples(rule_class: type[Any]) -> None:
    """Each example gives what it says, or its row is skipped."""
    for example, plan in each_way(rule_class):
        found = cleaned(plan, [example.before], list(example.before))
        assert found.rejects.num_rows == 0, (example, found.rejects["problems"])
        if example.after is None:
            assert found.dropped.num_rows == 1, example
        else:
            (row,) = found.clean.to_pylist()
            assert {name: row[name] for name in example.after} == dict(example.after), example


def never_raises(rule_class: type[Any]) -> None:
    """Every row of any text is clean, a reject or skipped."""
    for example, plan in each_way(rule_class):
        rows = ugly_rows(example)
        found = cleaned(plan, rows, list(example.before))
        assert found.clean.num_rows + found.rejects.num_rows + found.dropped.num_rows == len(rows), example
        assert cleaned(plan, [], list(example.before)).clean.num_rows == 0


def sees_no_other_row(rule_class: type[Any]) -> None:
    """A part cut anywhere, worked on in any order, gives the same rows."""
    for example, plan in each_way(rule_class):
        rows, names = ugly_rows(example), list(example.before)
        whole = cleaned(plan, rows, names)
        pieces = [cleaned(plan, rows[at : at + 7], names, at + 1) for at in reversed(range(0, len(rows), 7))]
        assert sum(piece.digest for piece in pieces) % (1 << 128) == whole.digest, example
        for table in ("clean", "rejects", "dropped"):
            apart = [row for piece in reversed(pieces) for row in getattr(piece, table).to_pylist()]
            assert apart == getattr(whole, table).to_pylist(), (example, table)


def travels(rule_class: type[Any]) -> None:
    """Pickled and back, the plan gives the same: a cluster sends it to other machines."""
    for example, plan in each_way(rule_class):
        rows, names = ugly_rows(example), list(example.before)
        before = cleaned(plan, rows, names).clean
        again = pickle.loads(pickle.dumps(plan))  # noqa: S301  # our own bytes
        assert cleaned(again, rows, names).clean.equals(before), example


FACTS: tuple[Callable[[type[Any]], None], ...] = (
    is_described,
    keeps_its_examples,
    never_raises,
    sees_no_other_row,
    travels,
)
