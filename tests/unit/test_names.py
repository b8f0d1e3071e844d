"""Names of tables and columns."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadlock.delivery.names import TableName, check_names, parse_table, quote_ansi, quote_backtick
from loadlock.errors import RefusedError, UsageError


@pytest.mark.parametrize(
    ("text", "schema", "table"),
    [
        ("orders", None, "orders"),
        ("shop.orders", "shop", "orders"),
        ('"my.schema"."a ""b"""', "my.schema", 'a "b"'),
        ("`db`.`a``b`", "db", "a`b"),
        ("Shop.Orders", "Shop", "Orders"),
        ('shop."; drop table x; --"', "shop", "; drop table x; --"),
    ],
)
def test_a_table_is_read_as_written(text: str, schema: str | None, table: str) -> None:
    assert parse_table(text) == TableName(schema=schema, table=table)


@pytest.mark.parametrize("text", [None, "", ".", "a.", ".a", "a.b.c", '"a', '"a"b', '""', 'a."b"c'])
def test_what_is_no_table_is_refused(text: str | None) -> None:
    with pytest.raises(UsageError):
        parse_table(text)


@given(st.text(min_size=1), st.text(min_size=1))
def test_quoting_and_reading_give_the_name_back(schema: str, table: str) -> None:
    name = TableName(schema=schema, table=table)
    assert parse_table(name.sql(quote_ansi)) == name
    assert parse_table(name.sql(quote_backtick)) == name


def test_all_faulty_names_are_named_at_once() -> None:
    with pytest.raises(RefusedError) as caught:
        check_names(["ok", "", "é" * 32, "a\0b", "ok"], max_bytes=63)
    message = str(caught.value)
    assert message.startswith("4 names can't be used")
    assert "the name is empty" in message
    assert "longer than 63 bytes" in message
    assert "NUL" in message
    assert "columns 'ok' and 'ok' are one name" in message


def test_names_that_fit_exactly_are_taken() -> None:
    check_names(["é" * 31 + "x", "A", "a"], max_bytes=63)
    check_names(["é" * 64], max_chars=64)


def test_names_that_differ_in_case_collide_where_case_is_folded() -> None:
    with pytest.raises(RefusedError, match="columns 'A' and 'a' are one name"):
        check_names(["A", "a"], fold_case=True)


def test_a_four_byte_name_is_refused_where_the_destination_has_none() -> None:
    check_names(["😀"])
    with pytest.raises(RefusedError, match="no 4-byte characters"):
        check_names(["ok €", "😀"], bmp_only=True)
