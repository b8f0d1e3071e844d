"""Finding the next record behind a damaged one, so that one fault costs one record."""

from __future__ import annotations

import re
from typing import Any

import orjson

from loadlock.intake._json_scan import value_end

_CANDIDATE = re.compile(rb"(?:,[ \t\r\n]*|[ \t\r\n]+|(?<=[}\]])[ \t\r\n]*)(?=[{\[])")
_BETWEEN = re.compile(rb"[ \t\r\n]*,?[ \t\r\n]*(?=[{\[])")
_FIRST_KEY = re.compile(rb'\{[ \t\r\n]*"((?:[^"\\]|\\.)*+)"[ \t\r\n]*:')
_MAX_TRIES = 2000


def find_record(data: bytes, start: int, end: int, model: bytes | None) -> tuple[int, int] | None:
    """The next plausible record in `data[start + 1:end]` behind a damaged one at `start`.

    Returns the place where the damaged region ends (before the separator) and where the record starts. `model` is a
    good record of the same array: what follows must parse and look like it. Without one, the record must begin with
    the damaged one's first key (or, if that is damaged, in the same column of its line), and its successor must look
    like it.
    """
    like = parsed(model) if model is not None else None
    keys = like.keys() if isinstance(like, dict) else _first_key(data, start) if like is None else None
    column = _column(data, start) if keys == set() and like is None else None
    for tries, match in enumerate(_CANDIDATE.finditer(data, start + 1, end)):
        if tries > _MAX_TRIES:
            return None
        place = match.end()
        if keys and not keys & _first_key(data, place):
            continue
        if keys == set() and like is None and (column is None or _column(data, place) != column):
            continue
        if _plausible(data, place, end, like):
            return match.start(), place
    return None


def _first_key(data: bytes, place: int) -> set[str]:
    """The first key of the object at `place`, if there is one."""
    match = _FIRST_KEY.match(data, place)
    return {match[1].decode("utf-8", "replace")} if match else set()


def _column(data: bytes, place: int) -> int | None:
    """How far a record that begins its line is indented; None for one within a line."""
    line = data[data.rfind(b"\n", 0, place) + 1 : place]
    return None if line.strip() else len(line)


def _plausible(data: bytes, place: int, end: int, like: Any) -> bool:
    stop = value_end(data, place, end)
    value = parsed(data[place:stop]) if stop else None
    if stop is None or value is None:
        return False
    if like is not None:
        return alike(like, value)
    behind = _BETWEEN.match(data, stop)
    next_stop = value_end(data, behind.end(), end) if behind else None
    return behind is not None and next_stop is not None and alike(value, parsed(data[behind.end() : next_stop]))


def parsed(record: bytes) -> Any:
    try:
        value = orjson.loads(record)
    except orjson.JSONDecodeError:
        return None
    return value if isinstance(value, dict | list) else None


def alike(model: Any, value: Any) -> bool:
    """Objects that share at least half of their keys, or arrays of one length."""
    if isinstance(model, dict) and isinstance(value, dict):
        return 2 * len(model.keys() & value.keys()) >= max(len(model), len(value), 1)
    return isinstance(model, list) and isinstance(value, list) and len(model) == len(value)
