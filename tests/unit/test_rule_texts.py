"""Rules over text: white space, words, dates, replacing."""

from __future__ import annotations

from typing import Any

import pytest

from loadlock.cleanup.base import RuleContext
from loadlock.cleanup.components import make
from loadlock.testing.contracts.rules import apply_rule, codes_of, counts_of
from loadlock.types import TEXT

CONTEXT = RuleContext(column="text", type=TEXT)
SPACES = [chr(code) for code in range(0x3100) if chr(code).isspace()]


def after(name: str, options: Any, value: str | None) -> str | None:
    return apply_rule(make("rules", name, options), [value], CONTEXT)[0]


@pytest.mark.parametrize("space", [*SPACES, "\u200b", "\u2060", "\ufeff"], ids=lambda char: f"U+{ord(char):04X}")
def test_trim_takes_every_white_space_off_the_ends(space: str) -> None:
    assert after("trim", None, f"{space}a{space}b{space}{space}") == f"a{space}b"
    assert after("trim", "left", f"{space}é{space}") == f"é{space}"
    assert after("trim", "right", f"{space}é{space}") == f"{space}é"
    assert after("trim", None, space) == ""


@pytest.mark.parametrize("kept", ["\u200c", "\u200d", "\0", "\u0301", "\u2800"])
def test_trim_keeps_what_has_a_meaning(kept: str) -> None:
    assert after("trim", None, f" {kept}a{kept} ") == f"{kept}a{kept}"


@pytest.mark.parametrize("space", SPACES, ids=lambda char: f"U+{ord(char):04X}")
def test_collapse_spaces_makes_one_space_of_every_run(space: str) -> None:
    assert after("collapse_spaces", None, f"a{space}b {space}c{space}\u200b{space}d") == "a b c d"


def test_collapse_spaces_keeps_what_is_no_white_space() -> None:
    assert after("collapse_spaces", None, "ไทย\u200bไทย") == "ไทย\u200bไทย"
    assert after("collapse_spaces", None, "  a  ") == " a "


def test_trim_of_characters_takes_only_these() -> None:
    assert after("trim", {"characters": "'\""}, "'\" a '") == " a "
    assert after("trim", {"characters": "0", "side": "left"}, "00700") == "700"


@pytest.mark.parametrize("value", ["N/A", "NA", "n/a", "null", "NULL", "none", "-", "--", "", "?"])
def test_the_usual_words_for_nothing_become_null(value: str) -> None:
    assert after("null_if", None, value) is None


@pytest.mark.parametrize("value", ["NAN", " ", "0", "Na", "n/a ", "---", "no"])
def test_other_words_stay(value: str) -> None:
    assert after("null_if", None, value) == value


def test_default_fills_nulls_and_on_request_empty_text() -> None:
    assert [after("default", "it's", value) for value in (None, "", "x")] == ["it's", "", "x"]
    assert [after("default", {"value": "d", "empty": True}, value) for value in (None, "", "x")] == ["d", "d", "x"]


@pytest.mark.parametrize("true", ["true", "TRUE", "True", "tRuE", "t", "yes", "Y", "1", "on", " yes ", "\u00a0YES"])
def test_words_for_yes_are_true(true: str) -> None:
    assert after("boolean", None, true) == "true"


@pytest.mark.parametrize(
    ("value", "read"), [("FALSE", "false"), (" n\t", "false"), ("0", "false"), ("2", "2"), ("", ""), ("y e s", "y e s")]
)
def test_words_for_no_are_false_and_others_stay(value: str, read: str) -> None:
    assert after("boolean", None, value) == read


def test_replace_goes_in_the_order_written() -> None:
    assert after("replace", {"values": {"a": "b", "b": "c"}}, "ab") == "cc"
    assert after("replace", {"old": "'", "new": "''"}, "O'N") == "O''N"
    assert after("replace", {"old": "\0", "new": "0"}, "a\0b") == "a0b"


def test_regex_replaces_by_groups_and_minds_case_as_told() -> None:
    assert after("regex", {"pattern": "(\\d+)-(\\d+)", "replacement": "\\2/\\1"}, "1-2 3-4") == "2/1 4/3"
    assert after("regex", {"pattern": "A", "replacement": "x"}, "aA") == "ax"
    assert after("regex", {"pattern": "A", "replacement": "x", "ignore_case": True, "every": False}, "aA") == "xA"
    assert after("regex", {"pattern": "it's"}, "it's x") == " x"


def date(*formats: str) -> Any:
    return make("rules", "date", list(formats))


def test_dates_are_written_as_iso_with_time_where_the_format_has_one() -> None:
    rule = date("%d.%m.%Y", "%d.%m.%Y %H:%M:%S.%f", "%b %-d, %Y")
    values = ["1.2.2024", "01.02.2024 03:04:05.250000", "Feb 29, 2024", "30.02.2024", "", None, "2024-01-02"]
    expected = ["2024-02-01", "2024-02-01 03:04:05.25", "2024-02-29", "30.02.2024", "", None, "2024-01-02"]
    assert apply_rule(rule, values, CONTEXT) == expected


def test_a_year_of_two_digits_does_not_fit_a_format_of_four() -> None:
    assert apply_rule(date("%d/%m/%Y", "%d/%m/%y"), ["01/02/24"], CONTEXT) == ["2024-02-01"]
    assert codes_of(date("%d/%m/%Y", "%d/%m/%y"), ["01/02/24"], CONTEXT) == [[]]


@pytest.mark.parametrize(
    ("column", "read", "bad"),
    [
        (["01/02/2024", "13/02/2024"], "2024-02-01", False),
        (["01/02/2024", "02/13/2024"], "2024-01-02", False),
        (["01/02/2024", "03/03/2024"], "2024-02-01", True),
        (["01/02/2024", "13/02/2024", "02/13/2024"], "2024-02-01", True),
    ],
)
def test_a_date_that_fits_two_formats_is_decided_by_the_column(column: list[str], read: str, bad: bool) -> None:
    rule = date("%d/%m/%Y", "%m/%d/%Y")
    decision, reason = rule.decide(counts_of(rule, column, CONTEXT), CONTEXT)
    decided = RuleContext(column="text", type=TEXT, decision=decision)
    assert apply_rule(rule, ["01/02/2024"], decided) == [read]
    assert codes_of(rule, ["01/02/2024", "03/03/2024"], decided) == [["ambiguous_date"] if bad else [], []]
    assert reason


def test_one_format_needs_no_survey() -> None:
    assert date("%d/%m/%Y").survey("v", CONTEXT) == {}
    assert date("%d/%m/%Y").findings("v", CONTEXT) == []
