"""Cleanup: raw parts to clean parts and rejects, then the judgements that need the whole batch."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadlock.cleanup.amending import Amendment
from loadlock.cleanup.batch import BatchVerdict, digest_of_losers, judge_batch, loser_rejects, lost, no_rows
from loadlock.cleanup.discover import column_names
from loadlock.cleanup.kernel import clean
from loadlock.cleanup.plan import Plan
from loadlock.cleanup.refusing import refuse
from loadlock.cleanup.survey import columns_needed, decide, survey
from loadlock.cleanup.tallies import Tallies
from loadlock.digest import MODULUS, to_hex
from loadlock.engines.base import Engine
from loadlock.errors import StoppedError
from loadlock.faults import point
from loadlock.ledger.base import PartRecord
from loadlock.model import PartKey, PartKind, PartRef, SourceFile
from loadlock.quarantine.read import count_rejects, fill_raw
from loadlock.rows import FILE, JSON_RECORD, PROVENANCE, ROW
from loadlock.staging.base import Staging
from loadlock.staging.sources import SourceStore
from loadlock.workflow.fresh import Fresh
from loadlock.workflow.workspace import Workspace

if TYPE_CHECKING:
    import pyarrow as pa

MAX_NESTED_COLUMNS = 2_000
"""Columns that JSON records may have where none are declared; few databases hold more."""
QUERY_MEMORY = "96MB"
"""DuckDB's limit for judgements over the batch; beyond it DuckDB spills."""


@dataclass(frozen=True, kw_only=True)
class CleanWork:
    """Everything that cleaning one part needs, picklable but for the stores of the local engine."""

    staging: Staging
    store: SourceStore
    files: Mapping[int, SourceFile]
    plan: Plan
    batch: str
    scope: str
    refused: Mapping[int, str] = field(default_factory=dict)
    """Files of which no row is taken (`drift: reject`) → why."""
    amendments: Mapping[int, Amendment] = field(default_factory=dict)
    """By the number of the raw part: what operators decided on its rows."""
    fresh: Fresh | None = None
    """Who may take the clean parts from memory."""


@dataclass(frozen=True, kw_only=True)
class Cleaned:
    """A batch after cleanup: what lies at rest and what was counted on the way."""

    parts: list[PartRecord]
    losers: pa.Table | None
    tallies: Tallies
    digest: int
    digests: dict[int, int]
    """Of each clean part (by seq) without the losers."""
    staged: int
    exploded: int
    clean: int
    rejected: int
    skipped: int
    superseded: int
    findings: list[dict[str, Any]] = field(default_factory=list)
    by_file: dict[int, dict[str, int]] = field(default_factory=dict)

    @property
    def digest_hex(self) -> str:
        return to_hex(self.digest)

    @classmethod
    def pending(cls) -> Cleaned:
        """What is there before anything is clean."""
        return cls(
            parts=[], losers=None, tallies=Tallies(), digest=0, digests={},
            staged=0, exploded=0, clean=0, rejected=0, skipped=0, superseded=0,
        )  # fmt: skip


def discover(workspace: Workspace, engine: Engine, raw: Sequence[PartRecord], plan_source: Any) -> list[str]:
    """The union of the raw parts' columns, in order of first appearance (flattened, for JSON)."""
    names: dict[str, None] = {}
    nested = [record.ref for record in raw if JSON_RECORD in record.info["columns"]]
    for found in engine.map(partial(_nested_names, workspace.staging, plan_source), nested):
        names.update(dict.fromkeys(found))
        if len(names) > MAX_NESTED_COLUMNS:
            raise StoppedError(
                f"the records have more than {MAX_NESTED_COLUMNS:,} different keys, such as {found[-1]!r}",
                hint="Where keys are data (numbers, dates), open fewer levels by `flatten: {depth: ...}`, or name the columns.",
            )
    for record in raw:
        if JSON_RECORD not in record.info["columns"]:
            names.update(dict.fromkeys(name for name in record.info["columns"] if name not in PROVENANCE))
    return list(names)


def _nested_names(staging: Staging, flatten: Any, ref: PartRef) -> list[str]:
    return column_names(staging.read(ref), flatten)


def decide_all(
    workspace: Workspace,
    engine: Engine,
    raw: Sequence[PartRecord],
    plan: Plan,
    known: Mapping[int, Mapping[str, int]] | None = None,
) -> tuple[Plan, list[Any]]:
    """Count over all rows what the plan leaves open (date orders, decimal marks), and decide.

    `known`: what was counted already, by seq of the raw part.
    """
    counts: dict[str, int] = {}
    known = known or {}
    left = [record for record in raw if record.ref.key.seq not in known]
    for found in chain(known.values(), engine.map(partial(_survey_part, workspace.staging, plan), left)):
        for name, number in found.items():
            counts[name] = counts.get(name, 0) + number
    return decide(plan, counts)


def _survey_part(staging: Staging, plan: Plan, record: PartRecord) -> dict[str, int]:
    part = staging.read(record.ref, columns=columns_needed(plan, record.info["columns"]))
    return survey(part, plan, file_index=record.ref.file_index or 0)


def clean_parts(
    engine: Engine, work: CleanWork, raw: Iterable[PartRecord], listed: Callable[[list[PartRecord]], None]
) -> None:
    """Clean the given raw parts; `listed` gets each part's records, in order, to write them into the ledger."""
    for records in engine.map(partial(_clean_part, work), raw):
        listed(records)


def _clean_part(work: CleanWork, raw: PartRecord) -> list[PartRecord]:
    ref = raw.ref
    assert ref.file_index is not None
    table, index, seq = work.staging.read(ref), ref.file_index, ref.key.seq
    amend = work.amendments.get(seq)
    if reason := work.refused.get(index):
        table = table if amend is None else amend.records(table)
        result = refuse(table, work.plan, file_index=index, reason=reason)
    else:
        result = clean(table, work.plan, file_index=index, amend=amend)
    # parts are written while others are cleaned: the raw rows need not wait for that
    del table
    records = []
    info: dict[str, Any] = {
        "digest": to_hex(result.digest),
        "staged": result.staged,
        "exploded": result.exploded,
        "skipped": result.dropped.num_rows,
        "rejected": result.rejects.num_rows,
        "tallies": result.tallies.to_json(),
    }
    if result.rejects.num_rows:
        rejects = fill_raw(result.rejects, work.store, work.files)
        records.append(_write_rejects(work, seq, rejects, ref.file_index))
        point("cleanup.rejects_written")
    key = PartKey(batch=work.batch, scope=work.scope, kind=PartKind.CLEAN, seq=seq)
    clean_ref = work.staging.write(key, result.clean, file_index=ref.file_index)
    point("cleanup.part_written")
    if work.fresh is not None:
        work.fresh.offer(seq, result.clean)
    # last: a listed clean part says that its rejects are listed too
    return [*records, PartRecord(ref=clean_ref, info=info)]


def _write_rejects(work: CleanWork, seq: int, rejects: pa.Table, file_index: int | None) -> PartRecord:
    key = PartKey(batch=work.batch, scope=work.scope, kind=PartKind.REJECTS, seq=seq)
    ref = work.staging.write(key, rejects, file_index=file_index)
    return PartRecord(ref=ref, info={"counts": [[*code, rows] for code, rows in count_rejects(rejects).items()]})


def judge(
    workspace: Workspace, work: CleanWork, raw: Sequence[PartRecord], parts: list[PartRecord]
) -> BatchVerdict | None:
    """What only the whole batch can tell: unique values, repeated keys, batch checks; None if nothing is asked."""
    if not work.plan.needs_batch:
        return None
    return judged(work.staging, work.plan, [record.ref for record in parts], workspace.temp)


def judged(staging: Staging, plan: Plan, parts: Sequence[PartRef], temp: Path) -> BatchVerdict:
    """The verdict over all rows of these clean parts; DuckDB spills to the folder `temp`."""
    import duckdb

    config: dict[str, Any] = {
        "memory_limit": QUERY_MEMORY,
        "temp_directory": str(temp),
        "preserve_insertion_order": "false",
    }
    with duckdb.connect(config=config) as connection:
        if refs := [ref for ref in parts if ref.rows]:
            staging.bind(connection, "rows", refs)
        else:
            connection.register("rows", no_rows(plan))
        return judge_batch(plan, lambda query: connection.sql(query).to_arrow_table())


def settle(
    engine: Engine,
    work: CleanWork,
    raw: Sequence[PartRecord],
    parts: list[PartRecord],
    verdict: BatchVerdict | None,
    lost_digests: Callable[[pa.Table], Mapping[int, int] | None] | None = None,
) -> Cleaned:
    """Count everything, and take the losers out of the digest.

    The counts of clean rows come from the parts at rest; those of rejects and skipped rows from the kernel. `lost_digests`
    = who may know the digest of the losers of each part (by seq); else it is worked out from the parts.
    """
    losers = verdict.losers if verdict is not None and verdict.losers.num_rows else None
    findings = [] if verdict is None else [vars(finding) for finding in verdict.findings]
    known = lost_digests(losers) if lost_digests is not None and losers is not None else None
    return _cleaned(engine, work, raw, parts, losers, findings, known)


def write_losers(
    work: CleanWork, raw: Sequence[PartRecord], losers: pa.Table, engine: Engine | None = None
) -> list[PartRecord]:
    """Write down the rows that lost and their rejects; the records are for the ledger.

    Without an engine one part after another, while the destination loads: memory is for its parts then.
    """
    made = [_write_losers(work, losers), *_loser_parts(work, raw, losers, engine)]
    point("cleanup.losers_written")
    return made


def _cleaned(
    engine: Engine,
    work: CleanWork,
    raw: Sequence[PartRecord],
    parts: list[PartRecord],
    losers: pa.Table | None,
    findings: list[dict[str, Any]],
    lost_digests: Mapping[int, int] | None = None,
) -> Cleaned:
    digests = {record.ref.key.seq: int(record.info["digest"], 16) for record in parts}
    if losers is not None:
        if lost_digests is None:
            lost_digests = dict(engine.map(partial(_lost_digest, work, losers), touched(raw, parts, losers)))
        for seq, lost in lost_digests.items():
            digests[seq] = (digests[seq] - lost) % MODULUS
    tallies = Tallies()
    for record in parts:
        tallies = tallies + Tallies.from_json(record.info["tallies"])
    by_file = _by_file(raw, parts, losers)
    total = {name: sum(counts[name] for counts in by_file.values()) for name in _zero()}
    return Cleaned(
        parts=parts,
        losers=losers,
        tallies=tallies,
        digest=sum(digests.values()) % MODULUS,
        digests=digests,
        findings=findings,
        by_file=by_file,
        **total,
    )


def reload(workspace: Workspace, engine: Engine, work: CleanWork, raw: Sequence[PartRecord]) -> Cleaned:
    """What an earlier run left after cleanup, from ledger and staging; nothing is judged again."""
    parts = workspace.ledger.parts(work.batch, work.scope, PartKind.CLEAN)
    dropped = workspace.ledger.parts(work.batch, batch_scope(work.scope), PartKind.DROPPED)
    losers = workspace.staging.read(dropped[0].ref) if dropped else None
    return _cleaned(engine, work, raw, parts, losers, [])


def _zero() -> dict[str, int]:
    return dict.fromkeys(("staged", "exploded", "clean", "rejected", "skipped", "superseded"), 0)


def _by_file(raw: Sequence[PartRecord], parts: list[PartRecord], losers: pa.Table | None) -> dict[int, dict[str, int]]:
    found: dict[int, dict[str, int]] = {}
    for record in raw:
        counts = found.setdefault(record.ref.file_index or 0, _zero())
        counts["staged"] += record.ref.rows
    for record in parts:
        counts = found[record.ref.file_index or 0]
        counts["clean"] += record.ref.rows
        for name in ("exploded", "rejected", "skipped"):
            counts[name] += record.info[name]
    if losers is not None:
        grouped = losers.group_by([FILE, "reason"]).aggregate([(ROW, "count")])
        for row in grouped.to_pylist():
            counts = found[row[FILE]]
            counts["clean"] -= row[f"{ROW}_count"]
            counts["superseded" if row["reason"] == "superseded" else "rejected"] += row[f"{ROW}_count"]
    return found


def _lost_digest(work: CleanWork, losers: pa.Table, record: PartRecord) -> tuple[int, int]:
    """A clean part's seq and the digest of the rows it loses."""
    return record.ref.key.seq, digest_of_losers(work.staging.read(record.ref), losers, work.plan)


def batch_scope(run: str) -> str:
    """The scope of what the judgement over the batch made: the losers and their rejects."""
    return f"{run}-batch"


def _write_losers(work: CleanWork, losers: pa.Table) -> PartRecord:
    key = PartKey(batch=work.batch, scope=batch_scope(work.scope), kind=PartKind.DROPPED, seq=1)
    return PartRecord(ref=work.staging.write(key, losers))


def _loser_parts(
    work: CleanWork, raw: Sequence[PartRecord], losers: pa.Table, engine: Engine | None
) -> list[PartRecord]:
    import pyarrow.compute as pc

    unique = losers.filter(pc.equal(losers["reason"], "not_unique"))
    near = touched(raw, raw, unique)
    reject = partial(_loser_part, work, unique)
    made = map(reject, near) if engine is None else engine.map(reject, near)
    return [record for record in made if record is not None]


def _loser_part(work: CleanWork, losers: pa.Table, record: PartRecord) -> PartRecord | None:
    """The rejects of the rows of one raw part that lost, at rest."""
    index = record.ref.file_index or 0
    rejects = loser_rejects(work.staging.read(record.ref), losers, file_index=index, plan=work.plan)
    if not rejects.num_rows:
        return None
    verdicts = replace(work, scope=batch_scope(work.scope))
    return _write_rejects(verdicts, record.ref.key.seq, fill_raw(rejects, work.store, work.files), index)


def touched(raw: Sequence[PartRecord], records: Sequence[PartRecord], losers: pa.Table) -> list[PartRecord]:
    """Those of the records (raw or clean parts) in whose range of rows a row lost."""
    import numpy as np

    files, rows = losers[FILE].to_numpy(), losers[ROW].to_numpy()
    lost = {index: np.sort(rows[files == index]) for index in np.unique(files).tolist()}
    ranges = {record.ref.key.seq: (record.info["first_row"], record.info["last_row"]) for record in raw}

    def loses(record: PartRecord) -> bool:
        first, last = ranges[record.ref.key.seq]
        own = lost.get(record.ref.file_index or 0, rows[:0])
        return bool(np.searchsorted(own, first) < np.searchsorted(own, last, side="right"))

    return [record for record in records if record.ref.rows and loses(record)]


def without(table: pa.Table, losers: pa.Table | None) -> pa.Table:
    """The rows that are not among the losers, in their order."""
    if losers is None or not losers.num_rows or not table.num_rows:
        return table
    import numpy as np

    gone = lost(table, losers)
    return table.take(np.flatnonzero(~gone)) if gone.any() else table
