"""The child tables of a batch to which replays added rows, as one: what `verify` compares."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from loadlock.digest import MODULUS, to_hex
from loadlock.model import WriteMode
from loadlock.workflow.child_rows import shape_of
from loadlock.workflow.children import ChildDeliveries, ChildOutcome
from loadlock.workflow.delivering import Deliveries
from loadlock.workflow.keys import Keys
from loadlock.workflow.replaying import adding

if TYPE_CHECKING:
    import pyarrow as pa

COUNTS = ("inserted", "updated", "unchanged", "deleted")
Receipt = Mapping[str, Any]


def summed(receipts: Sequence[Receipt | None]) -> dict[str, Any] | None:
    """One receipt for what several runs delivered to a destination."""
    known = [receipt for receipt in receipts if receipt is not None]
    if not known:
        return None
    counts = {name: sum(receipt[name] for receipt in known) for name in COUNTS}
    return {**known[-1], **counts, "digest": to_hex(sum(int(r["digest"], 16) for r in known) % MODULUS)}


class WholeChildren(ChildDeliveries):
    """The child rows that a run and the replays since delivered; the mode is that of the run."""

    def __init__(self, run: Deliveries, replays: Sequence[Deliveries]) -> None:
        super().__init__(run)
        self._replays = [ChildDeliveries(replay) for replay in replays]
        for child in self.outcomes:
            every = [child, *self._added(child)]
            parts = [part for one in every for part in one.parts]
            for one in every:
                # elements of a later layer may have other columns
                one.shape = replace(one.shape, own=shape_of(self.work, child.parent.bound, parts).own)

    def _added(self, child: ChildOutcome) -> list[ChildOutcome]:
        """What the replays delivered to the same table, oldest first."""
        place = (child.parent.bound.index, child.name)
        every = (one for replay in self._replays for one in replay.outcomes)
        return [one for one in every if (one.parent.bound.index, one.name) == place]

    def delivered(self, child: ChildOutcome) -> Iterator[pa.Table]:
        """The children of a parent that was merged by key took the place of those that were there."""
        merged = adding(child.parent.bound).mode in (WriteMode.UPSERT, WriteMode.SCD2)
        key = child.parent.bound.spec.key
        with Keys() as newer:
            for replay in reversed(self._replays):
                for one in replay.outcomes:
                    if one not in self._added(child):
                        continue
                    for table in replay.delivered(one):
                        yield newer.without(table)
                    if merged:
                        for table in replay.deliveries.delivered(one.parent):
                            newer.add(key, table)
            for table in super().delivered(child):
                yield newer.without(table)

    def entries(self, documents: Sequence[Sequence[Mapping[str, Any]]]) -> list[dict[str, Any]]:
        """The destinations' entries of the runs' documents, oldest first, as one run's would be."""
        found: list[dict[str, Any]] = [{"children": []} for _ in documents[0]]
        for child in self.outcomes:
            index = child.parent.bound.index
            told = [one for entry in documents for one in entry[index].get("children", ()) if one["name"] == child.name]
            receipt = summed([one["receipt"] for one in told])
            if receipt is not None and not self.job(child).lineage:
                # what was merged stands there once
                rows = sum(table.num_rows for table in self.delivered(child))
                receipt |= {**dict.fromkeys(COUNTS, 0), "inserted": rows}
            inserted = sum(one["inserted"] for one in told)
            found[index]["children"].append({"name": child.name, "receipt": receipt, "inserted": inserted})
        return found
