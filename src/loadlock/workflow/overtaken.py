"""What later batches did to the rows of an earlier one, so that its read-back tells their work from that of strangers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from loadlock.delivery.base import Job
from loadlock.ledger.base import RunRecord
from loadlock.model import PartKind, WriteMode
from loadlock.pipeline.codec import from_json
from loadlock.pipeline.model import DestinationSpec, Pipeline
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
    _keys: dict[tuple[str, ...], str] = field(default_factory=dict)
    _connection: Any = None

    def add(self, key: tuple[str, ...], rows: pa.Table) -> None:
        """A part of a later batch."""
        import duckdb

        if self._connection is None:
            self._connection = duckdb.connect(config={"threads": "1"})
        name = self._keys.setdefault(key, f"k{len(self._keys)}")
        self._connection.register("part", rows.select(list(key)))
        new = "insert into" if self._has(name) else "create table"
        words = "" if self._has(name) else " as"
        self._connection.execute(f"{new} {name}{words} select distinct * from part").fetchall()
        self._connection.unregister("part")

    def _has(self, name: str) -> bool:
        found = self._connection.execute("select 1 from duckdb_tables() where table_name = ?", [name]).fetchall()
        return bool(found)

    def keep(self, table: pa.Table) -> pa.Table:
        """The rows that no later batch wrote."""
        before = table.num_rows
        for key, name in self._keys.items():
            if set(key) <= set(table.column_names) and table.num_rows:
                table = self._without(table, key, name)
        self.rows += before - table.num_rows
        return table

    def _without(self, table: pa.Table, key: tuple[str, ...], name: str) -> pa.Table:
        import numpy as np
        import pyarrow as pa

        keys = [f'"{column.replace(chr(34), chr(34) * 2)}"' for column in key]
        numbered = table.select(list(key)).append_column("_n", pa.array(range(table.num_rows), pa.int64()))
        self._connection.register("part", numbered)
        same = " and ".join(f"k.{column} is not distinct from p.{column}" for column in keys)
        found = self._connection.sql(f"select distinct _n from part p join {name} k on {same}").to_arrow_table()["_n"]
        self._connection.unregister("part")
        kept = np.ones(table.num_rows, bool)
        kept[found.to_numpy()] = False
        return table.filter(pa.array(kept))

    def close(self) -> None:
        """Let DuckDB go."""
        if self._connection is not None:
            self._connection.close()

    @property
    def found(self) -> bool:
        """Whether later batches wrote anything that is known."""
        return bool(self._keys)

    def doubt(self, job: Job) -> str | None:
        """Why a difference may be the work of later batches, or None."""
        if self.lost:
            return f"the rows of run {', '.join(self.lost)} are gone: the difference may be its work"
        if self.appended and job.mode == WriteMode.REPLACE and not job.lineage:
            return f"run {', '.join(self.appended)} added rows since, which can't be told from these without `lineage`"
        return None

    def note(self) -> str | None:
        """What the receipt says."""
        if self.replaced_by is not None:
            return f"run {self.replaced_by} replaced the rows since: nothing is left to compare"
        if self.rows:
            return f"{self.rows:,} rows were written by later batches since (run {', '.join(self.runs)}): not compared"
        return None


def overtaken(workspace: Workspace, run: RunRecord, label: str) -> Overtaken:
    """What the ledger knows of deliveries to this target after `run`'s."""
    found = Overtaken()
    for record, spec in _later(workspace, run, label):
        if spec.mode == WriteMode.REPLACE:
            found.replaced_by = record.run
        elif spec.mode == WriteMode.APPEND:
            found.appended.append(record.run)
        elif spec.mode == WriteMode.UPSERT:
            found.runs.append(record.run)
            parts = [p for p in workspace.ledger.parts(record.batch, record.run, PartKind.CLEAN) if p.ref.rows]
            if not parts and record.digest is not None:
                found.lost.append(record.run)
            for part in parts:
                found.add(spec.key, workspace.staging.read(part.ref, columns=list(spec.key)))
    return found


def _later(workspace: Workspace, run: RunRecord, label: str) -> Iterator[tuple[RunRecord, DestinationSpec]]:
    """Later runs that delivered to this target, oldest first, each with how."""
    for other in reversed(workspace.ledger.runs()):
        if other.run == run.run or other.started <= run.started or label not in other.destinations:
            continue
        record = workspace.ledger.run(other.run) or other
        index = record.destinations.index(label)
        entries = (record.document or {}).get("destinations") or []
        if index < len(entries) and entries[index]["receipt"] is not None:
            spec = from_json(Pipeline, record.state["pipeline"]).destinations[index]
            yield record, spec
