"""What is written in a pipeline becomes a rule or check."""

from __future__ import annotations

import datetime
from typing import Any

import pytest

from loadlock.cleanup.components import make, named_options


@pytest.mark.parametrize(
    ("kind", "name", "written", "expected"),
    [
        ("rules", "trim", None, {"side": "both", "characters": None}),
        ("rules", "trim", {}, {"side": "both", "characters": None}),
        ("rules", "trim", "left", {"side": "left", "characters": None}),
        ("rules", "null_if", "unknown", {"words": ("unknown",), "ignore_case": False}),
        ("rules", "null_if", ["x", 99], {"words": ("x", "99"), "ignore_case": False}),
        ("rules", "null_if", [datetime.date(1900, 1, 1)], {"words": ("1900-01-01",), "ignore_case": False}),
        ("rules", "default", 0, {"value": "0", "empty": False}),
        ("rules", "date", "%d.%m.%Y", {"formats": ("%d.%m.%Y",)}),
        ("rules", "replace", {"values": {"a": 1}}, {"old": None, "new": "", "values": {"a": "1"}}),
        (
            "checks",
            "in",
            "countries.csv",
            {"values": None, "file": "countries.csv", "column": None, "ignore_case": False},
        ),
        ("checks", "in", ["a", 1, 2.5], {"values": ("a", 1, 2.5), "file": None, "column": None, "ignore_case": False}),
        ("checks", "range", {"min": datetime.date(2024, 1, 1)}, {"min": "2024-01-01", "max": None}),
        ("checks", "length", 3, {"min": None, "max": 3}),
    ],
)
def test_options_come_as_written(kind: str, name: str, written: Any, expected: dict[str, Any]) -> None:
    options = make(kind, name, written).options
    assert {option: getattr(options, option) for option in expected} == expected


@pytest.mark.parametrize(
    ("kind", "name", "written", "message"),
    [
        ("rules", "trimm", None, "unknown rule 'trimm' (did you mean 'trim'?); known are "),
        ("checks", "emial", None, "unknown check 'emial' (did you mean 'email'?); known are "),
        (
            "rules",
            "trim",
            {"sied": "left"},
            "trim has no option 'sied' (did you mean 'side'?); its options are side, characters",
        ),
        ("rules", "trim", "middle", "trim: side must be one of both, left, right, not 'middle'"),
        ("rules", "lower", "x", "lower takes no single value; write just lower"),
        ("rules", "lower", {"x": 1}, "lower has no option 'x'; write just lower"),
        ("rules", "default", None, "default needs the option 'value': The value to fill in."),
        ("rules", "default", False, "default: value must be text, not False; write it in quotes"),
        ("rules", "null_if", [1.10], "null_if: words must be text, not 1.1; write it in quotes"),
        ("rules", "null_if", {"ignore_case": "yes"}, "null_if: ignore_case must be true or false, not 'yes'"),
        ("rules", "null_if", [], "null_if: `words` is empty; name at least one word"),
        ("rules", "replace", {}, "replace: give either `old` (and `new`) or `values`"),
        ("rules", "replace", {"values": ["a"]}, "replace: values must be a mapping (`old: new`), not ['a']"),
        ("rules", "replace", "", "replace: the text to look for is empty; "),
        ("rules", "regex", "(", "regex: missing ): ( (patterns are RE2"),
        ("rules", "regex", "(?=a)", "regex: invalid perl operator: (?="),
        ("rules", "regex", {"pattern": "a", "replacement": "\\1"}, "regex: Invalid replacement string"),
        ("rules", "date", "%Q", "date: Failed to parse format specifier %Q"),
        ("rules", "date", "%d %z", "date: the format '%d %z' has a time zone; use the type timestamptz"),
        ("rules", "map", {}, "map: give either `file` or `values`"),
        ("rules", "map", {"values": {"a": "b"}, "key": "c"}, "map: `key` and `value` name columns of a `file`"),
        ("rules", "boolean", {"true": ["No"]}, "boolean: 'no' stands for both true and false"),
        ("rules", "number", {"currencies": ["m2"]}, "number: the currency 'm2' must be a word without digits"),
        ("rules", "number", "comma", "number: decimal must be one of auto, ., ,, not 'comma'"),
        ("checks", "range", None, "range: give `min`, `max` or both"),
        ("checks", "length", {"min": 1.5}, "length: min must be a whole number, not 1.5"),
        ("checks", "length", {"min": 3, "max": 2}, "length: `min` must be 0 or more, and `max` at least `min`"),
        ("checks", "in", [], "in: the list is empty; every value would be wrong"),
        ("checks", "matches", "[", "matches: missing ]: [ (patterns are RE2"),
        ("checks", "sql", "quantity > 0", "sql: the condition does not use `value`; "),
    ],
)
def test_mistakes_are_said_with_a_remedy(kind: str, name: str, written: Any, message: str) -> None:
    with pytest.raises(ValueError, match=r"^.") as caught:
        make(kind, name, written)
    assert str(caught.value).startswith(message)


def test_the_short_form_is_spelled_out() -> None:
    assert named_options("rules", "map", "countries.csv") == {"file": "countries.csv"}
    assert named_options("checks", "in", ["a"]) == {"values": ["a"]}
    assert named_options("rules", "trim", None) == {}
