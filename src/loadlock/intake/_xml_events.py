"""Turns the events of an XML parser into records: JSON texts with their places.

An element with text alone is a text; with attributes or elements in it an object: attributes under `@name`, elements
under their names, text between them under `#text`. An element that repeats is an array. `xsi:nil="true"` is null.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from xml.parsers import expat

import orjson

from loadlock.intake._xml_path import RecordPath

DEEPEST = 1000
"""Levels of elements in a document."""
_NIL = ("xsi:nil", "xml:nil")


class FaultError(Exception):
    """What makes the text unreadable from here on. `code` is a problem code."""

    def __init__(self, message: str, *, code: str = "invalid_xml") -> None:
        super().__init__(message)
        self.code = code


class ForbiddenError(Exception):
    """Something that no data file needs and attacks use."""


@dataclass(kw_only=True)
class Open:
    """A record whose end is not reached yet. `start` and `line` as the parser counts."""

    start: int
    line: int
    depth: int
    code: str = ""
    """Why it can't be a row, where that is known before its end."""
    message: str = ""
    value: Any = None
    nests: bool = False
    """Whether another record starts within it."""
    ended: bool = False
    offset: int | None = None
    raw: bytes = b""
    """Where it starts in the file and its first bytes, kept where it is too long to be held."""


class _Node:
    """An element that is being read."""

    __slots__ = ("members", "name", "nil", "texts")

    def __init__(self, name: str) -> None:
        self.name = name
        self.members: dict[str, Any] = {}
        self.texts: list[str] = []
        self.nil = False


class Events:
    """Handlers for one parser. `done(record, end)` is called when the next event shows where the record ended."""

    def __init__(
        self, path: RecordPath, repeated: frozenset[str], depth_limit: int, done: Callable[[Open, int], None]
    ) -> None:
        self.path = path
        self.stack: list[str] = []
        self.record: Open | None = None
        self.recursive = False
        """Whether records stand within records."""
        self.impatient = False
        """Whether a record's start within a record is a fault at once."""
        self.outside = 0
        """Elements seen outside of records, and records."""
        self.parent_seen = False
        """Whether the way to the records was there, up to the last name."""
        self._repeated = repeated
        self._depth_limit = depth_limit
        self._done = done
        self._nodes: list[_Node] = []
        self._parser: Any = None

    def attach(self, parser: Any) -> None:
        """Listen to this parser; what was open stays open."""
        self._parser = parser
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._text
        parser.EntityDeclHandler = _refuse_entity
        parser.SkippedEntityHandler = self._skipped
        parser.CommentHandler = parser.StartCdataSectionHandler = parser.EndCdataSectionHandler = self._other
        parser.ProcessingInstructionHandler = self._other
        parser.DefaultHandlerExpand = self._other

    def _other(self, *_: Any) -> None:
        if self.record is not None and self.record.ended:
            self.finish(self._parser.CurrentByteIndex)

    def finish(self, end: int) -> None:
        """The record that ended is whole: it ends here."""
        record, self.record = self.record, None
        assert record is not None
        self.recursive = self.recursive or record.nests
        self._done(record, end)

    def forget(self) -> None:
        """Drop the record that is being read, and what was open around it: another parser takes over."""
        self.stack, self.record, self._nodes = [], None, []

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        record = self.record
        if record is not None and record.ended:
            self.finish(self._parser.CurrentByteIndex)
            record = None
        self.stack.append(name)
        if len(self.stack) > DEEPEST:
            said = f"elements are nested deeper than {DEEPEST:,} levels"
            raise ForbiddenError(said) if record is None else FaultError(said, code="nested_too_deep")
        if record is None:
            self.outside += 1
            if not self.path.matches(self.stack):
                self.parent_seen = self.parent_seen or self.path.leads(self.stack)
                return
            parser = self._parser
            record = Open(start=parser.CurrentByteIndex, line=parser.CurrentLineNumber, depth=len(self.stack))
            self.record, self._nodes = record, []
        elif name == self.path.names[-1]:
            record.nests = True
            if self.impatient:
                raise FaultError("the element is not closed before the next one begins")
        if record.code:
            return
        if len(self._nodes) >= self._depth_limit:
            self.give_up("nested_too_deep", f"elements are nested deeper than {self._depth_limit} levels")
            return
        node = _Node(name)
        for key, value in attributes.items():
            if key in _NIL and value.strip() in ("true", "1"):
                node.nil = True
            elif not key.startswith("xmlns"):
                node.members[f"@{key}"] = value
        self._nodes.append(node)

    def give_up(self, code: str, message: str) -> None:
        """The record can't be a row; the parser goes on to its end."""
        assert self.record is not None
        self.record.code, self.record.message, self._nodes = code, message, []

    def _text(self, text: str) -> None:
        record = self.record
        if record is None:
            return
        if record.ended:
            self.finish(self._parser.CurrentByteIndex)
        elif self._nodes:
            self._nodes[-1].texts.append(text)

    def _skipped(self, name: str, is_parameter: bool) -> None:
        if not is_parameter and self.record is not None and not self.record.ended:
            self.give_up("invalid_xml", f"the entity &{name}; is declared nowhere in the file")
        self._other()

    def _end(self, name: str) -> None:
        record = self.record
        if record is not None and record.ended:
            self.finish(self._parser.CurrentByteIndex)
            record = None
        depth = len(self.stack)
        self.stack.pop()
        if record is None:
            return
        value = None
        if not record.code:
            node = self._nodes.pop()
            value = _value(node)
            if self._nodes:
                self._attach(node.name, value)
        if depth == record.depth:
            record.value, record.ended = value, True

    def _attach(self, name: str, value: Any) -> None:
        members = self._nodes[-1].members
        if name in members:
            if type(members[name]) is list:
                members[name].append(value)
            else:
                members[name] = [members[name], value]
        elif self._repeated and "/".join([*(node.name for node in self._nodes[1:]), name]) in self._repeated:
            members[name] = [value]
        else:
            members[name] = value


def _value(node: _Node) -> Any:
    text = "".join(node.texts)
    if node.nil and not node.members:
        return None
    if not node.members:
        return text
    if any(not key.startswith("@") for key in node.members):
        text = text.strip()
    if text:
        node.members["#text"] = text
    return node.members


def json_text(value: Any) -> bytes | None:
    """The record's JSON; None where it is nested too deeply to be written."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return None


def _refuse_entity(name: str, *_: Any) -> None:
    raise ForbiddenError(f"it declares an entity ({name[:40]!r}), which data files have no need of and attacks use")


def new_parser() -> Any:
    """A parser of UTF-8 that fetches nothing."""
    parser = expat.ParserCreate("utf-8")
    parser.SetParamEntityParsing(expat.XML_PARAM_ENTITY_PARSING_NEVER)
    return parser
