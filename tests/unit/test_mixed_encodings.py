"""A file in one encoding with lines in another is decoded line by line; each such row is marked and counted."""

from __future__ import annotations

import json
from typing import Any

import pytest

from loadlock.intake.base import SourceOptions
from loadlock.intake.read import read_file
from loadlock.model import FileReport
from loadlock.testing.encoding_tables import BytesSource

WORDS = {
    "cp1252": ["Müller", "Zoë", "José", "Größe", "Åsa", "Françoise", "Señor", "Köln"],
    "cp932": ["東京都", "大阪市", "札幌", "山田太郎", "鈴木花子"],
    "gb18030": ["北京市", "上海市", "张伟", "王秀英"],
    "koi8-r": ["Москва", "Казань", "Екатерина", "Ольга"],
}
BOTH_WAYS = [(name, "utf-8") for name in WORDS] + [("utf-8", name) for name in WORDS]
Rows = list[dict[str, Any]]


def read(data: bytes, **options: Any) -> tuple[Rows, Rows, FileReport]:
    result = read_file(BytesSource(data=data), SourceOptions(**options))
    rows: Rows = []
    rejects: Rows = []
    for part in result.parts:
        rows += part.rows.to_pylist()
        rejects += part.rejects.to_pylist()
    return rows, rejects, result.report()


def names(base: str, other: str) -> list[str]:
    words = WORDS[base if base != "utf-8" else other]
    return [words[number % len(words)] for number in range(120)]


def encoded(lines: list[str], base: str, other: str) -> list[bytes]:
    """Every tenth line in the other encoding."""
    return [line.encode(other if number % 10 == 5 else base) for number, line in enumerate(lines)]


@pytest.mark.parametrize(("base", "other"), BOTH_WAYS)
def test_rows_of_a_csv_file_are_right_in_either_encoding_and_marked(base: str, other: str) -> None:
    expected = names(base, other)
    lines = encoded([f"{number},{name}" for number, name in enumerate(expected)], base, other)
    data = b"id,name\n" + b"\n".join(lines) + b"\n"
    rows, rejects, report = read(data)
    assert ([row["name"] for row in rows], rejects) == (expected, [])
    assert [row["_encoding"] for row in rows] == [other if n % 10 == 5 else None for n in range(120)]
    assert report.encoding["name"] == base
    assert report.encoding["fallback_rows"] == 12
    assert json.loads(json.dumps(report.encoding)) == report.encoding
    assert all(data[row["_offset"] :][: row["_length"]] == line for row, line in zip(rows, lines, strict=True))


@pytest.mark.parametrize(("base", "other"), BOTH_WAYS)
@pytest.mark.parametrize("kind", ["ndjson", "json"])
def test_records_of_a_json_file_are_right_in_either_encoding_and_marked(base: str, other: str, kind: str) -> None:
    expected = names(base, other)
    lines = encoded([json.dumps({"name": name}, ensure_ascii=False) for name in expected], base, other)
    data = b"\n".join(lines) if kind == "ndjson" else b"[\n" + b",\n".join(lines) + b"\n]"
    rows, rejects, report = read(data, format=kind)
    assert ([json.loads(row["_json"])["name"] for row in rows], rejects) == (expected, [])
    assert [row["_encoding"] for row in rows] == [other if n % 10 == 5 else None for n in range(120)]
    assert report.encoding["fallback_rows"] == 12


def test_utf8_rows_of_a_pinned_other_encoding_are_what_the_pin_says() -> None:
    rows, _, report = read("id,name\n1,Müller\n2,Zoë\n".encode(), encoding="cp1252")
    assert [row["name"] for row in rows] == ["MÃ¼ller", "ZoÃ«"]
    assert report.encoding["runner_up"] == "utf-8"
    assert any("pinned to cp1252, but it looks like utf-8" in note for note in report.encoding["notes"])


def test_a_quoted_cell_over_two_lines_in_two_encodings_is_one_marked_row() -> None:
    plain = "".join(f'{n},"Größe"\n' for n in range(40)).encode("cp1252")
    rows, rejects, _ = read(b"id,name\n" + plain + '99,"Köln\nZoë"\n'.encode() + plain)
    assert rejects == []
    assert [(row["name"], row["_encoding"]) for row in rows if row["id"] == "99"] == [("Köln\nZoë", "utf-8")]


def test_what_decodes_in_no_way_is_a_reject_with_the_offset_of_the_byte() -> None:
    data = b"id,name\n1,M\xc3\xbcller\n2,a\x81\xc3\xbc\n3,Zo\xc3\xab\n"
    rows, rejects, _ = read(data)
    assert [row["name"] for row in rows] == ["Müller", "Zoë"]
    [reject] = rejects
    assert (reject["_row"], reject["_offset"], reject["raw"]) == (2, 18, b"2,a\x81\xc3\xbc")
    assert reject["problems"][0]["code"] == "invalid_encoding"
    assert "byte 21 of the file" in reject["problems"][0]["message"]
    assert data[21] == 0x81


@pytest.mark.parametrize("encoding", ["cp932", "gb18030", "euc_jp", "utf-16-le"])
def test_a_bad_byte_in_a_multi_byte_file_costs_its_row_and_is_named(encoding: str) -> None:
    words = ["東京都", "大阪市", "山田太郎"] * 30
    lines = [f"{number},{word}".encode(encoding) for number, word in enumerate(words)]
    end = "\n".encode(encoding)
    broken = {"utf-16-le": b"\x00\xd8", "cp932": b"\xfc\xff"}.get(encoding, b"\xff")
    lines[7] = "7,".encode(encoding) + broken
    data = "id,name\n".encode(encoding) + end.join(lines) + end
    rows, rejects, _ = read(data, encoding=encoding)
    assert [row["name"] for row in rows] == [word for number, word in enumerate(words) if number != 7]
    [reject] = rejects
    assert reject["problems"][0]["message"].startswith(f"byte {data.index(broken + end):,} of the file")
    assert reject["raw"] == lines[7]
