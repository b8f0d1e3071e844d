"""Which delimiters are worth a try: those that stand in the lines, without those that only seem to divide them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

from loadlock.intake._csv_score import DELIMITERS, Score

_SYMBOLS, _WIDE = "¦§¬¶", "，；؛｜"
"""Characters beyond ASCII that are used as delimiters; those that are punctuation, too."""
_RUN = re.compile(rb"[!#$%&*+/:;<=>@\\^|~,\t\x01-\x08\x1c-\x1f-]{2,4}")
_LOOK_BYTES, _MANY_BYTES, _FEW_BYTES = 64 << 10, 256 << 10, 8 << 10
"""Bytes of a piece in which patterns are looked for: fewer of each where there are many pieces."""
_NO_FIELDS = re.compile(rb"(?<=\d):[0-5]\d(?!\d)|://")
"""Colons of times and addresses."""
_QUOTED = re.compile(rb'"[^"\r\n]*"')
_MOSTLY = 0.5
_PROSE_SHARE = 0.95


def candidates(pieces: Sequence[bytes], encoding: str) -> list[bytes]:
    """Delimiters that stand in at least every third line; longer ones stand for the characters they are made of."""
    lines = sum(piece.count(b"\n") or piece.count(b"\r") for piece in pieces)
    symbols = [mark for mark in (symbol.encode(encoding, "ignore") for symbol in _SYMBOLS) if mark]
    # those of other scripts are punctuation, unless they stand between names as well
    wide = (symbol.encode(encoding, "ignore") for symbol in _WIDE)
    symbols += [mark for mark in wide if mark and mark in first_line(pieces)]
    found = [mark for mark in (*DELIMITERS, *symbols) if sum(piece.count(mark) for piece in pieces) > lines // 3]
    longer = _longer(pieces, lines)
    single = [mark for mark in found if not any(mark in long for long in longer)]
    return [*longer, *(mark for mark in single if not _only_seems(pieces, mark)), *_doubled(pieces, single)]


def _looked(pieces: Sequence[bytes]) -> list[bytes]:
    each = min(_LOOK_BYTES, max(_FEW_BYTES, _MANY_BYTES // max(1, len(pieces))))
    return [piece[:each] for piece in pieces]


def _longer(pieces: Sequence[bytes], lines: int) -> list[bytes]:
    """Runs of two to four characters without which their characters hardly occur: `||`, `|~|`, `::`."""
    runs = Counter(run for piece in _looked(pieces) for run in _RUN.findall(piece))
    found: list[bytes] = []
    for run, _ in runs.most_common(12):
        count = sum(piece.count(run) for piece in pieces)
        single = {
            mark: sum(piece.count(mark) for piece in pieces) for mark in {run[i : i + 1] for i in range(len(run))}
        }
        enclosed = len(run) > 2 and run[:1] == run[-1:] and single[run[:1]] == 2 * count and run in first_line(pieces)
        alone = enclosed or all(count * run.count(mark) >= 0.98 * number for mark, number in single.items())
        if count > lines // 3 and count > 1 and alone:
            found.append(run)
    shortest = sorted(found, key=len)[:2]
    return [run for run in shortest if not any(other != run and other in run for other in shortest)]


def _doubled(pieces: Sequence[bytes], single: Sequence[bytes]) -> list[bytes]:
    """A doubled delimiter, where the first line holds it in pairs only though the rows hold single ones too."""
    first = first_line(pieces)
    pairs = (mark * 2 for mark in single if len(mark) == 1 and mark not in b" ,")
    return [pair for pair in pairs if pair in first and not first.replace(pair, b"").count(pair[:1])]


def first_line(pieces: Sequence[bytes]) -> bytes:
    """The first line that is not blank."""
    return re.split(rb"[\r\n]", pieces[0].lstrip(b"\r\n"), maxsplit=1)[0] if pieces else b""


def is_doubled(pair: Score, single: Score) -> bool:
    """Whether a delimiter is better read as two of the same: each second field is empty otherwise."""
    return pair.shape.delimiter == single.shape.delimiter * 2 and pair.share >= single.share and pair.fields > 1


def _only_seems(pieces: Sequence[bytes], mark: bytes) -> bool:
    """Whether a character that could be a delimiter mostly stands in times, or within text in quotes, as in a server's log."""
    looked = _looked(pieces)
    count = sum(piece.count(mark) for piece in looked)
    if mark == b":" and sum(len(_NO_FIELDS.findall(piece)) for piece in looked) > _MOSTLY * count:
        return True
    if not any(b'"' in piece for piece in looked) or mark not in b",;|\t:":
        return False
    # quotes that open no field and enclose the mark: none of those that do may be among them
    opened = re.compile(rb"(?:\A|[\r\n]|" + re.escape(mark) + rb')[ \t]*"')
    if any(opened.search(piece) for piece in looked):
        return False
    inside: int = sum(text.count(mark) for piece in looked for text in _QUOTED.findall(piece))
    return inside > _MOSTLY * count


def is_prose(pieces: Sequence[bytes], mark: bytes) -> bool:
    """Whether a comma is punctuation: always before a space, and not in the first line."""
    if mark != b"," or mark in first_line(pieces):
        return False
    count = sum(piece.count(b",") for piece in pieces)
    return sum(piece.count(b", ") for piece in pieces) >= _PROSE_SHARE * count
