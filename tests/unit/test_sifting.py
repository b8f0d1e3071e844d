"""A chunk with refused rows on its way: what is sent, tried, rejected, and with which receipts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pyarrow as pa
import pytest

from loadlock.delivery.base import Session
from loadlock.delivery.chunks import Piece
from loadlock.delivery.sifting import Sifter
from loadlock.errors import Refusal, RowsRefusedError
from loadlock.model import Chunk, Problem

T = TypeVar("T")
ROWS = 1000
CHUNK = Chunk(id="c", seq=1, rows=ROWS, digest=0)


@dataclass(kw_only=True)
class Table:
    """A destination of numbers, its session and the driver's way to it in one. `reasons` finds the rows of a reason by name."""

    reasons: dict[str, Callable[[int], bool]]
    findable: frozenset[str]
    """Reasons that `suspects` can look up."""
    trials: bool = True
    wrongly_suspected: frozenset[int] = frozenset()
    foretold: bool = False
    known: set[str] = field(default_factory=set)
    kept: list[int] = field(default_factory=list)
    receipts: dict[str, int] = field(default_factory=dict)
    rejected: dict[int, str] = field(default_factory=dict)
    sends: int = 0

    def why(self, number: int) -> Refusal | None:
        return next((Refusal(message=name) for name, holds in self.reasons.items() if holds(number)), None)

    def send(self, chunk: Chunk, rows: pa.Table) -> None:
        self.sends += 1
        numbers = rows["n"].to_pylist()
        for number in numbers:
            if (refusal := self.why(number)) is not None:
                raise RowsRefusedError(refusal)
        assert chunk.rows == len(numbers) == sum(count for _, count in chunk.owed)
        self.receipts.update(chunk.owed)
        self.kept += numbers

    def ask(self, question: Callable[[pa.Table], T], rows: pa.Table) -> T:
        return question(rows)

    def took(self, rows: pa.Table) -> None:
        pass

    def refuse(self, row: pa.Table, problems: tuple[Problem, ...]) -> None:
        self.rejected[row["n"][0].as_py()] = problems[0].message

    def foretells(self) -> bool:
        return self.foretold

    def suspects(self, rows: pa.Table, refusal: Refusal | None) -> Sequence[int]:
        if refusal is not None:
            if refusal.message not in self.findable:
                return ()
            self.known.add(refusal.message)
        numbers = rows["n"].to_pylist()
        return [
            index
            for index, n in enumerate(numbers)
            if n in self.wrongly_suspected or any(self.reasons[k](n) for k in self.known)
        ]

    def tried(self, rows: pa.Table) -> list[Refusal | None] | None:
        return [self.why(number) for number in rows["n"].to_pylist()] if self.trials else None


def send(table: Table, *, loaded: Sequence[Piece] = (), chunks: int = 1) -> None:
    way: Any = table
    session: Session = way
    sifter = Sifter(way=way, session=session)
    for number in range(chunks):
        rows = pa.table({"n": pa.array(range(number * ROWS, (number + 1) * ROWS), pa.int64())})
        sifter.send(CHUNK, rows, loaded)


CHECK: dict[str, Callable[[int], bool]] = {"check": lambda n: n % 100 == 7}
TWO: dict[str, Callable[[int], bool]] = {**CHECK, "unique": lambda n: n % 100 in (7, 50)}


@pytest.mark.parametrize("trials", [True, False])
@pytest.mark.parametrize("findable", [frozenset(), frozenset({"check"}), frozenset({"check", "unique"})])
def test_every_refused_row_ends_alone_and_the_others_arrive_once(findable: frozenset[str], trials: bool) -> None:
    table = Table(reasons=TWO, findable=findable, trials=trials)
    send(table, chunks=2)
    wanted = {n: "check" if n % 100 == 7 else "unique" for n in range(2 * ROWS) if n % 100 in (7, 50)}
    assert table.rejected == wanted
    assert sorted(table.kept) == [n for n in range(2 * ROWS) if n not in wanted]


def test_a_known_reason_costs_one_refused_send_and_later_chunks_none() -> None:
    table = Table(reasons=CHECK, findable=frozenset({"check"}))
    send(table, chunks=5)
    assert (table.sends, len(table.rejected)) == (1 + 5, 50)


def test_a_row_that_was_suspected_wrongly_is_sent() -> None:
    table = Table(reasons=CHECK, findable=frozenset({"check"}), wrongly_suspected=frozenset({3, 4, 999}))
    send(table)
    assert sorted(table.kept) == [n for n in range(ROWS) if n % 100 != 7]


def test_receipts_name_what_was_kept_and_a_resumed_chunk_sends_only_the_rest() -> None:
    table = Table(reasons=CHECK, findable=frozenset({"check"}))
    send(table)
    assert table.receipts["c.0-7"] == 7
    assert sum(table.receipts.values()) == ROWS - 10
    again = Table(reasons=CHECK, findable=frozenset({"check"}))
    send(again, loaded=Piece.loaded(CHUNK, table.receipts))
    assert (again.kept, again.rejected) == ([], table.rejected)


def test_rows_that_only_the_publish_would_refuse_are_found_in_small_chunks_too() -> None:
    table = Table(reasons=CHECK, findable=frozenset({"check"}), foretold=True, known={"check"})
    send(table)
    assert (table.sends, len(table.rejected)) == (1, 10)


def test_all_rows_may_be_refused() -> None:
    table = Table(reasons={"check": lambda n: True}, findable=frozenset({"check"}))
    send(table)
    assert (table.kept, len(table.rejected)) == ([], ROWS)
