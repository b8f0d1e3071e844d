"""Tries delimiters and quotes on pieces of a file and scores how table-like the result is."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from loadlock.intake._csv_exact import FieldParser, Shape
from loadlock.intake.splitter import Rules, Splitter, Status

DELIMITERS = (b",", b";", b"\t", b"|", b":", b"^", b"~", b"\x1f", b"\x01", b"\x14", b"\x02")
LIKELY = b",;\t|"
CELL_RECORDS, MANY_RECORDS, FEW_RECORDS = 100, 500, 20
"""Records of a piece whose cells are looked at: fewer of each where there are many pieces."""
FAULT_RECORDS = 200
UNQUOTED_SHARE, UNQUOTED_RECORDS = 0.02, 3
"""Quotes that are misplaced in at least so many records may be text in a file without quoting."""
ESCAPING_LINES, ESCAPING_SHARE = 2, 0.9
"""Lines with an escaped delimiter from which on escapes are tried, and how many of these must be right then."""
_NUMBER = re.compile(rb"[-+(]?[^\w\s]{0,3}\s?\d[\d.,' ]*[^\w\s]{0,3}\)?")


@dataclass(frozen=True, kw_only=True)
class Score:
    """How well a shape fits. `score` is 0 to 1, 0 = only one column."""

    shape: Shape
    fields: int
    """The most frequent number of fields."""
    share: float
    """Share of the records that have it."""
    faulty: float
    """Share of the records with misplaced quotes."""
    score: float
    records: int


def score_shape(pieces: Sequence[bytes], shape: Shape) -> Score:
    """Consistency of the field counts, lowered by cells that look as if they still held another delimiter."""
    splitter = Splitter(shape, Rules())
    widths: Counter[int] = Counter()
    total = faulty = 0
    pure: list[float] = []
    each = min(CELL_RECORDS, max(FEW_RECORDS, MANY_RECORDS // max(1, len(pieces))))
    for piece in pieces:
        records = splitter.split(piece, final=True)
        kept = (records.status <= Status.EXACT) | (records.status >= Status.FIELD_COUNT)
        good = records.status <= Status.EXACT
        widths.update(records.fields[good].tolist())
        total += int(kept.sum())
        faults = np.flatnonzero(kept & ~good)
        faulty += len(faults)
        for index in faults[:FAULT_RECORDS].tolist():
            widths[len(splitter.parser.parse(piece[records.start[index] : records.end[index]]).values)] += 1
        spread = np.flatnonzero(good)
        for index in spread[:: max(1, len(spread) // each)].tolist():
            pure.append(_purity(piece[records.start[index] : records.end[index]], splitter.parser, shape))
    if not total or not widths:
        return Score(shape=shape, fields=1, share=0.0, faulty=1.0, score=0.0, records=total)
    fields, share = _width(widths, total)
    bad = faulty / total
    cells = sum(pure) / len(pure) if pure else 0.5
    # one or two records agree with anything
    sure = 1 - 1 / (2 * total)
    score = 0.0 if fields == 1 else share * cells * (1 - bad / 2) * (1 - 1 / (2 * fields)) * sure
    return Score(shape=shape, fields=fields, share=share, faulty=bad, score=score, records=total)


def _width(widths: Counter[int], total: int) -> tuple[int, float]:
    fields, count = max(widths.items(), key=lambda entry: (entry[1], entry[0]))
    return fields, count / total


def _purity(raw: bytes, parser: FieldParser, shape: Shape) -> float:
    """Share of a record's cells without an unquoted delimiter of another kind."""
    found = parser.parse(raw)
    others = bytes(byte for byte in LIKELY if byte not in shape.delimiter)
    impure = 0
    for place, value in enumerate(found.values):
        quoted = place in found.quoted or (shape.quote and value.startswith(shape.quote))
        impure += not quoted and _is_impure(value.strip(), others)
    return 1 - impure / len(found.values)


def _is_impure(value: bytes, others: bytes) -> bool:
    """Whether an unquoted cell seems to hold a delimiter of another kind or half of a quoted field."""
    # a comma before a space is prose, one between digits a number
    prose = value.replace(b", ", b"")
    if len(prose.translate(None, others)) != len(prose):
        return not _NUMBER.fullmatch(value)
    return value[:1] == b"'" or (len(value) > 1 and value[:1] == value[-1:] == b'"')


def best_shapes(
    pieces: Sequence[bytes],
    *,
    delimiters: Sequence[bytes],
    quotes: Sequence[bytes],
    escape: bool | None,
    record_end: bytes,
) -> list[Score]:
    """All sensible combinations, best first. Other quotes than the first and escapes are tried where the bytes ask for it."""
    scores = []
    for delimiter in delimiters:
        usual = _with_escape(pieces, Shape(delimiter, quotes[0], bool(escape), record_end), escape)
        scores.append(usual)
        if b"'" in quotes[1:] and _uses_apostrophes(pieces, delimiter):
            scores.append(_with_escape(pieces, Shape(delimiter, b"'", bool(escape), record_end), escape))
        often = usual.faulty >= UNQUOTED_SHARE and usual.faulty * usual.records >= UNQUOTED_RECORDS
        if b"" in quotes[1:] and often and not _opens_fields(pieces, delimiter):
            scores.append(score_shape(pieces, Shape(delimiter, b"", bool(escape), record_end)))
    return sorted(scores, key=lambda entry: (entry.score, -entry.faulty), reverse=True)


def _with_escape(pieces: Sequence[bytes], shape: Shape, pinned: bool | None) -> Score:
    """The score, with backslash escapes if these stand before quotes and lead to fewer faults."""
    score = score_shape(pieces, shape)
    if pinned is None and shape.quote and any(b"\\" + shape.quote in piece for piece in pieces):
        escaped = score_shape(pieces, replace(shape, escape=True))
        if escaped.faulty < score.faulty or escaped.share > score.share:
            return escaped
    if pinned is None and shape.delimiter and (lines := _escaping(pieces, shape.delimiter)) >= ESCAPING_LINES:
        escaped = score_shape(pieces, replace(shape, escape=True))
        # each line with one must be right so and wrong otherwise: a path may end with a backslash, too
        if escaped.share * escaped.records >= score.share * score.records + ESCAPING_SHARE * lines:
            return escaped
    return score


def _escaping(pieces: Sequence[bytes], delimiter: bytes) -> int:
    """Number of lines with a delimiter behind a backslash that is not escaped itself."""
    found = re.compile(rb"(?m)^(?:[^\\\r\n]|\\(?!" + re.escape(delimiter) + rb").)*+\\" + re.escape(delimiter))
    return sum(len(found.findall(piece)) for piece in pieces if b"\\" + delimiter in piece)


def _uses_apostrophes(pieces: Sequence[bytes], delimiter: bytes) -> bool:
    """Whether apostrophes enclose fields: many of them, or some that had to be quoted, and hardly any double quotes do."""
    enclosed, needed = _enclosed(pieces, delimiter, b"'")
    if not enclosed:
        return False
    others, others_needed = _enclosed(pieces, delimiter, b'"')
    many = enclosed > max(3 * others, _lines(pieces) // 20)
    return many or needed > 3 * others_needed


def _opens_fields(pieces: Sequence[bytes], delimiter: bytes) -> bool:
    """Whether double quotes stand at the start of fields, as quoting does, rather than inside of text."""
    edge = (re.escape(delimiter) + b"|") if delimiter else b""
    start = re.compile(rb"(?:\A|" + edge + rb"[\r\n])[ \t]*" + b'"')
    opened = sum(len(start.findall(piece[:65536])) for piece in pieces)
    return opened * 8 > sum(piece[:65536].count(b'"') for piece in pieces)


def _enclosed(pieces: Sequence[bytes], delimiter: bytes, quote: bytes) -> tuple[int, int]:
    """Number of fields that seem to be enclosed in this quote, and of those that hold what must be enclosed."""
    mark = re.escape(quote)
    edge = (re.escape(delimiter) + b"|") if delimiter else b""
    inside = rb"((?:[^" + mark + rb"\\]|\\.|" + mark * 2 + rb")*+)"
    whole = re.compile(
        rb"(?:^|" + edge + rb"[\r\n])[ \t]*" + mark + inside + mark + rb"[ \t]*(?=$|" + edge + rb"[\r\n])",
        re.MULTILINE | re.DOTALL,
    )
    found = [text for piece in pieces for text in whole.findall(piece[:65536])]
    special = [mark for mark in (delimiter, quote, b"\n", b"\r") if mark]
    return len(found), sum(any(mark in text for mark in special) for text in found)


def _lines(pieces: Sequence[bytes]) -> int:
    return sum(piece[:65536].count(b"\n") or piece[:65536].count(b"\r") for piece in pieces)
