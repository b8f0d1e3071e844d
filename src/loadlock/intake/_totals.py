"""Totals below a table: they look like a row and are none. They are staged as the others, and told."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from loadlock.rows import LINE, PROVENANCE

if TYPE_CHECKING:
    import pyarrow as pa

_LOOK_ROWS = 3
_WORD = re.compile(
    r"(?:(?:grand|sub|net|overall)[ -]?)?totals?|sum|summe|gesamt(?:summe|betrag)?|insgesamt|zwischensumme|endsumme"
    r"|(?:end)?saldo|somme|total (?:g[eé]n[eé]ral|general|geral)|suma|totale|totaal|soma|razem|celkem|összesen"
    r"|итого|всего|合计|合計|총계",
    re.IGNORECASE,
)


class Totals:
    """Looks at the last rows of one file. Call `look` for each table of rows in order, then `notes`."""

    def __init__(self) -> None:
        self._last: list[dict[str, Any]] = []

    def look(self, rows: pa.Table) -> None:
        """Keep the last rows."""
        if rows.num_rows:
            self._last = rows.slice(max(0, rows.num_rows - _LOOK_ROWS)).to_pylist()

    def notes(self) -> list[str]:
        """What seems to be a total."""
        found = []
        for row in self._last:
            cells = [value for name, value in row.items() if name not in PROVENANCE]
            filled = [cell.strip() for cell in cells if isinstance(cell, str) and cell.strip()]
            word = filled[0].split(":")[0].strip("* ") if filled else ""
            if len(cells) > 1 and _WORD.fullmatch(word):
                place = "" if row.get(LINE) is None else f" of line {row[LINE]:,}"
                found.append(
                    f"the row{place} seems to hold a total ({filled[0][:40]!r}): it is staged as a row; a rule can leave it"
                    " out, `footer` leaves lines at the end out"
                )
        return found
