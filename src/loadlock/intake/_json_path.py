"""Walks from the start of a JSON document to the array of records at a dotted path."""

from __future__ import annotations

import re
from typing import Literal

import orjson

from loadlock.errors import SourceError
from loadlock.intake._json_scan import Skipper
from loadlock.intake._json_window import TextWindow

Outcome = Literal["again", "more", "found", "fault"]

_STRING = re.compile(rb'"(?:[^"\\\x00-\x1f]|\\.)*+"')
_SCALAR = re.compile(rb'(?:"(?:[^"\\\x00-\x1f]|\\.)*+"|[-+.\w]++)(?=[ \t\r\n,}\]])')


def path_error(file: str, path: tuple[str, ...], reason: str, keys: list[str] | None = None) -> SourceError:
    """The error for a path that leads to no array."""
    hint = f"The keys there are: {', '.join(keys[:20])}." if keys else "Check `records_path`."
    return SourceError(f"the records path {'.'.join(path)} leads to no array in {file}: {reason}", hint=hint)


class PathWalk:
    """One walk through one top-level object. Values off the path are skipped without being checked."""

    def __init__(self, window: TextWindow, path: tuple[str, ...], file: str) -> None:
        self._window = window
        self._path = path
        self._file = file
        self._depth = 0
        self._keys: list[str] = []
        self._skipper: Skipper | None = None
        self._expect = "{"

    def step(self, final: bool) -> Outcome:
        """Go on as far as the window allows. `found`: the window stands at the array's bracket."""
        window = self._window
        if self._skipper is not None:
            return self._skip(final)
        window.at = window.skip_space(window.at)
        if window.at >= len(window.data):
            return "fault" if final else "more"
        char = window.data[window.at : window.at + 1]
        if self._expect == "value":
            return self._value(char, final)
        if char == b"}" and self._expect != "{":
            raise path_error(self._file, self._path, f"there is no {self._path[self._depth]!r}", self._keys)
        if self._expect == "key":
            return self._key(final)
        if char != self._expect.encode():
            return "fault"
        window.at += 1
        self._expect = "value" if self._expect == ":" else "key"
        return "again"

    def _key(self, final: bool) -> Outcome:
        match = _STRING.match(self._window.data, self._window.at)
        if match is None:
            more = not final and self._window.data[self._window.at : self._window.at + 1] == b'"'
            return "more" if more else "fault"
        try:
            self._keys.append(str(orjson.loads(match[0])))
        except orjson.JSONDecodeError:
            return "fault"
        self._window.at = match.end()
        self._expect = ":"
        return "again"

    def _value(self, char: bytes, final: bool) -> Outcome:
        if self._keys[-1] == self._path[self._depth]:
            return self._descend(char)
        self._expect = ","
        if char in b"{[":
            self._window.at += 1
            self._skipper = Skipper(1)
            return "again"
        match = _SCALAR.match(self._window.data, self._window.at)
        if match is None:
            self._expect = "value"
            return "fault" if final else "more"
        self._window.at = match.end()
        return "again"

    def _descend(self, char: bytes) -> Outcome:
        self._depth += 1
        if self._depth == len(self._path):
            if char == b"[":
                return "found"
            raise path_error(self._file, self._path, f"{self._keys[-1]!r} is something else")
        if char != b"{":
            raise path_error(self._file, self._path, f"{self._keys[-1]!r} is no object")
        self._keys = []
        self._expect = "{"
        return "again"

    def _skip(self, final: bool) -> Outcome:
        window = self._window
        assert self._skipper is not None
        skipped = self._skipper.feed(window.data[window.at :])
        if skipped is None:
            window.at = len(window.data)
            return "fault" if final else "more"
        window.at += skipped
        self._skipper = None
        return "again"
