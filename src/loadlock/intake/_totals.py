"""Totals below a table: they look like a row and are none. They are staged as the others, and told."""

from __future__ import annotations

import re

import pyarrow as pa

from loadlock.rows import PROVENANCE

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
        self._last: pa.Table | None = None

    def look(self, rows: pa.Table) -> None:
        """Keep the last rows."""
        if rows.num_rows:
            self._last = rows.slice(max(0, rows.num_rows - _LOOK_ROWS))

    def notes(self) -> list[str]:
        """What seems to be a total."""
        if self._last is None:
            return []
        names = [name for name in self._last.column_names if name not in PROVENANCE]
        found = []
        for row in self._last.to_pylist():
            filled = [row[name].strip() for name in names if (row[name] or "").strip()]
            word = filled[0].split(":")[0].strip("* ") if filled else ""
            if len(names) > 1 and _WORD.fullmatch(word):
                found.append(
                    f"the row of line {row['_line']:,} seems to hold a total ({filled[0]!r}): it is staged as a row;"
                    " a rule can leave it out, `footer` leaves lines at the end out"
                )
        return found
