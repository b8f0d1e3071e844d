"""Pieces of a whole file, for finding its dialect: its head, its middle, its end, always of whole lines."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from loadlock.intake.base import ByteSource
from loadlock.intake.decode import codec_name, is_ascii_compatible
from loadlock.intake.splitter import BOM

HEAD_BYTES = 256 << 10
PIECE_BYTES, END_BYTES = 32 << 10, 96 << 10
SAMPLE_BYTES = 4 << 20
_SPREAD, _ENOUGH = 12, 8
"""Places that are looked at between the beginning and the end of a head."""
_NAMED = re.compile(rb'("?)sep=([^\r\n"])\1(?:\r\n|\n|\r)', re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Pieces:
    """In UTF-8 or the file's ASCII-compatible encoding."""

    all: list[bytes]
    """Places all over the file, the beginning first; where there are many, it has not much more weight than the others."""
    head: bytes = b""
    """As much of the beginning as is looked at for what stands above the table."""
    whole: bytes | None = None
    """All of a file that is not long."""
    end: bytes = b""
    """Up to the end of the file, where that is known."""


def pieces_of(source: ByteSource, encoding: str) -> Pieces:
    """Pieces from a file's sample."""
    raw = source.sample(SAMPLE_BYTES)
    if not raw:
        return Pieces(all=[])
    is_whole = len(raw) == 1 and len(raw[0]) < SAMPLE_BYTES
    if not is_ascii_compatible(encoding):
        return _pieces(_in_utf8(raw, encoding, is_whole), is_whole=is_whole, more=not is_whole)
    return _pieces([raw[0].removeprefix(BOM), *raw[1:]], is_whole=is_whole, more=len(raw) > 1)


def _in_utf8(raw: list[bytes], encoding: str, is_whole: bool) -> list[bytes]:
    """The pieces of a file that can't be split as it is."""
    codec = codec_name(encoding)
    looked = raw[0] if is_whole else raw[0][: HEAD_BYTES * 2]
    head = looked.decode(codec, "replace").removeprefix("\ufeff").encode()
    # a line feed is no part of another character, but the piece may begin within one
    wide = encoding.startswith(("utf-16", "utf-32"))
    return [head, *((piece if wide else _from_line(piece)).decode(codec, "replace").encode() for piece in raw[1:])]


def without_named_delimiter(pieces: Pieces) -> tuple[Pieces, bytes | None]:
    """The pieces without a first line `sep=;`, by which Excel is told the delimiter, and the delimiter it names."""
    found = _NAMED.match(pieces.all[0]) if pieces.all else None
    if found is None:
        return pieces, None
    cut = found.end()
    all_pieces = [pieces.all[0][cut:], *pieces.all[1:]]
    whole = None if pieces.whole is None else pieces.whole[cut:]
    end = pieces.end[cut:] if pieces.end is pieces.whole else pieces.end
    return replace(pieces, all=all_pieces, head=pieces.head[cut:], whole=whole, end=end), found[2]


def _pieces(raw: list[bytes], *, is_whole: bool, more: bool) -> Pieces:
    head = raw[0]
    first = _whole_lines(head[:HEAD_BYTES], len(head) > HEAD_BYTES or more)
    others = [piece for piece in map(_inner_lines, [*_spread(head), *raw[1:]]) if piece]
    found = [_whole_lines(first[: 2 * PIECE_BYTES], True) if len(others) >= _ENOUGH else first, *others]
    last = raw[-1] if is_whole or len(raw) > 1 else b""
    end = last if is_whole and len(last) <= END_BYTES else _from_line(last[-END_BYTES:])
    return Pieces(all=found, head=first, whole=head if is_whole else None, end=end)


def _spread(head: bytes) -> list[bytes]:
    """Places all over a head that is much longer than what is looked at."""
    if len(head) <= 4 * HEAD_BYTES:
        return []
    step = (len(head) - HEAD_BYTES - PIECE_BYTES) // _SPREAD
    return [head[HEAD_BYTES + number * step :][:PIECE_BYTES] for number in range(_SPREAD + 1)]


def _whole_lines(data: bytes, cut: bool) -> bytes:
    """Without a last line that may be incomplete."""
    if not cut:
        return data
    end = max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
    return data[:end] if end else data


def _inner_lines(data: bytes) -> bytes:
    """The whole lines within a piece from the middle of a file."""
    return _from_line(_whole_lines(data[:PIECE_BYTES], True))


def _from_line(data: bytes) -> bytes:
    """From the first line start within the data on."""
    first = min((at for at in (data.find(b"\n"), data.find(b"\r")) if at >= 0), default=-1)
    return data[first + 1 :].removeprefix(b"\n") if first >= 0 else b""
