"""One chunk's way to the destination where some of its rows are refused: each refused row ends alone, the others go on.

A destination that can say which rows it is likely to refuse, once it has refused one (`Session.suspects`: the constraint that
was broken finds the others that break it), is sent the rest in one go, and the suspects are tried one by one where they cost
little (`Session.tried`). Where it can't say, the chunk is sent in pieces (`chunks.Pieces`). A guess never rejects a row: a
suspect that is taken when it is tried is sent like any other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Protocol, TypeVar

from loadlock.delivery.base import Session
from loadlock.delivery.chunks import Piece, Pieces
from loadlock.delivery.refusals import problem_of
from loadlock.errors import Refusal, RowsRefusedError
from loadlock.model import Chunk, Problem

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")

SMALLEST = 64
"""Pieces of fewer rows are not sifted."""
TRIED_AT_ONCE = 1000
_REASONS = 8
"""Constraints that one piece may turn out to break before it is sent in smaller pieces."""


class Way(Protocol):
    """What the driver does for us."""

    def send(self, chunk: Chunk, rows: pa.Table) -> None:
        """Send rows (with the identity columns), all of them or none: RowsRefusedError."""

    def ask(self, question: Callable[[pa.Table], T], rows: pa.Table) -> T:
        """Put a question about these rows to the session."""

    def took(self, rows: pa.Table) -> None:
        """Count rows that the destination has taken."""

    def refuse(self, row: pa.Table, problems: tuple[Problem, ...]) -> None:
        """Reject a row."""


@dataclass(kw_only=True)
class Sifter:
    """Sends the chunks of one delivery."""

    way: Way
    session: Session
    _foretells: bool | None = None
    """What the session says of itself, once it was asked."""
    _expects: bool = False
    """Whether rows were refused before for reasons that find others: then suspects are left out at once."""

    def send(self, chunk: Chunk, rows: pa.Table, loaded: Sequence[Piece]) -> list[pa.Table]:
        """Send what no piece in `loaded` has sent before; the rows that were refused."""
        work = _Work(chunk=chunk, rows=rows, pieces=Pieces.of(chunk, loaded))
        if self._foretells is None:
            self._foretells = self.way.ask(lambda _: self.session.foretells(), rows)
        while (piece := work.pieces.next()) is not None:
            if (self._expects or self._foretells) and self._sift(work, piece, None):
                continue
            try:
                self._send(work, [piece])
            except RowsRefusedError as error:
                if not self._sift(work, piece, error.refusal):
                    self._cut(work, piece, error)
        return work.refused

    def _send(self, work: _Work, pieces: Sequence[Piece]) -> None:
        """Send these pieces as one, with a receipt for each."""
        chunk, part = work.part(pieces)
        self.way.send(chunk, part)
        for piece in pieces:
            work.pieces.sent(piece)
        self.way.took(part)

    def _cut(self, work: _Work, piece: Piece, error: RowsRefusedError) -> None:
        if piece.rows > 1:
            work.pieces.refused(piece, error.refusal.row)
        else:
            work.pieces.alone(piece)
            self._refuse(work, piece, error.refusal)

    def _refuse(self, work: _Work, piece: Piece, refusal: Refusal) -> None:
        row = work.rows.slice(piece.first, 1)
        work.refused.append(row)
        self.way.refuse(row, (problem_of(RowsRefusedError(refusal)),))

    def _sift(self, work: _Work, piece: Piece, refusal: Refusal | None) -> bool:
        """Send a piece without its suspects, then try those. False: nothing was sent, since nobody is suspected, or they are
        not all that is wrong with it."""
        if piece.first in work.cleared or (piece.rows < SMALLEST and not self._foretells):
            return False
        count, part = 0, work.rows.slice(piece.first, piece.rows)
        for _ in range(_REASONS):
            found = self.way.ask(lambda rows, why=refusal: self.session.suspects(rows, why), part)  # type: ignore[misc]
            if len(found) <= count:
                return False
            count = len(found)
            try:
                if good := piece.without(found):
                    self._send(work, good)
            except RowsRefusedError as error:
                refusal = error.refusal
                continue
            self._expects = True
            self._try(work, piece, found)
            return True
        return False

    def _try(self, work: _Work, piece: Piece, suspects: Sequence[int]) -> None:
        """Reject the suspects that are refused when they are tried, and leave the others to be sent."""
        import pyarrow as pa

        places = [piece.first + row for row in suspects]
        for start in range(0, len(places), TRIED_AT_ONCE):
            some = places[start : start + TRIED_AT_ONCE]
            answers = self.way.ask(self.session.tried, work.rows.take(pa.array(some)))
            for place, refusal in zip(some, answers or [None] * len(some), strict=True):
                one = Piece(first=place, behind=place + 1)
                if refusal is None:
                    work.cleared.add(place)
                    work.pieces.waiting.append(one)
                else:
                    self._refuse(work, one, refusal)


@dataclass(kw_only=True)
class _Work:
    """A chunk and what became of it."""

    chunk: Chunk
    rows: pa.Table
    pieces: Pieces
    refused: list[pa.Table] = field(default_factory=list)
    cleared: set[int] = field(default_factory=set)
    """Suspects that were taken when they were tried: to be sent alone."""

    def part(self, pieces: Sequence[Piece]) -> tuple[Chunk, pa.Table]:
        """The rows of these pieces, as a chunk of their own."""
        import pyarrow as pa

        slices = [self.rows.slice(piece.first, piece.rows) for piece in pieces]
        rows = slices[0] if len(slices) == 1 else pa.concat_tables(slices).combine_chunks()
        receipts = tuple((piece.id(self.chunk), piece.rows) for piece in pieces)
        return replace(self.chunk, id=receipts[0][0], rows=rows.num_rows, receipts=receipts), rows
