"""The quarantine of a batch as it stands: the rejects of its run and of the replays since, and what operators did to them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from loadlock.cleanup.binding import fold
from loadlock.engines.memory import give_back
from loadlock.errors import UsageError
from loadlock.ledger.base import BatchRecord, Ledger, RunRecord
from loadlock.ledger.states import DELIVERED
from loadlock.model import BatchStatus, FileReport, PartKind, RejectState, RunStatus
from loadlock.quarantine.cells import value_names
from loadlock.quarantine.edits import (
    EVERYWHERE,
    RAW_COLUMN,
    SCOPE,
    Act,
    Action,
    about_raw,
    edit_schema,
    edited,
    in_force,
    newest_lines,
    outdated,
    with_act,
)
from loadlock.quarantine.read import RejectFilter, filtered, reject_rows
from loadlock.quarantine.sheet import Token
from loadlock.rows import IDENTITY
from loadlock.workflow.children import reject_scope
from loadlock.workflow.workspace import Workspace

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

REPLAY = "replay"
"""Key of a run's state that makes it a replay: `base` (the run it adds to), `edits` (the newest act it knows), `force`."""
EDITS = "edits"
"""Key of the state of a run that takes a batch with acts in: the newest act that it knows."""
STALE = "stale"
"""Code of the problem of a row whose key others have written since."""


def is_replay(run: RunRecord) -> bool:
    """Whether a run sends rejects of an earlier one."""
    return REPLAY in run.state


def known_acts(run: RunRecord) -> int:
    """The newest act that a run knew when it began, and that its document has counted."""
    return int(run.state.get(REPLAY, run.state).get(EDITS, 0))


def has_published(ledger: Ledger, run: RunRecord) -> bool:
    """Whether the run's rows came to be seen at a destination, however it ended."""
    if run.status in DELIVERED:
        return True
    return any(event.data.get("to") == RunStatus.PUBLISHED for event in ledger.events(run=run.run))


def standing_run(ledger: Ledger, batch: BatchRecord) -> RunRecord:
    """The run that says how the batch stands: the newest one, replays that did not publish left out."""
    if batch.status == BatchStatus.FORGOTTEN:
        raise UsageError(f"batch {batch.batch[:12]} was forgotten: only its counts are left")
    for run in ledger.runs(batch=batch.batch):
        if not is_replay(run) or has_published(ledger, run):
            return run
    raise UsageError(f"batch {batch.batch[:12]} has no run yet")


@dataclass(frozen=True, kw_only=True)
class Layer:
    """The rejects of one run."""

    run: RunRecord
    scopes: tuple[tuple[str, int], ...]
    """Where they lie, and to which destinations (as bits) such rows are to be sent; 0 = rows of child tables."""
    sent: pa.Table
    """What a replay sent, or a rerun took up of malformed rows that were corrected: identity, `to`, `stage`, `record`."""
    edits: int
    """The newest act that the run knew."""


class Quarantine:
    """The rejects of a batch, with their states; reads only."""

    def __init__(self, workspace: Workspace, batch: BatchRecord, run: RunRecord, *, upto: int | None = None) -> None:
        """`upto`: as if no act after that one had been done."""
        self.workspace = workspace
        self.batch = batch
        self.run = run
        self.upto = upto

    @cached_property
    def acts(self) -> list[Act]:
        """All that operators did to the rows as they are staged, oldest first."""
        found = acts_of(self.workspace.ledger, self.batch.batch, generation=self.generation)
        return [act for act in found if self.upto is None or act.seq <= self.upto]

    @cached_property
    def layers(self) -> list[Layer]:
        """The run that took the batch in, then the replays up to the standing one."""
        ledger, found = self.workspace.ledger, [self.run]
        while is_replay(found[0]):
            base = ledger.run(found[0].state[REPLAY]["base"])
            assert base is not None
            found.insert(0, base)
        return [self._layer(run) for run in found]

    def _layer(self, run: RunRecord) -> Layer:
        generation = int(run.state.get("generation", self.batch.generation))
        scopes = [] if is_replay(run) else [(f"g{generation}", EVERYWHERE)]
        scopes += [(run.run, EVERYWHERE), (f"{run.run}-batch", EVERYWHERE)]
        children = len(run.state["pipeline"]["source"]["flatten"]["children"])
        for index in range(len(run.destinations)):
            scopes.append((f"{run.run}-d{index}", 1 << index))
            scopes += [(reject_scope(run.run, index, child), 0) for child in range(children)]
        sent = sent_rows(self.workspace, run)
        return Layer(run=run, scopes=tuple(scopes), sent=sent, edits=known_acts(run))

    def _levels(self) -> list[Layer]:
        """The layers, parted where rejects of one were sent by the same run: a rerun takes malformed rows up itself."""
        first, *later = self.layers
        if not first.sent.num_rows:
            return [first, *later]
        intake = replace(first, scopes=first.scopes[:1], sent=_no_rows(), edits=0)
        return [intake, replace(first, scopes=first.scopes[1:]), *later]

    def cells(self, *, upto: int | None = None, old: bool = False) -> pa.Table:
        """The corrections in force, one line a cell: the newest. Corrected raw text takes the place of what was corrected
        before it. `old`: with what stood there."""
        import pyarrow.compute as pc

        columns = [*IDENTITY, "column", *(["old"] if old else []), "new"]
        found = self._lines(Action.CORRECT, [*IDENTITY, "column"], upto=upto, columns=columns)
        raws = about_raw(found)
        if not raws.num_rows:
            return found
        return found.filter(pc.invert(outdated(found, raws)))

    def _lines(
        self,
        action: Action,
        keys: Sequence[str],
        *,
        upto: int | None = None,
        since: int = 0,
        columns: list[str] | None = None,
    ) -> pa.Table:
        wanted = {act.seq for act in in_force(self.acts, upto=upto) if act.action == action and act.seq > since}
        records = self.workspace.ledger.parts(self.batch.batch, SCOPE, PartKind.EDITS)
        tables = []
        for record in records:
            if record.ref.key.seq in wanted:
                tables.append(with_act(self.workspace.staging.read(record.ref, columns=columns), record.ref.key.seq))
        return newest_lines(tables, keys)

    def _rows(self, action: Action, *, since: int) -> pa.Table:
        """The rows that later acts of a kind are about."""
        return self._lines(action, list(IDENTITY), since=since, columns=[*IDENTITY, "to"])

    def waived(self) -> pa.Table:
        """What accepted rows may have wrong: `column` holds the code."""
        return self._lines(Action.ACCEPT, [*IDENTITY, "column"])

    def discarded(self) -> pa.Table:
        """The discarded rejects."""
        return self._lines(Action.DISCARD, [*IDENTITY, "to"])

    def tables(self, columns: Sequence[str] | None = None) -> Iterator[pa.Table]:
        """The rejects, oldest run first, with the columns `state`, `to` (destinations as bits) and `corrected` (JSON or null).

        A reject that was sent again and is one again stands there once, with its new problems. `columns`: only these of a
        reject's own, beside its identity and `problems`; then without `corrected`.
        """
        corrected = self.cells() if columns is None else with_act(edit_schema().empty_table(), 0)
        read = None if columns is None else list(dict.fromkeys((*IDENTITY, "problems", *columns)))
        levels = self._levels()
        for number, layer in enumerate(levels):
            later = levels[number + 1 :]
            sent = _together([entry.sent for entry in later])
            again = _together([self._again(entry) for entry in later])
            facts = _Facts(
                sent=sent,
                again=again,
                discarded=self.discarded(),
                accepted=self._rows(Action.ACCEPT, since=layer.edits),
                corrected=self._rows(Action.CORRECT, since=layer.edits),
                cells=corrected,
                own=layer.sent,
            )
            for scope, to in layer.scopes:
                for record in self.workspace.ledger.parts(self.batch.batch, scope, PartKind.REJECTS):
                    if record.ref.rows:
                        yield facts.told(self.workspace.staging.read(record.ref, columns=read), to)
                        give_back()

    @cached_property
    def token(self) -> Token:
        """Names the state that an export shows."""
        return Token(run=self.run.run, edits=max((act.seq for act in self.acts), default=0))

    @cached_property
    def sources(self) -> dict[str, tuple[str, ...]]:
        """Column of the pipeline → its possible names in the files."""
        columns = self.run.state["pipeline"]["columns"] or ()
        return {column["name"]: _names(column["source"] or [column["name"]], self.header) for column in columns}

    @cached_property
    def reports(self) -> dict[int, FileReport]:
        """What intake found out about the files."""
        return self.workspace.ledger.file_reports(self.batch.batch, self.generation)

    @property
    def generation(self) -> int:
        """Of the raw rows."""
        return int(self.run.state.get("generation", self.batch.generation))

    @cached_property
    def header(self) -> list[str]:
        """The columns of the files that have a header."""
        return list(dict.fromkeys(name for report in self.reports.values() for name in report.header))

    def rows(self, wanted: RejectFilter, *, places: bool = False) -> Iterator[dict[str, Any]]:
        """The rejects as JSON, streaming."""
        return reject_rows(self.tables(), batch=self.batch.batch, run=self.run.run, wanted=wanted, places=places)

    def extent(self, wanted: RejectFilter) -> tuple[list[str], int]:
        """The names of all values of the rejects (the files' columns first), and how many rejects there are."""
        names: dict[str, None] = dict.fromkeys(self.header)
        count = 0
        for table in filtered(self.tables(), wanted):
            count += table.num_rows
            for column in ("values", "corrected"):
                for part in table[column].chunks:
                    names.update(dict.fromkeys(value_names(part)))
        names.pop(RAW_COLUMN, None)
        return list(names), count

    def _again(self, layer: Layer) -> pa.Table:
        """The identity of the rejects of a replay, with their destinations."""
        import pyarrow as pa

        found = []
        for scope, to in layer.scopes:
            for record in self.workspace.ledger.parts(self.batch.batch, scope, PartKind.REJECTS):
                table = self.workspace.staging.read(record.ref, columns=list(IDENTITY))
                found.append(table.append_column("to", _destinations(table, to, layer.sent)))
        return pa.concat_tables(found) if found else _no_rows()


def _names(candidates: Sequence[str], known: Sequence[str]) -> tuple[str, ...]:
    """The candidates, then names of the files that are like one of them."""
    folded = {fold(name) for name in candidates}
    return tuple(dict.fromkeys((*candidates, *(name for name in known if fold(name) in folded))))


@dataclass(frozen=True, kw_only=True)
class _Facts:
    """What is known of the rejects of one layer."""

    sent: pa.Table
    again: pa.Table
    discarded: pa.Table
    accepted: pa.Table
    corrected: pa.Table
    cells: pa.Table
    own: pa.Table

    def told(self, table: pa.Table, to: int) -> pa.Table:
        """The rejects with what is known of each."""
        import numpy as np
        import pyarrow as pa

        table = table.append_column("to", _destinations(table, to, self.own))
        states = np.full(table.num_rows, str(RejectState.OPEN), dtype=object)
        states[_has_code(table, STALE)] = str(RejectState.STALE)
        states[_touched(table, self.corrected)] = str(RejectState.CORRECTED)
        states[_touched(table, self.accepted)] = str(RejectState.ACCEPTED)
        states[_touched(table, self.discarded, same_place=True)] = str(RejectState.DISCARDED)
        sent = _touched(table, self.sent, same_place=True)
        states[sent] = str(RejectState.RESOLVED)
        again = np.intersect1d(sent, _touched(table, self.again, same_place=True))
        table = table.append_column("state", pa.array(states, pa.string()))
        if "raw" in table.column_names:
            table = table.append_column("corrected", corrected_column(table, self.cells))
        if not len(again):
            return table
        kept = np.ones(table.num_rows, bool)
        kept[again] = False
        return table.filter(pa.array(kept))


def corrected_column(table: pa.Table, cells: pa.Table) -> pa.Array:
    """The new values (JSON by column) of each row of the table in these corrections; null where there is none."""
    import pyarrow as pa

    found: dict[int, dict[str, str | None]] = {}
    lines = edited(table, cells)
    for at, column, new in zip(*(lines[name].to_pylist() for name in ("at", "column", "new")), strict=True):
        found.setdefault(at, {})[column] = new
    if not found:
        return pa.nulls(table.num_rows, pa.string())
    texts = [json.dumps(found[at], ensure_ascii=False) if at in found else None for at in range(table.num_rows)]
    return pa.array(texts, pa.string())


def _touched(
    table: pa.Table, lines: pa.Table, *, same_place: bool = False
) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The rows (indexes) that lines are about; `same_place`: only lines for a destination that the row is to go to."""
    import numpy as np

    found = edited(table, lines)
    at: np.ndarray[tuple[int], np.dtype[np.int64]] = found["at"].to_numpy()
    if same_place and len(at):
        at = at[(found["to"].to_numpy() & table["to"].to_numpy()[at]) != 0]
    return np.unique(at)


def _destinations(table: pa.Table, to: int, sent: pa.Table) -> pa.Array:
    """To which destinations rejects of a scope are to go: those that a replay sent, only where it was to send them."""
    import numpy as np
    import pyarrow as pa

    found = np.full(table.num_rows, to, np.int64)
    if to == EVERYWHERE and sent.num_rows:
        lines = edited(table, sent)
        found[lines["at"].to_numpy()] = lines["to"].to_numpy()
    return pa.array(found)


def _has_code(table: pa.Table, code: str) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    import pyarrow.compute as pc

    lists = table["problems"].combine_chunks()
    codes = pc.struct_field(lists.flatten(), "code")
    chosen = pc.list_parent_indices(lists).filter(pc.equal(codes, code))
    found: np.ndarray[tuple[int], np.dtype[np.int64]] = chosen.to_numpy()
    return found


def acts_of(ledger: Ledger, batch: str, *, generation: int | None = None) -> list[Act]:
    """The acts on the rejects of a batch, oldest first, undone ones too; `generation`: those on its rows alone."""
    acts = [Act.from_json(record.info) for record in ledger.parts(batch, SCOPE, PartKind.EDITS)]
    return [act for act in acts if None in (generation, act.generation) or act.generation == generation]


def sent_rows(workspace: Workspace, run: RunRecord) -> pa.Table:
    """What a replay sends, or a rerun takes up of malformed rows; no row for other runs."""
    import pyarrow as pa

    records = workspace.ledger.parts(run.batch, run.run, PartKind.SENT)
    return pa.concat_tables([_no_rows(), *(workspace.staging.read(record.ref) for record in records)])


def sent_schema() -> pa.Schema:
    """The rows that a replay sends: the identity, destinations as bits, the stage that had rejected each, and whether the
    whole record is meant."""
    import pyarrow as pa

    fields = [edit_schema().field(name) for name in (*IDENTITY, "to")]
    return pa.schema([*fields, pa.field("stage", pa.string()), pa.field("record", pa.bool_())])


def _no_rows() -> pa.Table:
    return sent_schema().empty_table()


def _together(tables: Sequence[pa.Table]) -> pa.Table:
    import pyarrow as pa

    return pa.concat_tables([_no_rows(), *tables], promote_options="default")


def quarantine_of(workspace: Workspace, name: str) -> Quarantine:
    """The quarantine of a batch (as it stands) or of a run, by the id or a unique prefix of either."""
    ledger = workspace.ledger
    if name.startswith("r"):
        run = ledger.find_run(name)
        batch = ledger.batch(run.batch)
        assert batch is not None
        if batch.status == BatchStatus.FORGOTTEN:
            standing_run(ledger, batch)
        return Quarantine(workspace, batch, run)
    batch = ledger.find_batch(name)
    return Quarantine(workspace, batch, standing_run(ledger, batch))
