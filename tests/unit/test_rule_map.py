"""The rule `map`: values by a file or a list."""

from __future__ import annotations

import pickle
from typing import Any

import pyarrow as pa
import pytest

from loadlock.cleanup.base import RuleContext
from loadlock.cleanup.components import make
from loadlock.errors import UsageError
from loadlock.testing.contracts.rules import apply_rule, codes_of
from loadlock.types import TEXT

ROWS = (("name", "code", "region"), ("Germany", "DE", "EU"), ("France", "FR", "EU"), ("Germany", "XX", "?"), ("Chad",))


def context(rows: Any = ROWS) -> RuleContext:
    return RuleContext(column="country", type=TEXT, lookups={"countries.csv": rows})


@pytest.mark.parametrize(
    ("options", "after"),
    [
        ("countries.csv", ["DE", "FR", "Spain", "Chad", "germany", "", None]),
        ({"file": "countries.csv", "value": "region"}, ["EU", "EU", "Spain", "Chad", "germany", "", None]),
        (
            {"file": "countries.csv", "key": "code", "value": "name"},
            ["Germany", "France", "Spain", "Chad", "germany", "", None],
        ),
        ({"file": "countries.csv", "missing": "null"}, ["DE", "FR", None, None, None, None, None]),
        ({"file": "countries.csv", "ignore_case": True}, ["DE", "FR", "Spain", "Chad", "DE", "", None]),
    ],
)
def test_values_are_mapped(options: Any, after: list[str | None]) -> None:
    named = isinstance(options, dict) and options.get("key") == "code"
    before = ["DE" if named else "Germany", "FR" if named else "France", "Spain", "Chad", "germany", "", None]
    assert apply_rule(make("rules", "map", options), before, context()) == after


def test_what_is_not_in_the_map_can_be_a_problem() -> None:
    rule = make("rules", "map", {"file": "countries.csv", "missing": "reject", "ignore_case": True})
    assert codes_of(rule, ["Germany", "FRANCE", "Spain", "", None], context()) == [
        [],
        [],
        ["unmapped"],
        ["unmapped"],
        [],
    ]
    rule = make("rules", "map", {"values": {"O'Neill": "x"}, "missing": "reject"})
    assert codes_of(rule, ["O'Neill", "o'neill"], context()) == [[], ["unmapped"]]
    assert rule.findings("v", context())[0].message == "{value} is not in the map"


def test_the_findings_of_an_empty_map_are_all_values() -> None:
    rule = make("rules", "map", {"file": "countries.csv", "missing": "reject"})
    assert codes_of(rule, ["a", None], context((("a", "b"),))) == [["unmapped"], []]


@pytest.mark.parametrize(
    ("options", "rows", "message", "hint"),
    [
        ("countries.csv", None, "the lookup file countries.csv was not read", "Give the path of a CSV file"),
        ("countries.csv", (), "the lookup file countries.csv is empty", "Give the path of a CSV file"),
        ("countries.csv", (("name;code",),), "has 1 column(s), 2 are needed", "Look at its delimiter"),
        ({"file": "countries.csv", "value": "cod"}, ROWS, "has no column 'cod'", "Did you mean 'code'?"),
        ({"file": "countries.csv", "key": "zzz"}, ROWS, "has no column 'zzz'", "Its columns are name, code, region."),
    ],
)
def test_an_unusable_file_is_said(options: Any, rows: Any, message: str, hint: str) -> None:
    where = context(rows)
    if rows is None:
        where.lookups.clear()
    with pytest.raises(UsageError) as caught:
        make("rules", "map", options).apply(pa.array(["x"]), where)
    assert message in str(caught.value)
    assert (caught.value.hint or "").startswith(hint)


def test_a_large_map_is_read_once_and_does_not_travel() -> None:
    rows = (("old", "new"), *((f"k{number}", f"v{number}") for number in range(50_000)))
    rule, where = make("rules", "map", {"file": "countries.csv", "missing": "reject"}), context(rows)
    assert apply_rule(rule, ["k49999", "k0", "x"], where) == ["v49999", "v0", None]
    assert codes_of(rule, ["k49999", "x", None], where) == [[], ["unmapped"], []]
    assert len(pickle.dumps(rule)) < 1_000
    other = context((("old", "new"), ("k0", "other")))
    assert apply_rule(rule, ["k0", "k1"], other) == ["other", None]
