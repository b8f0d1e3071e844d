"""Whether columns and values fit the target."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest

from loadlock.delivery.base import ColumnInfo, DeliveryColumn, Job, TableInfo, Target
from loadlock.delivery.fit import check_contract, misfits
from loadlock.errors import RefusedError
from loadlock.model import WriteMode
from loadlock.types import ColumnType


def found(kind: str, values: list[Any], **limits: Any) -> list[tuple[int, str]]:
    """(row, code) of the misfits of one column `v`, after two leading rows that are cut off (an Arrow offset)."""
    column = DeliveryColumn(name="v", type=ColumnType.parse(kind))
    table = pa.table({"v": pa.array([None, None, *values], column.type.arrow())}).slice(2)
    info = TableInfo(columns=(ColumnInfo(name="v", sql_type="the type", **limits),))
    return [(misfit.index, misfit.problem.code) for misfit in misfits(table, (column,), info)]


def test_characters_are_counted_as_characters() -> None:
    assert found("text", ["äöü", "abcd", None, ""], max_chars=3) == [(1, "too_long_for_column")]


def test_bytes_are_counted_as_bytes() -> None:
    assert found("text", ["äö", "abcd", "äöü"], max_bytes=4) == [(2, "too_long_for_column")]


def test_nul_is_found_and_a_backslash_zero_is_not() -> None:
    assert found("text", ["a\0b", "\\0", None, "0"], forbids="nul") == [(0, "unsupported_character")]


def test_four_byte_characters_are_found_and_three_byte_ones_are_not() -> None:
    assert found("text", ["€", "😀", "é"], forbids="4byte") == [(1, "unsupported_character")]


def test_trailing_spaces_are_found_where_the_column_drops_them() -> None:
    assert found("text", ["a ", " a", ""], forbids="trailing_space") == [(0, "unsupported_character")]


def test_null_is_found_in_a_column_that_takes_none() -> None:
    assert found("integer", [1, None], nullable=False) == [(1, "null_in_column")]


def test_null_in_a_key_is_found_though_the_column_takes_null() -> None:
    column = DeliveryColumn(name="v", type=ColumnType.parse("integer"), key=True)
    info = TableInfo(columns=(ColumnInfo(name="v", sql_type="bigint"),))
    misfit = misfits(pa.table({"v": pa.array([None], pa.int64())}), (column,), info, key=("v",))[0]
    assert misfit.problem.code == "null_in_column"


def test_integers_are_held_to_their_range() -> None:
    values = [32767, 32768, -32768, -32769, None]
    expected = [(1, "too_big_for_column"), (3, "too_big_for_column")]
    assert found("integer", values, integer_range=(-32768, 32767)) == expected


def test_integers_in_a_decimal_column_are_held_to_its_whole_digits() -> None:
    assert found("integer", [99, 100, -99, -100], precision=4, scale=2) == [
        (1, "too_big_for_column"),
        (3, "too_big_for_column"),
    ]


def test_decimals_are_held_to_digits_and_scale() -> None:
    values = [Decimal("99.990"), Decimal("100.000"), Decimal("1.005"), Decimal("-99.990"), Decimal("-100")]
    assert found("decimal(9,3)", values, precision=4, scale=2) == [
        (1, "too_big_for_column"),
        (2, "too_big_for_column"),
        (4, "too_big_for_column"),
    ]


def test_the_widest_decimals_are_judged_exactly() -> None:
    values = [Decimal("9" * 38), Decimal("-" + "9" * 38), Decimal(10) ** 37]
    assert found("decimal(38,0)", values, precision=38, scale=0) == []
    assert [row for row, _ in found("decimal(38,0)", values, precision=37, scale=0)] == [0, 1, 2]


def test_numbers_that_are_not_finite_are_found() -> None:
    values = [1.5, float("nan"), float("inf"), None]
    assert found("float", values, forbids="nan") == [(1, "too_big_for_column"), (2, "too_big_for_column")]
    assert found("float", values) == []


@pytest.mark.parametrize("kind", ["date", "timestamp", "timestamptz"])
def test_moments_are_held_to_the_range_of_dates(kind: str) -> None:
    days = [dt.date(999, 12, 31), dt.date(1000, 1, 1), dt.date(9999, 12, 31)]
    zone = dt.UTC if kind == "timestamptz" else None
    values = days if kind == "date" else [dt.datetime.combine(day, dt.time(23, 59), zone) for day in days]
    assert found(kind, values, date_range=("1000-01-01", "9999-12-31")) == [(0, "out_of_date_range")]


def test_fractions_of_seconds_that_the_column_would_round_are_found() -> None:
    values = [dt.datetime(2024, 1, 1, 1, 1, 1, 500_000), dt.datetime(2024, 1, 1, 1, 1, 1), None]
    assert found("timestamp", values, scale=0) == [(0, "too_big_for_column")]
    assert found("timestamp", values, scale=1) == []
    assert found("time", [dt.time(1, 1, 1, 1)], scale=3) == [(0, "too_big_for_column")]


def test_a_problem_names_column_value_and_limit() -> None:
    column = DeliveryColumn(name="city", type=ColumnType.parse("text"))
    info = TableInfo(columns=(ColumnInfo(name="city", sql_type="varchar(3)", max_chars=3),))
    problem = misfits(pa.table({"city": ["Rome"]}), (column,), info)[0].problem
    assert (problem.column, problem.value) == ("city", "Rome")
    assert problem.message == "city is longer than the 3 characters of varchar(3)"


def job(**changes: Any) -> Job:
    text, integer = ColumnType.parse("text"), ColumnType.parse("integer")
    columns = (DeliveryColumn(name="id", type=integer, key=True), DeliveryColumn(name="city", type=text))
    values: dict[str, Any] = {"columns": columns, "mode": WriteMode.APPEND, **changes}
    return Job(run="r", batch="b", pipeline="p", target=Target(url="x:", table="t"), **values)


def test_every_finding_of_an_existing_table_is_named_at_once() -> None:
    info = TableInfo(
        columns=(
            ColumnInfo(name="ID", sql_type="bigint"),
            ColumnInfo(name="city", sql_type="boolean", accepts=("boolean",)),
            ColumnInfo(name="must", sql_type="text", nullable=False),
            ColumnInfo(name="has_default", sql_type="text", nullable=False, has_default=True),
        )
    )
    with pytest.raises(RefusedError) as caught:
        check_contract(info, job(mode=WriteMode.UPSERT, lineage=True), "db.t")
    lines = str(caught.value).splitlines()
    assert lines[0] == "db.t does not fit, nothing was touched; 6 findings:"
    assert "rename it to 'ID'" in lines[1]
    assert "'city' is boolean and takes boolean, not text" in lines[2]
    assert "'_batch'" in lines[3]
    assert "'_row'" in lines[4]
    assert "'must'" in lines[5]
    assert "mode upsert needs a key" in lines[6]


def test_a_computed_column_is_not_written() -> None:
    info = TableInfo(
        columns=(ColumnInfo(name="id", sql_type="bigint"), ColumnInfo(name="city", sql_type="text", generated=True))
    )
    with pytest.raises(RefusedError, match="computed by the database"):
        check_contract(info, job(), "db.t")
