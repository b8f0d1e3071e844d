"""Rules over values beyond white space and numbers: zones, units, codes, numbers with check digits, personal data."""

from __future__ import annotations

import sys
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, ROUND_UP, Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loadlock.cleanup.base import RuleContext
from loadlock.cleanup.components import make
from loadlock.errors import UsageError
from loadlock.testing.contracts.rules import apply_rule, codes_of
from loadlock.types import TEXT, ColumnType

CONTEXT = RuleContext(column="c", type=TEXT)


def after(name: str, options: Any, *values: str | None, kind: str = "text") -> list[str | None]:
    return apply_rule(make("rules", name, options), values, RuleContext(column="c", type=ColumnType.parse(kind)))


def faults(name: str, options: Any, *values: str | None, others: tuple[str | None, ...] = ()) -> list[str | None]:
    import pyarrow as pa

    beside = [pa.array(list(others), pa.string())] if others else []
    return list(
        make("rules", name, options).judged(pa.array(list(values), pa.string()), CONTEXT, beside)[1].to_pylist()
    )


MODES = {"half_up": ROUND_HALF_UP, "half_even": ROUND_HALF_EVEN, "down": ROUND_DOWN, "up": ROUND_UP}


@settings(max_examples=60, deadline=None)
@given(
    number=st.decimals(
        allow_nan=False, allow_infinity=False, places=5, min_value=Decimal(-(10**9)), max_value=Decimal(10**9)
    ),
    tail=st.sampled_from(["", "0", "5", "50000", "00000000000000000000000001"]),
    decimals=st.integers(0, 6),
    mode=st.sampled_from(sorted(MODES)),
)
def test_round_is_exact_in_every_mode(number: Decimal, tail: str, decimals: int, mode: str) -> None:
    text = f"{number:f}{tail}"
    (rounded,) = after("round", {"decimals": decimals, "mode": mode}, text)
    expected = Decimal(text).quantize(Decimal(1).scaleb(-decimals), rounding=MODES[mode])
    assert Decimal(rounded or "nan") == expected
    assert rounded == text or len((rounded or "").partition(".")[2]) == decimals


def test_round_carries_into_a_new_digit_and_leaves_what_is_no_number() -> None:
    assert after("round", 1, "99.95", "-0.04", "1e5", "1.", ".96", "1,25", "", None) == [
        "100.0", "0.0", "1e5", "1.", "1.0", "1,25", "", None,
    ]  # fmt: skip


def test_clamp_compares_exactly() -> None:
    bounds = {"min": "-1.5", "max": 10}
    values = [
        "10",
        "10.000000000000000000000001",
        "-1.5",
        "-1.50000000000000000001",
        "9" * 60,
        "-" + "9" * 60,
        "x",
        "+0011",
    ]
    assert after("clamp", bounds, *values) == ["10", "10", "-1.5", "-1.5", "10", "-1.5", "x", "10"]


@pytest.mark.parametrize(
    ("zone", "time", "expected"),
    [
        ("Europe/Berlin", "2024-03-31 02:30", None),  # skipped
        ("Europe/Berlin", "2024-10-27 02:30", None),  # shown twice
        ("Europe/Berlin", "2024-10-27 03:00", "2024-10-27T02:00:00Z"),
        ("Australia/Lord_Howe", "2024-04-07 01:45", None),  # clocks go back by half an hour
        ("Australia/Lord_Howe", "2024-04-07 02:15", "2024-04-06T15:45:00Z"),
        ("Pacific/Apia", "2011-12-30 12:00", None),  # a day that never was
        ("America/St_Johns", "2024-07-01 12:00:00.25", "2024-07-01T14:30:00.25Z"),
        ("Asia/Kathmandu", "2024-01-01", "2024-01-01"),  # no time of day: none is made up
    ],
)
def test_a_time_that_its_zone_does_not_show_once_is_a_problem(zone: str, time: str, expected: str | None) -> None:
    rule = make("rules", "time_zone", zone)
    assert apply_rule(rule, [time], CONTEXT) == [expected or time]
    assert codes_of(rule, [time], CONTEXT) == [[] if expected else ["ambiguous_time"]]


def test_a_naive_time_without_a_declared_zone_is_a_problem() -> None:
    rule = make("rules", "time_zone", {"to": "Europe/Berlin"})
    assert apply_rule(rule, ["2024-07-01T12:00Z"], CONTEXT) == ["2024-07-01T14:00:00+02:00"]
    assert codes_of(rule, ["2024-07-01 12:00", "2024-07-01T12:00Z", "soon"], CONTEXT) == [["ambiguous_time"], [], []]


def test_serials_of_spreadsheets_begin_with_a_day_that_never_was() -> None:
    rule = make("rules", "excel_date", None)
    values = ["1", "59", "60", "61", "2958465", "2958466", "0", "45292.999999", "45292.5", "-1", "x"]
    assert apply_rule(rule, values, CONTEXT)[:5] == ["1900-01-01", "1900-02-28", "60", "1900-03-01", "9999-12-31"]
    assert apply_rule(rule, values, CONTEXT)[7:] == ["2024-01-01 23:59:59.914", "2024-01-01 12:00:00", "-1", "x"]
    assert codes_of(rule, values, CONTEXT) == [[], [], ["not_date"], [], [], ["not_date"], ["not_date"], [], [], [], []]


def test_epochs_keep_their_fractions_and_refuse_another_unit() -> None:
    assert after("epoch", "us", "1", "-1") == ["1970-01-01T00:00:00.000001Z", "1969-12-31T23:59:59.999999Z"]
    assert after("epoch", "ms", "1700000000123", kind="timestamp") == ["2023-11-14 22:13:20.123"]
    assert after("epoch", "s", "1700000000", kind="date") == ["2023-11-14"]
    rule = make("rules", "epoch", "s")
    assert codes_of(rule, ["1700000000123", "9" * 30, "x", "0"], CONTEXT) == [
        ["not_timestamp"],
        ["not_timestamp"],
        [],
        [],
    ]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1h 30m", "5400"), ("1 hr, 30 min and 5 sec", "5405"), ("90", None), ("1:30", None), ("01:30:00.5", "5400.5"),
        ("2 days 01:00:00", "176400"), ("P1DT2H", "93600"), ("PT0.5S", "0.5"), ("P1M", None), ("P1Y", None), ("PT", None),
        ("P", None), ("1.5h", "5400"), ("1,5 h", "5400"), ("-5 min", "-300"), ("--5 min", None), ("1 month", None),
        ("250ms", "0.25"), ("1 w", "604800"), ("1h30", None), ("", ""), ("25:61:00", None),
    ],
)  # fmt: skip
def test_durations_are_read_or_refused(text: str, seconds: str | None) -> None:
    assert after("duration", {"invalid": "null"}, text) == [seconds]


def test_measures_are_converted_exactly() -> None:
    assert after("unit", {"to": "ft", "decimals": 3}, "1 m", "12 in", "1mi", "0.3048m") == ["3.281", "1", "5280", "1"]
    assert after("unit", {"to": "°F", "given": "°C"}, "37", "-40 C", "310.15K") == ["98.6", "-40", "98.6"]
    assert after("unit", "kB", "1 MiB", "5 kb", "1 mw") == ["1048.576", "5", "1 mw"]
    assert faults("unit", "kg", "5 m", "5", "1,5 kg") == [
        "'5 m' is in no unit of mass", "'5' has no unit, and none is given for it", "'1,5 kg' is no number with a unit",
    ]  # fmt: skip


def test_a_phone_number_belongs_to_the_country_of_its_row() -> None:
    options = {"country_column": "country", "country": "DE"}
    rule = make("rules", "phone", options)
    import pyarrow as pa

    values = pa.array(["030 901820", "01 45 67 89 01", "030 901820", None])
    found, wrong = rule.judged(values, CONTEXT, [pa.array(["DE", "fr", None, "DE"])])
    assert found.to_pylist() == ["+4930901820", "+33145678901", "+4930901820", None]
    assert wrong.null_count == 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("+1 530-583-6985 x302/x2303", "more than one number"),
        ("030 901820 ext. 12", "extension"),
        ("12", "no valid phone number of DE"),
        ("ask for Ann", "no phone number of DE"),
        ("9" * 400, "no phone number of DE"),
    ],
)
def test_what_a_phone_number_would_lose_makes_it_unfit(text: str, words: str) -> None:
    (fault,) = faults("phone", "DE", text)
    assert fault is not None
    assert words in fault


def test_countries_are_known_by_many_names() -> None:
    names = [
        "Deutschland",
        "germany",
        "DEU",
        "276",
        "D.E.",
        "Korea, Republic of",
        "South Korea",
        "Côte d'Ivoire",
        "8",
        "UK",
    ]
    assert after("country", {"languages": ["de"]}, *names) == ["DE"] * 5 + ["KR", "KR", "CI", "AL", "GB"]
    assert faults("country", None, "Atlantis", "Berlin") == [
        "'Atlantis' is the name or code of no country", "'Berlin' is the name or code of no country",
    ]  # fmt: skip


def test_a_sign_that_currencies_share_is_no_guess() -> None:
    assert faults("currency", None, "$", "€", "kr") == [
        "'$' stands for several currencies: say which in `signs`", None,
        "'kr' stands for several currencies: say which in `signs`",
    ]  # fmt: skip


def test_one_wrong_digit_is_found() -> None:
    assert faults("iban", None, "DE89 3704 0044 0532 0130 00", "DE89 3704 0044 0532 0130 01")[0] is None
    assert "check digits are wrong" in str(faults("iban", None, "DE89370400440532013001")[0])
    assert "check digits are wrong" in str(faults("vat", None, "DE136695977")[0])
    assert "too few or too many" in str(faults("identifier", "ean", "123")[0])
    assert after("isbn", {"to": "10", "invalid": "null"}, "9791032305690") == [None]
    with pytest.raises(ValueError, match="no kind of number"):
        make("rules", "identifier", "os.path")


def test_postcodes_of_other_countries_stay() -> None:
    import pyarrow as pa

    rule = make("rules", "postcode", {"country_column": "country"})
    values, countries = pa.array(["12345", "x", "1234", "sw1a1aa"]), pa.array(["DE", "BO", "DE", "GB"])
    found, wrong = rule.judged(values, CONTEXT, [countries])
    assert found.to_pylist() == ["12345", "x", "1234", "SW1A 1AA"]
    assert wrong.to_pylist() == [None, None, "'1234' is no postcode of DE", None]


def test_a_keyed_hash_needs_its_key_and_depends_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HASH_KEY", raising=False)
    with pytest.raises(UsageError, match="HASH_KEY"):
        after("hash", "HASH_KEY", "ann")
    found = []
    for key in ("one", "two"):
        monkeypatch.setenv("HASH_KEY", key)
        found += after("hash", "HASH_KEY", "ann")
    assert found == [
        "b31b49d52de77f19ad06344c81a4557bec26cfd103b8714b97e5e8741d5f1aa2",
        "782a24a729a25c5ad25ddef956f77bc2775c4d16d35e9bfe95f497f5742a716e",
    ]


def test_masked_values_never_show_more_than_is_kept() -> None:
    assert after("mask", {"first": 2, "last": 2}, "abcd", "abcde", "", "é😀x") == ["****", "ab*de", "", "***"]
    assert after("mask", {"character": "\\", "marks": True}, "a-b") == ["\\-\\"]


def test_a_fuzzy_map_says_what_it_was_close_to() -> None:
    options = {"values": ["Köln", "Bonn", "Bern"], "threshold": 80}
    assert after("fuzzy_map", options, "koln", "BONN ", "Bonnn") == ["Köln", "Bonn", "Bonn"]
    assert faults("fuzzy_map", options, "Rome", "Bern") == [
        "'Rome' is close to no entry of the list (the closest: Köln, 25)", None,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "library", "options"),
    [("phone", "phonenumbers", "DE"), ("country", "pycountry", None), ("iban", "stdnum", None),
     ("fuzzy_map", "rapidfuzz", ["a"]), ("transliterate", "anyascii", None)],
)  # fmt: skip
def test_a_missing_library_is_named_with_its_extra(
    name: str, library: str, options: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(UsageError, match=library) as caught:
        make("rules", name, options)
    assert "loadlock[rules]" in str(caught.value.hint)
