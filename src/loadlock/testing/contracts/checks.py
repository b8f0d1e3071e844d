"""The contract suite of checks: each fact is a function that takes a check's class and fails by an AssertionError."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from loadlock.cleanup.base import Check, Example, RuleContext
from loadlock.problems import CATALOGUE
from loadlock.registry import options_of
from loadlock.testing.contracts.rules import UGLY, context_for, made, query


def bad_codes(check: Any, values: Sequence[str | None], context: RuleContext) -> list[list[str]]:
    """For each value (a text, cast to the context's type; what doesn't fit is null) the codes of what is wrong with it."""
    findings = check.findings("v0", "x0", context)
    tests = ", ".join(f"coalesce({finding.sql}, false)" for finding in findings) or "false"
    relation = f"(select v0 as x0, try_cast(v0 as {context.type.duckdb}) as v0 from part)"
    found = query(tests, values, relation)
    return [[finding.code for finding, bad in zip(findings, row, strict=False) if bad] for row in found]


def each_way(check_class: type[Any]) -> Iterator[tuple[Example, Any]]:
    """The examples, each with an instance of the check."""
    for example in check_class.examples:
        yield example, made(check_class, example.options, "checks")


def is_described(check_class: type[Any]) -> None:
    """Name, summary, docstring, a doc for each option, an example at least."""
    assert check_class.name.isidentifier()
    assert check_class.summary.endswith(".")
    assert check_class.__doc__
    assert check_class.examples
    for info in options_of(check_class):
        assert info.doc, info.name


def is_a_check(check_class: type[Any]) -> None:
    """It has what the protocol asks for."""
    for _, check in each_way(check_class):
        assert isinstance(check, Check)


def keeps_its_examples(check_class: type[Any]) -> None:
    """Each example passes or not, as it says."""
    for example, check in each_way(check_class):
        codes = bad_codes(check, [example.before], context_for(check_class))[0]
        assert (not codes) == example.passes, (example, codes)


def takes_null_as_fine(check_class: type[Any]) -> None:
    """Null is judged by `required` alone."""
    for example, check in each_way(check_class):
        codes = bad_codes(check, [None], context_for(check_class))[0]
        assert bool(codes) == (check_class.name == "required"), example


def never_raises(check_class: type[Any]) -> None:
    """Any text, and none at all."""
    for _, check in each_way(check_class):
        assert len(bad_codes(check, UGLY, context_for(check_class))) == len(UGLY)
        assert bad_codes(check, (), context_for(check_class)) == []


def speaks(check_class: type[Any]) -> None:
    """A finding has a code of the catalogue (a plug-in: its own, an identifier) and a message for people."""
    built_in = check_class.__module__.startswith("loadlock.cleanup.checks.")
    for _, check in each_way(check_class):
        for finding in check.findings("v0", "x0", context_for(check_class)):
            assert finding.code.isidentifier()
            assert finding.code in CATALOGUE or not built_in
            assert finding.message


def travels(check_class: type[Any]) -> None:
    """Pickled and back it judges alike: a cluster sends checks to other machines."""
    context = context_for(check_class)
    for _, check in each_way(check_class):
        again = pickle.loads(pickle.dumps(check))  # noqa: S301  # our own bytes
        assert bad_codes(again, UGLY, context) == bad_codes(check, UGLY, context)


FACTS: tuple[Callable[[type[Any]], None], ...] = (
    is_described,
    is_a_check,
    keeps_its_examples,
    takes_null_as_fine,
    never_raises,
    speaks,
    travels,
)
