"""Is this text one JSON value by RFC 8259? And if not, why and where."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

import orjson

from loadlock.intake._json_scan import structure
from loadlock.intake.base import SourceOptions
from loadlock.intake.decode import codec_name, decode_record
from loadlock.model import Problem

SPACE = b" \t\n\r"
"""White space by the grammar of JSON."""

_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|(NaN|-?Infinity)', re.DOTALL)
_SURROGATES = re.compile(
    r"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})"
)
_LINE_END = re.compile(r"\r\n|\n|\r")
_SHOWN = 30


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a record starts, for messages."""

    line: int
    offset: int
    column: int = 1


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A record's text as staged, with the encoding if it is not the file's; or the problem that keeps it out."""

    text: str | None = None
    encoding: str | None = None
    problem: Problem | None = None


class Judge:
    """Decides on records that were not taken at once. Strict, whatever the library: grammar, UTF-8, depth."""

    def __init__(self, options: SourceOptions, fallback: str, encoding: str = "utf-8") -> None:
        self._encoding = encoding
        self.depth_limit = options.depth_limit
        self._fallback = codec_name(fallback)
        self._nan = "nan" in options.tolerate

    def verdict(self, raw: bytes, place: Place, *, truncated: bool = False) -> Verdict:
        """Judge the bytes of one record, white space around it left out. `truncated`: the file ends inside of it."""
        text, encoding = decode_record(raw, "utf-8"), None
        if text is None:
            text, encoding = decode_record(raw, self._fallback), self._fallback
        if text is None:
            return Verdict(problem=_undecodable(raw, place, self._fallback))
        problem = self._problem(text, place, encoding or self._encoding, truncated=truncated)
        return Verdict(text=text, encoding=encoding, problem=problem)

    def _problem(self, text: str, place: Place, encoding: str, *, truncated: bool) -> Problem | None:
        brackets = text.count("{") + text.count("[")
        if brackets > self.depth_limit and depth(text) > self.depth_limit:
            message = f"nested deeper than {self.depth_limit} levels: line {place.line:,}, byte {place.offset:,}"
            return Problem(code="nested_too_deep", message=message, value=text[:_SHOWN])
        fault = grammar_fault(text, allow_nan=self._nan)
        if fault is None:
            return None
        reason, at = fault
        code = "truncated" if truncated else "invalid_json"
        byte = place.offset + len(text[:at].encode(encoding, "replace"))
        line, column = _line_and_column(text, at, place)
        shown = text[max(0, at - _SHOWN // 2) : at + _SHOWN // 2]
        return Problem(
            code=code, message=f"{reason}: line {line:,}, column {column:,} (byte {byte:,})", value=shown or None
        )


def _undecodable(raw: bytes, place: Place, fallback: str) -> Problem:
    try:
        raw.decode("utf-8")
        at = 0
    except UnicodeDecodeError as error:
        at = error.start
    message = f"not valid in UTF-8 nor in {fallback}: line {place.line:,}, byte {place.offset + at:,}"
    return Problem(code="invalid_encoding", message=message)


def _line_and_column(text: str, at: int, place: Place) -> tuple[int, int]:
    ends = list(_LINE_END.finditer(text, 0, at))
    if not ends:
        return place.line, place.column + at
    return place.line + len(ends), at - ends[-1].end() + 1


def accepts(raw: bytes) -> bool:
    """Whether orjson takes these bytes. A refusal is not final: it also refuses numbers beyond a double."""
    try:
        orjson.loads(raw)
    except orjson.JSONDecodeError:
        return False
    return True


def grammar_fault(text: str, *, allow_nan: bool = False) -> tuple[str, int] | None:
    """None for one valid JSON value, else the reason and the place (in characters).

    Numbers of any size are valid; unpaired surrogate escapes are not, since UTF-8 can't hold what they say.
    """
    try:
        _decoder(allow_nan=allow_nan).decode(text)
    except json.JSONDecodeError as error:
        return error.msg, error.pos
    except _ConstantError as error:
        found = next((match.start(1) for match in _TOKEN.finditer(text) if match[1]), 0)
        return f"{error} is no JSON", found
    except RecursionError:
        return "nested too deep", 0
    lone = next((match.start(1) for match in _SURROGATES.finditer(text) if match[1]), None)
    return None if lone is None else ("an unpaired surrogate escape", lone)


class _ConstantError(Exception):
    pass


def _refuse(name: str) -> Any:
    raise _ConstantError(name)


def _decoder(*, allow_nan: bool) -> json.JSONDecoder:
    # numbers stay text: int() refuses more than 4,300 digits
    return json.JSONDecoder(parse_int=str, parse_float=str, parse_constant=str if allow_nan else _refuse)


def depth(text: str) -> int:
    """How deep objects and arrays are nested; brackets inside strings don't count."""
    data = text.encode("utf-8", "replace")
    return int(structure(data, 0, len(data)).levels.max(initial=0))


def is_open(data: bytes) -> bool:
    """Whether an object, an array or a string is not closed at the end of the text."""
    found = structure(data, 0, len(data))
    return found.in_string or bool(found.levels[-1:].sum() > 0)
