"""Every format of source files through the commands: guess, preview, load, run, rejects."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlwt

from loadlock.testing.command import CommandLine

ROWS = [
    (1, "Ann, A.", Decimal("1.50"), dt.date(2024, 2, 29)),
    (22, "Zoë", Decimal("20.00"), dt.date(2024, 3, 1)),
    (333, "Bo", Decimal("300.25"), dt.date(1999, 12, 31)),
]
NAMES = ("id", "name", "amount", "day")
TYPES = [pa.int64(), pa.string(), pa.decimal128(10, 2), pa.date32()]
TABLE = pa.table(
    [pa.array(column, kind) for column, kind in zip(zip(*ROWS, strict=True), TYPES, strict=True)], names=NAMES
)
TYPED = ['1,"Ann, A.",1.50,2024-02-29', "22,Zoë,20.00,2024-03-01", "333,Bo,300.25,1999-12-31"]


def _xlsx(path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (NAMES, *ROWS):
        book.active.append(row)
    book.save(path)


def _xls(path: Path) -> None:
    book = xlwt.Workbook()
    sheet = book.add_sheet("Orders")
    for number, row in enumerate((NAMES, *ROWS)):
        for column, value in enumerate(row):
            day = isinstance(value, dt.date)
            sheet.write(number, column, value, xlwt.easyxf(num_format_str="yyyy-mm-dd" if day else "General"))
    book.save(str(path))


def _arrow(path: Path) -> None:
    opened = pa.ipc.new_stream if path.suffix == ".arrows" else pa.ipc.new_file
    with opened(str(path), TABLE.schema) as writer:
        writer.write_table(TABLE)


def _fixed(path: Path) -> None:
    lines = [f"{row[0]!s:<5}{row[1]!s:<10}{row[2]!s:>8}  {row[3]!s:<10}" for row in (NAMES, *ROWS)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _xml(path: Path) -> None:
    fields = ["".join(f"<{name}>{value}</{name}>" for name, value in zip(NAMES, row, strict=True)) for row in ROWS]
    path.write_text(
        f"<export><orders>{''.join(f'<order>{one}</order>' for one in fields)}</orders></export>", encoding="utf-8"
    )


FORMATS: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "orders.xlsx": ("excel", _xlsx),
    "orders.xls": ("excel", _xls),
    "orders.parquet": ("parquet", lambda path: pq.write_table(TABLE, path)),
    "orders.arrow": ("arrow", _arrow),
    "orders.arrows": ("arrow", _arrow),
    "orders.fwf": ("fixed", _fixed),
    "orders.xml": ("xml", _xml),
}
PIPELINE = """pipeline: orders
source: {files: FILE}
columns:
  id: {type: integer, required: true}
  name: {}
  amount: {type: "decimal(10,2)"}
  day: {type: date}
checks:
  - sql: "id <> 22 or BROKEN"
    message: twenty-two is out
destination: out.csv
"""


@pytest.fixture(params=FORMATS)
def file(request: pytest.FixtureRequest, loadlock: CommandLine) -> str:
    """One file of each format with the same rows, in the folder of the commands."""
    name: str = request.param
    FORMATS[name][1](loadlock.folder / name)
    return name


def test_load_delivers_what_the_file_holds(file: str, loadlock: CommandLine) -> None:
    document = loadlock.json("load", file, "--to", "out.csv", codes=[0])
    assert document["balance"]["received"] == document["balance"]["inserted"] == 3
    header, *rows = (loadlock.folder / "out.csv").read_text(encoding="utf-8").splitlines()
    assert header == ",".join(NAMES)
    assert [row.split(",")[0] for row in rows] == ["1", "22", "333"]
    assert [row.split(",")[-1] for row in rows] == ["2024-02-29", "2024-03-01", "1999-12-31"]


def test_run_gives_declared_columns_their_values(file: str, loadlock: CommandLine) -> None:
    text = PIPELINE.replace("FILE", file).replace("BROKEN", "true")
    (loadlock.folder / "orders.yaml").write_text(text, encoding="utf-8")
    document = loadlock.json("run", "orders.yaml", codes=[0])
    assert document["receipt"]["equal"] is True
    assert (loadlock.folder / "out.csv").read_text(encoding="utf-8").splitlines()[1:] == TYPED


def test_guess_proposes_a_pipeline_that_runs(file: str, loadlock: CommandLine) -> None:
    guessed = loadlock("guess", file, "-o", "guessed.yaml")
    assert guessed.code == 0, guessed.said
    text = (loadlock.folder / "guessed.yaml").read_text(encoding="utf-8")
    assert f"format: {FORMATS[file][0]}" in text
    assert re.search(r"day: (?:\{type: )?date", text)
    document = loadlock.json("run", "guessed.yaml", codes=[0])
    assert document["balance"]["inserted"] == 3


def test_preview_shows_rows_before_and_after(file: str, loadlock: CommandLine) -> None:
    text = PIPELINE.replace("FILE", file).replace("BROKEN", "true")
    (loadlock.folder / "orders.yaml").write_text(text, encoding="utf-8")
    document = loadlock.json("preview", "orders.yaml", codes=[0])
    assert [row["after"]["id"] for row in document["rows"]] == [1, 22, 333]
    assert [row["after"]["day"] for row in document["rows"]] == ["2024-02-29", "2024-03-01", "1999-12-31"]


def test_a_reject_shows_its_record_and_its_row_number(file: str, loadlock: CommandLine) -> None:
    text = PIPELINE.replace("FILE", file).replace("BROKEN", "false")
    (loadlock.folder / "orders.yaml").write_text(text, encoding="utf-8")
    document = loadlock.json("run", "orders.yaml", codes=[3])
    [reject] = loadlock.json("rejects", document["batch"], codes=[0])
    assert (reject["row"], reject["problems"][0]["message"]) == (2, "twenty-two is out")
    assert "22" in reject["raw"]
    assert "Zoë" in reject["raw"]


def test_nested_values_of_any_format_are_flattened_alike(loadlock: CommandLine) -> None:
    records = [
        {"id": "1", "to": {"city": "Oslo"}, "tags": ["a", "b"]},
        {"id": "2", "to": {"city": "Rome"}, "tags": ["c", "d"]},
    ]
    pq.write_table(pa.Table.from_pylist(records), loadlock.folder / "n.parquet")
    body = "".join(
        f"<r><id>{one['id']}</id><to><city>{one['to']['city']}</city></to>"  # type: ignore[index]
        + "".join(f"<tags>{tag}</tags>" for tag in one["tags"])
        + "</r>"
        for one in records
    )
    (loadlock.folder / "n.xml").write_text(f"<all>{body}</all>", encoding="utf-8")
    made = []
    for name in ("n.parquet", "n.xml"):
        loadlock.json("load", name, "--to", f"{name}.csv", "--option", "explode=tags", codes=[0])
        made.append((loadlock.folder / f"{name}.csv").read_text(encoding="utf-8"))
    assert made[0] == made[1]
    assert made[0].splitlines() == ["id,to.city,tags", "1,Oslo,a", "1,Oslo,b", "2,Rome,c", "2,Rome,d"]


def test_options_of_formats_go_with_load_and_wrong_ones_are_named(loadlock: CommandLine) -> None:
    (loadlock.folder / "a.txt").write_text("12ab\n34cd\n", encoding="utf-8")
    options = ("--option", "format=fixed", "--option", "widths=2,2", "--option", "names=n,t", "--option", "header=0")
    loadlock.json("load", "a.txt", "--to", "out.csv", *options, codes=[0])
    assert (loadlock.folder / "out.csv").read_text(encoding="utf-8").splitlines() == ["n,t", "12,ab", "34,cd"]
    wrong = loadlock("load", "a.txt", "--to", "x.csv", "--option", "format=fixed", "--option", "widths=2,x")
    assert wrong.code == 2
    assert "widths must be a whole number" in wrong.err
    mixed = loadlock("load", "a.txt", "--to", "x.csv", "--option", "widths=2,2", "--option", "positions=1-2")
    assert mixed.code == 2
    assert "widths and positions are both given" in mixed.err


def test_a_sheet_is_chosen_and_a_missing_one_named(loadlock: CommandLine) -> None:
    book = openpyxl.Workbook()
    book.active.append(["a"])
    more = book.create_sheet("Zweites Blatt")
    more.append(["b"])
    more.append([5])
    book.save(loadlock.folder / "w.xlsx")
    loadlock.json("load", "w.xlsx", "--to", "out.csv", "--option", "sheet=2", codes=[0])
    assert (loadlock.folder / "out.csv").read_text(encoding="utf-8").splitlines() == ["b", "5"]
    missing = loadlock("load", "w.xlsx", "--to", "x.csv", "--option", "sheet=Drei")
    assert missing.code == 2
    assert "no sheet 'Drei'" in missing.err
    assert "2 'Zweites Blatt'" in missing.err


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("page.csv", b"<!DOCTYPE html><html><table><tr><td>1</td></tr></table></html>", "HTML page"),
        ("cut.parquet", b"PAR1" + bytes(50), "no whole Parquet file"),
        ("cut.arrow", b"ARROW1\0\0" + bytes(50), "no whole Arrow file"),
        ("bomb.xml", b'<!DOCTYPE a [<!ENTITY b "x">]><a>&b;</a>', "declares an entity"),
        ("secret.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + "EncryptedPackage".encode("utf-16-le"), "is encrypted"),
    ],
)
def test_what_can_not_be_read_is_one_clear_error(name: str, content: bytes, words: str, loadlock: CommandLine) -> None:
    (loadlock.folder / name).write_bytes(content)
    ended = loadlock("load", name, "--to", "out.csv")
    assert ended.code == 2
    assert words in ended.err
    assert "Traceback" not in ended.said
    assert not (loadlock.folder / "out.csv").exists()
