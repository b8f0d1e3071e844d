"""What a changed pipeline would make of a batch that is staged: compared with an earlier run, touching nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadlock.cleanup.difference import CLEAN, LEFT_OUT, REJECTED, ColumnChange, Difference, Fate, difference
from loadlock.cleanup.plan import Plan
from loadlock.cleanup.survey import Decision
from loadlock.engines.base import Engine
from loadlock.engines.local import LocalEngine
from loadlock.errors import UsageError
from loadlock.ledger.base import BatchRecord, PartRecord, RunRecord
from loadlock.model import PartKind, RunStatus, Severity
from loadlock.pipeline.codec import to_json
from loadlock.pipeline.model import Pipeline
from loadlock.quarantine.edits import edit_schema
from loadlock.rows import FILE, IDENTITY, ROW, reject_schema
from loadlock.staging.base import Staging
from loadlock.staging.parquet import ParquetStaging
from loadlock.staging.scratch import ScratchStaging
from loadlock.workflow import cleaning
from loadlock.workflow.amended import amended, mended_parts
from loadlock.workflow.changes import changed_keys
from loadlock.workflow.drifting import compared
from loadlock.workflow.generation import STATE
from loadlock.workflow.masking import hidden, hidden_problem
from loadlock.workflow.planning import Staged, check_after, check_before, plan_of, refused_files
from loadlock.workflow.quarantine import Layer, Quarantine, is_replay, quarantine_of
from loadlock.workflow.standing import balance_of, standing_document
from loadlock.workflow.workspace import Workspace, find_workspace

if TYPE_CHECKING:
    import pyarrow as pa

SCOPE = "preview"
"""The scope of the parts that a preview makes; no run's id begins so."""


@dataclass(frozen=True, kw_only=True)
class RuleChange:
    """A batch under the pipeline at hand, compared with what a run made of it."""

    batch: str
    run: str
    """The run compared with."""
    status: str
    """Of that run."""
    changed: list[str]
    """Keys of the pipeline that differ from that run's."""
    before: dict[str, int]
    after: dict[str, int]
    """Rows: `staged, exploded, clean, rejected, skipped, superseded, discarded` of cleanup."""
    difference: Difference
    refused: int
    """Rows that the destinations refused in that run: whether they take them now is seen when they are sent."""
    discarded: int
    """Rows that operators discarded: they stay out, and are left out of the comparison."""
    types: dict[str, tuple[str, str]]
    """Columns of another type: type before and after."""
    stops: list[str]
    """Why a rerun would stop before publishing."""
    decisions: list[dict[str, Any]]
    tallies: dict[str, Any]
    masked: frozenset[str] = field(default_factory=frozenset)
    """Columns whose values must not be shown."""

    def to_json(self) -> dict[str, Any]:
        """The document of `preview --batch --json`, values of masked columns hidden."""
        found = self.difference
        return {
            "batch": self.batch,
            "against": {"run": self.run, "status": self.status},
            "changed": self.changed,
            "leave": {
                "rows": found.leave,
                "codes": _by_code(found.left),
                "examples": [self._hidden(example, "after") for example in found.left_examples],
            },
            "enter": {
                "rows": found.enter,
                "codes": _by_code(found.entered),
                "examples": [self._hidden(example, "before") for example in found.entered_examples],
            },
            "values": {
                "rows": found.changed_rows,
                "cells": found.cells,
                "columns": [self._column(name, change) for name, change in found.columns.items()],
                "columns_gone": list(found.only_before),
                "columns_new": list(found.only_after),
            },
            "left_out": {
                "more": found.rows(CLEAN, LEFT_OUT),
                "fewer": found.rows(LEFT_OUT, CLEAN),
            },
            "withdrawn": found.rows(CLEAN, REJECTED) + found.rows(CLEAN, LEFT_OUT),
            "refused_by_destination": self.refused,
            "discarded": self.discarded,
            "before": self.before,
            "after": self.after,
            "stops": self.stops,
            "decisions": self.decisions,
            "tallies": self.tallies,
        }

    def _column(self, name: str, change: ColumnChange) -> dict[str, Any]:
        types = {"type_before": self.types[name][0], "type_after": self.types[name][1]} if name in self.types else {}
        examples = [] if name in self.masked else [{"before": old, "after": new} for old, new in change.examples]
        return {"column": name, "cells": change.cells, **types, "examples": examples}

    def _hidden(self, example: dict[str, Any], side: str) -> dict[str, Any]:
        values = example[side]
        return {
            **example,
            side: None if values is None else hidden(values, self.masked),
            "problems": [hidden_problem(problem, self.masked) for problem in example["problems"]],
        }


def _by_code(counts: Mapping[tuple[str, str | None], int]) -> list[dict[str, Any]]:
    """Most rows first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0][0], item[0][1] or ""))
    return [{"code": code, "column": column, "rows": rows} for (code, column), rows in ordered]


def rule_change(
    pipeline: Pipeline,
    batch: str,
    *,
    against: str | None = None,
    workspace: str | Path | None = None,
    examples: int = 5,
) -> RuleChange:
    """Clean the staged rows of a batch by `pipeline` and compare with a run of it: the newest that delivered, else cleaned.

    Nothing is kept, no destination is asked. Raises UsageError where the batch or the run is not known, or where the
    pipeline reads the source in another way than the staged rows were read.
    """
    root = find_workspace(workspace, base_folder=pipeline.base_folder)
    with Workspace.open(root, create=False) as opened, LocalEngine(temp_folder=opened.temp) as engine:
        known = opened.ledger.find_batch(batch)
        earlier = _earlier(opened, known, against)
        _check_source(pipeline, earlier)
        return _Comparison(opened, engine, pipeline, known, earlier).made(examples)


def _earlier(workspace: Workspace, batch: BatchRecord, against: str | None) -> RunRecord:
    """The run to compare with, whole."""
    ledger = workspace.ledger
    if against is not None:
        found = ledger.find_run(against)
        if found.batch != batch.batch:
            raise UsageError(f"run {found.run} is of another batch ({found.batch[:12]})")
        runs = [found]
    else:
        done = (RunStatus.PUBLISHED, RunStatus.VERIFIED)
        runs = sorted(ledger.runs(batch=batch.batch), key=lambda run: run.status not in done)
    for run in runs:
        whole = ledger.run(run.run) or run
        if is_replay(whole):
            continue  # it holds the rows alone that it sent
        raw = ledger.parts(batch.batch, f"g{_generation(whole, batch)}", PartKind.RAW)
        clean = ledger.parts(batch.batch, whole.run, PartKind.CLEAN)
        if raw and {record.ref.key.seq for record in raw} <= {record.ref.key.seq for record in clean}:
            return whole
    which = f"run {runs[0].run}" if against is not None else f"batch {batch.batch[:12]}"
    raise UsageError(
        f"{which} has no cleaned rows to compare with",
        hint="Take the batch through once: `loadlock run`, or `loadlock resume` where a run was cut short.",
    )


def _generation(run: RunRecord, batch: BatchRecord) -> int:
    return int(run.state.get(STATE, batch.generation))


def _layers(workspace: Workspace, batch: BatchRecord, earlier: RunRecord) -> list[Layer]:
    """The run to compare with, and the replays that added to it since, where the batch stands by these."""
    standing = quarantine_of(workspace, batch.batch).layers
    if standing[0].run.run == earlier.run:
        return standing
    return Quarantine(workspace, batch, earlier).layers


def _check_source(pipeline: Pipeline, earlier: RunRecord) -> None:
    """Rules are compared over the rows as staged; another way of reading the bytes makes other rows."""
    before, now = earlier.state["pipeline"]["source"]["options"], to_json(pipeline)["source"]["options"]
    differing = [name for name in now if name != "part_bytes" and before.get(name) != now[name]]
    if differing:
        raise UsageError(
            f"the pipeline reads the source in another way than the staged rows were read: {', '.join(differing)}",
            hint="Look at `loadlock preview PIPELINE` without --batch, which reads the files; `loadlock rerun` reads them again.",
        )


class _Comparison:
    """One batch, cleaned again into scratch parts and compared part by part."""

    def __init__(
        self, workspace: Workspace, engine: Engine, pipeline: Pipeline, batch: BatchRecord, earlier: RunRecord
    ) -> None:
        self.workspace = workspace
        self.engine = engine
        self.pipeline = pipeline
        self.batch = batch
        self.earlier = earlier
        ledger, generation = workspace.ledger, _generation(earlier, batch)
        self.raw = ledger.parts(batch.batch, f"g{generation}", PartKind.RAW)
        self.intake_rejects = ledger.parts(batch.batch, f"g{generation}", PartKind.REJECTS)
        reports = ledger.file_reports(batch.batch, generation)
        self.staged = Staged(workspace=workspace, engine=engine, raw=self.raw, reports=reports)
        self.staging = ScratchStaging(kept=workspace.staging, scratch=ParquetStaging(workspace.temp), scope=SCOPE)
        self.layers = _layers(workspace, batch, earlier)
        self.amended = amended(Quarantine(workspace, batch, earlier), self.raw, range(len(pipeline.destinations)))
        self.parts = [*self.raw, *self.amended.parts]

    def made(self, examples: int) -> RuleChange:
        record = replace(
            self.earlier, started=datetime.now(UTC).isoformat(timespec="microseconds"), state={}, document=None
        )
        plan, decisions = self._plan(record)
        work = self._work(plan, SCOPE)
        made: list[PartRecord] = []
        cleaning.clean_parts(self.engine, work, self.parts, made.extend)
        parts = [one for one in made if one.ref.key.kind == PartKind.CLEAN]
        verdict = cleaning.judge(self.workspace, work, self.parts, parts)
        cleaned = cleaning.settle(self.engine, work, self.amended.counted(self.parts), parts, verdict)
        cleaned = compared(cleaned, plan, self.workspace, record, scratch=self.staging)
        if cleaned.losers is not None:
            made += cleaning.write_losers(work, self.parts, cleaned.losers)
        check_after(self.staged, plan, self.pipeline, cleaned.tallies.found)
        known = self.workspace.ledger.parts(self.batch.batch, self.earlier.run, PartKind.CLEAN)
        raw = [*self.raw, *mended_parts(self.workspace.ledger, self.batch.batch, known)]
        earlier = cleaning.reload(self.workspace, self.engine, self._work(plan, self.earlier.run), raw)
        after = _Version(self.staging, [_Kept(records=made, losers=cleaned.losers)], self._gone())
        found = self._compare(_Version(self.staging, self._kept(), self._gone()), after, examples)
        return RuleChange(
            batch=self.batch.batch,
            run=self.earlier.run,
            status=str(self.earlier.status),
            changed=changed_keys(self.earlier.state["pipeline"], self.pipeline),
            before=self._before(earlier),
            after=self._after(cleaned, made),
            difference=found,
            refused=self._refused(),
            discarded=self.amended.discarded,
            types=_types(found, earlier, cleaned),
            stops=self._stops(cleaned),
            decisions=[vars(decision) for decision in decisions],
            tallies=cleaned.tallies.to_json(),
            masked=self._masked(),
        )

    def _plan(self, record: RunRecord) -> tuple[Plan, list[Decision]]:
        plan = plan_of(self.staged, self.pipeline, record)
        decisions: list[Decision] = []
        if plan.needs_survey:
            plan, decisions = cleaning.decide_all(self.workspace, self.engine, self.raw, plan)
        check_before(self.staged, plan, self.pipeline)
        return plan, decisions

    def _work(self, plan: Plan, scope: str) -> cleaning.CleanWork:
        return cleaning.CleanWork(
            staging=self.staging,
            store=self.workspace.sources,
            files={source.index: source for source in self.batch.files},
            plan=plan,
            batch=self.batch.batch,
            scope=scope,
            refused=refused_files(self.staged, plan, self.pipeline),
            amendments=self.amended.amendments,
        )

    def _compare(self, before: _Version, after: _Version, examples: int) -> Difference:
        found = Difference(limit=examples)
        for part in self.engine.map(partial(_of_part, before, after, examples), sorted(before.parts | after.parts)):
            found = found + part
        return found

    def _gone(self) -> pa.Table:
        """Identity of the rows that operators discarded."""
        known = self.amended.quarantine
        return Quarantine(self.workspace, self.batch, self.earlier).discarded() if known is None else known.discarded()

    def _kept(self) -> list[_Kept]:
        """What each run of the batch made that later ones did not send again."""
        import pyarrow as pa

        ledger, batch = self.workspace.ledger, self.batch.batch
        found = [_Kept(records=self._malformed(), gone=_all_sent(self.layers))]
        for number, layer in enumerate(self.layers):
            run = layer.run.run
            records = ledger.parts(batch, run, PartKind.CLEAN)
            for scope in (run, cleaning.batch_scope(run)):
                records += ledger.parts(batch, scope, PartKind.REJECTS)
            dropped = ledger.parts(batch, cleaning.batch_scope(run), PartKind.DROPPED)
            lost = [self.staging.read(record.ref).select(list(IDENTITY)) for record in dropped]
            losers = pa.concat_tables(lost) if lost else None
            found.append(_Kept(records=records, losers=losers, gone=_all_sent(self.layers[number + 1 :])))
        return found

    def _malformed(self) -> list[PartRecord]:
        """The rejects of intake that were corrected: as many parts as there are of corrected raw text, in its numbers."""
        import pyarrow as pa
        import pyarrow.compute as pc

        rejects = [self.staging.read(record.ref) for record in self.intake_rejects if self.amended.parts]
        table = pa.concat_tables([reject_schema().empty_table(), *rejects])
        made = []
        for record in self.amended.parts:
            wanted = self.amended.amendments[record.ref.key.seq].wanted
            assert wanted is not None
            here = pc.equal(table[FILE], record.ref.file_index or 0)
            rows = table.filter(pc.and_(here, pc.is_in(table[ROW], wanted[ROW].combine_chunks())))
            key = replace(record.ref.key, scope=f"{SCOPE}-malformed", kind=PartKind.REJECTS)
            made.append(PartRecord(ref=self.staging.write(key, rows, file_index=record.ref.file_index)))
        return made

    def _before(self, earlier: cleaning.Cleaned) -> dict[str, int]:
        """The counts of the batch as it stands by the runs compared with."""
        document = standing_document(self.workspace.ledger, self.layers[-1].run)
        if not self.amended or not document:
            return {**_counts(earlier), "discarded": 0}
        balance = balance_of(document["balance"])
        names = ("staged", "exploded", "clean", "rejected", "skipped", "superseded", "discarded")
        # malformed rows that take part now are compared like any other
        taken_up = self.amended.sent
        mended = 0 if taken_up is None else cleaning.without(taken_up, _all_sent(self.layers)).num_rows
        rejected, staged = balance.rejected_cleanup + mended, balance.staged + mended
        return {**{name: getattr(balance, name) for name in names}, "rejected": rejected, "staged": staged}

    def _after(self, cleaned: cleaning.Cleaned, made: Sequence[PartRecord]) -> dict[str, int]:
        counts, out = _counts(cleaned), 0
        for record in made:
            if self.amended.discarded and record.ref.key.kind == PartKind.REJECTS:
                rows = self.staging.read(record.ref, columns=list(IDENTITY))
                out += rows.num_rows - cleaning.without(rows, self._gone()).num_rows
        malformed = self.amended.discarded - out
        return {
            **counts,
            "staged": counts["staged"] + malformed,
            "rejected": counts["rejected"] - out,
            "discarded": self.amended.discarded,
        }

    def _refused(self) -> int:
        ledger, run = self.workspace.ledger, self.earlier.run
        scopes = [f"{run}-d{index}" for index in range(len(self.earlier.destinations))]
        records = [r for scope in scopes for r in ledger.parts(self.batch.batch, scope, PartKind.REJECTS)]
        return sum(record.ref.rows for record in records)

    def _stops(self, cleaned: cleaning.Cleaned) -> list[str]:
        """What would keep a rerun from publishing."""
        rejected = cleaned.rejected + sum(record.ref.rows for record in self.intake_rejects) - self.amended.discarded
        rejected -= 0 if self.amended.sent is None else self.amended.sent.num_rows
        received = sum(report.received for report in self.staged.reports.values())
        over = self.pipeline.budget.exceeded(rejected, received)
        failed = [
            str(finding["message"])
            for finding in cleaned.findings
            if not finding["passed"] and finding["severity"] != Severity.WARN
        ]
        rows = [f"{message} ({count:,} rows)" for message, count in cleaned.tallies.failures()]
        return [*([over] if over else []), *failed, *rows]

    def _masked(self) -> frozenset[str]:
        """Columns that either version masks."""
        known = [column for column in self.earlier.state["pipeline"]["columns"] or () if column["mask"]]
        now = [column.name for column in self.pipeline.columns or () if column.mask]
        return frozenset((*now, *(column["name"] for column in known)))


@dataclass(frozen=True, kw_only=True)
class _Kept:
    """Clean parts and rejects of one run. `losers` are not clean (they may be rejects); rows that are `gone` don't count."""

    records: Sequence[PartRecord]
    losers: pa.Table | None = None
    gone: pa.Table | None = None


class _Version:
    """The parts that one version of the rules made, by the number of the raw part."""

    def __init__(self, staging: Staging, kept: Sequence[_Kept], discarded: pa.Table) -> None:
        self._staging = staging
        self._discarded = discarded
        self._made: dict[tuple[int, PartKind], list[tuple[PartRecord, _Kept]]] = {}
        for one in kept:
            for record in one.records:
                key = record.ref.key
                self._made.setdefault((key.seq, key.kind), []).append((record, one))
        self.parts = {seq for seq, _ in self._made}
        self._empty = next(made[0][0] for (_, kind), made in self._made.items() if kind == PartKind.CLEAN)

    def fate(self, seq: int) -> Fate:
        """What became of the rows of one raw part."""
        import pyarrow as pa

        clean, rejects = self._tables(seq, PartKind.CLEAN), self._tables(seq, PartKind.REJECTS)
        return Fate(
            clean=pa.concat_tables(clean or [self._staging.read(self._empty.ref).slice(0, 0)]),
            rejects=pa.concat_tables([reject_schema().empty_table(), *rejects]),
        )

    def _tables(self, seq: int, kind: PartKind) -> list[pa.Table]:
        found = []
        for record, kept in self._made.get((seq, kind), ()):
            table = cleaning.without(self._staging.read(record.ref), kept.losers if kind == PartKind.CLEAN else None)
            found.append(cleaning.without(cleaning.without(table, kept.gone), self._discarded))
        return found


def _all_sent(layers: Sequence[Layer]) -> pa.Table:
    """Identity of the rows that these runs sent or took up."""
    import pyarrow as pa

    return pa.concat_tables(
        [edit_schema().empty_table(), *(layer.sent for layer in layers)], promote_options="default"
    ).select(list(IDENTITY))


def _of_part(before: _Version, after: _Version, examples: int, seq: int) -> Difference:
    return difference(before.fate(seq), after.fate(seq), limit=examples)


def _counts(cleaned: cleaning.Cleaned) -> dict[str, int]:
    names = ("staged", "exploded", "clean", "rejected", "skipped", "superseded")
    return {name: getattr(cleaned, name) for name in names}


def _types(found: Difference, before: cleaning.Cleaned, after: cleaning.Cleaned) -> dict[str, tuple[str, str]]:
    was, now = ({tally.name: tally.type for tally in cleaned.tallies.columns} for cleaned in (before, after))
    return {name: (was[name], now[name]) for name, change in found.columns.items() if change.retyped}
