"""The rule `number`: what it reads, what it leaves, how the column decides."""

from __future__ import annotations

import pytest

from loadlock.cleanup.base import RuleContext
from loadlock.cleanup.components import make
from loadlock.testing.contracts.rules import apply_rule, codes_of, counts_of
from loadlock.types import TEXT


def context(decision: str | None = None) -> RuleContext:
    return RuleContext(column="amount", type=TEXT, decision=decision)


@pytest.mark.parametrize(
    ("written", "plain"),
    [
        ("1234.50", "1234.50"), ("007", "007"), ("-5", "-5"), ("+5", "5"), (" 12 ", "12"), ("\u00a012", "12"), (".5", "0.5"),
        (",5", "0.5"), ("-,5", "-0.5"), ("1,234.50", "1234.50"), ("1.234,50", "1234.50"), ("72,3", "72.3"), ("0,234", "0.234"),
        ("0.234", "0.234"), ("1234,567", "1234.567"), ("1,234,567", "1234567"), ("1.234.567", "1234567"),
        ("1.234.567,8", "1234567.8"),
        ("12,34,567.5", "1234567.5"), ("1 234,5", "1234.5"), ("1\u00a0234.5", "1234.5"), ("1\u202f234 567", "1234567"),
        ("1'234.50", "1234.50"), ("1’234.50", "1234.50"), ("1_000", "1000"), ("$1,234.50", "1234.50"), ("$ -5.00", "-5.00"),
        ("-$5.00", "-5.00"), ("$.50", "0.50"), ("€5", "5"), ("5€", "5"), ("EUR 1.234,50", "1234.50"),
        ("1.234,50 eur", "1234.50"),
        ("US$ 5.00 USD", "5.00"), ("Rs.500.25", "500.25"), ("Rs. 1,23,456.78", "123456.78"), ("kr. 5,50", "5.50"),
        ("12,50 zł", "12.50"),
        ("(1,234.50)", "-1234.50"), ("($5.00)", "-5.00"), ("$(5.00)", "-5.00"), ("(12,5) EUR", "-12.5"), ("5.50-", "-5.50"),
        ("\u22125,5", "-5.5"), ("–5", "-5"), ("0,00", "0.00"), ("9" * 60 + ",5", "9" * 60 + ".5"),
    ],
)  # fmt: skip
def test_the_value_alone_decides(written: str, plain: str) -> None:
    for decision in (None, ".", ","):
        if plain == written and decision == ",":
            continue
        assert apply_rule(make("rules", "number"), [written], context(decision)) == [plain]
    assert codes_of(make("rules", "number"), [written], context()) == [[]]


@pytest.mark.parametrize(
    "written",
    [
        "", "abc", "5 apples", "1,23,4", "1,2,3", "1.2.3", "12,345,6", "1,234.567,8", "--5", "-5-", "-(5)", "(5", "5)",
        "((5))", "1e5", "nan",
        "inf", "12 %", "1 23", "1 2345", "12 345 67", "1,234 567", "ALL 5", "TOP 10", "m2 5", "5 m2", "1-2", "+-5", "$",
        "-", ".", ",", "5..", "١٢٣", "½",
    ],
)  # fmt: skip
def test_what_is_no_number_is_left_for_the_type_to_report(written: str) -> None:
    for options in (None, {"decimal": "."}, {"decimal": ","}):
        assert apply_rule(make("rules", "number", options), [written], context()) == [written]


@pytest.mark.parametrize("written", ["1,234", "1.234", "-1,234", "$ 1.999", "12,345 EUR", "(1.234)"])
def test_one_mark_before_three_digits_needs_the_column(written: str) -> None:
    rule = make("rules", "number")
    assert codes_of(rule, [written], context()) == [["ambiguous_number"]]
    assert apply_rule(rule, [written], context()) == [written]
    read = [apply_rule(rule, [written], context(decision))[0] for decision in ".,"]
    assert sorted(abs(float(text or "")) > 900 for text in read) == [False, True]
    assert [codes_of(rule, [written], context(decision)) for decision in ".,"] == [[[]], [[]]]


@pytest.mark.parametrize(
    ("column", "decision", "reason"),
    [
        (["1,234", "12.50", "7"], ".", "1 values have a decimal point, none a decimal comma"),
        (["1,234", "1,234,567"], ".", "1 values have a decimal point, none a decimal comma"),
        (["1.234", "72,3", "€ 1 234,5"], ",", "2 values have a decimal comma, none a decimal point"),
        (["1,234", "5", "abc 1.5 def"], None, "no value shows which mark is the decimal mark"),
        (["12.50", "12,50"], None, "1 values have a decimal point and 1 a decimal comma: the column doesn't decide"),
    ],
)
def test_the_column_decides_only_where_its_values_agree(column: list[str], decision: str | None, reason: str) -> None:
    rule = make("rules", "number")
    assert rule.decide(counts_of(rule, column, context()), context()) == (decision, reason)


def test_a_declared_mark_is_not_surveyed_and_never_ambiguous() -> None:
    for mark, plain in ((".", "1234"), (",", "1.234")):
        rule = make("rules", "number", mark)
        assert rule.survey("v", context()) == {}
        assert apply_rule(rule, ["1,234"], context()) == [plain]
        assert codes_of(rule, ["1,234", "1.234"], context()) == [[], []]


@pytest.mark.parametrize("written", ["12.50", "0.234", ".5", "-1234.5", " 1.2 "])
def test_a_plain_number_with_a_point_is_no_number_where_the_comma_is_declared(written: str) -> None:
    rule = make("rules", "number", ",")
    assert codes_of(rule, [written], context()) == [["not_decimal"]]
    assert codes_of(rule, ["12", "1.234", "1.234,5", "x.5"], context()) == [[], [], [], []]


@pytest.mark.parametrize(
    ("written", "stripped", "divided"),
    [
        ("12%", "12", "0.12"), ("12.5 %", "12.5", "0.125"), ("-5 %", "-5", "-0.05"), ("(12%)", "-12", "-0.12"),
        ("0.5%", "0.5", "0.005"),
        ("1,234.5%", "1234.5", "12.345"), ("100%", "100", "1.00"), ("1.234,5 %", "1234.5", "12.345"), ("12", "12", "12"),
        ("% 12", "% 12", "% 12"),
    ],
)  # fmt: skip
def test_percent_is_read_as_the_option_says(written: str, stripped: str, divided: str) -> None:
    assert apply_rule(make("rules", "number", {"percent": "strip"}), [written], context()) == [stripped]
    assert apply_rule(make("rules", "number", {"percent": "divide"}), [written], context()) == [divided]


def test_own_units_are_read_like_currencies() -> None:
    rule = make("rules", "number", {"currencies": ["pcs", "St."]})
    assert apply_rule(rule, ["1,5 pcs", "pcs 3", "St.12", "3 boxes"], context()) == ["1.5", "3", "12", "3 boxes"]
