"""What a merge by key is about to change, into the undo table; the same in every SQL database."""

from __future__ import annotations

from loadlock.delivery.base import EVERY_ROW, Job
from loadlock.delivery.destinations._merge import Merge
from loadlock.delivery.fit import LINEAGE
from loadlock.delivery.undo_sql import UndoTable
from loadlock.model import WriteMode


def restored_columns(job: Job) -> frozenset[str] | None:
    """The columns that an update of this job wrote; None: all."""
    if job.update is None or job.update == EVERY_ROW:
        return None
    return frozenset((*job.update, *LINEAGE))


def save_merge(undo: UndoTable, merge: Merge) -> None:
    """Before a staging table is published by key: what that changes, deletes and inserts."""
    if merge.mode == WriteMode.DELETE_INSERT:
        undo.save_deleted(f"exists (select 1 from {merge.staging} s where {merge.match})")
        return
    merge.prepare()
    if merge.mode == WriteMode.MIRROR:
        undo.save_deleted(merge.missing)
    if merge.mode != WriteMode.INSERT_ONLY:
        undo.save_updated(merge.staging, merge.match, merge.differs)
    if merge.versions is None:
        undo.save_inserted(merge.staging, merge.match)
        return
    if merge.ends_missing:
        undo.save_closed(merge.missing)
    source = f"{merge.staging} s left join {undo.target} t on {merge.match}"
    undo.save_opened(merge.versions.moment, source, merge.has_changed)
