"""Arrow IPC files and streams: exact text, batch by batch; what can't be read is one reject."""

from __future__ import annotations

import io
from typing import Any

import pyarrow as pa
import pytest

from loadlock.errors import SourceError
from loadlock.intake.base import SourceOptions
from loadlock.intake.formats.arrow import ArrowFormat
from loadlock.intake.read import choose_format
from loadlock.model import FileReport
from loadlock.testing.bytes_source import BytesSource

TABLE = pa.table({"id": [1, 2, 3, 4, 5], "name": ["Ann", "Bo", None, "Zoë", ""]})


def ipc(table: pa.Table, form: str, *, rows: int = 2, **options: Any) -> bytes:
    sink = io.BytesIO()
    opened = pa.ipc.new_file if form == "file" else pa.ipc.new_stream
    with opened(sink, table.schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(table, max_chunksize=rows)
    return sink.getvalue()


class Reading:
    """All that reading gave; the balance of rows is checked for each."""

    def __init__(self, data: bytes, *, block_bytes: int = 4 << 20, **options: Any) -> None:
        source = BytesSource(data, "in.arrow", block_bytes=block_bytes)
        result = ArrowFormat().read(source, SourceOptions(**options))
        parts = list(result.parts)
        self.rows = [row for part in parts for row in part.rows.to_pylist()]
        self.rejects = [row for part in parts for row in part.rejects.to_pylist()]
        self.report: FileReport = result.report()
        assert self.report.received == len(self.rows) + len(self.rejects)
        numbers = sorted(row["_row"] for row in self.rows + self.rejects)
        assert numbers == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("form", ["file", "stream"])
@pytest.mark.parametrize("compression", [None, "zstd", "lz4"])
def test_rows_of_all_batches_come_in_order(form: str, compression: str | None) -> None:
    read = Reading(ipc(TABLE, form, compression=compression))
    assert [(row["id"], row["name"], row["_row"], row["_line"], row["_offset"]) for row in read.rows] == [
        ("1", "Ann", 1, 1, None),
        ("2", "Bo", 2, 2, None),
        ("3", None, 3, 3, None),
        ("4", "Zoë", 4, 4, None),
        ("5", "", 5, 5, None),
    ]
    assert read.report.dialect["form"] == form
    assert read.report.notes == []


def test_a_stream_is_read_in_whatever_blocks_it_comes() -> None:
    data = ipc(TABLE, "stream")
    assert Reading(data, block_bytes=7).rows == Reading(data).rows


def test_words_of_a_dictionary_are_the_texts_they_stand_for() -> None:
    table = pa.table({"word": pa.array(["a", "b", "a", None]).dictionary_encode()})
    assert [row["word"] for row in Reading(ipc(table, "stream")).rows] == ["a", "b", "a", None]


def test_lists_structs_and_maps_become_json() -> None:
    table = pa.table(
        {
            "m": pa.array([[("k", 1.5)], None], pa.map_(pa.string(), pa.float64())),
            "l": pa.array([[{"x": 1}], []], pa.large_list(pa.struct([("x", pa.int8())]))),
        }
    )
    read = Reading(ipc(table, "file"))
    assert [row["_json"] for row in read.rows] == ['{"m":{"k":1.5},"l":[{"x":1}]}', '{"m":null,"l":[]}']


def test_the_rest_of_a_cut_off_stream_is_one_reject_with_its_place_and_bytes() -> None:
    data = ipc(TABLE, "stream")
    cut = data[: len(data) - 100]
    read = Reading(cut)
    assert [row["id"] for row in read.rows] == ["1", "2", "3", "4"]
    [reject] = read.rejects
    assert (reject["_row"], reject["_line"]) == (5, 5)
    assert reject["_offset"] + reject["_length"] == len(cut)
    assert reject["raw"] == cut[reject["_offset"] :]
    assert "from row 5 on" in reject["problems"][0]["message"]


def test_a_stream_cut_off_between_two_batches_is_noted() -> None:
    data = ipc(TABLE, "stream")
    read = Reading(data[:-8])
    assert len(read.rows) == 5
    assert read.report.notes == ["the stream has no mark at its end: whether all of it came can't be told"]


def test_bytes_behind_a_stream_are_a_reject() -> None:
    data = ipc(TABLE, "stream")
    read = Reading(data + b"junk")
    assert len(read.rows) == 5
    assert (read.rejects[0]["_offset"], read.rejects[0]["_length"], read.rejects[0]["raw"]) == (len(data), 4, b"junk")


def test_a_damaged_batch_of_a_file_is_one_reject_and_the_others_are_rows() -> None:
    data = bytearray(ipc(TABLE, "file"))
    starts = [at for at in range(0, len(data), 8) if data[at : at + 4] == b"\xff\xff\xff\xff"]
    start = starts[2]  # behind those of the schema and the first batch
    data[start + 8 : start + 40] = b"\xff" * 32
    read = Reading(bytes(data))
    assert [row["id"] for row in read.rows] == ["1", "2", "5"]
    [reject] = read.rejects
    assert reject["problems"][0]["code"] == "unreadable_range"
    assert "record batch 2 of 3" in reject["problems"][0]["message"]


def test_offsets_that_point_outside_their_buffer_are_rejected_not_followed() -> None:
    offsets = pa.py_buffer(b"".join(n.to_bytes(4, "little") for n in (0, 1, 2)))
    good = pa.Array.from_buffers(pa.string(), 2, [None, offsets, pa.py_buffer(b"ab")])
    data = ipc(pa.table({"s": good}), "file").replace(offsets.to_pybytes(), b"\0\0\0\0\x01\0\0\0\xff\xff\xff\x0f")
    read = Reading(data)
    assert read.rows == []
    assert read.rejects


@pytest.mark.parametrize("form", ["file", "stream"])
def test_a_damaged_schema_is_refused(form: str) -> None:
    data = bytearray(ipc(TABLE, form))
    data[8:60] = b"\x07" * 52
    if form == "file":
        data[-200:-60] = b"\x07" * 140
    with pytest.raises(SourceError, match="no whole Arrow file"):
        Reading(bytes(data))


@pytest.mark.parametrize(("form", "name"), [("file", "a.csv"), ("stream", "a.txt")])
def test_it_is_told_by_its_first_bytes_whatever_its_name(form: str, name: str) -> None:
    assert choose_format(BytesSource(ipc(TABLE, form), name), SourceOptions()).name == "arrow"
