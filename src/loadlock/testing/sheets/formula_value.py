"""What a formula shows: operators, references and a few functions. Any other function is refused by name when it is read."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from loadlock.testing.sheets.a1 import Area
from loadlock.testing.sheets.book import Book, Tab
from loadlock.testing.sheets.errors import unknown
from loadlock.testing.sheets.formula_text import Corner, reference, tokens
from loadlock.testing.sheets.grid import Cell

ERRORS = {
    "ERROR": "#ERROR!",
    "NULL_VALUE": "#NULL!",
    "DIVIDE_BY_ZERO": "#DIV/0!",
    "VALUE": "#VALUE!",
    "REF": "#REF!",
    "NAME": "#NAME?",
    "NUM": "#NUM!",
    "N_A": "#N/A",
}
"""ErrorValue types and how a cell shows them."""
_NAMES = {shown: name for name, shown in ERRORS.items()}
_BINARY = {"=": 1, "<>": 1, "<": 1, ">": 1, "<=": 1, ">=": 1, "&": 2, "+": 3, "-": 3, "*": 4, "/": 4, "^": 5}


class _FormulaError(Exception):
    """The formula's value is an error value."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class Evaluator:
    """Values of formulas of one spreadsheet in one request: each cell is worked out once, circles become #REF!."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._done: dict[tuple[int, int, int], Cell] = {}
        self._open: set[tuple[int, int, int]] = set()

    def value(self, tab: Tab, row: int, column: int, cell: Cell) -> Cell:
        """The cell's value: itself, or what its formula gives (text, number, boolean, error, None)."""
        if not isinstance(cell, dict) or "f" not in cell:
            return cell
        key = (tab.sheet_id, row, column)
        if key in self._open:
            return {"e": "REF"}
        if key not in self._done:
            self._open.add(key)
            try:
                self._done[key] = _Reader(self, tab, tokens(cell["f"])).result()
            except _FormulaError as error:
                self._done[key] = {"e": error.name}
            finally:
                self._open.discard(key)
        return self._done[key]

    def cells(self, tab: Tab, text: str) -> list[Cell]:
        """The values in a reference, row by row."""
        ref = reference(text)
        home = tab if ref.title is None else self._book.find(ref.title)
        if home is None:
            raise _FormulaError("REF")
        box = home.box(_area(ref.first, ref.last or ref.first))
        if not box.cells:
            return [None] if ref.last is None else []
        found: list[Cell] = []
        for start, columns in home.grid.slices(box):
            for down, cells in enumerate(zip(*columns, strict=True)):
                found.extend(self.value(home, start + down, box.column + right, c) for right, c in enumerate(cells))
        return found


def _area(first: Corner, last: Corner) -> Area:
    end_row = None if last.row is None else last.row + 1
    end_column = None if last.column is None else last.column + 1
    return Area(row=first.row, end_row=end_row, column=first.column, end_column=end_column)


class _Reader:
    """Reads and works out one formula by precedence."""

    def __init__(self, evaluator: Evaluator, tab: Tab, found: list[tuple[str, str]]) -> None:
        self._evaluator = evaluator
        self._tab = tab
        self._tokens = found
        self._at = 0

    def result(self) -> Cell:
        value = self._expression(0)
        if self._at < len(self._tokens):
            raise _FormulaError("ERROR")
        if isinstance(value, list):
            value = value[0] if value else None
        return 0 if value is None else value

    def _peek(self) -> tuple[str, str]:
        return self._tokens[self._at] if self._at < len(self._tokens) else ("end", "")

    def _take(self, text: str | None = None) -> tuple[str, str]:
        token = self._peek()
        if token[0] == "end" or (text is not None and token[1] != text):
            raise _FormulaError("ERROR")
        self._at += 1
        return token

    def _expression(self, level: int) -> Any:
        left = self._operand()
        while True:
            kind, text = self._peek()
            if kind == "operator" and text == "%":
                self._take()
                left = _number(left) / 100
            elif kind == "operator" and _BINARY.get(text, 0) > level:
                self._take()
                left = _binary(text, left, self._expression(_BINARY[text]))
            else:
                return left

    def _operand(self) -> Any:
        kind, text = self._take()
        if kind == "number":
            return float(text) if set(text) & set(".eE") else int(text)
        if kind == "text":
            return text[1:-1].replace('""', '"')
        if kind == "reference":
            values = self._evaluator.cells(self._tab, text)
            return values if ":" in text.rpartition("!")[2] else values[0]
        if kind == "error":
            raise _FormulaError(_NAMES.get(text, "ERROR"))
        if kind == "name":
            return self._name(text)
        if text == "(":
            value = self._expression(0)
            self._take(")")
            return value
        if text in ("-", "+"):
            return _number(self._expression(5)) * (-1 if text == "-" else 1)
        raise _FormulaError("ERROR")

    def _name(self, text: str) -> Any:
        if text.upper() in ("TRUE", "FALSE") and self._peek()[1] != "(":
            return text.upper() == "TRUE"
        if self._peek()[1] != "(":
            raise unknown(f"the name {text} in a formula")
        self._take("(")
        arguments = []
        while self._peek()[1] != ")":
            arguments.append(self._expression(0))
            if self._peek()[1] != ")":
                self._separator()
        self._take(")")
        function = FUNCTIONS.get(text.upper())
        if function is None:
            raise unknown(f"the function {text.upper()} in a formula")
        return function(arguments)

    def _separator(self) -> None:
        if self._take()[1] not in (",", ";"):
            raise _FormulaError("ERROR")


def _single(value: Any) -> Any:
    value = (value[0] if value else None) if isinstance(value, list) else value
    if isinstance(value, dict):
        raise _FormulaError(value["e"])
    return value


def _number(value: Any) -> float:
    value = _single(value)
    if value is None:
        return 0
    if isinstance(value, str):
        try:
            return float(value)
        except ValueError:
            raise _FormulaError("VALUE") from None
    number: float = int(value) if isinstance(value, bool) else value
    return number


def _text(value: Any) -> str:
    value = _single(value)
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    return "" if value is None else str(value)


def _binary(operator: str, left: Any, right: Any) -> Any:
    if operator == "&":
        return _text(left) + _text(right)
    if _BINARY[operator] == 1:
        return _compared(operator, _single(left), _single(right))
    one, other = _number(left), _number(right)
    if operator == "/":
        if other == 0:
            raise _FormulaError("DIVIDE_BY_ZERO")
        return one / other
    results: dict[str, Callable[[], float]] = {
        "+": lambda: one + other,
        "-": lambda: one - other,
        "*": lambda: one * other,
        "^": lambda: one**other,
    }
    return results[operator]()


def _compared(operator: str, left: Any, right: Any) -> bool:
    one, other = _order(left), _order(right)
    return {
        "=": one == other,
        "<>": one != other,
        "<": one < other,
        ">": one > other,
        "<=": one <= other,
        ">=": one >= other,
    }[operator]


def _order(value: Any) -> tuple[int, Any]:
    """Numbers before texts before booleans; texts ignoring case."""
    if value is None:
        return 0, 0
    if isinstance(value, bool):
        return 2, value
    return (1, value.lower()) if isinstance(value, str) else (0, value)


def _flat(arguments: list[Any]) -> Iterator[Any]:
    for argument in arguments:
        for value in argument if isinstance(argument, list) else [argument]:
            if isinstance(value, dict):
                raise _FormulaError(value["e"])
            yield value


def _numbers(arguments: list[Any]) -> list[float]:
    return [v for v in _flat(arguments) if isinstance(v, int | float) and not isinstance(v, bool)]


def _average(arguments: list[Any]) -> float:
    values = _numbers(arguments)
    if not values:
        raise _FormulaError("DIVIDE_BY_ZERO")
    return sum(values) / len(values)


def _if(arguments: list[Any]) -> Any:
    if len(arguments) not in (2, 3):
        raise _FormulaError("N_A")
    return arguments[1] if _single(arguments[0]) else (arguments[2] if len(arguments) == 3 else False)


FUNCTIONS: dict[str, Callable[[list[Any]], Any]] = {
    "SUM": lambda arguments: sum(_numbers(arguments)),
    "COUNT": lambda arguments: len(_numbers(arguments)),
    "COUNTA": lambda arguments: sum(1 for value in _flat(arguments) if value is not None),
    "MIN": lambda arguments: min(_numbers(arguments), default=0),
    "MAX": lambda arguments: max(_numbers(arguments), default=0),
    "AVERAGE": _average,
    "IF": _if,
    "CONCATENATE": lambda arguments: "".join(_text(value) for value in _flat(arguments)),
}
"""The functions that are worked out."""
