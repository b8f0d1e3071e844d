"""Delivers a large table into the emulator of Google Sheets by the command line, and measures it from outside.

make sheets-size                                  # 400,000 rows of 12 columns, and that 900,000 are refused
python -m bench.sheets --rows 20000          # a look
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.measure import Measured, measure
from loadlock.testing.marked import written_between
from loadlock.testing.sheets import SheetsEmulator

MARK = "sheets size"
LOADER = "loader@bench.iam.gserviceaccount.com"
CHUNK_BYTES = 1_800_000
COLUMNS = {
    "id": "integer", "code": "text", "name": "text", "city": "text", "price": "decimal(12,2)", "amount": "integer",
    "paid": "boolean", "day": "date", "at": "timestamp", "note": "text", "share": "float", "text": "text",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Found:
    """What was measured of one delivery."""

    rows: int
    measured: Measured
    json_bytes: int
    writes: int
    least: int
    """Writes of full chunks that the bytes would need."""
    most_per_minute: int
    refused: int
    exact: bool


def rows_of(count: int) -> list[list[object]]:
    """The table as JSON would hold it, made without Loadlock."""
    return [row(number) for number in range(count)]


def row(number: int) -> list[object]:
    """One row, in the values of cells."""
    cents, second = number * 37 % 10_000_000, number % 86_400
    return [
        number, f"{number % 100_000:07}", f"Name {number} é", ("Paris", "Zürich", "São Paulo")[number % 3], cents / 100,
        number % 997, number % 2 == 0, 45_000 + number % 700, ((45_000 + number % 700) * 86_400 + second) / 86_400,
        "=1+2" if number % 50 == 0 else "",
        number / 8, "x" * (number % 20),
    ]  # fmt: skip


def csv_line(number: int) -> str:
    """The same row in a CSV file."""
    import datetime as dt

    day = dt.date(1899, 12, 30) + dt.timedelta(days=45_000 + number % 700)
    second = number % 86_400
    clock = f"{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}"
    found = row(number)
    cells = [str(value) for value in found[:4]] + [f"{number * 37 % 10_000_000 / 100:.2f}", str(found[5])]
    cells += [str(found[6]).lower(), day.isoformat(), f"{day} {clock}", str(found[9]), repr(found[10]), str(found[11])]
    return ",".join(cells)


def pipeline(emulator: SheetsEmulator, sheet: str, more: str = "") -> str:
    """A pipeline into the sheet `Big`."""
    columns = "\n".join(f'  {name}: {{type: "{kind}"}}' for name, kind in COLUMNS.items())
    return (
        f"pipeline: big\nsource: rows.csv\ncolumns:\n{columns}\ndestination:\n  url: gsheets://{sheet}/Big\n  mode: replace\n"
        f"  credentials: key.json\n  endpoint: {emulator.url}\n{more}"
    )


def deliver(emulator: SheetsEmulator, count: int, more: str) -> Found:
    """One delivery, judged by the cells that the emulator holds."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (folder / "rows.csv").open("w", encoding="utf-8") as file:
            file.write(",".join(COLUMNS) + "\n")
            file.writelines(csv_line(number) + "\n" for number in range(count))
        emulator.write_key(folder / "key.json", LOADER)
        sheet = emulator.add_spreadsheet(share={LOADER: "writer"})
        (folder / "big.yaml").write_text(pipeline(emulator, sheet, more))
        before = len(emulator.log)
        measured = measure([str(Path(sys.executable).with_name("loadlock")), "run", "big.yaml", "--json"], cwd=folder)
    puts = [entry for entry in emulator.log[before:] if entry.method == "spreadsheets.values.update"]
    counts = emulator.count(LOADER, "read"), emulator.count(LOADER, "write")
    json_bytes = sum(
        len(json.dumps(row(n), ensure_ascii=False, separators=(",", ":")).encode()) + 1 for n in range(count)
    )
    return Found(
        rows=count,
        measured=measured,
        json_bytes=json_bytes,
        writes=len(puts),
        least=math.ceil(json_bytes / CHUNK_BYTES),
        most_per_minute=max(found.most_per_minute for found in counts),
        refused=sum(found.refused for found in counts),
        exact=measured.exit_code == 0 and _exact(emulator, sheet, count),
    )


def _exact(emulator: SheetsEmulator, sheet: str, count: int) -> bool:
    """Whether each cell is what was sent; a null and an empty text are an empty cell."""
    step = 20_000
    for start in range(0, count, step):
        end = min(count, start + step)
        found = emulator.rows(sheet, f"Big!A{start + 2}:L{end + 1}")
        if found != [[None if value == "" else value for value in row(number)] for number in range(start, end)]:
            return False
    return list(emulator.tabs(sheet)) == ["Sheet1", "Big"]


def section(found: Found, refused: Measured) -> str:
    """For the page."""
    over = found.writes / found.least - 1
    document = json.loads(refused.output)
    message = " ".join(str(document.get("error") or document).split())
    return f"""
{found.rows:,} rows x {len(COLUMNS)} columns by `loadlock run`, with `max_copy_cells: 10000000` and Google's quota of 60 requests
a minute:

| what | found |
| --- | --- |
| cells that differ from the file, all compared | {"0" if found.exact else "some"} |
| peak memory of the whole run (PSS) | {found.measured.peak_mib:,.0f} MiB |
| JSON bytes | {found.json_bytes:,} |
| requests that write rows | {found.writes} ({found.least} full ones would be needed, {over:+.0%}) |
| most requests of a kind in any minute, as the emulator counts | {found.most_per_minute} of 60 |
| refused for the quota | {found.refused} |
| time, pacing included | {found.measured.seconds:,.0f} s |

900,000 rows x {len(COLUMNS)}: exit code {refused.exit_code}, nothing written. {message}
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """0 where every cell arrived, memory stayed flat and no more was asked than is allowed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=400_000)
    parser.add_argument("--page", type=Path, help="write the section of this page")
    options = parser.parse_args(arguments)
    with SheetsEmulator() as emulator:
        found = deliver(emulator, options.rows, "  max_copy_cells: 10000000\n")
        refused = deliver(emulator, options.rows * 9 // 4, "").measured
        text = section(found, refused)
    print(text)
    if not found.exact:
        print(found.measured.errors[-2000:], file=sys.stderr)
    if options.page is not None:
        written_between(options.page, MARK, text)
    good = (
        found.exact and found.measured.peak_mib <= 300 and found.refused == 0 and found.writes <= 1.1 * found.least + 1
    )
    return 0 if good and refused.exit_code == 4 else 1


if __name__ == "__main__":
    sys.exit(main())
