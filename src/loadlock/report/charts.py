"""Small pictures of the report, as HTML: bars in tables, and the matrix of rejects by code and column."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

_SHOWN_COLUMNS = 14


def bar(share: float, css: str = "good") -> str:
    """A bar of `share` (0..1) of its cell."""
    width = max(0.0, min(1.0, share)) * 100
    return f'<span class="track"><span class="bar {css}" style="width:{width:.2f}%"></span></span>'


def reject_matrix(counts: Iterable[Sequence[object]]) -> str:
    """Codes down, columns across, darker where more rows were rejected; `counts` are (stage, code, column, rows)."""
    cells: dict[tuple[str, str], int] = {}
    for _, code, column, rows in counts:
        key = (str(code), str(column) or "(row)")
        cells[key] = cells.get(key, 0) + int(str(rows))
    if not cells:
        return ""
    columns = _most({column: sum(n for (_, c), n in cells.items() if c == column) for _, column in cells})
    codes = _most({code: sum(n for (c, _), n in cells.items() if c == code) for code, _ in cells})
    most = max(cells.values())
    head = "".join(f"<th>{escape(column)}</th>" for column in columns[:_SHOWN_COLUMNS])
    rows_ = []
    for code in codes:
        body = "".join(_cell(cells.get((code, column), 0), most) for column in columns[:_SHOWN_COLUMNS])
        rows_.append(f"<tr><th>{escape(code)}</th>{body}</tr>")
    more = len(columns) - _SHOWN_COLUMNS
    note = f"<p class='note'>and {more} more columns with fewer rejects</p>" if more > 0 else ""
    return f"<table class='matrix'><thead><tr><th></th>{head}</tr></thead><tbody>{''.join(rows_)}</tbody></table>{note}"


def _most(totals: dict[str, int]) -> list[str]:
    return sorted(totals, key=lambda name: (-totals[name], name))


def _cell(rows: int, most: int) -> str:
    if not rows:
        return "<td></td>"
    strength = 0.15 + 0.85 * (rows / most) ** 0.5
    return f'<td style="--strength:{strength:.2f}" class="hit">{rows:,}</td>'
