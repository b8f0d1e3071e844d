"""One JSON record, read strictly and by itself: what the whole slice is read for at once, for records that are odd.

Values are never decoded here: a leaf is the place of its text in the record, so `1.10` stays `1.10`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from typing import NamedTuple

from loadlock.cleanup._flatten_names import VALUE, child_column, column, escaped, repeated, unescaped
from loadlock.model import Problem
from loadlock.pipeline.model import Flatten

MAX_LEVELS = 300
"""Objects inside each other that are opened; each costs stack frames."""
_SHOWN = 80
_STRING = r'"[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+"'
# NaN and Infinity come only where the source's `tolerate: nan` let them in
SCALAR = rf"{_STRING}|-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?+(?:[eE][+-]?[0-9]++)?+|true|false|null|NaN|-?Infinity"
SPACE = r"[ \t\n\r]*+"

_scalar = re.compile(SCALAR)
# a key, and in the same go the scalar behind it with the mark that ends it
_member = re.compile(rf"({_STRING}){SPACE}:{SPACE}(?:({SCALAR}){SPACE}([,}}]){SPACE})?+")
_next = re.compile(rf"{SPACE}([,}}\]]){SPACE}")
_space = re.compile(SPACE)
# numbers inside JSON text are only passed over: `len` is called with their text, so none is ever converted
_passer = json.JSONDecoder(parse_int=len, parse_float=len, parse_constant=len)


class Leaf(NamedTuple):
    """A value that becomes one cell: its place in the record's text."""

    start: int
    end: int


class Members(NamedTuple):
    """An opened object: (column name, node) in the order written."""

    items: list[tuple[str, Node]]


class Elements(NamedTuple):
    """An opened array."""

    items: list[Node]


Node = Leaf | Members | Elements


class Repeat(NamedTuple):
    """A key that stands in its object once more."""

    key: str
    first: str
    """The name of what it led to first."""
    again: str
    """The name of what it leads to here."""


class RecordError(Exception):
    """The record can't be read; `problem` says why."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.message)
        self.problem = problem


class Reader:
    """Reads records as `spec` says: which objects and arrays are opened. Not for use by two threads at once."""

    def __init__(self, spec: Flatten) -> None:
        self.spec = spec
        self.opened = frozenset(spec.explode) | frozenset(spec.children)
        self.deepest = MAX_LEVELS if spec.depth is None else spec.depth
        self.text = ""
        self.repeats: list[Repeat] = []

    def read(self, text: str) -> tuple[Node, list[Repeat]]:
        """The record as a tree, and the keys that stand twice; raises RecordError where it is no JSON."""
        self.text, self.repeats = text, []
        try:
            node, end = self._value(_after(_space, text, 0), None, 0)
        except RecursionError as error:
            raise RecordError(_problem("nested_too_deep", "the record is nested too deep")) from error
        if _after(_space, text, end) != len(text):
            raise self._invalid(end)
        return node, self.repeats

    def _value(self, at: int, name: str | None, level: int) -> tuple[Node, int]:
        first = self.text[at : at + 1]
        if first == "{" and level <= self.deepest:
            return self._object(at, name, level)
        if first == "[" and (self.spec.arrays == "explode" or (name or VALUE) in self.opened):
            return self._array(at, name, level)
        if first in ("{", "["):
            return self._pass(at)
        match = _scalar.match(self.text, at)
        if match is None:
            raise self._invalid(at)
        return Leaf(at, match.end()), match.end()

    def _object(self, at: int, name: str | None, level: int) -> tuple[Node, int]:
        if level >= MAX_LEVELS:
            raise RecordError(_problem("nested_too_deep", f"objects stand more than {MAX_LEVELS} deep in each other"))
        end = _after(_space, self.text, at + 1)
        if self.text[end : end + 1] == "}":
            # an empty object is a value of its own, except as the record itself
            return (Members([]) if name is None else Leaf(at, end + 1)), end + 1
        return self._members(end, name, level)

    def _members(self, at: int, name: str | None, level: int) -> tuple[Node, int]:
        prefix = "" if name is None else name + self.spec.separator
        items: list[tuple[str, Node]] = []
        seen: dict[str, int] = {}
        mark = ","
        while mark == ",":
            match = _member.match(self.text, at)
            if match is None:
                raise self._invalid(at)
            key = self._key(match[1], match.start(1))
            full = prefix + escaped(key, self.spec.separator)
            seen[key] = seen.get(key, 0) + 1
            if seen[key] > 1:
                again = repeated(full, seen[key], self.spec.separator)
                self.repeats.append(Repeat(key, full, again))
                full = again
            mark, at = match[3], match.end()
            if mark:
                items.append((full, Leaf(*match.span(2))))
            else:
                node, end = self._value(at, full, level + 1)
                items.append((full, node))
                mark, at = self._mark(end)
        if mark == "]":
            raise self._invalid(at)
        return Members(items), at

    def _array(self, at: int, name: str | None, level: int) -> tuple[Node, int]:
        end = _after(_space, self.text, at + 1)
        if self.text[end : end + 1] == "]":
            return Elements([]), end + 1
        items: list[Node] = []
        while True:
            # an array inside the array stays text: its elements have no name of their own
            node, end = (
                self._pass(end) if self.text[end : end + 1] == "[" else self._value(end, name or VALUE, level + 1)
            )
            items.append(node)
            mark, end = self._mark(end)
            if mark == "]":
                return Elements(items), end
            if mark == "}":
                raise self._invalid(end)

    def _key(self, token: str, at: int) -> str:
        if "\\" not in token:
            return token[1:-1]
        try:
            return unescaped(token)
        except UnicodeEncodeError as error:
            raise self._invalid(at) from error

    def _mark(self, at: int) -> tuple[str, int]:
        match = _next.match(self.text, at)
        if match is None:
            raise self._invalid(at)
        return match[1], match.end()

    def _pass(self, at: int) -> tuple[Leaf, int]:
        """A value that stays JSON text."""
        try:
            end = _passer.scan_once(self.text, at)[1]  # type: ignore[attr-defined]  # documented nowhere, there since Python 2.7
        except (ValueError, StopIteration) as error:
            raise self._invalid(at) from error
        return Leaf(at, end), end

    def _invalid(self, at: int) -> RecordError:
        shown = self.text[at : at + _SHOWN]
        return RecordError(_problem("invalid_json", f"the record is not valid JSON at character {at + 1}: {shown!r}"))


Row = list[tuple[str, Leaf]]


def rows_of(node: Node, children: Collection[str] = (), name: str = VALUE) -> list[Row]:
    """The rows of a record. More than one only where arrays were opened; arrays at the paths `children` are left out."""
    base, arrays = _parts(node, name, children)
    if not arrays:
        return [base]
    # arrays beside each other stand beside each other in the rows: no element is doubled
    length = max(map(len, arrays))
    return [base + [cell for rows in arrays if index < len(rows) for cell in rows[index]] for index in range(length)]


def _parts(node: Node, name: str, children: Collection[str]) -> tuple[Row, list[list[Row]]]:
    """The cells that stand in each row, and the rows of each opened array."""
    if isinstance(node, Leaf):
        return [(name, node)], []
    if isinstance(node, Elements):
        if name in children:
            return [], []
        return [], [[row for item in node.items for row in rows_of(item, children, name)] or [[]]]
    base: Row = []
    arrays = []
    for full, item in node.items:
        cells, rows = _parts(item, full, children)
        base += cells
        arrays += rows
    return base, arrays


def elements_of(node: Node, path: str, separator: str, name: str | None = None) -> Iterator[Node]:
    """The elements of the opened arrays at a path, also of those inside other arrays, in the order written."""
    if isinstance(node, Members):
        for full, item in node.items:
            if full == path or path.startswith(full + separator):
                yield from elements_of(item, path, separator, full)
    elif isinstance(node, Elements):
        for item in node.items:
            if (name or VALUE) == path:
                yield item
            else:
                yield from elements_of(item, path, separator, name)


def child_rows(node: Node, path: str, spec: Flatten) -> Iterator[Row]:
    """The rows of the elements at a path, by their columns in the child table."""
    for element in elements_of(node, path, spec.separator):
        for row in rows_of(element, spec.children.keys() - {path}, path):
            yield [(child_column(name, path, spec.separator), leaf) for name, leaf in row]


def parent_rows(node: Node, spec: Flatten) -> list[Row]:
    """The rows of the record itself, by their columns."""
    return [[(column(name), leaf) for name, leaf in row] for row in rows_of(node, spec.children.keys())]


def undecided(repeats: list[Repeat], found: list[Row], wanted: Collection[str], separator: str) -> list[Problem]:
    """Keys that stand twice, where a column is wanted to which the one leads and another is not to which the other does.

    Both are taken or neither, or the record has a problem: which of the two is meant nobody can know.
    """
    every = list(dict.fromkeys(name for row in found for name, _ in row))
    problems = []
    for key, first, again in repeats:
        led = [name for name in every for path in (first, again) if _leads(path, name, separator)]
        taken = [name for name in led if name in wanted]
        if taken and len(taken) < len(led):
            problems.append(_twice(key, first))
    return list(dict.fromkeys(problems))


def _leads(path: str, name: str, separator: str) -> bool:
    return name == column(path) or name.startswith(path + separator)


def _after(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return at if match is None else match.end()


def _twice(key: str, full: str) -> Problem:
    return _problem("duplicate_json_key", f"the key {key!r} stands twice in the same object", full)


def _problem(code: str, message: str, column: str | None = None) -> Problem:
    return Problem(code=code, message=message, column=column)
