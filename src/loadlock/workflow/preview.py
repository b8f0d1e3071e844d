"""`preview`: the files taken through the rules, in a folder that is thrown away; rows that show everything at work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from loadlock.cleanup.batch import NOT_UNIQUE, loser_rejects
from loadlock.cleanup.kernel import clean
from loadlock.cleanup.plan import Plan
from loadlock.cleanup.refusing import drift_of, refuse
from loadlock.cleanup.sampling import SampleRow, Sort, sample, sorts_of
from loadlock.cleanup.survey import Decision, decide, survey
from loadlock.cleanup.tallies import Tallies
from loadlock.engines.local import LocalEngine
from loadlock.model import PartKey, PartKind, PartRef
from loadlock.pipeline.model import Column, Pipeline
from loadlock.quarantine.read import reject_rows
from loadlock.rows import FILE, PROVENANCE
from loadlock.staging.parquet import ParquetStaging
from loadlock.workflow import sample_rejects
from loadlock.workflow.cleaning import judged
from loadlock.workflow.masking import masked_columns, masked_rejects, sample_document
from loadlock.workflow.planning import make_plan
from loadlock.workflow.sample_intake import BATCH, Taken, take

if TYPE_CHECKING:
    import pyarrow as pa

LEAST_ROWS = 10
MOST_ROWS = 100


@dataclass(frozen=True, kw_only=True)
class Preview:
    """A pipeline's files before and after cleanup, by rows that show each rule and each problem at work."""

    rows: list[dict[str, Any]]
    """`{file, row, fate, before, after, reads, shows}`; before as staged, after as the rules leave it."""
    rejects: list[dict[str, Any]]
    """Some of each sort, of all stages."""
    problems: list[dict[str, Any]]
    """`{stage, code, column, rows}`, most rows first."""
    tallies: Tallies
    decisions: list[dict[str, Any]]
    files: list[str]
    received: int
    """Records read."""
    looked_at: int
    """Of these the rows that were taken through the rules."""
    whole: bool
    """Whether that was all of the files; otherwise checks over the batch were not made."""
    stops: list[str]
    """Why a run would stop before publishing, as far as these rows tell."""

    def to_json(self) -> dict[str, Any]:
        """The document of `preview --json`."""
        return {**vars(self), "tallies": self.tallies.to_json()}


def preview(pipeline: Pipeline, *, rows: int | None = None, whole: bool = False) -> Preview:
    """Take the files (the first 64 MiB of them, or the `whole`) through the rules; no workspace, no destination.

    `rows` = how many to show at most; None: as many as show each rule and problem once, at least 10, at most 100.
    """
    with TemporaryDirectory(prefix="loadlock-preview-") as folder, LocalEngine(temp_folder=Path(folder)) as engine:
        staging = ParquetStaging(Path(folder))
        taken = take(pipeline, staging, whole=whole)
        return _Look(pipeline, staging, engine, taken, Path(folder)).shown(rows)


def write_page(document: dict[str, Any], path: Path, *, pipeline: str) -> None:
    """The document of a preview, with `--batch` or without, as a page. Raises WorkspaceError where it can't be written."""
    from loadlock.report.preview_page import write_preview

    write_preview(document, path, pipeline=pipeline)


@dataclass(frozen=True, kw_only=True)
class _Cleaned:
    """What became of one raw part; few of its rejects."""

    ref: PartRef
    tallies: Tallies
    rejects: pa.Table
    clean: PartRef | None


class _Look:
    """The files on their way through the rules."""

    def __init__(
        self, pipeline: Pipeline, staging: ParquetStaging, engine: LocalEngine, taken: Taken, folder: Path
    ) -> None:
        self.pipeline = pipeline
        self.staging = staging
        self.engine = engine
        self.taken = taken
        self.folder = folder
        self.tallies = Tallies()
        self.rejects = taken.rejects
        self.seen: set[Sort] = set()
        self.picked: list[tuple[int, SampleRow]] = []
        """(file, row) as they were found."""

    def shown(self, rows: int | None) -> Preview:
        plan, decisions = self._plan()
        refused = self._refused(plan)
        judge = plan.needs_batch and self.taken.whole
        limit = MOST_ROWS if rows is None else rows
        cleaned: list[PartRef] = []
        work = partial(_clean, self.staging, plan, refused, judge)
        for part in self.engine.map(work, self.taken.parts):
            self.tallies = self.tallies + part.tallies
            self.rejects.keep(part.rejects)
            cleaned += [part.clean] if part.clean is not None else []
            if part.ref.file_index not in refused:
                self._pick(part.ref, plan, part.tallies, limit)
        self._fill(plan, refused, min(limit, LEAST_ROWS if rows is None else rows))
        stops = self._judge(plan, cleaned) if judge else []
        return self._preview(plan, decisions, limit, stops)

    def _plan(self) -> tuple[Plan, list[Decision]]:
        """Compiled for the columns found, with everything decided that the rows can decide."""
        names = list(dict.fromkeys(name for header in self.taken.headers.values() for name in header))
        now = datetime.now(UTC)
        pipeline = self.pipeline
        plan = make_plan(pipeline, names, run_time=now)
        if pipeline.columns is not None and pipeline.source.drift == "evolve" and (more := plan.unnamed([names])):
            columns = (*pipeline.columns, *(Column(name=name) for name in more))
            plan = make_plan(replace(pipeline, columns=columns), names, run_time=now)
        counts: dict[str, int] = {}
        for found in self.engine.map(partial(_survey, self.staging, plan), self.taken.parts):
            for name, number in found.items():
                counts[name] = counts.get(name, 0) + number
        return decide(plan, counts)

    def _refused(self, plan: Plan) -> dict[int, str]:
        """With `drift: reject` the files whose columns are not the pipeline's (records of JSON are judged one by one)."""
        if self.pipeline.source.drift != "reject" or self.pipeline.columns is None:
            return {}
        headers = {index: names for index, names in self.taken.headers.items() if index not in self.taken.nested}
        return {index: reason for index, names in headers.items() if (reason := drift_of(plan, names))}

    def _pick(self, ref: PartRef, plan: Plan, tallies: Tallies, limit: int) -> None:
        """Rows that show what was not seen before."""
        new = [sort for sort in sorts_of(tallies) if sort not in self.seen]
        if new and len(self.picked) < limit:
            self.seen.update(new)
            index = ref.file_index or 0
            found = sample(self.staging.read(ref), plan, file_index=index, wanted=new)
            self.picked += [(index, row) for row in found[: limit - len(self.picked)]]

    def _fill(self, plan: Plan, refused: dict[int, str], least: int) -> None:
        """Some rows of every part, where few show something."""
        for number, ref in enumerate(self.taken.parts):
            missing, index = least - len(self.picked), ref.file_index or 0
            if missing <= 0:
                return
            if index in refused:
                continue
            known = {(at, row.row, row.sub) for at, row in self.picked}
            share = -(-missing // (len(self.taken.parts) - number))
            rows = sample(self.staging.read(ref), plan, file_index=index, wanted=(), plain=share + len(known))
            more = [(index, row) for row in rows if (index, row.row, row.sub) not in known]
            self.picked += more[:share]

    def _judge(self, plan: Plan, cleaned: Sequence[PartRef]) -> list[str]:
        """What the batch as a whole tells: rows that are not unique become rejects, failed checks are reasons to stop."""
        import pyarrow.compute as pc

        verdict = judged(self.staging, plan, cleaned, self.folder)
        losers = verdict.losers.filter(pc.equal(verdict.losers["reason"], NOT_UNIQUE))
        self.rejects.count({("cleanup", NOT_UNIQUE, column): rows for column, rows in _by_column(losers).items()})
        few = losers.slice(0, sample_rejects.EACH)
        for ref in self.taken.parts if few.num_rows else ():
            if ref.file_index in few[FILE].to_pylist():
                raw = self.staging.read(ref)
                self.rejects.keep(loser_rejects(raw, few, file_index=ref.file_index or 0, plan=plan))
        return [finding.message for finding in verdict.findings if not finding.passed and finding.severity != "warn"]

    def _preview(self, plan: Plan, decisions: list[Decision], limit: int, stops: list[str]) -> Preview:
        self.rejects.count({("cleanup", code, column or ""): rows for code, column, rows in self.tallies.codes})
        received = self.tallies.staged + self.taken.rejected
        names = masked_columns(self.pipeline)
        rejects = reject_rows(self.rejects.tables, batch="", run="")
        return Preview(
            rows=[
                sample_document(self.taken.files[index], row, names) for index, row in sorted(self.picked, key=_place)
            ],
            rejects=masked_rejects(rejects, self.pipeline)[: max(limit, len(self.rejects.counts))],
            problems=self.rejects.summary(),
            tallies=self.tallies,
            decisions=[vars(decision) for decision in decisions],
            files=self.taken.files,
            received=received,
            looked_at=self.tallies.staged,
            whole=self.taken.whole,
            stops=[*self._missing(plan), *self._failed(received), *stops],
        )

    def _missing(self, plan: Plan) -> list[str]:
        if not self.taken.headers or self.taken.nested:
            return []
        missing = plan.missing_sources([*self.taken.headers.values(), list(PROVENANCE)])
        return [f"no file has a column for {', '.join(missing)}"] if missing else []

    def _failed(self, received: int) -> list[str]:
        rejected = self.taken.rejected + self.tallies.rejected
        over = self.pipeline.budget.exceeded(rejected, received)
        failed = [f"{message} ({rows:,} rows)" for message, rows in self.tallies.failures()]
        return [*([over] if over else []), *failed]


def _place(entry: tuple[int, SampleRow]) -> tuple[int, int, int]:
    return entry[0], entry[1].row, entry[1].sub


def _survey(staging: ParquetStaging, plan: Plan, ref: PartRef) -> dict[str, int]:
    return survey(staging.read(ref), plan, file_index=ref.file_index or 0) if plan.needs_survey else {}


def _clean(staging: ParquetStaging, plan: Plan, refused: dict[int, str], judge: bool, ref: PartRef) -> _Cleaned:
    index, raw = ref.file_index or 0, staging.read(ref)
    reason = refused.get(index)
    result = refuse(raw, plan, file_index=index, reason=reason) if reason else clean(raw, plan, file_index=index)
    written = None
    if judge:
        key = PartKey(batch=BATCH, scope="preview", kind=PartKind.CLEAN, seq=ref.key.seq)
        written = staging.write(key, result.clean, file_index=index)
    return _Cleaned(ref=ref, tallies=result.tallies, rejects=sample_rejects.few(result.rejects), clean=written)


def _by_column(losers: pa.Table) -> dict[str, int]:
    grouped = losers.group_by("column").aggregate([([], "count_all")]).to_pylist()
    return {row["column"]: row["count_all"] for row in grouped}
