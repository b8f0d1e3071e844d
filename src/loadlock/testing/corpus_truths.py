"""What is known of a file of the corpora, worked out without Loadlock's readers: each truth gives what is wrong, in words."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from loadlock.cleanup.base import RuleContext
from loadlock.cleanup.components import make
from loadlock.rows import LENGTH, OFFSET, ROW
from loadlock.testing.corpus_read import Reading, padded, place
from loadlock.types import TEXT

KNOWN_FAULTS: Mapping[str, Mapping[str, str]] = {
    "location_coordinates.json": {"Contact Phone Number": "2095257564"},
}
"""Values that a truth has wrong (upstream), and what the data says."""


def spectrum(reading: Reading) -> list[str]:
    """csv-spectrum: the JSON file of the same name in the folder beside holds the rows."""
    path = reading.path.parents[1] / "json" / f"{reading.path.stem}.json"
    records = _records(json.loads(path.read_text(encoding="utf-8")))
    records = [{**record, **KNOWN_FAULTS.get(path.name, {})} for record in records]
    if b"\r" not in reading.path.read_bytes():
        # a copy through Git may have made LF of the record ends of newlines_crlf.csv
        records = [{name: value.replace("\r\n", "\n") for name, value in record.items()} for record in records]
    header = list(records[0]) if records else reading.report.header
    return _compared(reading, header, [list(record.values()) for record in records])


def plain_csv(reading: Reading) -> list[str]:
    """A comma-separated file as Python's own reader reads the whole of it; rows of empty cells are blank rows."""
    header, *rows = (row for row in _python_rows(reading.path) if any(cell.strip() for cell in row))
    return _compared(reading, header, rows)


def plain_json(reading: Reading) -> list[str]:
    """A JSON file as Python's own parser reads it: an array's elements are the records."""
    records = _records(json.loads(reading.path.read_text(encoding="utf-8")))
    return _same_records(reading, records)


def verdict(reading: Reading) -> list[str]:
    """json-test-suite: `y_` must be accepted whole, `n_` refused with file and position, `i_` either."""
    kind, name = reading.path.name[:2], reading.path.name
    size = reading.path.stat().st_size
    wrong = [f"{name}: a record is no JSON: {text[:40]!r}" for text in reading.texts() if not _is_json(text)]
    unplaced = [r for r in reading.rejects if r["_source_file"] != name or r[OFFSET] is None or not r[ROW]]
    outside = [r for r in reading.rejects if r not in unplaced and r[OFFSET] + (r[LENGTH] or 0) > size]
    wrong += [f"{name}: a reject without its place"] * len(unplaced + outside)
    if kind == "y_":
        wrong += [f"{name}: refused"] if reading.rejects else plain_json(reading)
    if kind == "n_" and not reading.rejects and (size or reading.rows):
        wrong.append(f"{name}: accepted")
    return wrong


def mojibake(reading: Reading) -> list[str]:
    """ftfy: the staged `original` of each case goes through `fix_encoding` and must come out as `fixed` says."""
    cases = [json.loads(text) for text in reading.texts()]
    cases = [case for case in cases if case["expect"] == "pass"]
    rule = make("rules", "fix_encoding")
    originals = pa.array([case["original"] for case in cases], pa.string())
    fixed = rule.apply(originals, RuleContext(column="text", type=TEXT)).to_pylist()
    pairs = zip(cases, fixed, strict=True)
    wrong = [f"{case['label']}: {got!r}" for case, got in pairs if got != case.get("fixed-encoding", case["fixed"])]
    return wrong + plain_json(reading)


TRUTHS: Mapping[str, Callable[[Reading], list[str]]] = {
    "spectrum": spectrum,
    "csv": plain_csv,
    "json": plain_json,
    "verdict": verdict,
    "mojibake": mojibake,
}


def _compared(reading: Reading, header: Sequence[str], truth: Sequence[Sequence[str]]) -> list[str]:
    """Each staged value against the truth's row of the same number. Rejects take their row's place."""
    wrong = []
    found = reading.report.header_found or reading.report.header
    if [name.strip() for name in padded(header, len(found))] != [name.strip() for name in found]:
        wrong.append(f"{reading.path.name}: the header is {found}, not {list(header)}")
    total = len(reading.rows) + len(reading.rejects)
    if total != len(truth):
        wrong.append(f"{reading.path.name}: {total} rows, not {len(truth)}")
    for row in reading.rows:
        cells = reading.cells(row)
        right = padded(truth[row[ROW] - 1], len(cells)) if row[ROW] <= len(truth) else []
        pairs = zip(cells, right + [None] * (len(cells) - len(right)), strict=False)
        wrong += [f"{place(reading, row)}: {got!r}, not {said!r}" for got, said in pairs if got != said]
        wrong += [f"{place(reading, row)}: {lost!r} is lost" for lost in right[len(cells) :]]
    return wrong


def _same_records(reading: Reading, records: Sequence[Any]) -> list[str]:
    staged = [json.loads(text) for text in reading.texts()]
    wrong = []
    if len(staged) + len(reading.rejects) != len(records):
        wrong.append(f"{reading.path.name}: {len(staged) + len(reading.rejects)} records, not {len(records)}")
    for row, got in zip(reading.rows, staged, strict=True):
        if row[ROW] > len(records) or _exactly(got) != _exactly(records[row[ROW] - 1]):
            wrong.append(f"{place(reading, row)}: {got!r}")
    return wrong


def _exactly(value: Any) -> str:
    """As text, so that 1, 1.0 and true differ."""
    return json.dumps(value, ensure_ascii=True)


def _records(document: Any) -> list[Any]:
    return document if isinstance(document, list) else [document]


def _python_rows(path: Path) -> list[list[str]]:
    data = path.read_bytes()
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252")
    return list(csv.reader(io.StringIO(text, newline="")))


def _is_json(text: str) -> bool:
    try:
        json.loads(text, parse_constant=_refuse)
    except ValueError:
        return False
    return True


def _refuse(word: str) -> None:
    raise ValueError(word)
