"""The audit of a batch's rejects: what operators did, told from the acts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from loadlock.model import PartKind
from loadlock.quarantine.edits import RAW_COLUMN, SCOPE, Action, in_force
from loadlock.rows import FILE, ROW, SUB
from loadlock.workflow.quarantine import acts_of, quarantine_of
from loadlock.workflow.workspace import Workspace, find_workspace


def audit_acts(name: str, *, workspace: str | Path | None = None) -> list[dict[str, Any]]:
    """The acts on the rejects of a batch, oldest first."""
    with Workspace.open(find_workspace(workspace, base_folder=None), create=False) as space:
        acts = acts_of(space.ledger, quarantine_of(space, name).batch.batch)
        standing = {act.seq for act in in_force(acts)}
        return [
            {
                "act": act.seq,
                "at": act.at,
                "action": str(act.action),
                "rejects": act.rejects,
                "values": act.cells,
                "by": act.by,
                "why": act.why,
                "source": act.source,
                "undoes": act.undoes,
                "undone": act.action != Action.UNDO and act.seq not in standing,
            }
            for act in acts
        ]


def audit_cells(name: str, *, workspace: str | Path | None = None) -> Iterator[dict[str, Any]]:
    """Every changed value (`column` null: the raw text), and each reject accepted or discarded, oldest first, streaming."""
    with Workspace.open(find_workspace(workspace, base_folder=None), create=False) as space:
        found = quarantine_of(space, name)
        names = {file.index: file.name for file in found.batch.files}
        acts = {act.seq: act for act in acts_of(space.ledger, found.batch.batch)}
        standing = {act.seq for act in in_force(list(acts.values()))}
        for record in space.ledger.parts(found.batch.batch, SCOPE, PartKind.EDITS):
            act = acts[record.ref.key.seq]
            said = {"act": act.seq, "at": act.at, "action": str(act.action), "by": act.by, "why": act.why}
            for line in space.staging.read(record.ref).to_pylist():
                place = {"file": names.get(line[FILE]), "row": line[ROW], "sub": line[SUB]}
                column = None if line["column"] == RAW_COLUMN else line["column"]
                cell = {"column": column, "old": line["old"], "new": line["new"]}
                yield {**said, **place, **cell, "undone": act.seq not in standing}
