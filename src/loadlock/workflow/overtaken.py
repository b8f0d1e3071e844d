"""What later batches did to the rows of an earlier one, so that its read-back tells their work from that of strangers."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from loadlock.delivery.base import Job
from loadlock.ledger.base import RunRecord
from loadlock.model import PartKind, RunStatus, WriteMode
from loadlock.pipeline.codec import from_json
from loadlock.pipeline.model import DestinationSpec, Pipeline
from loadlock.workflow.keys import Keys
from loadlock.workflow.left import left_scope, without_left
from loadlock.workflow.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(kw_only=True)
class Overtaken:
    """The keys that later batches wrote to the same target. Close it."""

    runs: list[str] = field(default_factory=list)
    """Later runs that merged rows into the target."""
    lost: list[str] = field(default_factory=list)
    """Those of them whose rows are gone from the workspace: what they wrote is not known."""
    appended: list[str] = field(default_factory=list)
    """Later runs that added rows: those can't be told from rows that replaced the table before."""
    replaced_by: str | None = None
    """A later run that replaced the whole target."""
    rows: int = 0
    """Rows that `keep` left out."""
    _keys: Keys = field(default_factory=Keys)

    def add(self, key: tuple[str, ...], rows: pa.Table) -> None:
        """A part of a later batch."""
        self._keys.add(key, rows)

    def keep(self, table: pa.Table) -> pa.Table:
        """The rows that no later batch wrote."""
        kept = self._keys.without(table)
        self.rows += table.num_rows - kept.num_rows
        return kept

    def close(self) -> None:
        """Let DuckDB go."""
        self._keys.close()

    @property
    def found(self) -> bool:
        """Whether later batches wrote anything that is known."""
        return bool(self._keys)

    def doubt(self, job: Job) -> str | None:
        """Why a difference may be the work of later batches, or None."""
        if self.lost:
            return f"the rows of run {', '.join(self.lost)} are gone: the difference may be its work"
        if self.appended and job.mode.takes_all and not job.lineage:
            return f"run {', '.join(self.appended)} added rows since, which can't be told from these without `lineage`"
        return None

    def note(self) -> str | None:
        """What the receipt says."""
        if self.replaced_by is not None:
            return f"run {self.replaced_by} replaced the rows since: nothing is left to compare"
        if self.rows:
            return f"{self.rows:,} rows were written by later batches since (run {', '.join(self.runs)}): not compared"
        return None


def overtaken(
    workspace: Workspace, run: RunRecord, label: str, *, by_others: bool = False, but: Collection[str] = ()
) -> Overtaken:
    """What the ledger knows of deliveries to this target after `run`'s; `by_others`: those of other batches; `but`: runs
    that are left out."""
    found = Overtaken()
    for record, spec in _later(workspace, run, label):
        if record.run in but or (by_others and record.batch == run.batch):
            continue
        assert spec.mode is not None, "a run knows its modes"
        if spec.ends_missing:
            found.replaced_by = record.run
        elif spec.mode == WriteMode.APPEND:
            found.appended.append(record.run)
        else:
            found.runs.append(record.run)
            _add_keys(found, workspace, record, record.destinations.index(label), spec)
    return found


def _add_keys(found: Overtaken, workspace: Workspace, record: RunRecord, index: int, spec: DestinationSpec) -> None:
    """The keys that a run wrote: all that it sent, but those that an insert only left as they were."""
    parts = [p for p in workspace.ledger.parts(record.batch, record.run, PartKind.CLEAN) if p.ref.rows]
    if not parts and record.digest is not None:
        found.lost.append(record.run)
    rows = (workspace.staging.read(part.ref, columns=list(spec.key)) for part in parts)
    for table in without_left(workspace, record.batch, left_scope(record.run, index), spec.key, rows):
        found.add(spec.key, table)


def _later(workspace: Workspace, run: RunRecord, label: str) -> Iterator[tuple[RunRecord, DestinationSpec]]:
    """Later runs that delivered to this target, oldest first, each with how."""
    for other in reversed(workspace.ledger.runs()):
        is_later = other.run != run.run and other.started > run.started and label in other.destinations
        if not is_later or other.status == RunStatus.ROLLED_BACK:
            continue
        record = workspace.ledger.run(other.run) or other
        index = record.destinations.index(label)
        entries = (record.document or {}).get("destinations") or []
        if index < len(entries) and entries[index]["receipt"] is not None:
            spec = from_json(Pipeline, record.state["pipeline"]).destinations[index]
            # what the pipeline leaves open was decided when it ran
            yield record, replace(spec, mode=WriteMode(entries[index]["mode"]))
