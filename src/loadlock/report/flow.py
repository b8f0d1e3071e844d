"""The flow of rows through the stages as a picture (SVG): each band is as wide as its share of the rows received."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

WIDTH = 960
_TOP, _SCALE, _NODE, _LEAST = 36, 170.0, 14, 2.5
_COLUMNS = (0, 311, 622, WIDTH - _NODE)


@dataclass(frozen=True, kw_only=True)
class _Exit:
    """Rows that leave the main way after a stage."""

    name: str
    rows: int
    css: str


def flow_svg(balance: dict[str, Any]) -> str:
    """The picture of a run's balance (`Balance.to_json()`); empty where nothing was received."""
    received = balance["received"] + balance["exploded"]
    if not received:
        return ""
    delivered = balance["inserted"] + balance["updated"] + balance["unchanged"]
    rejected = balance["rejected"]
    stages = [
        ("received", received, []),
        (
            "staged",
            balance["staged"] + balance["exploded"],
            [_Exit(name="rejected at intake", rows=rejected["intake"], css="bad")],
        ),
        (
            "clean",
            balance["clean"],
            [
                _Exit(name="rejected at cleanup", rows=rejected["cleanup"], css="bad"),
                _Exit(name="skipped", rows=balance["skipped"], css="aside"),
                _Exit(name="superseded", rows=balance["superseded"], css="aside"),
                _Exit(name="discarded", rows=balance.get("discarded", 0), css="aside"),
            ],
        ),
        ("delivered", delivered, [_Exit(name="rejected at delivery", rows=rejected["delivery"], css="bad")]),
    ]
    pieces: list[str] = []
    unit, bottom = _SCALE / received, _TOP + _SCALE
    for index, (name, rows, exits) in enumerate(stages):
        x, tall = _COLUMNS[index], _height(rows, unit)
        if index:
            bands, end = _bands(index, rows, exits, unit)
            pieces, bottom = pieces + bands, max(bottom, end)
        pieces.append(f'<rect class="node" x="{x}" y="{_TOP}" width="{_NODE}" height="{tall:.1f}" rx="2"/>')
        pieces.append(_label(x, _TOP - 18, name, rows))
    return (
        f'<svg class="flow" viewBox="0 0 {WIDTH} {bottom + 8:.0f}" role="img" aria-label="Rows from received to delivered">'
        + "".join(pieces)
        + "</svg>"
    )


def _height(rows: int, unit: float) -> float:
    return max(rows * unit, _LEAST) if rows else 0.0


def _bands(index: int, rows: int, exits: list[_Exit], unit: float) -> tuple[list[str], float]:
    """What goes on from one stage to the next and what leaves, and how far down that reaches."""
    left, right = _COLUMNS[index - 1] + _NODE, _COLUMNS[index]
    kept = _height(rows, unit)
    pieces = [_ribbon(left, right, _TOP, _TOP, kept, "good")] if rows else []
    start, end = _TOP + kept, _TOP + _SCALE + 12
    for exit_ in exits:
        if not exit_.rows:
            continue
        height = _height(exit_.rows, unit)
        stop = right - 60
        pieces.append(_ribbon(left, stop, start, end, height, exit_.css))
        words = f"{exit_.rows:,} {exit_.name}"
        middle = end + height / 2 + 4
        pieces.append(f'<text class="exit {exit_.css}" x="{stop + 6}" y="{middle:.1f}">{escape(words)}</text>')
        start += height
        end += max(height, 14) + 4
    return pieces, end if start > _TOP + kept else 0.0


def _ribbon(x0: float, x1: float, y0: float, y1: float, height: float, css: str) -> str:
    middle = (x0 + x1) / 2
    return (
        f'<path class="band {css}" d="M{x0},{y0:.1f} C{middle},{y0:.1f} {middle},{y1:.1f} {x1},{y1:.1f}'
        f' L{x1},{y1 + height:.1f} C{middle},{y1 + height:.1f} {middle},{y0 + height:.1f} {x0},{y0 + height:.1f} Z"/>'
    )


def _label(x: float, y: float, name: str, rows: int) -> str:
    anchor = "end" if x > WIDTH - 140 else "start"
    at = x + _NODE if anchor == "end" else x
    return (
        f'<text class="stage" x="{at}" y="{y}" text-anchor="{anchor}">{escape(name)}</text>'
        f'<text class="count" x="{at}" y="{y + 13}" text-anchor="{anchor}">{rows:,}</text>'
    )
