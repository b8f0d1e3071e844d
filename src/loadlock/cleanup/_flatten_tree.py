"""One JSON record, read strictly and slowly: the reference for `flatten`, and the teacher of its fast patterns.

Values are never decoded here: a leaf is the place of its text in the record, so `1.10` stays `1.10`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from typing import NamedTuple

from loadlock import rows as names
from loadlock.model import Problem
from loadlock.pipeline.model import Flatten

VALUE = "value"
"""The column of a record that is no object."""
MAX_LEVELS = 300
"""Objects inside each other that are opened; each costs stack frames."""
_SHOWN = 80
RENAMED = {name: f"{name}_2" for name in (*names.PROVENANCE, names.FILE, names.SUB)}
"""A key of the source that is named like a provenance column stands beside it under another name."""

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
        self.problems: list[Problem] = []

    def read(self, text: str) -> tuple[Node, list[Problem]]:
        """The record as a tree, and the keys that stand twice; raises RecordError where it is no JSON."""
        self.text, self.problems = text, []
        try:
            node, end = self._value(_after(_space, text, 0), None, 0)
        except RecursionError as error:
            raise RecordError(_problem("nested_too_deep", "the record is nested too deep")) from error
        if _after(_space, text, end) != len(text):
            raise self._invalid(end)
        return node, self.problems

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
        seen: set[str] = set()
        mark = ","
        while mark == ",":
            match = _member.match(self.text, at)
            if match is None:
                raise self._invalid(at)
            key = self._key(match[1], match.start(1))
            full = prefix + key
            if key in seen:
                self.problems.append(_twice(key, full))
            seen.add(key)
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


def unescaped(token: str) -> str:
    """The text of a string's token; raises UnicodeEncodeError for half of a surrogate pair, which is no character."""
    text: str = json.loads(token)
    text.encode()
    return text


Row = list[tuple[str, Leaf]]


def rows_of(node: Node, children: Collection[str] = (), name: str = VALUE) -> list[Row]:
    """The rows of a record. More than one only where arrays were opened; arrays at the paths `children` are left out."""
    return _rows(node, name, children)[0]


def _rows(node: Node, name: str, children: Collection[str]) -> tuple[list[Row], bool]:
    """The rows, and whether they come from an opened array."""
    if isinstance(node, Leaf):
        return [[(RENAMED.get(name, name), node)]], False
    if isinstance(node, Elements):
        if name in children:
            return [[]], False
        return [row for item in node.items for row in _rows(item, name, children)[0]] or [[]], True
    base: Row = []
    arrays = []
    for full, item in node.items:
        rows, many = _rows(item, full, children)
        if many:
            arrays.append(rows)
        else:
            base += rows[0]
    if not arrays:
        return [base], False
    # arrays beside each other stand beside each other in the rows: no element is doubled
    length = max(map(len, arrays))
    return [
        base + [cell for rows in arrays if index < len(rows) for cell in rows[index]] for index in range(length)
    ], True


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


def repeated(row: Row) -> Iterator[Problem]:
    """Columns to which two keys of a row lead, as `a.b` and `b` inside `a`."""
    seen: set[str] = set()
    for name, _ in row:
        if name in seen:
            yield _problem("duplicate_json_key", f"two keys of the record lead to the column {name!r}", name)
        seen.add(name)


def _after(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return at if match is None else match.end()


def _twice(key: str, full: str) -> Problem:
    return _problem("duplicate_json_key", f"the key {key!r} stands twice in the same object", full)


def _problem(code: str, message: str, column: str | None = None) -> Problem:
    return Problem(code=code, message=message, column=column)
