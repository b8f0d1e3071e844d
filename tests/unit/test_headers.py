"""Column names from a header as found."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from loadlock.intake.headers import RESERVED, join_header_rows, name_columns, numbered_columns


def test_good_names_stay_as_they_are() -> None:
    naming = name_columns(["id", "Name", "amount (EUR)"])
    assert naming.names == ["id", "Name", "amount (EUR)"]
    assert naming.notes == []


def test_the_second_of_equal_names_gets_a_number() -> None:
    naming = name_columns(["amount", "amount", "amount"])
    assert naming.names == ["amount", "amount_2", "amount_3"]
    assert naming.notes == [
        "column 2 'amount' is staged as 'amount_2': the name stands twice",
        "column 3 'amount' is staged as 'amount_3': the name stands twice",
    ]


def test_a_made_up_name_never_takes_one_of_the_file() -> None:
    assert name_columns(["a", "a", "a_2"]).names == ["a", "a_3", "a_2"]
    assert name_columns(["", "column_1"]).names == ["column_1_2", "column_1"]


def test_empty_names_are_numbered_by_place() -> None:
    naming = name_columns(["id", "", "  "])
    assert naming.names == ["id", "column_2", "column_3"]
    assert naming.notes[0] == "column 2 has no name and is staged as 'column_2'"


def test_white_space_and_invisible_characters_around_names_go_with_a_note() -> None:
    naming = name_columns(["\ufeffid", " name\u00a0", "a\u00a0b"])
    assert naming.names == ["id", "name", "a\u00a0b"]
    assert len(naming.notes) == 2
    assert "without the white space" in naming.notes[0]


def test_names_that_differ_in_case_only_are_kept_and_noted() -> None:
    naming = name_columns(["Amount", "amount"])
    assert naming.names == ["Amount", "amount"]
    assert naming.notes == ["columns 'Amount' and 'amount' differ only in case; both are kept"]


def test_names_that_differ_in_white_space_and_punctuation_only_are_kept_and_noted() -> None:
    naming = name_columns(["Order ID", "order_id", "Amount", "--", "**"])
    assert naming.names == ["Order ID", "order_id", "Amount", "--", "**"]
    assert naming.notes == [
        "columns 'Order ID' and 'order_id' differ only in case, white space and punctuation; both are kept"
    ]


def test_names_that_look_like_values_are_noted() -> None:
    naming = name_columns(["17", "2024-01-31", "ann@example.org", "Oslo"])
    assert naming.names == ["17", "2024-01-31", "ann@example.org", "Oslo"]
    assert naming.notes == [
        "3 of 4 names look like values ('17', '2024-01-31', 'ann@example.org'): if the first row is data, pin `header: 0`"
    ]


def test_years_and_small_numbers_are_names_as_good_as_others() -> None:
    assert name_columns(["country", "2019", "2020", "1", "12"]).notes == []


def test_long_names_are_kept_and_noted() -> None:
    naming = name_columns(["x" * 200])
    assert naming.names == ["x" * 200]
    assert "longer than 63 bytes" in naming.notes[0]


def test_names_of_the_provenance_columns_get_a_number() -> None:
    naming = name_columns(["_row", "_file", "_source_file"])
    assert naming.names == ["_row_2", "_file_2", "_source_file_2"]
    assert "used by Loadlock itself" in naming.notes[0]


def test_many_notes_are_cut_short() -> None:
    naming = name_columns([""] * 500)
    assert len(naming.names) == 500
    assert naming.notes[-1] == "... and 480 more columns like these"


def test_header_rows_are_joined_with_a_space() -> None:
    assert join_header_rows([["2020", "", "2021"], ["Jan", "Feb "]]) == ["2020 Jan", "Feb", "2021"]


def test_columns_without_header_are_numbered() -> None:
    assert numbered_columns(3) == ["column_1", "column_2", "column_3"]


@given(st.lists(st.sampled_from(["a", "a_2", "A", "", " ", "column_2", "_row", "_row_2", "é"]), max_size=12))
def test_no_column_is_lost_and_names_are_unique(found: list[str]) -> None:
    names = name_columns(found).names
    assert len(names) == len(found)
    assert len(set(names)) == len(names)
    assert all(names)
    assert not RESERVED & set(names)
