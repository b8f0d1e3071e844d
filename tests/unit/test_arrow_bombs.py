"""Parquet and Arrow files of a few bytes that stand for gigabytes: told before they are unpacked, whatever they claim."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loadlock.errors import SourceError
from loadlock.intake import _arrow_claims, _arrow_rows, _parquet_pages
from loadlock.intake.base import SourceOptions
from loadlock.intake.formats.arrow import ArrowFormat
from loadlock.intake.formats.parquet import ParquetFormat
from loadlock.testing.bytes_source import BytesSource


def parquet(table: pa.Table, **options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def read(data: bytes, **options: Any) -> tuple[list[dict[str, Any]], list[tuple[str, str]]]:
    """Rows, and code and message of the rejects."""
    reader = ParquetFormat() if data.startswith(b"PAR1") else ArrowFormat()
    rows, problems = [], []
    for part in reader.read(BytesSource(data, "in"), SourceOptions(**options)).parts:
        rows += part.rows.to_pylist()
        problems += [(row["problems"][0]["code"], row["problems"][0]["message"]) for row in part.rejects.to_pylist()]
    return rows, problems


def repeated(text: str, count: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(count, dtype=np.int32)), pa.array([text]))


def test_a_page_that_unpacks_to_too_much_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_parquet_pages, "PAGE_BYTES", 1 << 20)
    tables = [pa.table({"id": ["1"]}), pa.table({"id": ["x" * (2 << 20)]}), pa.table({"id": ["3"]})]
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, tables[0].schema, compression="zstd", use_dictionary=False) as writer:
        for table in tables:
            writer.write_table(table)
    assert len(sink.getvalue()) < 10_000
    rows, problems = read(sink.getvalue())
    assert [(row["id"], row["_line"]) for row in rows] == [("1", 1), ("3", 3)]
    assert problems[0][0] == "unreadable_range"
    assert "row group 2 (rows 2 to 2)" in problems[0][1]
    assert "a page of column 'id' unpacks to 2,097,1" in problems[0][1]


def test_a_dictionary_that_repeats_a_long_text_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_arrow_rows, "FREE_BYTES", 8 << 20)
    data = parquet(pa.table({"t": repeated("x" * 200_000, 50_000)}), dictionary_pagesize_limit=1 << 20)
    assert len(data) < 20_000
    with pytest.raises(SourceError, match="refused as a decompression bomb"):
        read(data, record_limit=1 << 20)


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_a_dictionary_of_short_texts_may_repeat_them_as_often_as_it_likes(form: str) -> None:
    table = pa.table({"t": repeated("abc", 300_000), "u": repeated("é", 300_000)})
    sink = io.BytesIO()
    with pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    rows, problems = read(parquet(table) if form == "parquet" else sink.getvalue())
    assert (len(rows), problems) == (300_000, [])
    assert {(row["t"], row["u"]) for row in rows} == {("abc", "é")}


def test_rows_of_long_texts_are_read_though_together_they_are_too_much() -> None:
    data = parquet(pa.table({"t": repeated("x" * 3_000, 100)}))
    rows, problems = read(data, record_limit=4_000)
    assert ({row["t"] for row in rows}, len(rows), problems) == ({"x" * 3_000}, 100, [])


def test_a_list_that_is_longer_than_a_record_is_not_made_into_text() -> None:
    items = pa.ListArray.from_arrays(pa.array([0, 2, 1_000_002, 1_000_003], pa.int32()), pa.array(np.zeros(1_000_003)))
    data = parquet(pa.table({"a": items}))
    rows, problems = read(data, record_limit=1 << 20)
    assert [row["_json"] for row in rows] == ['{"a":[0,0]}', '{"a":[0]}']
    assert problems == [("record_too_long", "the row has more than 1,048,576 bytes of text")]


def test_maps_are_measured_where_they_stand() -> None:
    pairs = [[(f"k{number}", number)] for number in range(40)]
    rows, problems = read(parquet(pa.table({"m": pa.array(pairs, pa.map_(pa.string(), pa.int64()))})), record_limit=50)
    assert (len(rows), problems) == (40, [])


def test_more_values_in_a_group_than_any_table_has_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_parquet_pages, "GROUP_VALUES", 1_000)
    rows, problems = read(parquet(pa.table({"a": [[0] * 2_000, [1]]})))
    assert (rows, len(problems)) == ([], 1)
    assert "column 'a.list.element' has 2,001 values in it" in problems[0][1]


def test_long_statistics_before_a_page_hide_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_parquet_pages, "_HEAD_BYTES", 8)
    rows, problems = read(parquet(pa.table({"t": ["y" * 3_000, "z"]}), data_page_version="2.0"))
    assert (len(rows), problems) == (2, [])


def arrow(table: pa.Table, form: str, compression: str | None = None) -> bytes:
    sink = io.BytesIO()
    make = pa.ipc.new_file if form == "file" else pa.ipc.new_stream
    with make(sink, table.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_table(table)
    return sink.getvalue()


@pytest.mark.parametrize("form", ["file", "stream"])
def test_buffers_that_claim_to_unpack_to_gigabytes_are_not_unpacked(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_arrow_claims, "FREE_BYTES", 1 << 20)
    data = arrow(pa.table({"n": np.zeros(1 << 20)}), form, "zstd")
    assert len(data) < 10_000
    rows, problems = read(data)
    assert (rows, [code for code, _ in problems]) == ([], ["unreadable_range"])
    assert "bytes to 8,388,608; the limit is 1,048,576" in problems[0][1]


@pytest.mark.parametrize("form", ["file", "stream"])
def test_a_compressed_dictionary_that_claims_gigabytes_is_refused(form: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_arrow_claims, "FREE_BYTES", 1 << 20)
    data = arrow(pa.table({"t": repeated("x" * (8 << 20), 1)}), form, "zstd")
    if form == "file":
        with pytest.raises(SourceError, match="is no whole Arrow file: its buffers unpack"):
            read(data)
    else:
        assert [code for code, _ in read(data)[1]] == ["unreadable_range"]


@pytest.mark.parametrize("form", ["file", "stream"])
@pytest.mark.parametrize("compression", ["lz4", "zstd", None])
def test_compressed_files_of_several_batches_are_read(form: str, compression: str | None) -> None:
    table = pa.concat_tables([pa.table({"n": [number, 2], "t": repeated("abc", 2)}) for number in range(3)])
    rows, problems = read(arrow(table, form, compression))
    assert ([row["n"] for row in rows], problems) == (["0", "2", "1", "2", "2", "2"], [])
    assert {row["t"] for row in rows} == {"abc"}


@pytest.mark.parametrize("form", ["file", "stream"])
def test_more_rows_than_bits_are_not_believed(form: str) -> None:
    rows, problems = read(arrow(pa.table({"n": pa.nulls(1 << 30)}), form))
    assert (rows, len(problems)) == ([], 1)
    assert "it claims 1,073,741,824 rows in 0 bytes" in problems[0][1]


LONG = "x" * 300_000


@pytest.mark.parametrize("values", [
    pa.ListArray.from_arrays(pa.array([0, 9], pa.int32()), repeated(LONG, 9)),
    pa.StructArray.from_arrays([pa.ListArray.from_arrays([0, 9], repeated(LONG, 9))], ["s"]),
    pa.MapArray.from_arrays([0, 9], pa.array([str(number) for number in range(9)]), repeated(LONG, 9)),
    pa.DictionaryArray.from_arrays(pa.array([0]), pa.array([[LONG] * 9])),
    pa.ListArray.from_arrays(pa.array([0, 9], pa.int32()), pa.RunEndEncodedArray.from_arrays([9], [LONG])),
    pa.ListArray.from_arrays(pa.array([0, 9], pa.int32()), pa.array([LONG] * 9, pa.string_view())),
    pa.ListViewArray.from_arrays(pa.array([0], pa.int32()), pa.array([700_000], pa.int32()), pa.array(np.zeros(700_000))),
], ids=["list", "struct", "map", "dictionary of lists", "runs", "views", "list view"])  # fmt: skip
def test_nested_texts_that_stand_for_too_much_are_a_reject_before_they_are_made(
    values: pa.Array, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    monkeypatch.setattr(_arrow_rows.ArrowRows, "_texts", lambda self, batch: made.append(1))
    table = pa.table({"a": values})
    rows, problems = read(arrow(table, "file"), record_limit=1 << 20)
    assert (rows, problems, made) == ([], [("record_too_long", "the row has more than 1,048,576 bytes of text")], [])


def test_runs_views_and_overlapping_lists_are_read_as_what_they_stand_for() -> None:
    table = pa.table({
        "r": pa.RunEndEncodedArray.from_arrays([2, 3], ["a", "b"]),
        "v": pa.array(["é" * 20, None, "z"], pa.string_view()),
        "l": pa.ListViewArray.from_arrays(pa.array([0, 1, 0], pa.int32()), pa.array([2, 1, 0], pa.int32()), pa.array([1, 2])),
    })  # fmt: skip
    rows, problems = read(arrow(table, "file"))
    assert problems == []
    assert [row["_json"] for row in rows] == [
        '{"r":"a","v":"' + "é" * 20 + '","l":[1,2]}',
        '{"r":"a","v":null,"l":[2]}',
        '{"r":"b","v":"z","l":[]}',
    ]
