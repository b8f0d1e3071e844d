"""A profile counts what each value can be, whatever the cut into tables."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pyarrow as pa
import pytest

from loadlock.cleanup import _profile_column
from loadlock.cleanup.profile import ColumnProfile, Profile, merged, profile, twin
from loadlock.rows import provenance_fields

MIXED = [
    "1", "007", "1.50", "1.234", "1e5", "$ 5", "1.234,5", "12 %", "2024-01-31", "31/01/2024", "01/02/2024", "20240131",
    "10:30", "2024-01-31T10:00:00Z", "x@y.org", "RenÃ©", " padded ", "two  spaces", "N/A", "", None, "{}", "+4930123456",
    "123e4567-e89b-12d3-a456-426614174000", "May 5, 2024", "2024-02-30", "1", "1",
]  # fmt: skip


def column(values: Sequence[str | None]) -> ColumnProfile:
    return profile([pa.table({"c": pa.array(values, pa.string())})]).columns[0]


def test_every_value_is_of_one_kind_or_counted_apart() -> None:
    found = column(MIXED)
    assert (found.rows, found.nulls, found.empties, dict(found.null_words)) == (28, 1, 1, {"N/A": 1})
    assert found.values == 25 == sum(found.kinds.values())
    assert dict(found.kinds) == {
        "integer": 6, "decimal": 2, "float": 1, "number": 3, "moment": 4, "zoned": 1, "time": 1, "other": 7,
    }  # fmt: skip
    expected = {"padded": 1, "inner_spaces": 1, "email": 1, "uuid": 1, "json": 1, "mojibake": 1, "leading_zeros": 1}
    assert {name: found.count(name) for name in expected} == expected
    assert {name: found.count(name) for name in ("plus_signs", "percent", "currency", "either_point", "number_comma")} == {
        "plus_signs": 1, "percent": 1, "currency": 1, "either_point": 1, "number_comma": 1,
    }  # fmt: skip
    assert found.moments == {
        frozenset({"%Y-%m-%d"}): 1,
        frozenset({"%d/%m/%Y"}): 1,
        frozenset({"%d/%m/%Y", "%m/%d/%Y"}): 1,
        frozenset({"%Y%m%d"}): 1,
        frozenset({"%b %d, %Y"}): 1,
    }
    assert found.spans["%d/%m/%Y"] == ("2024-01-31", "2024-02-01")
    assert (found.min_length, found.max_length) == (0, 36)


@pytest.mark.parametrize("size", [1, 2, 5, 100])
def test_the_cut_into_tables_does_not_matter(size: int) -> None:
    cut = [pa.table({"c": pa.array(MIXED[at : at + size], pa.string())}) for at in range(0, len(MIXED), size)]
    found, whole = profile(cut).columns[0], column(MIXED)
    assert replace(found, examples={}, moment_examples={}) == replace(whole, examples={}, moment_examples={})


def test_uniqueness_is_seen_within_a_table_and_across_tables() -> None:
    def unique(*tables: list[str]) -> bool | None:
        return profile(pa.table({"c": pa.array(values)}) for values in tables).columns[0].unique

    assert unique(["a", "b"], ["c"]) is True
    assert unique(["a", "b"], ["b"]) is False
    assert unique(["a", "a"], ["b"]) is False
    assert unique(["a", " a"]) is False


def test_uniqueness_of_too_many_values_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_profile_column, "EXACT_HASHES", 5)
    assert column([str(n) for n in range(6)]).unique is None
    assert column(["x", "x", *(str(n) for n in range(6))]).unique is False


def test_the_number_of_different_values_is_exact_or_about_right() -> None:
    assert column([str(n % 7) for n in range(100)]).distinct == 7
    tables = [
        pa.table({"c": pa.array([str(n % 20_000) for n in range(at, at + 10_000)])}) for at in range(0, 60_000, 10_000)
    ]
    assert profile(tables).columns[0].distinct == pytest.approx(20_000, rel=0.1)


def test_few_different_values_are_listed_and_many_are_not() -> None:
    assert column(["a", "b", "a"]).words == {"a": 2, "b": 1}
    assert column([str(n) for n in range(65)]).words is None


def test_very_many_candidates_for_mojibake_are_estimated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_profile_column, "MOST_REPAIRS", 10)
    assert column([f"RenÃ© {n}" for n in range(200)]).count("mojibake") == 200


def test_provenance_and_columns_that_are_no_text_are_passed_over() -> None:
    fields = [pa.field("a", pa.string()), pa.field("n", pa.int64()), *provenance_fields()]
    table = pa.table([pa.nulls(2, one.type) for one in fields], schema=pa.schema(fields))
    found = profile([table, pa.table({"b": pa.array(["x"]).dictionary_encode()})])
    assert [one.name for one in found.columns] == ["a", "b"]
    assert (found.rows, found.headers) == (3, (("a",), ("b",)))


def test_columns_are_apart_where_no_table_has_both() -> None:
    found = Profile(rows=0, columns=(), headers=(("a", "b"), ("a", "c")))
    assert found.apart("b", "c")
    assert not found.apart("a", "b")


def test_two_profiles_of_one_column_are_added() -> None:
    first, second = column(["1", "01/02/2024", "5"]), column(["01/02/2024", "13/02/2025", "22"])
    both, whole = merged(first, second), column(["1", "01/02/2024", "5", "01/02/2024", "13/02/2025", "22"])
    assert (both.values, both.kinds, both.moments, both.digits) == (whole.values, whole.kinds, whole.moments, 2)
    assert both.spans["%d/%m/%Y"] == ("2024-02-01", "2025-02-13")
    assert both.words == whole.words
    assert both.unique is None
    assert merged(first, column(["x", "x"])).unique is False


def test_no_table_is_an_empty_profile() -> None:
    assert profile([]) == Profile(rows=0, columns=())


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("%d/%m/%Y", "%m/%d/%Y"),
        ("%m-%d-%y %H:%M", "%d-%m-%y %H:%M"),
        ("%Y-%m-%d", "%Y-%m-%d"),
        ("%d.%m.%Y", "%d.%m.%Y"),
        ("%d %b %Y", "%d %b %Y"),
    ],
)
def test_formats_that_can_be_mistaken_are_twins(text: str, other: str) -> None:
    assert twin(text) == other
