"""Which rows a basic filter hides: by hidden values and by the simple conditions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from loadlock.testing.sheets.a1 import Box
from loadlock.testing.sheets.book import Tab
from loadlock.testing.sheets.errors import Json, bad, unknown
from loadlock.testing.sheets.render import shown
from loadlock.testing.sheets.work import Work


def hidden_rows(work: Work, tab: Tab, box: Box, given: Json) -> frozenset[int]:
    """The rows of the box, below its header, that at least one criterion hides."""
    criteria = {int(column): item for column, item in given.get("criteria", {}).items()}
    for spec in given.get("filterSpecs", ()):
        if "columnIndex" not in spec:
            raise unknown("filters of data source columns")
        criteria[spec["columnIndex"]] = spec.get("filterCriteria", {})
    hidden: set[int] = set()
    for column, item in criteria.items():
        if not box.column <= column < box.end_column:
            raise bad(f"The filter criteria column index {column} is outside of the filter range.")
        hidden |= _hidden_in(work, tab, box, (column, item))
    return frozenset(hidden)


def _hidden_in(work: Work, tab: Tab, box: Box, criterion: tuple[int, Json]) -> set[int]:
    column, item = criterion
    if set(item) - {"hiddenValues", "condition"}:
        raise unknown(f"filter criteria by {', '.join(sorted(set(item) - {'hiddenValues', 'condition'}))}")
    values = set(item.get("hiddenValues", ()))
    keeps = _condition(item["condition"]) if "condition" in item else None
    hidden = set()
    for start, columns in tab.grid.slices(Box(box.row + 1, box.end_row, column, column + 1)):
        for offset, cell in enumerate(columns[0]):
            row = start + offset
            value = work.evaluator.value(tab, row, column, cell)
            text = shown(value, tab.attributes.at(row, column))
            if text in values or (keeps is not None and not keeps(value, text)):
                hidden.add(row)
    return hidden


def _condition(condition: Json) -> Callable[[Any, str], bool]:
    """Whether a value stays visible."""
    kind = condition.get("type", "CONDITION_TYPE_UNSPECIFIED")
    given = [item.get("userEnteredValue", "") for item in condition.get("values", ())]
    text = given[0].lower() if given else ""
    texts: dict[str, Callable[[Any, str], bool]] = {
        "BLANK": lambda _, shown: shown == "",
        "NOT_BLANK": lambda _, shown: shown != "",
        "TEXT_EQ": lambda _, shown: shown.lower() == text,
        "TEXT_NOT_EQ": lambda _, shown: shown.lower() != text,
        "TEXT_CONTAINS": lambda _, shown: text in shown.lower(),
        "TEXT_NOT_CONTAINS": lambda _, shown: text not in shown.lower(),
        "TEXT_STARTS_WITH": lambda _, shown: shown.lower().startswith(text),
        "TEXT_ENDS_WITH": lambda _, shown: shown.lower().endswith(text),
    }
    return texts[kind] if kind in texts else _number_condition(kind, given)


def _number_condition(kind: str, given: list[str]) -> Callable[[Any, str], bool]:
    compare: dict[str, Callable[[float, float], bool]] = {
        "NUMBER_GREATER": lambda value, bound: value > bound,
        "NUMBER_GREATER_THAN_EQ": lambda value, bound: value >= bound,
        "NUMBER_LESS": lambda value, bound: value < bound,
        "NUMBER_LESS_THAN_EQ": lambda value, bound: value <= bound,
        "NUMBER_EQ": lambda value, bound: value == bound,
        "NUMBER_NOT_EQ": lambda value, bound: value != bound,
    }
    if kind not in compare:
        raise unknown(f"the filter condition {kind}")
    try:
        bound = float(given[0])
    except (IndexError, ValueError):
        raise bad(f"The condition {kind} needs one number.") from None
    return lambda value, _: isinstance(value, int | float) and compare[kind](value, bound)
