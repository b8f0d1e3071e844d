"""The process that reads an old binary workbook: the library holds a sheet as a whole, and may end badly on a damaged one.

Reads the workbook from the file descriptor given. Writes one JSON line with the sheets, reads the name of one from standard
input, writes a line with the number of its merged ranges and what is hidden, then a line a row: `[[column, kind, text], ...]`.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import resource
import sys
from typing import Any

MEMORY_BYTES = 384 << 20
"""Address space of the process: about a million and a half cells."""
CPU_SECONDS = 300


def main(descriptor: int) -> None:
    """Serve one workbook."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    from python_calamine import CalamineWorkbook

    from loadlock.intake._excel_xls_hidden import hidden_in

    try:
        with os.fdopen(descriptor, "rb") as file:
            workbook = CalamineWorkbook.from_filelike(file)
            sheets = [
                [sheet.name, not str(sheet.visible).endswith(".Visible")]
                for sheet in workbook.sheets_metadata
                if str(sheet.typ).endswith("WorkSheet")
            ]
            _say({"sheets": sheets})
            name = json.loads(sys.stdin.readline())
            file.seek(0)
            hidden = hidden_in(file.read(), name)
            sheet = workbook.get_sheet_by_name(name)
            merged = len(sheet.merged_cell_ranges or ())
            _say({"merged": merged, "hidden_rows": sorted(hidden.rows), "hidden_columns": hidden.columns})
            for row in sheet.iter_rows():
                _say([[place, *cell] for place, value in enumerate(row) if (cell := _cell(value)) is not None])
    except Exception as error:
        secret = type(error).__name__ == "PasswordError" or "password" in str(error).lower()
        _say({"error": "" if secret else f"{error}"[:200] or type(error).__name__})


def _say(value: Any) -> None:
    sys.stdout.write(json.dumps(value) + "\n")
    sys.stdout.flush() if isinstance(value, dict) else None


def _cell(value: Any) -> tuple[str, str] | None:
    """Kind and text of a value."""
    if isinstance(value, str):
        return ("text", value) if value else None
    if isinstance(value, bool):
        return "boolean", str(value).lower()
    if isinstance(value, int | float):
        return "number", repr(value)
    if isinstance(value, dt.timedelta):
        seconds = int(value.total_seconds())
        return "date", f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
    return "date", value.isoformat()


if __name__ == "__main__":
    main(int(sys.argv[1]))
