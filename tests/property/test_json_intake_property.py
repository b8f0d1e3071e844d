"""Whatever a JSON file holds: every byte is accounted for, no row is invented, and blocks change nothing for good files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from loadlock.intake import _json_stream
from loadlock.intake.base import Format, SourceOptions
from loadlock.intake.formats.json import JsonFormat
from loadlock.intake.formats.ndjson import NdjsonFormat
from loadlock.model import FileReport, SourceFile

FILE = SourceFile(index=0, path="/x", name="x", size_bytes=0, sha256="")


@dataclass
class Bytes:
    """A source in memory."""

    data: bytes
    file: SourceFile = FILE

    def open(self) -> Iterator[bytes]:
        yield self.data

    def head(self, size: int = 1 << 20) -> bytes:
        return self.data[:size]

    def sample(self, size: int = 4 << 20) -> list[bytes]:
        return [self.data[:size]]


def read(chosen: Format, data: bytes, block: int) -> tuple[list[dict[str, Any]], list[dict[str, Any]], FileReport]:
    with patch.object(_json_stream, "BLOCK_BYTES", block):
        result = chosen.read(Bytes(data), SourceOptions(encoding="utf-8"))
        parts = list(result.parts)
    rows = [row for part in parts for row in part.rows.to_pylist()]
    rejects = [row for part in parts for row in part.rejects.to_pylist()]
    return rows, rejects, result.report()


scalars = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=6)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)
blocks = st.sampled_from([1, 7, 50, 1 << 22])


def utf8(value: Any, indent: int | None) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent).encode("utf-8", "replace").decode()


@given(records=st.lists(values, max_size=8), indent=st.sampled_from([None, 0, 2]), block=blocks)
@settings(max_examples=60, deadline=None)
def test_an_array_of_anything_gives_back_its_elements(records: list[Any], indent: int | None, block: int) -> None:
    document = utf8(records, indent)
    rows, rejects, report = read(JsonFormat(), document.encode(), block)
    assert [json.loads(row["_json"]) for row in rows] == json.loads(document)
    assert (rejects, report.bytes.total) == ([], len(document.encode()))


@given(records=st.lists(values, max_size=8), end=st.sampled_from(["\n", "\r\n", "\r"]), block=blocks)
@settings(max_examples=50, deadline=None)
def test_lines_of_anything_give_back_their_values(records: list[Any], end: str, block: int) -> None:
    lines = [utf8(record, None) for record in records]
    rows, rejects, _ = read(NdjsonFormat(), end.join(lines).encode(), block)
    assert [row["_json"] for row in rows] == lines
    assert [row["_line"] for row in rows] == list(range(1, len(lines) + 1))
    assert rejects == []


dirt = st.text(alphabet='{}[]",:\\ \n\r1tfnaé.-', max_size=60).map(str.encode) | st.binary(max_size=40)


@given(data=dirt, block=blocks, form=st.sampled_from([JsonFormat, NdjsonFormat]))
@settings(max_examples=200, deadline=None)
def test_every_byte_of_dirt_is_accounted_for_and_every_row_is_valid(
    data: bytes, block: int, form: type[Format]
) -> None:
    rows, rejects, report = read(form(), data, block)
    assert report.received == len(rows) + len(rejects)
    assert report.bytes.total == len(data)
    end = 0
    for row in sorted(rows + rejects, key=lambda row: int(row["_row"])):
        gap = data[end : row["_offset"]]
        assert row["_offset"] >= end
        assert gap.translate(None, b" \t\r\n,[]\xef\xbb\xbf") == b""
        end = row["_offset"] + row["_length"]
    for row in rows:
        json.loads(row["_json"])
        if row["_encoding"] is None:
            assert data[row["_offset"] : row["_offset"] + row["_length"]] == row["_json"].encode()


@given(
    records=st.lists(
        st.fixed_dictionaries({"id": st.integers(0, 9), "t": st.text(max_size=4)}), min_size=2, max_size=6
    ),
    data=st.data(),
)
@settings(max_examples=80, deadline=None)
def test_a_byte_gone_keeps_out_one_record_at_most_and_lets_nothing_wrong_in(
    records: list[Any], data: st.DataObject
) -> None:
    lines = [json.dumps(record) for record in records]
    document = "[\n" + ",\n".join(lines) + "\n]"
    # the first record is what the others are known by
    place = data.draw(st.integers(len(lines[0]) + 4, len(document) - 3))
    rows, rejects, _ = read(JsonFormat(), (document[:place] + document[place + 1 :]).encode(), 1 << 22)
    texts = [row["_json"] for row in rows]
    changed = [text for text in texts if text not in lines]
    # a byte lost within a name, a text or a number may leave valid JSON, which no reader can know
    assert len(changed) <= 1
    assert all(set(json.loads(text)) <= {"id", "t", "i", "d", ""} for text in changed)
    assert len(texts) - len(changed) >= len(lines) - 1
    assert len(rejects) <= 2
