"""JSON, one record a line: exact places, strict JSON, one reject for a bad line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loadlock.errors import SourceError
from loadlock.intake import _json_stream
from loadlock.intake.base import SourceOptions
from loadlock.intake.files import open_sources
from loadlock.intake.formats.ndjson import NdjsonFormat
from loadlock.intake.read import choose_format
from loadlock.model import FileReport

Rows = list[dict[str, Any]]


class Reading:
    """All that reading some bytes gave; the balance of rows and bytes is checked for each."""

    def __init__(self, folder: Path, data: bytes, **options: Any) -> None:
        path = folder / "in.ndjson"
        path.write_bytes(data)
        [source] = open_sources([path])
        result = NdjsonFormat().read(source, SourceOptions(**options))
        self.parts = list(result.parts)
        self.rows: Rows = [row for part in self.parts for row in part.rows.to_pylist()]
        self.rejects: Rows = [row for part in self.parts for row in part.rejects.to_pylist()]
        self.report: FileReport = result.report()
        assert self.report.received == len(self.rows) + len(self.rejects)
        assert self.report.bytes.total == len(data)
        assert self.report.bytes.framing >= 0
        numbers = sorted(row["_row"] for row in self.rows + self.rejects)
        assert numbers == list(range(1, len(numbers) + 1))

    @property
    def texts(self) -> list[str]:
        return [row["_json"] for row in self.rows]

    @property
    def codes(self) -> list[str]:
        return [reject["problems"][0]["code"] for reject in self.rejects]


def places(rows: Rows) -> list[tuple[int, int, int, int]]:
    return [(row["_row"], row["_line"], row["_offset"], row["_length"]) for row in rows]


def test_rows_are_the_lines_as_they_stand(tmp_path: Path) -> None:
    read = Reading(tmp_path, b'{"a": 1.10}\n{"a":12345678901234567890123}\n')
    assert read.texts == ['{"a": 1.10}', '{"a":12345678901234567890123}']
    assert places(read.rows) == [(1, 1, 0, 11), (2, 2, 12, 29)]
    assert read.rows[0]["_source_file"] == "in.ndjson"
    assert read.rows[0]["_encoding"] is None


def test_lf_crlf_and_cr_each_end_one_line(tmp_path: Path) -> None:
    read = Reading(tmp_path, b"1\n2\r\n3\r4\n\r\n5")
    assert read.texts == ["1", "2", "3", "4", "5"]
    assert [row["_line"] for row in read.rows] == [1, 2, 3, 4, 6]
    assert [row["_offset"] for row in read.rows] == [0, 2, 5, 7, 11]
    assert (read.report.blank, read.report.bytes.blank) == (1, 2)


def test_white_space_around_a_record_is_framing(tmp_path: Path) -> None:
    read = Reading(tmp_path, b'  {"a":1}\t\n \t \n')
    assert places(read.rows) == [(1, 1, 2, 7)]
    assert read.report.bytes.framing == 4
    assert (read.report.blank, read.report.bytes.blank) == (1, 4)


def test_a_bad_line_is_one_reject_with_its_place_and_bytes(tmp_path: Path) -> None:
    read = Reading(tmp_path, '{"a":1}\n{"é":1,}\n{"a":2}\n'.encode())
    assert read.texts == ['{"a":1}', '{"a":2}']
    assert places(read.rejects) == [(2, 2, 8, 9)]
    assert read.rejects[0]["raw"] == '{"é":1,}'.encode()
    problem = read.rejects[0]["problems"][0]
    assert problem["code"] == "invalid_json"
    assert problem["message"] == "Expecting property name enclosed in double quotes: line 2, column 8 (byte 16)"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"[NaN]", "invalid_json"),
        (b"-Infinity", "invalid_json"),
        (b'"\\ud800"', "invalid_json"),
        (b'"\\udc00\\ud800"', "invalid_json"),
        (b'"a\tb"', "invalid_json"),
        (b"01", "invalid_json"),
        (b'"\xff\x81"', "invalid_encoding"),
        (b"[" * 101 + b"]" * 101, "nested_too_deep"),
        (b"[" * 50000, "nested_too_deep"),
        (b"\x00", "invalid_json"),
    ],
)
def test_what_is_not_strict_json_is_refused(tmp_path: Path, line: bytes, code: str) -> None:
    read = Reading(tmp_path, b"1\n" + line + b"\n2\n")
    assert read.texts == ["1", "2"]
    assert read.codes == [code]


@pytest.mark.parametrize(
    "line",
    [
        b"1e999",
        b"-1E+400",
        b"1" * 5000,
        b'{"a":1,"a":2}',
        b'"\\ud83d\\ude00"',
        b'"\\\\ud800"',
        b"[" * 100 + b"]" * 100,
        b'["' + b"[" * 200 + b'"]',
        b'"\xe2\x80\xa8"',
    ],
)
def test_unusual_but_valid_json_is_kept_to_the_letter(tmp_path: Path, line: bytes) -> None:
    assert Reading(tmp_path, line + b"\n").texts == [line.decode()]


def test_nan_is_taken_where_it_is_tolerated(tmp_path: Path) -> None:
    read = Reading(tmp_path, b'{"a":NaN,"b":-Infinity}\n{"a":nan}\n', tolerate=("nan",))
    assert read.texts == ['{"a":NaN,"b":-Infinity}']
    assert read.codes == ["invalid_json"]


def test_a_line_in_another_encoding_is_decoded_and_marked(tmp_path: Path) -> None:
    read = Reading(tmp_path, '{"a":"é"}\n'.encode() * 3 + '{"a":"é"}\n'.encode("cp1252"))
    assert read.texts == ['{"a":"é"}'] * 4
    assert [row["_encoding"] for row in read.rows] == [None, None, None, "cp1252"]
    assert read.rows[3]["_length"] == 9
    assert read.report.encoding["fallback_rows"] == 1


def test_byte_order_marks_at_the_start_and_in_the_middle_are_no_data(tmp_path: Path) -> None:
    read = Reading(tmp_path, b"\xef\xbb\xbf1\n\xef\xbb\xbf2\n")
    assert read.texts == ["1", "2"]
    assert [row["_offset"] for row in read.rows] == [3, 8]
    assert (read.report.bytes.preamble, read.report.bytes.framing) == (3, 5)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be", "utf-32-le", "cp932"])
def test_offsets_are_of_the_original_bytes_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    data = '{"a":"東京ソ"}\r\n{bad}\n{"b":2}\n'.encode(encoding)
    read = Reading(tmp_path, data, encoding=encoding)
    assert read.texts == ['{"a":"東京ソ"}', '{"b":2}']
    plain = encoding if encoding != "utf-16" else "utf-16-le"
    for row in read.rows:
        assert data[row["_offset"] : row["_offset"] + row["_length"]].decode(plain) == row["_json"]
    assert read.rejects[0]["raw"] == "{bad}".encode(plain)


def test_undecodable_characters_of_a_transcoded_file_reject_their_line(tmp_path: Path) -> None:
    data = '"a"\n"'.encode("utf-16-le") + b"\x00\xd8" + '"\n"b"\n'.encode("utf-16-le")
    read = Reading(tmp_path, data, encoding="utf-16-le")
    assert read.texts == ['"a"', '"b"']
    assert read.codes == ["invalid_encoding"]
    assert places(read.rejects) == [(2, 2, 8, 6)]


@pytest.mark.parametrize("block", [16, 64, 1 << 22])
def test_a_line_beyond_the_limit_is_one_reject_and_the_next_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr(_json_stream, "BLOCK_BYTES", block)
    read = Reading(tmp_path, b"1\n" + b"7" * 1000 + b"\r\n2\n" + b"8" * 500, record_limit=100)
    assert read.texts == ["1", "2"]
    assert [row["_line"] for row in read.rows] == [1, 3]
    assert places(read.rejects) == [(2, 2, 2, 1000), (4, 4, 1006, 500)]
    assert read.codes == ["record_too_long"] * 2


def test_a_last_line_cut_off_is_said_to_be_truncated(tmp_path: Path) -> None:
    assert Reading(tmp_path, b'{"a":1}\n{"a":"x').codes == ["truncated"]
    assert Reading(tmp_path, b'{"a":1}\n{"a":"x\n').codes == ["invalid_json"]
    assert Reading(tmp_path, b'{"a":1}\n{"a":1}').texts == ['{"a":1}'] * 2


def test_parts_hold_about_as_many_bytes_as_asked_and_change_nothing(tmp_path: Path) -> None:
    data = b"".join(b'{"number":%d}\n' % number if number % 7 else b"bad\n" for number in range(1000))
    whole, cut = Reading(tmp_path, data), Reading(tmp_path, data, part_bytes=1000)
    assert len(whole.parts) == 1
    assert 6 <= len(cut.parts) <= 20
    assert (cut.rows, cut.rejects) == (whole.rows, whole.rejects)
    numbers = [row["_row"] for part in cut.parts for row in part.rows.to_pylist() + part.rejects.to_pylist()]
    assert len(numbers) == 1000


def test_an_empty_file_has_no_rows_and_says_so(tmp_path: Path) -> None:
    read = Reading(tmp_path, b"")
    assert (read.parts, read.report.notes) == ([], ["the file holds no records"])


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.json", b'{"a":1}\n{"a":2}\n', "ndjson"),
        ("a.jsonl", b"oops\n", "ndjson"),
        ("a.txt", b'{"a":1}\n{"a":2}\n', "ndjson"),
        ("a.json", b'{"a":1}\n', "json"),
        ("a.json", b'{\n "a":1}\n', "json"),
        ("a.json", b'[{"a":1},\n{"a":2}]\n', "json"),
        ("a.json", b"oops", "json"),
        ("a.json", '[{"a":1}]'.encode("utf-16"), "json"),
        ("a.csv", b"a,b\n1,2\n", "csv"),
        ("a.dat", b"a,b\n1,2\n3,4\n", "csv"),
        ("a.csv", b"", "csv"),
    ],
)
def test_the_format_is_chosen_by_content_and_extension(tmp_path: Path, name: str, data: bytes, expected: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    [source] = open_sources([path])
    assert choose_format(source, SourceOptions()).name == expected


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"\x7fELF\x02\x01" + bytes(50), "a program"),
        (b"%PDF-1.7 x", "a PDF document"),
        (bytes(500), "filled with NUL bytes"),
        (b"abc\x00\x01\x02" * 100, "binary data"),
    ],
)
def test_what_is_no_text_is_named_for_what_it_seems_to_be(tmp_path: Path, data: bytes, kind: str) -> None:
    path = tmp_path / "a.csv"
    path.write_bytes(data)
    [source] = open_sources([path])
    with pytest.raises(SourceError, match=kind):
        choose_format(source, SourceOptions())
