"""Where in a row's raw text its faulty values stand, so that they can be marked."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

OPEN, CLOSE = "»", "«"
"""Stand around a faulty value in plain text."""
Span = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Writing:
    """How the records of a file are written. Without `delimiter` they are JSON."""

    header: Sequence[str] = ()
    delimiter: str | None = None
    quote: str = '"'
    escape: str | None = None


def faulty(raw: str, names: Collection[str], values: Mapping[str, str | None], writing: Writing) -> list[Span]:
    """The places of the named values in the raw text, in order; what can't be found is left out."""
    if writing.delimiter:
        places = fields(raw, writing)
        known = {name: places[index] for index, name in enumerate(writing.header) if index < len(places)}
        spans = [known[name] for name in names if name in known]
    else:
        spans = [span for name in names if (span := _in_json(raw, name, values.get(name))) is not None]
    return sorted(set(spans))


def marked(raw: str, spans: Sequence[Span]) -> str:
    """The raw text with marks around the spans."""
    pieces, at = [], 0
    for start, end in spans:
        if start >= at:
            pieces += [raw[at:start], OPEN, raw[start:end], CLOSE]
            at = end
    return "".join([*pieces, raw[at:]])


def fields(raw: str, writing: Writing) -> list[Span]:
    """The fields of one delimited record, quotes included."""
    assert writing.delimiter
    found, start, at, quoted = [], 0, 0, False
    raw = raw.rstrip("\r\n")
    while at < len(raw):
        character = raw[at]
        if quoted and writing.escape and character == writing.escape:
            at += 1
        elif writing.quote and character == writing.quote and (quoted or not raw[start:at].strip()):
            quoted = not quoted
        elif not quoted and raw.startswith(writing.delimiter, at):
            found.append((start, at))
            at += len(writing.delimiter)
            start = at
            continue
        at += 1
    return [*found, (start, len(raw))]


def _in_json(raw: str, name: str, value: str | None) -> Span | None:
    """The value behind the last key of a dotted name, as its text stands there."""
    if value is None:
        return None
    key = re.escape(json.dumps(name.rpartition(".")[2], ensure_ascii=False))
    for text in (json.dumps(value, ensure_ascii=False), json.dumps(value), value):
        if match := re.search(key + r"\s*:\s*(" + re.escape(text) + r")(?=\s*[,}\]])", raw):
            return match.span(1)
    return None
