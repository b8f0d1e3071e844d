"""Pieces of a whole file, for finding its dialect: its head, its middle, its end, always of whole lines."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from loadlock.intake.base import ByteSource
from loadlock.intake.decode import codec_name, is_ascii_compatible
from loadlock.intake.splitter import BOM

HEAD_BYTES = 256 << 10
PIECE_BYTES = 96 << 10
SAMPLE_BYTES = 4 << 20
_NAMED = re.compile(rb'("?)sep=([^\r\n"])\1(?:\r\n|\n|\r)', re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Pieces:
    """In UTF-8 or the file's ASCII-compatible encoding."""

    all: list[bytes]
    """The head first."""
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
        # a cut through the middle could start within a character
        looked = raw[0] if is_whole else raw[0][: HEAD_BYTES * 2]
        text = looked.decode(codec_name(encoding), "replace").removeprefix("\ufeff").encode()
        return _pieces([text], is_whole=is_whole, more=not is_whole)
    return _pieces([raw[0].removeprefix(BOM), *raw[1:]], is_whole=is_whole, more=len(raw) > 1)


def without_named_delimiter(pieces: Pieces) -> tuple[Pieces, bytes | None]:
    """The pieces without a first line `sep=;`, by which Excel is told the delimiter, and the delimiter it names."""
    found = _NAMED.match(pieces.all[0]) if pieces.all else None
    if found is None:
        return pieces, None
    cut = found.end()
    whole = None if pieces.whole is None else pieces.whole[cut:]
    end = pieces.end[cut:] if pieces.end is pieces.whole else pieces.end
    return replace(pieces, all=[pieces.all[0][cut:], *pieces.all[1:]], whole=whole, end=end), found[2]


def _pieces(raw: list[bytes], *, is_whole: bool, more: bool) -> Pieces:
    head = raw[0]
    found = [_whole_lines(head[:HEAD_BYTES], len(head) > HEAD_BYTES or more)]
    found += (piece for piece in map(_inner_lines, [*_spread(head), *raw[1:]]) if piece)
    last = raw[-1] if is_whole or len(raw) > 1 else b""
    end = last if is_whole and len(last) <= PIECE_BYTES else _from_line(last[-PIECE_BYTES:])
    return Pieces(all=found, whole=head if is_whole else None, end=end)


def _spread(head: bytes) -> list[bytes]:
    """Further places of a head that is much longer than what is looked at."""
    return [head[len(head) // 2 :][:PIECE_BYTES], head[-PIECE_BYTES:]] if len(head) > 4 * HEAD_BYTES else []


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
