"""`preview` and `guess`: look into the files, touch nothing."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadlock.cleanup.discover import column_names
from loadlock.cleanup.flatten import flatten
from loadlock.cleanup.kernel import clean
from loadlock.cleanup.plan import Plan
from loadlock.cleanup.profile import profile
from loadlock.cleanup.refusing import drift_of, refuse
from loadlock.cleanup.survey import decide, survey
from loadlock.cleanup.tallies import Tallies
from loadlock.intake.files import Keep, Location, is_address
from loadlock.intake.read import read_file
from loadlock.model import FileReport
from loadlock.pipeline.guess import propose, to_yaml
from loadlock.pipeline.model import Flatten, Pipeline, Source
from loadlock.quarantine.read import RejectFilter, reject_rows
from loadlock.rows import FILE, JSON_RECORD, PROVENANCE, ROW, SUB
from loadlock.workflow.inputs import find_inputs, open_inputs
from loadlock.workflow.masking import masked_rejects, masked_rows
from loadlock.workflow.planning import make_plan

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLE_BYTES = 2 << 20
"""Source bytes looked at from each file by `preview`."""


@dataclass(frozen=True, kw_only=True)
class Preview:
    """A sample of a pipeline's files before and after cleanup."""

    rows: list[dict[str, Any]]
    """`{file, row, before, after}`; before as staged, after as delivered."""
    rejects: list[dict[str, Any]]
    tallies: Tallies
    decisions: list[dict[str, Any]]
    files: list[str]
    looked_at: int
    """Rows cleaned for this preview."""


def preview(pipeline: Pipeline, *, rows: int = 10) -> Preview:
    """Clean the head of every file in memory; no workspace, no destination."""
    samples = list(_samples(pipeline))
    plan = _plan(pipeline, [table for _, table, _ in samples])
    counts: dict[str, int] = {}
    for index, (_, table, _) in enumerate(samples):
        for name, number in survey(table, plan, file_index=index).items():
            counts[name] = counts.get(name, 0) + number
    plan, decisions = decide(plan, counts)
    shown: list[dict[str, Any]] = []
    rejected: list[pa.Table] = []
    tallies = Tallies()
    for index, (name, table, rejects) in enumerate(samples):
        names = _names(table, pipeline.source.flatten)
        whole_files = pipeline.source.drift == "reject" and JSON_RECORD not in table.column_names
        reason = drift_of(plan, names) if whole_files and pipeline.columns is not None else None
        result = (
            refuse(table, plan, file_index=index, reason=reason) if reason else clean(table, plan, file_index=index)
        )
        tallies = tallies + result.tallies
        rejected += [rejects, result.rejects]
        share = max(1, rows // len(samples))
        shown += _before_and_after(name, table, result.clean, share)
    return Preview(
        rows=masked_rows(shown[:rows], pipeline),
        rejects=masked_rejects(reject_rows(rejected, batch="", run="", wanted=RejectFilter(limit=rows)), pipeline),
        tallies=tallies,
        decisions=[vars(decision) for decision in decisions],
        files=[name for name, _, _ in samples],
        looked_at=sum(table.num_rows for _, table, _ in samples),
    )


def _samples(pipeline: Pipeline) -> Iterator[tuple[str, pa.Table, pa.Table]]:
    options = replace(pipeline.source.options, part_bytes=SAMPLE_BYTES)
    with closing(Keep.in_folder()) as keep:
        found = find_inputs(pipeline.source, Path(pipeline.base_folder))
        for source in open_inputs(found, pipeline.source, keep):
            for part in read_file(source, options).parts:
                yield source.file.name, part.rows, part.rejects
                break


def _plan(pipeline: Pipeline, tables: Sequence[pa.Table]) -> Plan:
    found: dict[str, None] = {}
    for table in tables:
        found.update(dict.fromkeys(_names(table, pipeline.source.flatten)))
    return make_plan(pipeline, list(found), run_time=datetime.now(UTC))


def _names(table: pa.Table, spec: Flatten) -> list[str]:
    if JSON_RECORD in table.column_names:
        return column_names(table, spec)
    return [name for name in table.column_names if name not in PROVENANCE]


def _before_and_after(name: str, raw: pa.Table, cleaned: pa.Table, rows: int) -> list[dict[str, Any]]:
    """The first rows that cleanup changed, then the first others."""
    import pyarrow as pa
    import pyarrow.compute as pc

    after = cleaned.slice(0, rows).to_pylist()
    wanted = pa.array([row[ROW] for row in after], pa.int64())
    before = {row[ROW]: row for row in raw.filter(pc.is_in(raw[ROW], wanted)).to_pylist()}
    return [
        {
            "file": name,
            "row": row[ROW],
            "before": {key: value for key, value in before[row[ROW]].items() if key not in PROVENANCE},
            "after": {key: value for key, value in row.items() if key not in (FILE, ROW, SUB)},
        }
        for row in after
    ]


@dataclass(frozen=True, kw_only=True)
class Guess:
    """A proposed pipeline, with the evidence as comments."""

    yaml: str
    reports: list[FileReport]


def guess(
    source: Source,
    *,
    base_folder: Path,
    pipeline_folder: Path,
    name: str | None = None,
) -> Guess:
    """Profile the whole files and propose a pipeline that runs as it is, from `pipeline_folder`."""
    found_files = find_inputs(source, base_folder)
    reports: list[FileReport] = []

    def tables(keep: Keep) -> Iterator[pa.Table]:
        for file in open_inputs(found_files, source, keep):
            result = read_file(file, source.options)
            for part in result.parts:
                yield _flat(part.rows, source.flatten)
            reports.append(result.report())

    with closing(Keep.in_folder()) as keep:
        found = profile(tables(keep))
    proposal = propose(
        found,
        name=name or _name(found_files),
        files=_seen_from(pipeline_folder, base_folder, source.files),
        reports=reports,
    )
    return Guess(yaml=to_yaml(proposal), reports=reports)


def _flat(table: pa.Table, spec: Flatten) -> pa.Table:
    if JSON_RECORD in table.column_names:
        table = flatten(table, spec, None).table
    return table.select([column for column in table.column_names if column not in (*PROVENANCE, SUB)])


def _seen_from(folder: Path, base_folder: Path, files: Sequence[str]) -> list[str]:
    """The files as written, relative to the folder where the pipeline will lie."""
    seen = []
    for written in files:
        whole = base_folder / written
        as_written = is_address(written) or Path(written).is_absolute()
        seen.append(written if as_written else os.path.relpath(whole, folder))
    return seen


def _name(files: Sequence[Location]) -> str:
    return "".join(c if c.isalnum() else "_" for c in files[0].name.split(".")[0].lower()).strip("_") or "batch"
