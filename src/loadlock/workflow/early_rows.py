"""The rows of a load that began before the batch was judged: clean parts as they come, then what the judgement left.

A row that repeats values which came before may lose to another row, or beat one: it waits. Whoever loses without having
waited was the first with its values, and a later one wins: a staging table gives it back (`taken_back`), a direct load is
given up.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from loadlock.cleanup.batch import digests_of_parts, lost
from loadlock.delivery.deliver import Delivery
from loadlock.delivery.early import EarlyDelivery
from loadlock.digest import MODULUS
from loadlock.ledger.base import PartRecord
from loadlock.model import Chunk
from loadlock.rows import IDENTITY
from loadlock.workflow.cleaning import touched
from loadlock.workflow.early_seen import Seen, contests
from loadlock.workflow.fresh import Fresh

if TYPE_CHECKING:
    import pyarrow as pa

    from loadlock.workflow.delivering import DeliveryWork

MOST_HELD = 50_000
"""Rows that may wait for the judgement: they are in memory."""


class GivenUpError(Exception):
    """The early load ends without a result."""


class EarlyRows:
    """Fed by the cleanup in one thread, taken by the load in another."""

    def __init__(self, work: DeliveryWork, rows: int, *, staged: bool = False) -> None:
        """`rows` = how many come at most; `staged` = rows that were sent can be taken back."""
        self._work = work
        self.staged = staged
        self._seen = [Seen(columns, rows) for columns in contests(work.plan)]
        self._parts: list[PartRecord] = []
        self._change = threading.Condition()
        self._losers: pa.Table | None = None
        self._judged = self._given_up = self._taken = False
        self._passed = 0
        self._held: dict[int, pa.Table] = {}
        self._back: dict[int, pa.Table] = {}
        """By part: rows that were sent and lost."""
        self.fresh = Fresh()
        self.digests: dict[int, int] = {}
        """Of what is sent of each part, by its seq."""

    def add(self, record: PartRecord) -> None:
        """The next clean part, in order."""
        with self._change:
            self._parts.append(record)
            self._change.notify_all()

    def judged(self, losers: pa.Table | None) -> None:
        """No further part comes; these rows lost."""
        with self._change:
            self._losers, self._judged = losers, True
            self._change.notify_all()

    def give_up(self) -> None:
        """Whoever waits for rows gets GivenUpError; whoever waits for them to be passed on, False."""
        with self._change:
            self._given_up = True
            self._change.notify_all()
        self.fresh.close()

    def passed(self) -> bool:
        """Wait until all parts so far are passed on; False where that will not be."""
        with self._change:
            self._change.wait_for(lambda: self._given_up or self._passed == len(self._parts))
            return not self._given_up

    def tables(self) -> Iterator[tuple[int, pa.Table]]:
        """(seq, rows to be sent); waits for parts, then for the judgement. A second time it gives up."""
        if self._taken:
            raise GivenUpError
        self._taken = True
        for record in self._arriving():
            rows = self._sendable(record) if record.ref.rows else None
            if rows is not None and rows.num_rows:
                yield record.ref.key.seq, rows
            # the next part is read when this one is gone
            del rows

    def _arriving(self) -> Iterator[PartRecord]:
        while True:
            with self._change:
                self._change.wait_for(lambda: self._given_up or self._judged or len(self._parts) > self._passed)
                if self._given_up:
                    raise GivenUpError
                if len(self._parts) == self._passed:
                    return
                record = self._parts[self._passed]
            yield record
            with self._change:
                self._passed += 1
                self._change.notify_all()

    def _sendable(self, record: PartRecord) -> pa.Table:
        """The rows of a clean part that repeat none before them."""
        import numpy as np
        import pyarrow as pa

        seq, digest = record.ref.key.seq, int(record.info["digest"], 16)
        table = self.fresh.take(seq)
        if table is None:
            table = self._work.workspace.staging.read(record.ref)
        held = np.zeros(table.num_rows, bool)
        for seen in self._seen:
            held |= seen.repeated(table)
        if held.any():
            waiting = self._held[seq] = table.take(np.flatnonzero(held))
            if sum(rows.num_rows for rows in self._held.values()) > MOST_HELD:
                raise GivenUpError
            digest -= digests_of_parts({seq: waiting}, self._work.plan)[seq]
            table = table.filter(pa.array(~held))
        self.digests[seq] = digest % MODULUS
        return table

    # -- after the judgement ------------------------------------------------------------------------------------------

    def taken_back(self) -> pa.Table | None:
        """The rows that were sent and lost. They are no more than those that waited, one of which beats each."""
        import pyarrow as pa

        if (losers := self._lost_though_sent()) is None:
            return None
        for record in touched(self._work.raw, self._parts, losers):
            table = self._work.workspace.staging.read(record.ref)
            mask = lost(table, losers)
            if mask.any():
                self._back[record.ref.key.seq] = table.filter(pa.array(mask))
        found = pa.concat_tables(self._back.values()).combine_chunks()
        if found.num_rows != losers.num_rows:
            raise GivenUpError
        return found

    def _lost_though_sent(self) -> pa.Table | None:
        import pyarrow as pa

        if self._losers is None or not self._losers.num_rows:
            return None
        mine = list(IDENTITY)
        losers = self._losers.select(mine)
        if self._held:
            waited = pa.concat_tables([table.select(mine) for table in self._held.values()])
            losers = losers.join(waited.cast(losers.schema), keys=mine, join_type="left anti")
        return losers if losers.num_rows else None

    def winners(self) -> Iterator[tuple[int, pa.Table]]:
        """(seq, rows): those that waited and did not lose."""
        import pyarrow as pa

        found = []
        for table in self._held.values():
            found.append(table if self._losers is None else table.filter(pa.array(~lost(table, self._losers))))
        rows = pa.concat_tables(found) if found else None
        if rows is not None and rows.num_rows:
            yield max(record.ref.key.seq for record in self._parts) + 1, rows

    def left(self) -> Iterator[tuple[int, int, int]]:
        """(seq, rows, digest) of what the judgement left of each part: what a load that begins now would send."""
        gone: dict[int, list[pa.Table]] = {}
        for seq, table in self._held.items():
            if self._losers is not None:
                gone.setdefault(seq, []).append(table.take(lost(table, self._losers).nonzero()[0]))
        for seq, table in self._back.items():
            gone.setdefault(seq, []).append(table)
        for record in self._parts:
            seq, rows, digest = record.ref.key.seq, record.ref.rows, int(record.info["digest"], 16)
            for table in gone.get(seq, []):
                rows -= table.num_rows
                digest -= digests_of_parts({seq: table}, self._work.plan)[seq]
            if rows:
                yield seq, rows, digest % MODULUS

    def lost_digests(self, losers: pa.Table) -> dict[int, int] | None:
        """The digest of the rows that each part loses, by seq; None where that can't be told. Gives up where a loser was sent
        and can't be taken back."""
        import numpy as np

        if not self.passed():
            return None
        found = {seq: table.take(np.flatnonzero(lost(table, losers))) for seq, table in self._held.items()}
        if sum(table.num_rows for table in found.values()) == losers.num_rows:
            return digests_of_parts(found, self._work.plan)
        if not self.staged:
            self.give_up()
        return None


def send_rest(early: EarlyRows, delivery: Delivery, names: Sequence[str], done: Callable[[Chunk], None]) -> None:
    """All that came is sent: take back what lost, send what waited and won. `names` = the columns that the delivery wants."""
    columns = [*names, *IDENTITY]
    if (back := early.taken_back()) is not None:
        if delivery.refused or not isinstance(delivery, EarlyDelivery):
            # a row may have been refused for the sake of one that is to go
            raise GivenUpError
        delivery.take_back(back.select(columns))
    delivery.load(((seq, table.select(columns)) for seq, table in early.winners()), done)
    if isinstance(delivery, EarlyDelivery):
        delivery.settle(early.left())
