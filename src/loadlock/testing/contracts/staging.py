"""The contract suite of staging.

class TestMine(StagingContract):
    @pytest.fixture
    def case(self, tmp_path):
        return StagingCase(staging=Mine(tmp_path), broken=...)
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from loadlock.errors import WorkspaceError
from loadlock.model import PartKey, PartKind, Problem, Stage
from loadlock.rows import Place, provenance_fields, reject, reject_table
from loadlock.staging.base import Staging

if TYPE_CHECKING:
    import pyarrow as pa

BATCH = "ab" * 32
TEXTS = ("plain", "", None, "a\0b", "😀 é", "NULL", "nan", " padded ", "q\"u'o", "x" * 100_000, "line\r\nend", "\ufeff")


@dataclass(frozen=True, kw_only=True)
class StagingCase:
    """A staging without parts, for one test."""

    staging: Staging
    broken: Callable[[], AbstractContextManager[object]]
    """Within this context writing fails half-way, as on a full disk."""


def key(seq: int = 1, *, batch: str = BATCH, scope: str = "g1", kind: PartKind = PartKind.RAW) -> PartKey:
    """A part's key."""
    return PartKey(batch=batch, scope=scope, kind=kind, seq=seq)


def numbered(*numbers: int) -> pa.Table:
    """A small part that can be told from others."""
    import pyarrow as pa

    return pa.table({"n": pa.array(numbers, pa.int64())})


def raw_part(rows: int = len(TEXTS)) -> pa.Table:
    """Text columns with hostile names and values, then provenance."""
    import pyarrow as pa

    texts = [TEXTS[index % len(TEXTS)] for index in range(rows)]
    numbers = list(range(1, rows + 1))
    provenance: list[list[Any]] = [
        ["orders.csv"] * rows,
        numbers,
        numbers,
        numbers,
        [9] * rows,
        [None, "cp1252"] * (rows // 2 + 1),
    ]
    arrays = {name: pa.array(texts, pa.string()) for name in ("a", "A", "a.b", '"; drop table x; --', "größe 😀", "\0")}
    for field, values in zip(provenance_fields(), provenance, strict=True):
        arrays[field.name] = pa.array(values[:rows], field.type)
    return pa.table(arrays)


def typed_part() -> pa.Table:
    """Every type a clean column may have, at its edges."""
    import pyarrow as pa

    zone = dt.UTC
    columns: dict[str, tuple[pa.DataType, list[Any]]] = {
        "integer": (pa.int64(), [-(2**63), 2**63 - 1, 0]),
        "small": (pa.int32(), [-(2**31), 2**31 - 1, 0]),
        "decimal": (
            pa.decimal128(38, 10),
            [Decimal("-1234567890123456789012345678.0123456789"), Decimal("0E-10"), None],
        ),
        "whole": (pa.decimal128(3, 0), [Decimal(999), Decimal(-999), Decimal(0)]),
        "float": (pa.float64(), [math.inf, -0.0, 5e-324]),
        "boolean": (pa.bool_(), [True, False, None]),
        "date": (pa.date32(), [dt.date(1, 1, 1), dt.date(9999, 12, 31), None]),
        "time": (pa.time64("us"), [dt.time(0), dt.time(23, 59, 59, 999_999), None]),
        "timestamp": (pa.timestamp("us"), [dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999_999), None]),
        "timestamptz": (
            pa.timestamp("us", "UTC"),
            [dt.datetime(1969, 12, 31, 23, 59, 59, 999_999, tzinfo=zone), dt.datetime(2026, 1, 1, tzinfo=zone), None],
        ),
        "nothing": (pa.string(), [None, None, None]),
    }
    return pa.table({name: pa.array(values, kind) for name, (kind, values) in columns.items()})


def reject_part() -> pa.Table:
    """Rejects with and without problems' columns, values and raw bytes."""
    rows = [
        reject(
            Place(file=0, source_file="a.csv", row=1, line=2, offset=0, length=5),
            problems=[Problem(code="not_date", message="é 😀", column="d", value="31/02"), Problem(code="x", message="")],
            stage=Stage.CLEANUP, values={"d": "31/02", "e": None}, raw=b"\xff\x00,\n",
        ),
        reject(Place(file=1, source_file="b.xlsx", row=2), problems=[], stage=Stage.INTAKE),
    ]  # fmt: skip
    return reject_table(rows)


def same(found: pa.Table, written: pa.Table) -> None:
    """The same types, names and values in the same order."""
    assert found.schema == written.schema
    for name, expected, got in zip(written.column_names, written.columns, found.columns, strict=True):
        assert got.to_pylist() == expected.to_pylist(), name


class StagingContract:
    """Give it a fixture `case`."""

    @pytest.mark.parametrize("make", [raw_part, typed_part, reject_part], ids=lambda make: make.__name__)
    def test_a_part_is_read_as_it_was_written(self, case: StagingCase, make: Callable[[], pa.Table]) -> None:
        table = make()
        ref = case.staging.write(key(), table, file_index=3)
        assert (ref.key, ref.rows, ref.file_index) == (key(), table.num_rows, 3)
        same(case.staging.read(ref), table)

    @pytest.mark.parametrize("make", [raw_part, typed_part, reject_part], ids=lambda make: make.__name__)
    def test_a_part_without_rows_keeps_its_types(self, case: StagingCase, make: Callable[[], pa.Table]) -> None:
        table = make().slice(0, 0)
        same(case.staging.read(case.staging.write(key(), table)), table)

    def test_not_a_number_stays_one(self, case: StagingCase) -> None:
        import pyarrow as pa

        table = pa.table({"f": pa.array([math.nan, None, -0.0])})
        nan, nothing, zero = case.staging.read(case.staging.write(key(), table))["f"].to_pylist()
        assert math.isnan(nan)
        assert nothing is None
        assert math.copysign(1, zero) == -1

    def test_a_table_in_several_chunks_is_one_part(self, case: StagingCase) -> None:
        import pyarrow as pa

        table = pa.concat_tables([raw_part(3), raw_part(4)])
        same(case.staging.read(case.staging.write(key(), table)), table)

    def test_only_the_columns_asked_for_are_read_in_that_order(self, case: StagingCase) -> None:
        ref = case.staging.write(key(), raw_part())
        names = ["_row", '"; drop table x; --', "a.b"]
        same(case.staging.read(ref, columns=names), raw_part().select(names))

    def test_writing_again_replaces_what_lay_there(self, case: StagingCase) -> None:
        case.staging.write(key(), numbered(1, 2, 3))
        ref = case.staging.write(key(), numbered(7))
        same(case.staging.read(ref), numbered(7))

    def test_parts_of_all_kinds_scopes_and_batches_lie_apart(self, case: StagingCase) -> None:
        keys = [key(), key(2), key(kind=PartKind.CLEAN), key(scope="g2"), key(scope="r1-batch"), key(batch="cd" * 32)]
        refs = [case.staging.write(each, numbered(number)) for number, each in enumerate(keys)]
        assert [case.staging.read(ref)["n"].to_pylist() for ref in refs] == [[n] for n in range(len(keys))]

    def test_a_part_that_is_not_there_is_an_error_of_the_workspace(self, case: StagingCase) -> None:
        ref = case.staging.write(key(), numbered(1))
        case.staging.remove(BATCH)
        with pytest.raises(WorkspaceError, match="is not there"):
            case.staging.read(ref)

    def test_a_part_with_fewer_rows_than_listed_is_damaged(self, case: StagingCase) -> None:
        ref = case.staging.write(key(), numbered(1, 2))
        with pytest.raises(WorkspaceError, match="damaged"):
            case.staging.read(replace(ref, rows=3))

    def test_an_interrupted_write_leaves_nothing_to_be_seen(self, case: StagingCase) -> None:
        ref = case.staging.write(key(), numbered(1))
        case.staging.remove(BATCH)
        with case.broken(), pytest.raises(WorkspaceError):
            case.staging.write(key(), raw_part(500))
        with pytest.raises(WorkspaceError, match="is not there"):
            case.staging.read(ref)
        same(case.staging.read(case.staging.write(key(), numbered(2))), numbered(2))

    def test_an_interrupted_write_leaves_the_part_that_was_there(self, case: StagingCase) -> None:
        ref = case.staging.write(key(), numbered(1))
        with case.broken(), pytest.raises(WorkspaceError):
            case.staging.write(key(), raw_part(500))
        same(case.staging.read(ref), numbered(1))

    def test_removing_takes_one_scope_or_the_whole_batch(self, case: StagingCase) -> None:
        first = case.staging.write(key(), numbered(1))
        second = case.staging.write(key(scope="r1"), numbered(2))
        other = case.staging.write(key(batch="cd" * 32), numbered(3))
        case.staging.remove(BATCH, scope="g1")
        with pytest.raises(WorkspaceError):
            case.staging.read(first)
        same(case.staging.read(second), numbered(2))
        case.staging.remove(BATCH)
        with pytest.raises(WorkspaceError):
            case.staging.read(second)
        same(case.staging.read(other), numbered(3))

    def test_removing_what_is_not_there_is_no_error(self, case: StagingCase) -> None:
        case.staging.remove(BATCH)
        case.staging.remove(BATCH, scope="g9")

    def test_several_threads_write_and_read_at_once(self, case: StagingCase) -> None:
        def there_and_back(seq: int) -> list[int]:
            values: list[int] = case.staging.read(case.staging.write(key(seq), numbered(seq, -seq)))["n"].to_pylist()
            return values

        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(there_and_back, range(1, 25))) == [[seq, -seq] for seq in range(1, 25)]

    def test_bound_parts_are_one_view_united_by_name(self, case: StagingCase) -> None:
        import duckdb
        import pyarrow as pa

        tables = [pa.table({"a": ["1"], "b": ["2"]}), pa.table({"b": ["3"], "größe 😀": ["4"]}), pa.table({"a": ["5"]})]
        refs = [case.staging.write(key(seq), table) for seq, table in enumerate(tables, start=1)]
        with duckdb.connect() as connection:
            case.staging.bind(connection, "rows", refs)
            found = connection.execute('select a, b, "größe 😀" from rows order by all').fetchall()
        assert found == [("1", "2", None), ("5", None, None), (None, "3", "4")]

    def test_bound_columns_are_those_asked_for_with_their_types(self, case: StagingCase) -> None:
        import duckdb

        ref = case.staging.write(key(), typed_part())
        with duckdb.connect() as connection:
            case.staging.bind(connection, 'a "view"', [ref], columns=["timestamptz", "decimal", "time"])
            found = connection.sql('select * from "a ""view"""').to_arrow_table()
        assert found.column_names == ["timestamptz", "decimal", "time"]
        assert found["decimal"].to_pylist() == typed_part()["decimal"].to_pylist()
        assert found["time"].to_pylist() == typed_part()["time"].to_pylist()
        assert found["timestamptz"].cast("int64").to_pylist() == typed_part()["timestamptz"].cast("int64").to_pylist()

    def test_binding_again_under_the_same_name_replaces_the_view(self, case: StagingCase) -> None:
        import duckdb

        refs = [case.staging.write(key(seq), numbered(seq)) for seq in (1, 2)]
        with duckdb.connect() as connection:
            for ref in refs:
                case.staging.bind(connection, "rows", [ref])
            assert connection.execute("select n from rows").fetchall() == [(2,)]

    def test_binding_no_parts_gives_a_view_without_rows(self, case: StagingCase) -> None:
        import duckdb

        with duckdb.connect() as connection:
            case.staging.bind(connection, "rows", [], columns=["a", "b"])
            assert connection.execute("select a, b from rows").fetchall() == []

    def test_binding_a_part_that_is_gone_is_an_error_of_the_workspace(self, case: StagingCase) -> None:
        import duckdb

        ref = case.staging.write(key(), numbered(1))
        case.staging.remove(BATCH)
        with duckdb.connect() as connection, pytest.raises(WorkspaceError, match="is not there"):
            case.staging.bind(connection, "rows", [ref])
