"""JSON as odd programs write it: over several lines under a name of lines, within a script, wrapped in an object."""

from __future__ import annotations

import json

import pytest

from loadlock.intake.base import SourceOptions
from loadlock.intake.read import choose_format
from loadlock.model import FileReport
from loadlock.testing.bytes_source import BytesSource

RECORDS = [{"id": number, "tags": [number], "to": {"city": "Oslo"}} for number in range(4)]


def read(data: str, name: str, block_bytes: int = 1 << 20, **options: str) -> tuple[list[str], list[str], FileReport]:
    """The records, the rejects' messages and the report; every byte accounted for."""
    source, wanted = BytesSource(data.encode(), name=name, block_bytes=block_bytes), SourceOptions(**options)  # type: ignore[arg-type]
    result = choose_format(source, wanted).read(source, wanted)
    records, messages = [], []
    for part in result.parts:
        records += [row.get("_json", "") for row in part.rows.to_pylist()]
        messages += [row["problems"][0]["message"] for row in part.rejects.to_pylist()]
    report = result.report()
    assert report.bytes.total == len(data.encode())
    assert report.received == len(records) + len(messages)
    return records, messages, report


def test_values_over_several_lines_are_read_whole_whatever_the_name_says() -> None:
    records, messages, report = read("\n".join(json.dumps(record, indent=2) for record in RECORDS), "x.jsonl")
    assert [json.loads(record) for record in records] == RECORDS
    assert (messages, report.format) == ([], "json")


@pytest.mark.parametrize("block_bytes", [7, 64, 1 << 20])
def test_a_single_value_within_a_broken_record_is_no_record(block_bytes: int) -> None:
    broken = '{"id": 1, "tags": [\n5\n]}\n{"id": 2, "tags": [\n"x",\n"y"\n'
    records, messages, report = read(
        '{"id": 0}\n' * 3 + broken + '{"id": 3}\n', "x.jsonl", block_bytes, format="ndjson"
    )
    assert records == ['{"id": 0}'] * 3 + ['{"id": 3}']
    assert "a single value behind a damaged line, perhaps a piece of it: line 5, byte 50" in messages
    assert (report.received, report.rejected) == (10, 6)


def test_single_values_are_records_where_nothing_is_damaged() -> None:
    records, _, _ = read('{"a":1}\n[1,2]\n"x"\n5\nnull\n', "x.jsonl")
    assert records == ['{"a":1}', "[1,2]", '"x"', "5", "null"]


def test_a_text_sequence_is_read_record_by_record() -> None:
    records, messages, _ = read("".join(f"\x1e{json.dumps(record)}\n" for record in RECORDS), "x.json-seq")
    assert ([json.loads(record) for record in records], messages) == (RECORDS, [])


@pytest.mark.parametrize("text", ["callback({});", "var data = {};", "const a.b={};"])
def test_json_within_a_script_is_a_reject_and_no_header(text: str) -> None:
    records, messages, report = read(text.replace("{}", json.dumps(RECORDS)), "x.js")
    assert (records, len(messages), report.format) == ([], 1, "json")


def test_a_log_whose_lines_begin_with_a_bracket_is_no_json() -> None:
    lines = "".join(f"[2024-01-01 00:00:0{n}] INFO all is well {n}\n" for n in range(5))
    assert choose_format(BytesSource(lines.encode(), name="x.log"), SourceOptions()).name == "csv"


def test_one_object_around_the_records_is_noted_with_the_path_to_them() -> None:
    document = json.dumps({"status": "ok", "data": {"its.items": RECORDS, "page": 1}})
    records, _, report = read(document, "x.json")
    assert len(records) == 1
    assert report.notes[0].endswith("set `records_path: data.its\\.items`")
    records, _, report = read(document, "x.json", records_path="data.its\\.items")
    assert (len(records), report.notes) == (4, [])


@pytest.mark.parametrize("between", ["\n", " ", "\r\n", "\n\n"])
def test_a_line_end_within_a_record_stays_whatever_stands_between_the_records(between: str) -> None:
    records, _, _ = read("".join(f'{{"a":\n{number}}}{between}' for number in range(5)), "x.json", format="json")
    assert records == [f'{{"a":\n{number}}}' for number in range(5)]
