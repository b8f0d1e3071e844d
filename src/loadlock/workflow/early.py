"""Sending clean rows while later parts are still cleaned. Nothing is published; whatever goes wrong, it is given up.

A row may be sent before the batch is judged if it can't lose to another row: it is the first with its unique values. The
others wait until the judgement. When the load is given up (an error of the destination, too many rows that wait), the
delivery begins anew after the judgement, and tells of the error there.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from loadlock.cleanup.batch import digests_of_parts, lost
from loadlock.cleanup.plan import Plan
from loadlock.cleanup.prepared import query
from loadlock.digest import MODULUS, quote
from loadlock.errors import LoadlockError
from loadlock.ledger.base import PartRecord
from loadlock.model import Severity, WriteMode
from loadlock.workflow.delivering import Deliveries, DeliveryWork
from loadlock.workflow.destinations import BoundDestination
from loadlock.workflow.fresh import Fresh
from loadlock.workflow.later import Later

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


LEAST_PARTS = 3
"""With fewer parts there is nothing to overlap."""
MOST_ROWS = 10_000_000
"""More rows would need too much memory to tell the first of equal values."""
MOST_HELD = 50_000
"""Rows that may wait for the judgement: they are in memory."""
STOP_SECONDS = 10.0
"""How long a load that is given up may take to end."""
_BITS_A_ROW = 12
_PROBES = 3


class GivenUpError(Exception):
    """The early load ends without a result."""


def can_begin(plan: Plan, bound: Sequence[BoundDestination], raw: Sequence[PartRecord]) -> bool:
    """Whether clean rows can be sent before the batch is judged: to one destination, in one transaction that leaves nothing
    behind when it is given up, whole rows, of which the first of equal ones stays."""
    if len(bound) != 1 or len(raw) < LEAST_PARTS or not plan.columns or plan.flatten.children:
        return False
    destination = bound[0]
    spec = destination.spec
    if not destination.destination.capabilities.early or destination.mode not in (WriteMode.APPEND, WriteMode.REPLACE):
        return False
    if spec.columns is not None or spec.filter is not None or plan.winners:
        return False
    uniques = [check for check in plan.uniques if check.severity == Severity.REJECT]
    first = (not uniques or plan.keep_unique == "first") and (not plan.keys or plan.keep_duplicates == "first")
    few = not _contests(plan) or sum(record.ref.rows for record in raw) <= MOST_ROWS
    return first and few and _is_unnoticed(destination)


def _is_unnoticed(bound: BoundDestination) -> bool:
    """Whether others notice nothing of an open load: no lock on rows that are to be replaced, no
    table that may vanish again."""
    transactional = bound.destination.capabilities.transactional_ddl
    if bound.mode == WriteMode.APPEND and transactional:
        return True
    try:
        found = bound.destination.inspect(bound.target)
    except LoadlockError:
        return False
    if found is None:
        return transactional
    return bound.mode == WriteMode.APPEND or found.is_empty


def _contests(plan: Plan) -> list[Sequence[str]]:
    """The sets of columns whose values may not repeat."""
    uniques = [check.columns for check in plan.uniques if check.severity == Severity.REJECT]
    return [*uniques, *plan.keys]


class _Seen:
    """Which values of some columns came before: a row said to be new is new; few are said to be old that are not."""

    def __init__(self, columns: Sequence[str], rows: int) -> None:
        import numpy as np

        names = ", ".join(quote(name) for name in columns)
        absent = " or ".join(f"{quote(name)} is null" for name in columns)
        # a row without a value repeats none
        self._sql = f"select case when {absent} then null else hash({names}) end as h from part"
        self._columns = list(columns)
        self._size = 1 << max(20, (rows * _BITS_A_ROW - 1).bit_length())
        self._bits = np.zeros(self._size >> 3, np.uint8)

    def repeated(self, table: pa.Table) -> np.ndarray[Any, Any]:
        """A boolean a row: its values came before. Remembers them."""
        import numpy as np

        column = query(self._sql, table.select(self._columns))["h"].combine_chunks()
        valid = column.is_valid().to_numpy(zero_copy_only=False) if column.null_count else np.ones(len(column), bool)
        hashes = column.fill_null(0).to_numpy()
        repeated: np.ndarray[Any, Any] = valid & (self._remember(hashes, valid) | _again(column))
        return repeated

    def _remember(self, hashes: np.ndarray[Any, Any], valid: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        """Which hashes are known; the valid ones are from now on."""
        import numpy as np

        known = np.ones(len(hashes), bool)
        step = (hashes >> np.uint64(32)) | np.uint64(1)
        for number in range(_PROBES):
            at = (hashes + np.uint64(number) * step) & np.uint64(self._size - 1)
            place, bit = (at >> np.uint64(3)).view(np.int64), np.uint8(1) << (at & np.uint64(7)).astype(np.uint8)
            known &= (self._bits[place] & bit) != 0
            np.bitwise_or.at(self._bits, place[valid], bit[valid])
        return known


def _again(column: pa.Array) -> np.ndarray[Any, Any]:
    """A boolean a row: an earlier row of the column has the same value."""
    import numpy as np

    # numbered in the order of first appearance
    numbers = column.dictionary_encode().indices.fill_null(-1).to_numpy()
    before = np.maximum.accumulate(np.concatenate([[-1], numbers[:-1]]))
    found: np.ndarray[Any, Any] = numbers <= before
    return found


class EarlyRows:
    """Clean parts as they come, without the rows that wait; at last those of them that did not lose."""

    def __init__(self, work: DeliveryWork, rows: int) -> None:
        self._work = work
        self._seen = [_Seen(columns, rows) for columns in _contests(work.plan)]
        self._parts: list[PartRecord] = []
        self._change = threading.Condition()
        self._losers: pa.Table | None = None
        self._judged = self._given_up = self._taken = False
        self._passed = 0
        self._held: dict[int, pa.Table] = {}
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
        yield from self._winners()

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
        """The rows of a clean part that can't lose."""
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

    def _winners(self) -> Iterator[tuple[int, pa.Table]]:
        """The rows that waited and did not lose."""
        import numpy as np
        import pyarrow as pa

        found = []
        for table in self._held.values():
            losing = np.zeros(table.num_rows, bool) if self._losers is None else lost(table, self._losers)
            found.append(table.filter(pa.array(~losing)))
        rows = pa.concat_tables(found) if found else None
        if rows is not None and rows.num_rows:
            yield max(record.ref.key.seq for record in self._parts) + 1, rows

    def lost_digests(self, losers: pa.Table) -> dict[int, int] | None:
        """The digest of the rows that each part loses, by seq; None where that can't be told. Gives up where a loser was sent."""
        import numpy as np

        if not self.passed():
            return None
        found = {seq: table.take(np.flatnonzero(lost(table, losers))) for seq, table in self._held.items()}
        if sum(table.num_rows for table in found.values()) == losers.num_rows:
            return digests_of_parts(found, self._work.plan)
        self.give_up()
        return None


class EarlyLoad:
    """A load in a thread of its own, fed by the cleanup."""

    def __init__(self, work: DeliveryWork, bound: list[BoundDestination], rows: int, refused_limit: int | None) -> None:
        """`work` = what is known before the cleanup; `rows` = how many rows come at most."""
        self.rows = EarlyRows(work, rows)
        self._deliveries = Deliveries(work, bound, lambda rows: None, self.rows)
        self._limit = refused_limit
        self._load: Later[bool] = Later(self._loaded)

    def _loaded(self) -> bool:
        try:
            return self._deliveries.load(refused_limit=self._limit)
        finally:
            # nobody must wait for a load that has ended
            self.rows.give_up()

    def finish(self, work: DeliveryWork) -> Deliveries | None:
        """Send the rest; `work` = what the judgement left. None where the load has to begin anew: nothing is left of this one."""
        self.rows.judged(work.cleaned.losers)
        try:
            self._load.result()
        except (LoadlockError, GivenUpError):
            self._deliveries.close()
            return None
        self._deliveries.work = work
        return self._deliveries

    def give_up(self) -> None:
        """End it; nothing of it remains. A server that doesn't answer is left alone: its connection ends with the process."""
        self.rows.give_up()
        if not self._load.wait(STOP_SECONDS):
            return
        with suppress(LoadlockError, GivenUpError):
            self._load.result()
        self._deliveries.close()
