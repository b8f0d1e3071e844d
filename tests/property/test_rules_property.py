"""Properties of rules and checks over any text."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadlock.cleanup.base import RuleContext
from loadlock.cleanup.components import make
from loadlock.registry import components
from loadlock.testing.contracts.checks import bad_codes
from loadlock.testing.contracts.rules import apply_rule, codes_of, context_for
from loadlock.types import TEXT

CONTEXT = RuleContext(column="column", type=TEXT)
OPTIONS: dict[str, Any] = {
    "drift": {"rows": 50},
    "default": "d",
    "replace": {"old": "a", "new": ""},
    "regex": {"pattern": "[0-9]+", "replacement": "#"},
    "map": {"values": {"a": "A", "": "empty"}, "missing": "null"},
    "date": ["%d/%m/%Y", "%m/%d/%Y", "%Y-%m-%d %H:%M:%S"],
    "in": ["a", "b"],
    "range": {"min": 1, "max": 9},
    "length": {"min": 1, "max": 3},
    "matches": "[a-z]+",
    "sql": "length(value) < 5",
    "not_in": {"values": ["a", "0"], "ignore_case": True},
    "compare": {"column": "start", "by": "<="},
    "references": {"file": "customers.csv", "also": {"land": "country"}},
    "extract": "[a-z]+([0-9]*)",
    "pad": 4,
    "zero_fill": 3,
    "round": 1,
    "clamp": {"min": -1, "max": "20.5"},
    "epoch": "s",
    "time_zone": {"zone": "Europe/Berlin", "to": "Asia/Kolkata"},
}
RULE_OPTIONS: dict[str, Any] = {
    **OPTIONS,
    "email": {"lower": "all", "tags": "drop"},
    "url": {"scheme": "https", "fragment": "drop", "tracking": "drop"},
    "phone": "DE",
    "identifier": "luhn",
    "postcode": {"country": "GB", "zero_fill": True},
    "unit": {"to": "kg", "given": "g"},
    "duration": {"given": "min", "clock": "h:m", "to": "iso"},
    "fuzzy_map": {"values": ["Aé5", "EUR", "a-b"], "threshold": 50},
}
# letters, digits, marks, white space and other characters that rules look at, and everything else
PIECES = st.sampled_from(
    [
        *"aZé0159.,-+()$€%'_ \t\n\u00a0\u200b\ufeff/:@#<>?=&*",
        "EUR",
        "Rs.",
        "1,234",
        "Ã©",
        "01/02/2024",
        "\u2212",
        "\0",
        "😀",
    ]
)
TEXTS = st.lists(PIECES, max_size=8).map("".join) | st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
COLUMNS = st.lists(st.none() | TEXTS, max_size=30)
QUICK = settings(max_examples=12, deadline=None)


OF_VALUES = [name for name, found in components("rules").items() if hasattr(found, "sql") or hasattr(found, "apply")]


def rule(name: str) -> Any:
    return make("rules", name, RULE_OPTIONS.get(name))


@pytest.mark.parametrize("name", OF_VALUES)
@QUICK
@given(column=COLUMNS)
def test_a_rule_never_raises_and_twice_is_once(name: str, column: list[str | None]) -> None:
    once = apply_rule(rule(name), column, CONTEXT)
    assert len(once) == len(codes_of(rule(name), column, CONTEXT)) == len(column)
    if getattr(components("rules")[name], "idempotent", True):
        assert apply_rule(rule(name), once, CONTEXT) == once


@pytest.mark.parametrize("name", components("checks"))
@QUICK
@given(column=COLUMNS)
def test_a_check_never_raises_and_sees_no_neighbours(name: str, column: list[str | None]) -> None:
    check = make("checks", name, OPTIONS.get(name))
    context = context_for(components("checks")[name])
    assert bad_codes(check, column[::-1], context) == bad_codes(check, column, context)[::-1]


@QUICK
@given(column=COLUMNS)
def test_trim_is_what_python_strips(column: list[str | None]) -> None:
    invisible = "\u200b\u2060\ufeff"

    def strip(text: str) -> str:
        before = None
        while before != text:
            before, text = text, text.strip().strip(invisible)
        return text

    assert apply_rule(rule("trim"), column, CONTEXT) == [None if text is None else strip(text) for text in column]


@QUICK
@given(column=COLUMNS)
def test_collapse_spaces_is_what_python_splits(column: list[str | None]) -> None:
    expected = [
        None if text is None else re.sub("[\u200b\u2060\ufeff]*\\s[\\s\u200b\u2060\ufeff]*", " ", text)
        for text in column
    ]
    assert apply_rule(rule("collapse_spaces"), column, CONTEXT) == expected


def written(number: Decimal, decimal: str, thousands: str, frame: str) -> str:
    text = f"{abs(number):,f}".replace(",", "T").replace(".", decimal).replace("T", thousands)
    return frame.format(text)


FRAMES = ["{}", "${}", "{} €", "EUR {}", "{} usd", " {} "]
NEGATIVE_FRAMES = ["-{}", "({})", "{}-", "-${}", "$-{}", "(EUR {})", "\u2212{}", "- {}"]


@settings(max_examples=30, deadline=None)
@given(
    number=st.decimals(
        allow_nan=False, allow_infinity=False, places=2, min_value=Decimal("-1e15"), max_value=Decimal("1e15")
    ),
    marks=st.sampled_from(
        [(".", ","), (",", "."), (".", " "), (",", " "), (".", "'"), (".", ""), (",", ""), (",", "\u202f")]
    ),
    data=st.data(),
)
def test_a_number_written_by_people_is_read_back_exactly(
    number: Decimal, marks: tuple[str, str], data: st.DataObject
) -> None:
    frame = data.draw(st.sampled_from(NEGATIVE_FRAMES if number < 0 else FRAMES))
    text = written(number, *marks, frame)
    for options in (None, {"decimal": marks[0]}):
        read = apply_rule(make("rules", "number", options), [text], CONTEXT)[0]
        assert Decimal(read or "nan") == number, (text, read)


@settings(max_examples=30, deadline=None)
@given(column=COLUMNS, mark=st.sampled_from(["auto", ".", ","]))
def test_a_number_is_plain_or_the_value_is_untouched(column: list[str | None], mark: str) -> None:
    for before, after in zip(column, apply_rule(make("rules", "number", mark), column, CONTEXT), strict=True):
        assert after == before or re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", after or "")
        if after != before:
            # nothing but marks, blanks, signs and currency goes: the digits stay, in their order
            digits = [char for char in before or "" if "0" <= char <= "9"]
            assert "".join(digits) in (
                "".join(filter(str.isdigit, after or "")),
                "".join(filter(str.isdigit, after or ""))[1:],
            )
