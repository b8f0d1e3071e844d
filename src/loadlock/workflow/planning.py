"""From a pipeline to a compiled plan: mistakes placed in its file; what it leaves open taken from what the files have."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import chain
from typing import Any

from loadlock.cleanup.compile import compile_plan
from loadlock.cleanup.plan import Plan
from loadlock.cleanup.refusing import drift_of
from loadlock.engines.base import Engine
from loadlock.errors import PipelineError, StoppedError
from loadlock.ledger.base import PartRecord, RunRecord
from loadlock.model import FileReport
from loadlock.pipeline.model import Column, Pipeline
from loadlock.pipeline.read import place
from loadlock.rows import PROVENANCE
from loadlock.workflow.cleaning import discover
from loadlock.workflow.workspace import Workspace


@dataclass(frozen=True, kw_only=True)
class Staged:
    """A batch's raw rows at rest."""

    workspace: Workspace
    engine: Engine
    raw: Sequence[PartRecord]
    reports: Mapping[int, FileReport]

    @property
    def headers(self) -> list[list[str]]:
        """Of the files that have one; JSON has none."""
        return [report.header for report in self.reports.values() if report.header]

    @property
    def all_have_headers(self) -> bool:
        """Whether the headers tell all columns (of files without a record or a header there is nothing to tell)."""
        return all(report.header for report in self.reports.values() if report.received)

    def names(self, pipeline: Pipeline) -> list[str]:
        """All columns of all files, in order of first appearance; a file of a header alone has columns too."""
        found = discover(self.workspace, self.engine, self.raw, pipeline.source.flatten)
        return list(dict.fromkeys(chain(found, *self.headers)))


def make_plan(
    pipeline: Pipeline, names: Sequence[str] | None, *, run_time: datetime, decisions: Mapping[str, Any] | None = None
) -> Plan:
    """Compile; `names` are the files' columns, as far as they are known. Raises PipelineError with line and column."""
    try:
        return compile_plan(pipeline, names, decisions=decisions or {}, run_time=run_time)
    except PipelineError as exc:
        if not pipeline.text:
            raise
        raise place(exc, pipeline.text) from exc


def plan_of(staged: Staged, pipeline: Pipeline, record: RunRecord, made: Plan | None = None) -> Plan:
    """The plan as this run compiled it or will: the same again when it is resumed or verified.

    `made`: the one without decisions or the files' columns, if it was compiled already.
    """
    decisions = record.state.get("decisions", {})
    run_time = datetime.fromisoformat(record.started)
    names, plan = (None, made) if made is not None else _compiled(staged, pipeline, run_time, decisions)
    if pipeline.columns is None or pipeline.source.drift != "evolve":
        return plan
    headers = staged.headers if staged.all_have_headers else [staged.names(pipeline)]
    added = tuple(Column(name=name) for name in plan.unnamed(headers))
    if not added:
        return plan
    wider = replace(pipeline, columns=(*pipeline.columns, *added))
    return make_plan(wider, names, decisions=decisions, run_time=run_time)


def _compiled(
    staged: Staged, pipeline: Pipeline, run_time: datetime, decisions: Mapping[str, Any]
) -> tuple[list[str] | None, Plan]:
    """The plan, and the files' columns where it needed them: they cost a pass over JSON, so they are looked for last."""
    if pipeline.columns is not None:
        with suppress(PipelineError):
            return None, make_plan(pipeline, None, decisions=decisions, run_time=run_time)
    # SQL may name columns of the files that the pipeline doesn't declare
    names = staged.names(pipeline)
    return names, make_plan(pipeline, names, decisions=decisions, run_time=run_time)


def check_before(staged: Staged, plan: Plan, pipeline: Pipeline) -> None:
    """Stop where no file has a declared column, or drift is frozen. Of JSON only the latter is looked for: it costs a pass."""
    if staged.all_have_headers:
        if staged.headers:
            _check(staged.headers, plan, pipeline)
    elif pipeline.source.drift == "freeze":
        _check([staged.names(pipeline)], plan, pipeline)


def refused_files(staged: Staged, plan: Plan, pipeline: Pipeline) -> dict[int, str]:
    """With `drift: reject` the files whose columns are not the pipeline's, and how they differ.

    Files of JSON are never refused as a whole: cleanup refuses their records one by one.
    """
    if pipeline.source.drift != "reject" or pipeline.columns is None:
        return {}
    found: dict[int, str] = {}
    for index, report in staged.reports.items():
        has_parts = any(record.ref.file_index == index for record in staged.raw)
        if report.header and has_parts and (reason := drift_of(plan, report.header)):
            found[index] = reason
    return found


def check_after(staged: Staged, plan: Plan, pipeline: Pipeline, found: Collection[str]) -> None:
    """Stop where no record of a JSON batch has a declared column. `found`: columns that had a value in some row."""
    wanted = {entry.column for entry in plan.inputs if not entry.optional}
    if not wanted <= {*found} and not staged.all_have_headers:
        _check([staged.names(pipeline)], plan, pipeline)


def _check(headers: Sequence[Sequence[str]], plan: Plan, pipeline: Pipeline) -> None:
    if missing := plan.missing_sources([*headers, list(PROVENANCE)]):
        has = ", ".join(dict.fromkeys(chain(*headers)))
        raise StoppedError(
            f"no file has a column for {', '.join(missing)}",
            hint=f"Correct `from:`, or add an alias. The files have: {has}",
        )
    unnamed = plan.unnamed(headers)
    if unnamed and pipeline.source.drift == "freeze":
        raise StoppedError(
            f"the files have columns that the pipeline doesn't name: {', '.join(unnamed)}",
            hint="Declare them, or set `drift: ignore`.",
        )
