"""The contract suite of rules: each fact is a function that takes a rule's class and fails by an AssertionError.

@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.__name__)
def test_mine(fact):
    fact(MyRule)
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from loadlock.cleanup.base import ArrowRule, ColumnSource, Example, FindingRule, RuleContext, SqlRule, Surveyed
from loadlock.cleanup.components import named_options, typed_options
from loadlock.registry import options_of
from loadlock.types import TEXT, ColumnType

UGLY: tuple[str | None, ...] = (
    None, "", " ", "\t\r\n", "\u00a0", "\u200b\ufeff", "\0", "a\0b", "plain", " padded ", "a  b", "a\u00a0 \u2003b", "N/A",
    "-", "--", "?", "O'Neill", '"', "\\", "\\1", "%s {} {value} $1", "'; drop table x; --", "İıßŉΣς", "e\u0301", "😀 👩‍👩‍👧",
    "\ufffd", "\x80\x9f", "MÃ¼ller", "ÃƒÂ©", "â€™", "Ã", "voilÃ ", "1", "-1", "+1", "1.", ".5", ",5", "1,234", "1.234",
    "1,234.50", "1.234,50", "1,23,456.7", "1'234.5", "1 234,5", "1\u202f234", "(1,234.50)", "12-", "\u221212", "$ -5.00",
    "-$5", "EUR 1.234,50", "5 %", "1e5", "1e999", "nan", "inf", "1_000", "0x1F", "--5", "(5", "5)", "1,2,3", "1.2.3",
    "9" * 400, "0" * 50 + "1", "١٢٣", "½", "true", "Yes", " NO ", "0", "2024-02-30", "01/02/2024", "1/1/1", "99/99/9999",
    "2024-01-01T10:00:00Z", "ann@example.com", "a@b", "@", "a" * 9_000, "[1]", "{}", "null",
)  # fmt: skip
"""Texts that have broken cleaners before."""
MORE_THAN_A_VECTOR = 2_200
"""DuckDB works on 2,048 values at a time."""


def context_for(rule_class: type[Any]) -> RuleContext:
    """A context as the kernel gives it: the type that a class names in `example_type`, else text; its `example_lookups`; and
    its `example_columns` (name → SQL of a text)."""
    others = getattr(rule_class, "example_columns", {})
    return RuleContext(
        column="column",
        type=ColumnType.parse(getattr(rule_class, "example_type", str(TEXT))),
        lookups=dict(getattr(rule_class, "example_lookups", {})),
        columns={name: ColumnSource(sql=sql, type=TEXT) for name, sql in others.items()},
    )


def made(rule_class: type[Any], written: Any, kind: str = "rules") -> Any:
    """An instance with the options as written in a pipeline; the class need not be registered."""
    options = written
    if written is not None and not isinstance(written, dict):
        attribute = "shorthand_list" if isinstance(written, list | tuple) else "shorthand"
        options = {getattr(rule_class, attribute, None) or rule_class.shorthand: written}
    options = typed_options(rule_class, rule_class.name, named_options(kind, rule_class.name, options))
    return rule_class(rule_class.Options(**options))


@lru_cache(maxsize=1)
def _connection() -> Any:
    import duckdb

    return duckdb.connect()


def query(select: str, values: Sequence[str | None], relation: str = "part") -> list[tuple[Any, ...]]:
    """Rows of `select ... from relation`, where `part` holds the values as `v0`."""
    import pyarrow as pa

    connection = _connection()
    connection.register("part", pa.table({"v0": pa.array(list(values), pa.string())}))
    try:
        rows: list[tuple[Any, ...]] = connection.execute(f"select {select} from {relation}").fetchall()
        return rows
    finally:
        connection.unregister("part")


def apply_rule(rule: Any, values: Sequence[str | None], context: RuleContext) -> list[str | None]:
    """The values after the rule, by SQL or Arrow, as the kernel applies it."""
    import pyarrow as pa

    if not isinstance(rule, ArrowRule):
        return [row[0] for row in query(f"({rule.sql('v0', context)})::varchar", values)]
    after = rule.apply(pa.array(list(values), pa.string()), context)
    assert after.type == pa.string()
    assert len(after) == len(values)
    return list(after.to_pylist())


def codes_of(rule: Any, values: Sequence[str | None], context: RuleContext) -> list[list[str]]:
    """For each value the codes of the rule's findings."""
    findings = rule.findings("v0", context) if isinstance(rule, FindingRule) else []
    found = query(", ".join(f"coalesce({finding.sql}, false)" for finding in findings) or "false", values)
    return [[finding.code for finding, bad in zip(findings, row, strict=False) if bad] for row in found]


def counts_of(rule: Any, values: Sequence[str | None], context: RuleContext) -> dict[str, int]:
    """What the survey counts over the values."""
    asked = rule.survey("v0", context)
    found = query(", ".join(f"count(*) filter ({sql})" for sql in asked.values()) or "0", values)
    return dict(zip(asked, found[0], strict=False))


def each_way(rule_class: type[Any]) -> Iterator[tuple[Example, Any]]:
    """The examples, each with an instance of the rule."""
    for example in rule_class.examples:
        yield example, made(rule_class, example.options)


def is_described(rule_class: type[Any]) -> None:
    """Name, summary, docstring, a doc for each option, an example at least."""
    assert rule_class.name.isidentifier()
    assert rule_class.summary.endswith(".")
    assert rule_class.__doc__
    assert rule_class.examples
    for info in options_of(rule_class):
        assert info.doc, info.name


def is_sql_or_arrow(rule_class: type[Any]) -> None:
    """One of the two forms, never both: the kernel must know which to use."""
    for _, rule in each_way(rule_class):
        assert isinstance(rule, SqlRule) != isinstance(rule, ArrowRule)


def keeps_its_examples(rule_class: type[Any]) -> None:
    """Each example gives what it says."""
    for example, rule in each_way(rule_class):
        assert apply_rule(rule, [example.before], context_for(rule_class)) == [example.after], example


def leaves_null_alone(rule_class: type[Any]) -> None:
    """Null stays null, unless the class says `fills_nulls = True`."""
    for example, rule in each_way(rule_class):
        filled = apply_rule(rule, [None], context_for(rule_class))[0] is not None
        assert filled == getattr(rule_class, "fills_nulls", False), example


def never_raises(rule_class: type[Any]) -> None:
    """Any text, none at all, and more than DuckDB's vector at once."""
    context = context_for(rule_class)
    for example, rule in each_way(rule_class):
        for values in (UGLY, (), UGLY * (MORE_THAN_A_VECTOR // len(UGLY))):
            after = apply_rule(rule, values, context)
            assert len(after) == len(values), example
        assert len(codes_of(rule, UGLY, context)) == len(UGLY)


def twice_is_once(rule_class: type[Any]) -> None:
    """A second pass changes nothing, unless the class says `idempotent = False`."""
    if not getattr(rule_class, "idempotent", True):
        return
    context = context_for(rule_class)
    for example, rule in each_way(rule_class):
        once = apply_rule(rule, UGLY, context)
        assert apply_rule(rule, once, context) == once, example


def judges_each_value_alone(rule_class: type[Any]) -> None:
    """The result of a value does not depend on its neighbours: parts may be cut anywhere."""
    context = context_for(rule_class)
    for example, rule in each_way(rule_class):
        one_by_one = [apply_rule(rule, [value], context)[0] for value in UGLY[::11]]
        assert apply_rule(rule, UGLY[::11], context) == one_by_one, example


def travels(rule_class: type[Any]) -> None:
    """Pickled and back, before and after use, it gives the same: a cluster sends rules to other machines."""
    context = context_for(rule_class)
    for example, rule in each_way(rule_class):
        before = apply_rule(rule, UGLY, context)
        again = pickle.loads(pickle.dumps(rule))  # noqa: S301  # our own bytes
        assert apply_rule(again, UGLY, context) == before, example


def decides_by_counts(rule_class: type[Any]) -> None:
    """A surveyed rule counts and decides on any column, with a reason; the decision is picklable."""
    context = context_for(rule_class)
    for _, rule in each_way(rule_class):
        if isinstance(rule, Surveyed) and rule.survey("v0", context):
            for values in (UGLY, ()):
                decision, reason = rule.decide(counts_of(rule, values, context), context)
                assert reason
                assert pickle.loads(pickle.dumps(decision)) == decision  # noqa: S301  # our own bytes


FACTS: tuple[Callable[[type[Any]], None], ...] = (
    is_described,
    is_sql_or_arrow,
    keeps_its_examples,
    leaves_null_alone,
    never_raises,
    twice_is_once,
    judges_each_value_alone,
    travels,
    decides_by_counts,
)
