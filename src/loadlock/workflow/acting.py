"""Writing down what an operator did: the act's lines at rest, its place in the ledger, and an event without any value."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from loadlock.faults import point
from loadlock.ledger.base import PartRecord
from loadlock.model import PartKey, PartKind
from loadlock.quarantine.changes import Changes
from loadlock.quarantine.edits import SCOPE, Act, Action
from loadlock.rows import ROW
from loadlock.workflow.quarantine import Quarantine, acts_of

if TYPE_CHECKING:
    import pyarrow as pa

RAW_SEQ = 1_000_000
"""Numbers of parts made from corrected raw text begin here, above those of any part of a file."""


@dataclass(frozen=True, kw_only=True)
class Who:
    """Who acts, and why."""

    by: str | None = None
    """None: the user of this process."""
    why: str = ""

    @property
    def name(self) -> str:
        if self.by:
            return self.by
        with suppress(OSError, KeyError, ImportError):
            return getpass.getuser()
        return "unknown"


@dataclass(frozen=True, kw_only=True)
class Deed:
    """What is to be written down."""

    action: Action
    who: Who
    lines: Changes = field(default_factory=Changes)
    source: str = ""
    undoes: int | None = None
    counts: list[list[Any]] = field(default_factory=list)
    rows: Sequence[tuple[int, pa.Table]] = ()
    """Raw rows made from corrected raw text: (file, rows)."""


def write_down(quarantine: Quarantine, deed: Deed) -> Act:
    """Record an act, all or nothing; the batch is locked by the caller."""
    workspace, batch = quarantine.workspace, quarantine.batch.batch
    seq = max((act.seq for act in acts_of(workspace.ledger, batch)), default=0) + 1
    lines = deed.lines.table()
    act = Act(
        seq=seq,
        action=deed.action,
        at=datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        by=deed.who.name,
        why=deed.who.why,
        rejects=deed.lines.rejects(lines),
        cells=lines.num_rows - lines["column"].null_count if deed.action == Action.CORRECT else 0,
        source=deed.source,
        undoes=deed.undoes,
        counts=deed.counts,
        generation=quarantine.generation,
    )
    key = PartKey(batch=batch, scope=SCOPE, kind=PartKind.EDITS, seq=seq)
    records = [PartRecord(ref=workspace.staging.write(key, lines), info=act.to_json())]
    point("edits.part_written")
    workspace.ledger.add_parts([*_raw_parts(quarantine, deed, seq), *records])
    said = {name: getattr(act, name) for name in ("by", "why", "rejects", "cells", "undoes")}
    workspace.ledger.event(f"rejects_{act.action}", run=quarantine.run.run, batch=batch, data={"act": seq, **said})
    return act


def _raw_parts(quarantine: Quarantine, deed: Deed, act: int) -> list[PartRecord]:
    workspace, batch = quarantine.workspace, quarantine.batch.batch
    listed = workspace.ledger.parts(batch, SCOPE, PartKind.RAW)
    seq = max((record.ref.key.seq for record in listed), default=RAW_SEQ)
    made = []
    for index, rows in deed.rows:
        seq += 1
        key = PartKey(batch=batch, scope=SCOPE, kind=PartKind.RAW, seq=seq)
        numbers = rows[ROW].to_pylist()
        info = {
            "bytes": 0,
            "first_row": min(numbers),
            "last_row": max(numbers),
            "columns": list(rows.column_names),
            "act": act,
        }
        made.append(PartRecord(ref=workspace.staging.write(key, rows, file_index=index), info=info))
    return made
