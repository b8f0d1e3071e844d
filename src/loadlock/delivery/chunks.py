"""Chunks: what is sent at once. Cut from parts, named by run and content, halved when the destination refuses rows."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from loadlock.digest import to_hex
from loadlock.model import Chunk

if TYPE_CHECKING:
    import pyarrow as pa

CHUNK_ROWS = 100_000
"""A part of up to 1.5 times as many rows is sent whole."""
_SMALLEST_WINDOW = 256
EARLY = "early-"
"""So the ids of chunks begin that were cut before the batch was judged: of no use to a load that begins later."""


def cut(rows: pa.Table, chunk_rows: int = CHUNK_ROWS) -> Iterator[pa.Table]:
    """The rows in slices of about `chunk_rows`, without copying; none for an empty table."""
    count = max(1, round(rows.num_rows / chunk_rows))
    bounds = [rows.num_rows * step // count for step in range(count + 1)]
    for first, last in pairwise(bounds):
        if last > first:
            yield rows.slice(first, last - first)


def name_chunk(delivery_id: str, seq: int, index: int, rows: int, digest: int) -> Chunk:
    """The chunk of these rows: the same id whenever the same run sends the same rows at the same place."""
    text = f"{delivery_id}\0{seq}\0{index}\0{rows}\0{to_hex(digest)}"
    name = hashlib.sha256(text.encode()).hexdigest()[:32]
    return Chunk(id=name, seq=seq, rows=rows, digest=digest)


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A range of rows of a chunk; a chunk that is never refused is one piece."""

    first: int
    behind: int

    @property
    def rows(self) -> int:
        return self.behind - self.first

    @classmethod
    def loaded(cls, chunk: Chunk, receipts: Collection[str]) -> list[Piece]:
        """The pieces of this chunk that have receipts."""
        found = []
        for receipt in receipts:
            name, _, bounds = receipt.partition(".")
            if name == chunk.id and bounds:
                first, _, behind = bounds.partition("-")
                found.append(cls(first=int(first), behind=int(behind)))
        return found

    def without(self, rows: Sequence[int]) -> list[Piece]:
        """What is left of it without these rows: their indexes in it, in order."""
        ends = [*(self.first + int(row) for row in rows), self.behind]
        starts = [self.first, *(end + 1 for end in ends[:-1])]
        return [Piece(first=first, behind=behind) for first, behind in zip(starts, ends, strict=True) if behind > first]

    def id(self, chunk: Chunk) -> str:
        """The id of the piece's receipt: the chunk's own where the piece is the whole chunk."""
        return chunk.id if self.rows == chunk.rows else f"{chunk.id}.{self.first}-{self.behind}"


@dataclass(kw_only=True)
class Pieces:
    """The pieces of one chunk still to be sent, first rows first.

    Where the destination says which row it refused, the rows before it, the row itself and the rows behind it become
    pieces, and what lies behind is sent in a window about as long as the last gap between two refused rows: each row is
    sent about twice, however many are refused. Where it doesn't say, a refused piece is halved, and what lies behind the row
    that is found is sent in such a window too.
    """

    waiting: list[Piece] = field(default_factory=list)
    window: int | None = None
    _behind: int = 0
    """Behind the last row that was refused alone."""

    @classmethod
    def of(cls, chunk: Chunk, loaded: Sequence[Piece] = ()) -> Pieces:
        """The whole chunk, or what pieces `loaded` in an earlier run leave of it: those must not be cut anew."""
        pieces, behind = cls(), chunk.rows
        for piece in sorted(loaded, key=lambda piece: -piece.first):
            pieces._put(piece.behind, behind)
            behind = piece.first
        pieces._put(0, behind)
        return pieces

    def next(self) -> Piece | None:
        """Take the next piece to send."""
        if not self.waiting:
            return None
        piece = self.waiting.pop()
        if self.window is not None and piece.rows > self.window:
            self._put(piece.first + self.window, piece.behind)
            return Piece(first=piece.first, behind=piece.first + self.window)
        return piece

    def sent(self, piece: Piece) -> None:
        """The piece was taken: the next may be longer."""
        if self.window is not None and piece.rows >= self.window:
            self.window *= 2

    def alone(self, piece: Piece) -> None:
        """The piece of one row was refused: it is out."""
        self.window = max(_SMALLEST_WINDOW, piece.behind - self._behind)
        self._behind = piece.behind

    def refused(self, piece: Piece, row: int | None) -> None:
        """The piece (of two rows or more) was refused; `row` = the refused row's index in it, where known."""
        if row is None or not 0 <= row < piece.rows:
            middle = piece.first + piece.rows // 2
            self._put(middle, piece.behind)
            self._put(piece.first, middle)
            return
        self.window = max(_SMALLEST_WINDOW, row + 1)
        bad = piece.first + row
        self._put(bad + 1, piece.behind)
        self._put(bad, bad + 1)
        self._put(piece.first, bad)

    def _put(self, first: int, behind: int) -> None:
        if behind > first:
            self.waiting.append(Piece(first=first, behind=behind))
