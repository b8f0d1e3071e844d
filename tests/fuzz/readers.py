"""What fuzzing does with one input: read it by a format and check that everything in it was accounted for."""

from __future__ import annotations

import io
import json
import time
import zipfile
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from loadlock.errors import LoadlockError
from loadlock.intake.base import SourceOptions
from loadlock.registry import component
from loadlock.testing.bytes_source import BytesSource

LIMIT_SECONDS = 20
"""CPU time; an input of a few kilobytes that takes longer hangs."""
SIZES = (1 << 20, 1, 17, 300)
"""Sizes of the blocks that inputs come in; the first byte of an input chooses."""
TEXT_FORMATS = ("csv", "json", "ndjson", "fixed", "xml")


def read(name: str, data: bytes) -> None:
    """Read `data` by this format. Raises AssertionError for rows or bytes that are not accounted for.

    The first byte chooses block size and options; LoadlockError is a fine end, any other exception is a finding.
    """
    choice, body = (data[0], data[1:]) if data else (0, b"")
    options = SourceOptions(**OPTIONS[name][choice % len(OPTIONS[name])])
    source = BytesSource(body, f"in.{name}", block_bytes=SIZES[choice // 16 % len(SIZES)])
    began = time.process_time()
    try:
        result = component("formats", name)().read(source, options)
        parts = list(result.parts)
        report = result.report()
    except LoadlockError as error:
        _check_said(error)
        return
    rows = [row for part in parts for row in part.rows.to_pylist()]
    rejects = [row for part in parts for row in part.rejects.to_pylist()]
    assert (report.staged, report.rejected) == (len(rows), len(rejects)), "the report counts other rows"
    assert report.received == len(rows) + len(rejects), "received is not staged and rejected"
    numbers = sorted(row["_row"] for row in rows + rejects)
    assert numbers == list(range(1, len(numbers) + 1)), f"row numbers: {numbers[:20]}"
    if name in TEXT_FORMATS:
        assert report.bytes.total == len(body), f"{report.bytes} of {len(body)} bytes"
        assert min(vars(report.bytes).values()) >= 0, f"{report.bytes}"
    _check_places(rows + rejects, len(body))
    for row in rows:
        if row.get("_json") is not None:
            json.loads(row["_json"])
    # of CPU time, as the machine may be busy; one that waits for ever is found by the fuzzer's own limit
    took = time.process_time() - began
    assert took < LIMIT_SECONDS, f"{len(body):,} bytes took {took:.0f} s"


def _check_said(error: LoadlockError) -> None:
    assert str(error), "an error says nothing"


def _check_places(rows: list[dict[str, Any]], size: int) -> None:
    """Every place is within the file, and no two rows have a byte in common."""
    end = 0
    for row in sorted(rows, key=lambda row: row["_row"]):
        if row["_offset"] is None:
            continue
        start, stop = row["_offset"], row["_offset"] + row["_length"]
        assert 0 <= start <= stop <= size, f"row {row['_row']} goes from {start} to {stop} of {size}"
        assert start >= end or start == stop, f"row {row['_row']} begins at {start}, before {end}"
        end = max(end, stop)


OPTIONS: dict[str, list[dict[str, Any]]] = {
    "csv": [
        {},
        {"header": 0},
        {"delimiter": ";", "quote": ""},
        {"tolerate": ("pad_short", "drop_extra", "stray_quotes")},
        {"escape": "\\"},
        {"encoding": "utf-16-le"},
        {"encoding": "shift_jis"},
        {"record_limit": 100},
        {"footer": 1, "preamble": 1, "comment": "#"},
    ],
    "json": [{}, {"records_path": "a.b"}, {"record_limit": 50}, {"tolerate": ("nan",)}, {"encoding": "utf-16-le"}],
    "ndjson": [{}, {"record_limit": 50}, {"tolerate": ("nan",)}, {"encoding": "utf-16-le"}],
    "fixed": [
        {},
        {"extra": {"widths": [3, 4]}},
        {"extra": {"positions": ["1-2", "4-9"], "unit": "bytes"}},
        {"extra": {"widths": [2, 2]}, "header": 1, "footer": 1, "comment": "#"},
        {"extra": {"widths": [2, 2]}, "encoding": "utf-16-le"},
        {"extra": {"widths": [2, 2]}, "record_limit": 30},
    ],
    "xml": [
        {},
        {"records_path": "r"},
        {"records_path": "/a/r"},
        {"record_limit": 60},
        {"depth_limit": 3},
        {"encoding": "utf-16-le"},
    ],
    "excel": [{}, {"header": 0}, {"extra": {"merged": "fill"}}, {"sheet": "2"}, {"footer": 1, "preamble": 1}],
    "parquet": [{}, {"extra": {"binary": "text"}}, {"record_limit": 50}],
    "arrow": [{}, {"extra": {"binary": "text"}}, {"record_limit": 50}],
}


def _table() -> pa.Table:
    return pa.table(
        {
            "i": pa.array([1, None, 3]),
            "s": ["a", "é", None],
            "f": [1.5, float("nan"), None],
            "b": [b"\xff", b"", None],
            "d": pa.array([1, 2, None], pa.timestamp("us", "UTC")),
            "l": [[{"x": 1}], [], None],
        }
    )


def _arrow(opened: Callable[..., Any], **options: Any) -> bytes:
    sink = io.BytesIO()
    with opened(sink, _table().schema, options=pa.ipc.IpcWriteOptions(**options)) as writer:
        writer.write_table(_table(), max_chunksize=2)
    return sink.getvalue()


def _parquet(**options: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(_table(), sink, row_group_size=2, **options)
    return sink.getvalue()


def _xlsx() -> bytes:
    import openpyxl

    book = openpyxl.Workbook()
    for row in (["a", "b"], [1, "x"], [1.5, None], ["=1+1", True]):
        book.active.append(row)
    book.active.merge_cells("A2:A3")
    sink = io.BytesIO()
    book.save(sink)
    return stored(sink.getvalue())


def stored(archive: bytes) -> bytes:
    """The archive without compression, so that a changed byte is a changed byte of a member."""
    sink = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(sink, "w") as new:
        for info in old.infolist():
            if "theme" not in info.filename and "docProps" not in info.filename:
                new.writestr(info.filename, old.read(info))
    return sink.getvalue()


def _xls() -> bytes:
    import xlwt

    book = xlwt.Workbook()
    sheet = book.add_sheet("S")
    for place, value in enumerate(["a", 1, 1.5, True]):
        sheet.write(place, 0, value)
    sink = io.BytesIO()
    book.save(sink)
    return sink.getvalue()


def _ods() -> bytes:
    sink = io.BytesIO()
    cell = '<table:table-cell office:value-type="float" office:value="1.5" table:number-columns-repeated="2"/>'
    document = (
        '<office:document-content xmlns:office="o" xmlns:table="t" xmlns:text="x"><office:body><office:spreadsheet>'
        f'<table:table table:name="A"><table:table-row table:number-rows-repeated="2">{cell}</table:table-row></table:table>'
        "</office:spreadsheet></office:body></office:document-content>"
    )
    with zipfile.ZipFile(sink, "w") as archive:
        archive.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        archive.writestr("content.xml", document)
    return sink.getvalue()


def seeds(name: str) -> list[bytes]:
    """Good inputs to start from."""
    texts: dict[str, list[str]] = {
        "csv": ['id,name\n1,"a ""b"""\n2,"x\ny"\n', "a;b\r\n1;2\r\n\r\n3;4", "# c\na\tb\n1\t2\n", "a|b\n'1'|2\n"],
        "json": [
            '[{"a":1.10,"b":[null,"\\u00e9"]},{"a":{}}]',
            '{"a":{"b":[1,{"c":2}]}}',
            '{"a":1}{"a":2}',
            "[1,2",
            '"x"',
        ],
        "ndjson": ['{"a":1}\n{"b":[1]}\n\n"x"\n', '{"a":1}\r\n{bad}\r\n'],
        "fixed": ["id  name  n\n1   Ann   1\n22  Bob  22\n", "123abcd\n456éfgh\n", "# c\n12ab\n34cd\n"],
        "xml": [
            '<?xml version="1.0"?><a><r x="1">t<b/>u</r><r><![CDATA[<]]></r><!-- c --><r>&amp;<r/></r></a>',
            '<!DOCTYPE a SYSTEM "x"><a><r>&b;</r></a>',
            "<a><r>1</r><r><q></r><r>2</r></a>",
        ],
    }
    if name in texts:
        good = [text.encode() for text in texts[name]] + [text.encode("utf-16") for text in texts[name][:1]]
    else:
        good = {
            "excel": lambda: [_xlsx(), _xls(), _ods()],
            "parquet": lambda: [_parquet(), _parquet(compression="none", use_dictionary=False)],
            "arrow": lambda: [
                _arrow(pa.ipc.new_file),
                _arrow(pa.ipc.new_stream),
                _arrow(pa.ipc.new_stream, compression="lz4"),
            ],
        }[name]()
    return [bytes([choice]) + data for choice in (0, 1, 18, 35) for data in good]
