"""Whether a rerun delivers each row again that its batch delivered before. Most do, and it is told from the keys at rest."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from loadlock.ledger.base import RunRecord
from loadlock.model import PartKind, PartRef
from loadlock.rows import IDENTITY
from loadlock.staging.base import Staging
from loadlock.workflow.cleaning import batch_scope
from loadlock.workflow.delivering import DeliveryWork, Outcome
from loadlock.workflow.keys import Keys

if TYPE_CHECKING:
    import pyarrow as pa


def all_come_again(work: DeliveryWork, outcome: Outcome, runs: Sequence[RunRecord]) -> bool:
    """Whether all rows of these runs of the batch are clean now, with the keys that they had, and lose to no other.

    In doubt the answer is no: where the destination takes some rows only, or parts are not those of the run before.
    """
    if outcome.bound.spec.filter is not None or outcome.unwanted:
        return False
    now = {record.ref.key.seq: record.ref for record in work.cleaned.parts}
    pairs = []
    for run in runs:
        if not _lost_then(work, run):
            return False
        parts = work.workspace.ledger.parts(work.batch, run.run, PartKind.CLEAN)
        pairs += [(record.ref, now.get(record.ref.key.seq)) for record in parts if record.ref.rows]
    columns = [*IDENTITY, *outcome.bound.spec.key]
    return all(work.engine.map(partial(_is_within, work.workspace.staging, columns), pairs))


def _lost_then(work: DeliveryWork, run: RunRecord) -> bool:
    """Whether the rows that lose to others now did so in the earlier run."""
    if work.cleaned.losers is None:
        return True
    earlier = work.workspace.ledger.parts(work.batch, batch_scope(run.run), PartKind.DROPPED)
    known = [work.workspace.staging.read(record.ref) for record in earlier]
    return bool(known) and not _missing(work.cleaned.losers, known[0], IDENTITY)


def _is_within(staging: Staging, columns: list[str], parts: tuple[PartRef, PartRef | None]) -> bool:
    """Whether each row of the first part is one of the second, by identity and key."""
    before, after = parts
    if after is None:
        return False
    try:
        old = staging.read(before, columns=columns)
    except KeyError:  # its key was of other columns
        return False
    new = staging.read(after, columns=columns)
    if old.equals(new):
        return True
    return bool(old.schema.equals(new.schema)) and not _missing(old, new, columns)


def _missing(rows: pa.Table, known: pa.Table, columns: Sequence[str]) -> bool:
    """Whether some of the rows are not among the known ones."""
    with Keys() as keys:
        keys.add(tuple(columns), known)
        return bool(keys.without(rows).num_rows)
