"""Characters that trip readers up: marks in the middle, NULs, separators, controls, surrogates, blanks that are none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from loadlock.intake.base import SourceOptions
from loadlock.intake.read import read_file
from loadlock.model import FileReport
from loadlock.testing.encoding_tables import BytesSource

Rows = list[dict[str, Any]]


def read(data: bytes, **options: Any) -> tuple[Rows, Rows, FileReport]:
    result = read_file(BytesSource(data=data), SourceOptions(**options))
    rows: Rows = []
    rejects: Rows = []
    for part in result.parts:
        rows += part.rows.to_pylist()
        rejects += part.rejects.to_pylist()
    return rows, rejects, result.report()


@pytest.mark.parametrize("mark", ["\u2028", "\u2029", "\u0085", "\x0b", "\x0c", "\x1c", "\x1e"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_no_separator_but_a_line_end_ends_a_record(mark: str, encoding: str) -> None:
    rows, rejects, _ = read(f"id,note\n1,a{mark}b\n2,ß\n".encode(encoding))
    assert ([row["note"] for row in rows], rejects) == ([f"a{mark}b", "ß"], [])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le"])
def test_a_byte_order_mark_between_two_concatenated_files_is_no_value(encoding: str) -> None:
    one, two = (f"\ufeffid,name\n{number},Zoë\n".encode(encoding) for number in (1, 2))
    rows, rejects, report = read(one + two)
    assert ([(row["id"], row["name"]) for row in rows], rejects) == ([("1", "Zoë"), ("2", "Zoë")], [])
    assert report.counts["repeated_header"] == 1


def test_a_byte_order_mark_inside_a_value_stays() -> None:
    rows, _, _ = read("id,name\n1,a\ufeffb\n".encode())
    assert rows[0]["name"] == "a\ufeffb"


def test_a_row_with_a_nul_is_a_reject_and_the_others_are_not() -> None:
    rows, rejects, _ = read(b"id,name\n1,a\0b\n2,Zo\xc3\xab\n")
    assert [row["name"] for row in rows] == ["Zoë"]
    assert [reject["problems"][0]["code"] for reject in rejects] == ["nul_byte"]


@pytest.mark.parametrize(
    "text", ["\x01", "\x1b[31m", "\x7f", "\x9d", "\ufffe", "\uffff", "\U0001fffe", "\ufdd0", "\ue000"]
)
def test_controls_and_non_characters_are_kept_as_they_are(text: str) -> None:
    rows, rejects, _ = read(f"id,note\n1,a{text}b\n2,ß\n".encode())
    assert ([row["note"] for row in rows], rejects) == ([f"a{text}b", "ß"], [])


def test_a_surrogate_in_utf8_is_a_reject_and_never_a_character() -> None:
    rows, rejects, _ = read("id,name\n1,ß\n3,Zoë\n".encode() + b"2,\xed\xa0\x80\n", encoding="utf-8")
    values = [row["name"] for row in rows]
    assert values[:2] == ["ß", "Zoë"]
    assert [reject["problems"][0]["code"] for reject in rejects] in ([], ["invalid_encoding"])
    assert all("\ud800" not in value for value in values)


def test_a_lone_surrogate_in_utf16_is_a_reject() -> None:
    data = "id,name\n1,a".encode("utf-16-le") + b"\x00\xd8" + "\n2,ß".encode("utf-16-le") * 50
    rows, rejects, _ = read(data)
    assert [row["name"] for row in rows] == ["ß"] * 50
    assert [reject["problems"][0]["code"] for reject in rejects] == ["invalid_encoding"]


def test_an_unpaired_escape_in_json_is_a_reject_with_its_place() -> None:
    rows, rejects, _ = read(b'{"a":"\\ud800"}\n{"a":"\\ud83d\\ude00"}\n', format="ndjson")
    assert [json.loads(row["_json"])["a"] for row in rows] == ["😀"]
    assert "surrogate" in rejects[0]["problems"][0]["message"]


def test_blanks_that_are_no_spaces_go_from_headers_and_stay_in_values() -> None:
    rows, _, report = read("\u00a0id\u200b,\ufeffname\u2009\n1,\u00a0Zoë\u200b\n".encode())
    assert report.header == ["id", "name"]
    assert rows[0]["name"] == "\u00a0Zoë\u200b"


def test_no_break_spaces_in_a_cp1252_file_lead_to_no_exotic_encoding() -> None:
    data = b"id,price\n" + b"".join(b"%d,1\xa0%03d\n" % (number, number) for number in range(300))
    rows, _, report = read(data)
    assert report.encoding["name"] == "cp1252"
    assert rows[7]["price"] == "1\u00a0007"
