"""Parquet: typed values as exact text, row groups one by one, a damaged one is one reject."""

from __future__ import annotations

import datetime as dt
import io
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loadlock.errors import SourceError
from loadlock.intake.base import SourceOptions
from loadlock.intake.formats.parquet import ParquetFormat
from loadlock.intake.read import choose_format
from loadlock.model import FileReport
from loadlock.testing.bytes_source import BytesSource

PLACES = ("_source_file", "_row", "_line", "_offset", "_length", "_encoding")


def parquet(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


class Reading:
    """All that reading gave; the balance of rows is checked for each."""

    def __init__(self, data: bytes, **options: Any) -> None:
        result = ParquetFormat().read(BytesSource(data, "in.parquet"), SourceOptions(**options))
        self.parts = list(result.parts)
        self.rows = [row for part in self.parts for row in part.rows.to_pylist()]
        self.rejects = [row for part in self.parts for row in part.rejects.to_pylist()]
        self.report: FileReport = result.report()
        assert self.report.received == len(self.rows) + len(self.rejects)
        numbers = sorted(row["_row"] for row in self.rows + self.rejects)
        assert numbers == list(range(1, len(numbers) + 1))

    @property
    def values(self) -> list[dict[str, Any]]:
        return [{name: value for name, value in row.items() if name not in PLACES} for row in self.rows]


def test_values_come_as_exact_text() -> None:
    moment = dt.datetime(2024, 3, 1, 12, 30, 15, 250_000)
    table = pa.table(
        {
            "whole": pa.array([2**63 - 1], pa.int64()),
            "big": pa.array([2**64 - 1], pa.uint64()),
            "money": pa.array([Decimal("1.10")], pa.decimal128(12, 2)),
            "tiny": pa.array([Decimal("0.0000000001")], pa.decimal128(20, 10)),
            "float": pa.array([0.1], pa.float64()),
            "single": pa.array([0.1], pa.float32()),
            "odd": pa.array([float("nan")], pa.float64()),
            "flag": pa.array([False]),
            "day": pa.array([dt.date(2024, 2, 29)]),
            "at": pa.array([moment], pa.timestamp("us")),
            "midnight": pa.array([dt.datetime(2024, 3, 1)], pa.timestamp("ms")),
            "moment": pa.array([dt.datetime(2024, 3, 1, 12)], pa.timestamp("us", "UTC")),
            "clock": pa.array([dt.time(7, 5)], pa.time64("us")),
            "text": pa.array(["Zoë, a\nb"]),
            "none": pa.array([None], pa.string()),
            "bytes": pa.array([b"\x00\xff"], pa.binary()),
            "word": pa.array(["a"]).dictionary_encode(),
        }
    )
    assert Reading(parquet(table)).values == [
        {
            "whole": "9223372036854775807",
            "big": "18446744073709551615",
            "money": "1.10",
            "tiny": "0.0000000001",
            "float": "0.1",
            "single": "0.1",
            "odd": "NaN",
            "flag": "false",
            "day": "2024-02-29",
            "at": "2024-03-01T12:30:15.25",
            "midnight": "2024-03-01T00:00:00",
            "moment": "2024-03-01T12:00:00Z",
            "clock": "07:05:00",
            "text": "Zoë, a\nb",
            "none": None,
            "bytes": "\\x00ff",
            "word": "a",
        }
    ]


def test_rows_are_numbered_through_the_row_groups_and_have_no_offset() -> None:
    read = Reading(parquet(pa.table({"a": [1, 2, 3]}), row_group_size=2))
    assert [tuple(row[name] for name in PLACES) for row in read.rows] == [
        ("in.parquet", 1, 1, None, None, None),
        ("in.parquet", 2, 2, None, None, None),
        ("in.parquet", 3, 3, None, None, None),
    ]
    assert read.report.header == ["a"]
    assert read.report.dialect == {"row_groups": 2}


def test_a_file_with_nested_columns_comes_as_json_records() -> None:
    table = pa.table(
        {"id": [1], "to": [{"city": 'Ōsaka "1"', "zip": None}], "tags": [["a", None]], "sum": [Decimal("1.10")]}
    )
    read = Reading(parquet(table))
    assert read.values == [{"_json": '{"id":1,"to":{"city":"Ōsaka \\"1\\"","zip":null},"tags":["a",null],"sum":1.10}'}]


def test_names_that_stand_twice_are_told_apart() -> None:
    table = pa.table([[1], [2], [3]], names=["a", "a", "_row"])
    read = Reading(parquet(table))
    assert read.values == [{"a": "1", "a_2": "2", "_row_2": "3"}]
    assert any("stands twice" in note for note in read.report.notes)


@pytest.mark.parametrize(
    ("binary", "text"), [("hex", "\\x616263"), ("base64", "YWJj"), ("text", "abc")], ids=["hex", "base64", "text"]
)
def test_bytes_are_staged_as_told(binary: str, text: str) -> None:
    read = Reading(parquet(pa.table({"b": pa.array([b"abc"])})), extra={"binary": binary})
    assert read.values == [{"b": text}]
    assert any("'b' holds bytes" in note for note in read.report.notes)


def test_a_text_that_is_no_utf8_costs_its_row_only() -> None:
    texts = pa.Array.from_buffers(
        pa.string(), 3, [None, pa.array(["a", "bb", "c"]).buffers()[1], pa.py_buffer(b"a\xff\xfec")]
    )
    read = Reading(parquet(pa.table({"n": [1, 2, 3], "s": texts})))
    assert read.values == [{"n": "1", "s": "a"}, {"n": "3", "s": "c"}]
    [reject] = read.rejects
    [problem] = reject["problems"]
    assert (reject["_row"], reject["_line"]) == (2, 2)
    assert (problem["code"], problem["column"], problem["value"]) == ("invalid_encoding", "s", "\\xfffe")
    assert reject["raw"] == b'{"n": "2", "s": "\\\\xfffe"}'


def test_a_damaged_row_group_is_one_reject_and_the_others_are_rows() -> None:
    data = bytearray(
        parquet(pa.table({"a": list(range(6))}), row_group_size=2, compression="none", use_dictionary=False)
    )
    group = pq.ParquetFile(io.BytesIO(bytes(data))).metadata.row_group(1).column(0)
    start, size = group.data_page_offset, group.total_compressed_size
    data[start : start + size] = b"\xff" * size
    read = Reading(bytes(data))
    assert [(row["a"], row["_row"], row["_line"]) for row in read.rows] == [
        ("0", 1, 1),
        ("1", 2, 2),
        ("4", 4, 5),
        ("5", 5, 6),
    ]
    [reject] = read.rejects
    assert (reject["_row"], reject["_line"], reject["_offset"]) == (3, 3, None)
    assert reject["problems"][0]["code"] == "unreadable_range"
    assert "row group 2 (rows 3 to 4)" in reject["problems"][0]["message"]


def test_changed_bytes_are_found_by_the_checksum_of_the_page() -> None:
    data = bytearray(
        parquet(
            pa.table({"a": ["xxxx", "yyyy"]}),
            compression="none",
            use_dictionary=False,
            write_statistics=False,
            write_page_checksum=True,
        )
    )
    data[data.index(b"xxxx")] = ord("z")
    read = Reading(bytes(data))
    assert read.values == []
    assert "CRC" in read.rejects[0]["problems"][0]["message"]


@pytest.mark.parametrize("cut", [5, 100, -1], ids=["head", "middle", "last byte"])
def test_a_cut_off_file_is_refused(cut: int) -> None:
    data = parquet(pa.table({"a": [1, 2, 3]}))
    with pytest.raises(SourceError, match="no whole Parquet file"):
        Reading(data[:cut])


def test_an_encrypted_file_is_refused_as_such() -> None:
    with pytest.raises(SourceError, match="encrypted"):
        Reading(b"PARE" + bytes(100) + b"PARE")


def test_an_empty_table_gives_no_rows_and_its_header() -> None:
    read = Reading(parquet(pa.table({"a": pa.array([], pa.int64())})))
    assert (read.rows, read.rejects, read.report.header) == ([], [], ["a"])


def test_a_row_beyond_the_record_limit_is_a_reject() -> None:
    read = Reading(parquet(pa.table({"a": ["x" * 2000, "y", "z" * 3000, "w"]})), record_limit=1000)
    assert [row["a"] for row in read.rows] == ["y", "w"]
    assert [reject["problems"][0]["code"] for reject in read.rejects] == ["record_too_long"] * 2


def test_small_parts_hold_the_same_rows() -> None:
    data = parquet(pa.table({"a": list(range(1000)), "b": ["text"] * 1000}), row_group_size=100)
    whole, pieces = Reading(data), Reading(data, part_bytes=500)
    assert len(pieces.parts) > 1
    assert whole.rows == pieces.rows


def test_it_is_told_by_its_first_bytes_whatever_its_name() -> None:
    source = BytesSource(parquet(pa.table({"a": [1]})), "data.csv")
    assert choose_format(source, SourceOptions()).name == "parquet"
