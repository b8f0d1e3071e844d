"""Secrets come from the environment when connecting, and are never shown."""

from __future__ import annotations

import pytest

from loadlock.errors import UsageError
from loadlock.pipeline.secrets import label, malformed, redact, resolve, variables


def test_a_variable_is_filled_in() -> None:
    assert resolve("${SHOP_DB}", {"SHOP_DB": "postgresql://h/d"}) == "postgresql://h/d"


def test_a_default_stands_in_for_an_unset_and_for_an_empty_variable() -> None:
    assert resolve("duckdb:///${FILE:-a.duckdb}", {}) == "duckdb:///a.duckdb"
    assert resolve("duckdb:///${FILE:-a.duckdb}", {"FILE": ""}) == "duckdb:///a.duckdb"
    assert resolve("duckdb:///${FILE:-a.duckdb}", {"FILE": "b"}) == "duckdb:///b"


@pytest.mark.parametrize(("environment", "state"), [({}, "not set"), ({"SHOP_DB": ""}, "empty")])
def test_a_missing_variable_is_named(environment: dict[str, str], state: str) -> None:
    with pytest.raises(UsageError, match=f"the environment variable SHOP_DB is {state}") as caught:
        resolve("${SHOP_DB}", environment)
    assert caught.value.hint == "Set it, as in: export SHOP_DB=..."


def test_the_message_about_a_missing_variable_holds_no_password() -> None:
    with pytest.raises(UsageError) as caught:
        resolve("postgresql://app:hunter2@${HOST}/d", {})
    assert "hunter2" not in str(caught.value)


def test_a_password_is_percent_encoded_once() -> None:
    url = "postgresql://app:${PASSWORD}@h/d"
    assert resolve(url, {"PASSWORD": "a@b/c%d"}) == "postgresql://app:a%40b%2Fc%25d@h/d"
    assert resolve(url, {"PASSWORD": "a%40b"}) == "postgresql://app:a%40b@h/d"


def test_what_stands_outside_of_the_user_part_stays_as_it_is() -> None:
    assert resolve("postgresql://h/${DB}?x=${Y}", {"DB": "a/b", "Y": "1&z=2"}) == "postgresql://h/a/b?x=1&z=2"


def test_text_without_variables_stays_as_it_is() -> None:
    assert resolve("out/orders $5.csv", {}) == "out/orders $5.csv"
    assert variables("${A}-${B:-x}-$C") == ["A", "B"]


@pytest.mark.parametrize("url", ["${", "${}", "${A", "${A-B}", "x${1A}"])
def test_an_incomplete_variable_is_noticed(url: str) -> None:
    assert malformed(url)


@pytest.mark.parametrize("url", ["${A}", "${A:-b}", "$A", "a{b}"])
def test_a_complete_variable_is_fine(url: str) -> None:
    assert not malformed(url)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("postgresql://app:hunter2@h/d", "postgresql://app:***@h/d"),
        ("can't reach mysql://u:p@ss/wo:rd@h:1/d!", "can't reach mysql://u:***@h:1/d!"),
        ("postgresql://:hunter2@h/d", "postgresql://:***@h/d"),
        ("host=h password=hunter2 user=u", "host=h password=*** user=u"),
        ("host=h password='hunter 2' user=u", "host=h password=*** user=u"),
        ("postgresql://h/d?user=u&password=hunter2&x=1", "postgresql://h/d?user=u&password=***&x=1"),
        ("https://h/f.csv?token=abc", "https://h/f.csv?token=***"),
        ("${DB:-postgresql://u:p@h/d}", "${DB:-postgresql://u:***@h/d}"),
        ("postgresql://app@h/d and out.csv", "postgresql://app@h/d and out.csv"),
    ],
)
def test_passwords_are_masked_wherever_they_stand(text: str, shown: str) -> None:
    assert redact(text) == shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://app:hunter2@h:5433/d?sslmode=require", "postgresql://h:5433/d"),
        ("postgresql://h/d", "postgresql://h/d"),
        ("mysql://u:p@ss/wo:rd@h/d", "mysql://h/d"),
        ("mysql://u:p@h:port/d", "mysql://h:port/d"),
        ("duckdb:///shop.duckdb", "duckdb:///shop.duckdb"),
        ("out/orders.parquet", "out/orders.parquet"),
        ("${SHOP_DB}", "${SHOP_DB}"),
    ],
)
def test_a_label_names_place_and_database_only(url: str, shown: str) -> None:
    assert label(url) == shown
