"""The declared types are read strictly: nothing is rounded, guessed or taken for something else."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from loadlock.cleanup import formats, typing_sql
from loadlock.cleanup.prepared import query
from loadlock.types import ColumnType


def read(kind: str, *texts: str, formats: tuple[str, ...] = (), zone: str | None = None, **winners: Any) -> list[Any]:
    pairs = {pair.strip("p").replace("_", "-"): winner for pair, winner in winners.items()}
    spec = typing_sql.TypeSpec(type=ColumnType.parse(kind), formats=formats, timezone=zone, winners=pairs)
    table = pa.table({"text": pa.array(list(texts), pa.string())})
    sql = f"select {typing_sql.strict(spec, 'x')} as v from (select {typing_sql.trimmed('text')} as x from part)"
    return list(query(sql, table)["v"].to_pylist())


def text_of(kind: str, *texts: str, **options: Any) -> list[str | None]:
    return [None if value is None else str(value) for value in read(kind, *texts, **options)]


def codes(kind: str, text: str, **options: Any) -> list[str]:
    spec = typing_sql.TypeSpec(type=ColumnType.parse(kind), **options)
    table = pa.table({"x": pa.array([text], pa.string())})
    found = typing_sql.faults(spec, "x")
    return [fault.code for fault in found if query(f"select {fault.condition} as v from part", table)["v"][0].as_py()]


def test_integers_are_digits_with_an_optional_sign() -> None:
    assert read("integer", "1", "+1", "-0", "007", " 42\t", "9223372036854775807") == [1, 1, 0, 7, 42, 2**63 - 1]


@pytest.mark.parametrize(
    "text", ["1.5", "1.0", "1e3", "1_000", "0x1F", "1,000", "१", "--1", "+-1", "1-", ".", "1\x002", "", "true"]
)
def test_what_is_no_plain_integer_is_none(text: str) -> None:
    assert read("integer", text) == [None]


def test_integers_beyond_64_bits_are_out_of_range() -> None:
    assert read("integer", "9223372036854775808") == [None]
    assert codes("integer", "9223372036854775808")[0] == "out_of_range"
    assert codes("integer", "1.5") == ["not_integer"]


def test_decimals_are_exact_and_padded_to_their_scale() -> None:
    texts = ("1", "+1.5", ".5", "5.", "-00.50", "1.500", "1e3", "100e-2", "0.000", "0e5", "9999999999.99")
    expected = ("1.00", "1.50", "0.50", "5.00", "-0.50", "1.50", "1000.00", "1.00", "0.00", "0.00", "9999999999.99")
    assert read("decimal(12,2)", *texts) == [Decimal(text) for text in expected]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("1.239", "too_precise"),
        ("12345e-3", "too_precise"),
        ("99999999999", "out_of_range"),
        ("1e400", "out_of_range"),
        ("1,5", "not_decimal"),
        ("1_000", "not_decimal"),
        ("nan", "not_decimal"),
        ("+-1", "not_decimal"),
    ],
)
def test_decimals_that_do_not_fit_say_why(text: str, code: str) -> None:
    assert read("decimal(12,2)", text) == [None]
    assert codes("decimal(12,2)", text)[0] == code


def test_decimals_without_whole_digits_or_without_decimals_are_read() -> None:
    assert read("decimal(2,2)", "0.5", ".25", "1.0") == [Decimal("0.50"), Decimal("0.25"), None]
    assert read("decimal(38,0)", "9" * 38, "1.0", "1.5") == [Decimal("9" * 38), Decimal(1), None]


def test_floats_take_json_syntax_but_no_words() -> None:
    assert read("float", "1.5", "-2e-3", "1", "+.5", "5.") == [1.5, -0.002, 1.0, 0.5, 5.0]
    assert read("float", "nan", "inf", "-Infinity", "1e400", "1_0", "+-1", "1d") == [None] * 7
    assert codes("float", "1e400")[0] == "out_of_range"
    assert codes("float", "nan") == ["not_float"]


def test_booleans_are_a_few_words_in_any_case() -> None:
    assert read("boolean", "true", "T", "yes", "Y", "1", "On") == [True] * 6
    assert read("boolean", "False", "f", "NO", "n", "0", "off") == [False] * 6
    assert read("boolean", "2", "tru", "1.0", "wahr", "yess", "") == [None] * 6


def test_iso_dates_exist_in_the_calendar_and_have_four_digit_years() -> None:
    assert text_of("date", "2024-02-29", " 2024-01-01 ") == ["2024-02-29", "2024-01-01"]
    bad = ("2024-02-30", "2024-2-3", "2024/02/03", "24-02-03", "0000-01-01", "infinity", "epoch", "0044-03-15 (BC)")
    assert read("date", *bad, "2024-02-03T00:00:00", "12024-01-01") == [None] * (len(bad) + 2)


def test_date_formats_are_strict_about_years_and_white_space() -> None:
    assert text_of("date", "1/2/2024", "01/02/2024", formats=("%d/%m/%Y",)) == ["2024-02-01"] * 2
    assert read("date", "01/02/24", "01/02/20245", "01/02/0000", "x01/02/2024", formats=("%d/%m/%Y",)) == [None] * 4
    assert text_of("date", "1/2/99", "01/02/24", formats=("%d/%m/%y",)) == ["1999-02-01", "2024-02-01"]
    assert text_of("date", "2024-2-3", "2024-02-30", formats=("%Y-%m-%d",)) == ["2024-02-03", None]


def test_a_decided_pair_of_formats_reads_both_ways_by_the_winner() -> None:
    both = ("%d/%m/%Y", "%m/%d/%Y")
    texts = ("01/02/2024", "13/02/2024", "02/13/2024", "02/02/2024")
    assert text_of("date", *texts, formats=both, p0_1=1) == ["2024-01-02", "2024-02-13", "2024-02-13", "2024-02-02"]
    assert text_of("date", *texts, formats=both, p0_1=None) == [None, "2024-02-13", "2024-02-13", "2024-02-02"]


def test_formats_collide_only_where_one_text_can_be_two_dates() -> None:
    some = ("%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d/%m/%y", "%d/%m/%Y %H:%M", "%b %d, %Y")
    assert formats.collisions(some) == [(1, 2)]
    assert formats.collisions(("%y%m%d", "%d%m%y")) == [(0, 1)]
    assert formats.collisions(("%Y-%m-%d", "%Y-%m-%dT%H:%M:%S")) == []


def test_times_are_hours_minutes_and_seconds_of_one_day() -> None:
    assert text_of("time", "01:02", "23:59:59.5", formats=()) == ["01:02:00", "23:59:59.500000"]
    assert read("time", "24:00", "1:02", "01:02Z", "2024-01-01 01:02", "25:00") == [None] * 5
    assert text_of("time", "1:02 pm", formats=("%I:%M %p",)) == ["13:02:00"]


def test_timestamps_without_zone_refuse_an_offset() -> None:
    good = ("2024-02-03", "2024-02-03T01:02", "2024-02-03 01:02:03.123456", "2024-02-03T01:02:03.1234560")
    assert text_of("timestamp", *good) == [
        "2024-02-03 00:00:00", "2024-02-03 01:02:00", "2024-02-03 01:02:03.123456", "2024-02-03 01:02:03.123456",
    ]  # fmt: skip
    bad = ("2024-02-03T01:02:03Z", "2024-02-03T01:02:03+02:00", "2024-02-03T01:02:03.1234567", "2024-02-30", "epoch")
    assert read("timestamp", *bad) == [None] * 5


def test_timestamps_with_zone_need_one() -> None:
    assert text_of("timestamptz", "2024-02-03T01:02:03Z", "2024-02-03 01:02+02:00", "2024-02-03T01:02:03-0330") == [
        "2024-02-03 01:02:03+00:00", "2024-02-02 23:02:00+00:00", "2024-02-03 04:32:03+00:00",
    ]  # fmt: skip
    assert read("timestamptz", "2024-02-03T01:02:03", "2024-02-03T01:02:03 Europe/Berlin") == [None, None]


def test_a_declared_zone_reads_naive_times_but_not_those_the_clock_skipped_or_showed_twice() -> None:
    texts = ("2024-07-01 12:00", "2024-07-01T12:00:00Z", "2024-03-31T02:30:00", "2024-10-27T02:30:00")
    found = text_of("timestamptz", *texts, zone="Europe/Berlin")
    assert found == ["2024-07-01 10:00:00+00:00", "2024-07-01 12:00:00+00:00", None, None]
    with_format = text_of("timestamptz", "01.07.2024 12:00", zone="Europe/Berlin", formats=("%d.%m.%Y %H:%M",))
    assert with_format == ["2024-07-01 10:00:00+00:00"]


def test_uuids_become_lower_case_with_dashes() -> None:
    plain = "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"
    texts = (plain, plain.upper(), "{" + plain + "}", plain.replace("-", ""))
    assert read("uuid", *texts) == [plain] * 4
    assert read("uuid", plain[:-1], "xyz", plain + "0", "urn:uuid:" + plain) == [None] * 4


@pytest.mark.parametrize("kind", ["integer", "decimal(12,2)", "float", "boolean", "date", "time", "timestamp", "uuid"])
def test_no_text_raises(kind: str) -> None:
    texts = (
        "\x00",
        "1\x00",
        "'",
        '"',
        "{}",
        "🎉",
        "1" * 5000,
        "e" * 5000,
        "-",
        "+",
        "\ufeff",
        "(",
        "\\",
        "%",
        "1e",
        "1e+",
    )
    assert read(kind, *(text for text in texts if text != "1" * 5000)) == [None] * 15
    read(kind, "1" * 5000)


def test_white_space_of_any_script_is_trimmed() -> None:
    assert read("integer", "\u00a01\u3000", "\u20071\ufeff", "\x0b1\x1f") == [1, 1, 1]
