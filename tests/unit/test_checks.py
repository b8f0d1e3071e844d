"""Checks over typed values."""

from __future__ import annotations

from typing import Any

import pytest

from loadlock.cleanup.base import RuleContext
from loadlock.cleanup.components import make
from loadlock.errors import UsageError
from loadlock.testing.contracts.checks import bad_codes
from loadlock.types import ColumnType


def context(kind: str, **lookups: Any) -> RuleContext:
    return RuleContext(
        column="code", type=ColumnType.parse(kind), lookups={f"{name}.csv": rows for name, rows in lookups.items()}
    )


def bad(name: str, options: Any, kind: str, values: list[str | None]) -> list[bool]:
    return [bool(codes) for codes in bad_codes(make("checks", name, options), values, context(kind))]


@pytest.mark.parametrize(
    ("kind", "options", "good", "wrong"),
    [
        ("integer", {"min": 1, "max": 3}, ["1", "3"], ["0", "4", "-9223372036854775808"]),
        ("integer", {"min": 1, "max": 3, "min_exclusive": True, "max_exclusive": True}, ["2"], ["1", "3"]),
        ("integer", {"min": 0.5}, ["1"], ["0"]),
        ("integer", {"max": 2.5, "max_exclusive": True}, ["2"], ["3"]),
        ("integer", {"max": 10**30}, ["9223372036854775807"], []),
        ("integer", {"min": 10**30}, [], ["9223372036854775807"]),
        ("integer", {"min": "-1e30"}, ["-9223372036854775808"], []),
        ("decimal(5,2)", {"min": 0.005}, ["0.01"], ["0"]),
        ("decimal(5,2)", {"max": 1e6}, ["999.99"], []),
        ("decimal(5,2)", {"max": "999.999"}, ["999.99"], []),
        ("decimal(38,0)", {"min": 0.5}, ["9" * 38], ["0", "-" + "9" * 38]),
        ("decimal(38,10)", {"min": "-0.1", "max": "12345678901234567890"}, ["0"], ["-1", "12345678901234567890.1"]),
        ("float", {"min": 0}, ["0", "inf", "1e300"], ["-1e-300", "nan", "-inf"]),
        ("float", {"max": 0, "max_exclusive": True}, ["-1"], ["0", "nan"]),
        ("date", {"min": "2024-01-01", "max": "2024-12-31"}, ["2024-12-31"], ["2023-12-31", "2025-01-01"]),
        ("time", {"max": "12:00"}, ["12:00:00"], ["12:00:01"]),
        ("timestamp", {"min": "2024-01-01 12:00"}, ["2024-01-01 12:00:00"], ["2024-01-01 11:59:59"]),
        ("timestamptz", {"min": "2024-01-01T12:00+02:00"}, ["2024-01-01 10:00:00Z"], ["2024-01-01 09:59:59Z"]),
    ],
)
def test_range_never_overflows_and_minds_exclusive_bounds(
    kind: str, options: dict[str, Any], good: list[str | None], wrong: list[str | None]
) -> None:
    assert bad("range", options, kind, good + wrong + [None]) == [False] * len(good) + [True] * len(wrong) + [False]


@pytest.mark.parametrize(
    ("name", "options", "kind", "message"),
    [
        ("range", {"min": "abc"}, "integer", "column code: `range`: 'abc' is no value of the type integer"),
        ("range", {"min": "2024-13-01"}, "date", "column code: `range`: '2024-13-01' is no value of the type date"),
        ("range", {"min": 1}, "text", "column code: `range` needs a number, date or time, the column is text"),
        ("in", [1, "x"], "integer", "column code: the list of `in`: 'x' is no value of the type integer"),
        ("in", [1.5], "integer", "column code: the list of `in`: '1.5' is no value of the type integer"),
        (
            "in",
            ["1.239"],
            "decimal(5,2)",
            "column code: the list of `in`: '1.239' is no value of the type decimal(5,2)",
        ),
    ],
)
def test_an_option_that_does_not_fit_the_type_is_said(name: str, options: Any, kind: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        make("checks", name, options).findings("v", "x", context(kind))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("kind", "options", "good", "wrong"),
    [
        ("text", ["a", "it's", 1], ["a", "it's", "1"], ["A", "", "1.0"]),
        ("text", {"values": ["É"], "ignore_case": True}, ["é", "É"], ["e"]),
        ("integer", [1, "2"], ["1", "2", "02"], ["3"]),
        ("decimal(5,2)", [1.5, 2], ["1.50", "2.00"], ["1.51"]),
        ("date", ["2024-01-01"], ["2024-01-01"], ["2024-01-02"]),
        ("boolean", ["true"], ["true"], ["false"]),
        ("float", [0.1], ["0.1", "1e-1"], ["0.2", "nan"]),
        ("uuid", ["6F9619FF-8B86-D011-B42D-00CF4FC964FF"], ["6f9619ff-8b86-d011-b42d-00cf4fc964ff"], ["x"]),
    ],
)
def test_in_compares_as_the_type_does(kind: str, options: Any, good: list[str | None], wrong: list[str | None]) -> None:
    assert bad("in", options, kind, good + wrong + [None]) == [False] * len(good) + [True] * len(wrong) + [False]


def test_in_reads_the_named_column_else_the_one_of_the_same_name_else_the_first() -> None:
    rows = (("name", "code"), ("Germany", "DE"), ("France", ""), ("Chad",))
    for options, good in (({"file": "c.csv", "column": "name"}, "Chad"), ("c.csv", "DE")):
        check = make("checks", "in", options)
        assert bad_codes(check, [good, "x", ""], context("text", c=rows)) == [[], ["not_in"], ["not_in"]]
    first = make("checks", "in", "c.csv")
    assert bad_codes(first, ["a", "b"], context("text", c=(("x", "y"), ("a", "b")))) == [[], ["not_in"]]
    with pytest.raises(UsageError, match="has no values"):
        first.findings("v", "x", context("text", c=(("x",), ("",))))


def test_in_takes_a_long_list() -> None:
    values = [f"k{number}" for number in range(20_000)]
    assert bad("in", values, "text", ["k0", "k19999", "k20000", "K1", None]) == [False, False, True, True, False]
    assert bad("in", [*values, "a\x1fb", "it's"], "text", ["a\x1fb", "a", "it's"]) == [False, True, False]
    assert bad("in", {"values": values, "ignore_case": True}, "text", ["K1", "x"]) == [False, True]


def test_required_wants_more_than_white_space() -> None:
    assert (
        bad("required", None, "text", [None, "", " ", "\u00a0\u200b", "x", " x", "\u00a0x", "0"])
        == [True] * 4 + [False] * 4
    )


def test_required_is_content_with_a_value_that_its_type_refused() -> None:
    assert bad("required", None, "integer", ["abc", "", None, "1"]) == [False, True, True, False]


def test_length_counts_characters_not_bytes() -> None:
    assert bad("length", {"min": 2, "max": 3}, "text", ["é", "éé", "ééé", "éééé", "", None]) == [
        True,
        False,
        False,
        True,
        True,
        False,
    ]


def test_matches_wants_the_whole_text_unless_told() -> None:
    assert bad("matches", "a|ab", "text", ["a", "ab", "b", "xab", "a\n"]) == [False, False, True, True, True]
    assert bad("matches", {"pattern": "b", "part": True}, "text", ["abc", "ac"]) == [False, True]


GOOD_MAILS = [
    "a@b.co",
    "a.b+c@d-e.example",
    "o'neill@example.com",
    "x_y@sub.sub.example.museum",
    "ü@münchen.de",
    "1@2.com",
    "a@b.c-d",
]
BAD_MAILS = [
    "a", "a@", "@b.co", "a@b", "a@@b.co", "a@b@c.co", "a b@c.co", "a@b .co", " a@b.co", "a@b.co ", "a@.co", "a@b..co",
    "a@b.co.", "a..b@c.co",
    ".a@b.co", "a@-b.co", "a@b-.co", "a@b.1", "<a@b.co>", "a@b.co,c@d.co", "a\u00a0@b.co", "mailto:a@b.co",
    "a" * 250 + "@b.co", "a@b.c",
]  # fmt: skip


@pytest.mark.parametrize("mail", GOOD_MAILS)
def test_addresses_of_every_script_pass(mail: str) -> None:
    assert bad("email", None, "text", [mail]) == [False]


@pytest.mark.parametrize("mail", BAD_MAILS)
def test_what_can_be_no_address_does_not(mail: str) -> None:
    assert bad("email", None, "text", [mail]) == [True]


def test_sql_puts_the_value_only_where_the_word_stands() -> None:
    condition = """value <> 'value' and "value" is null or length(VALUE) > /* value */ 3 -- value"""
    assert "'value'" in make("checks", "sql", condition).findings("v0", "x0", context("text"))[0].sql
    assert bad("sql", "value in (1, 2)", "integer", ["1", "3", None]) == [False, True, False]


def test_sql_that_fails_or_gives_null_is_bad() -> None:
    assert bad("sql", "cast(value as integer) > 5", "text", ["6", "4", "six", None]) == [False, True, True, False]
    assert bad("sql", "nullif(value, 'a') = 'b'", "text", ["b", "a"]) == [False, True]


def test_messages_are_for_people() -> None:
    said = {
        name: make("checks", name, options).findings("v", "x", context(kind))[0].message
        for name, options, kind in [
            ("required", None, "text"),
            ("in", list("abcdefghijkl"), "text"),
            ("range", {"min": 1, "max": 9, "max_exclusive": True}, "integer"),
            ("length", {"min": 1, "max": 9}, "text"),
            ("matches", "a{2}", "text"),
            ("email", None, "text"),
            ("sql", "value = '{}'", "text"),
        ]
    }
    assert said == {
        "required": "a value is required",
        "in": "{value} is none of a, b, c, d, e, f, g, h, i, j ...",
        "range": "{value} must be at least 1 and less than 9",
        "length": "{value} must have at least 1 and at most 9 characters",
        "matches": "{value} does not match the pattern",
        "email": "{value} is no e-mail address",
        "sql": "{value} fails value = '()'",
    }
