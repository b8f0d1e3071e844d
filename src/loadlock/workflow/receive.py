"""From a pipeline's files to a batch: what is taken in, and whether that was done before."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from loadlock.errors import UsageError
from loadlock.faults import point
from loadlock.intake.base import ByteSource
from loadlock.intake.files import LocalSource, find_files, open_sources
from loadlock.ledger.base import BatchRecord, Ledger, RunRecord
from loadlock.ledger.ids import batch_id
from loadlock.ledger.states import DELIVERED
from loadlock.model import SourceFile, WriteMode
from loadlock.pipeline.model import Pipeline
from loadlock.workflow.changes import changed_keys

_SHOWN_CHANGES = 10
_TAKES_ALL = frozenset({WriteMode.REPLACE, WriteMode.MIRROR})


@dataclass(frozen=True, kw_only=True)
class Received:
    """A batch to run, or the earlier run that makes this one a no-op."""

    batch: BatchRecord | None
    sources: list[ByteSource]
    noop: RunRecord | None = None


def receive(
    ledger: Ledger,
    pipeline: Pipeline,
    *,
    labels: Sequence[str],
    modes: Sequence[WriteMode],
    digest: str,
    outputs: Sequence[Path] = (),
    files: str | None = None,
    force: bool = False,
) -> Received:
    """Find the files, leave out what is delivered already (modes that add rows), and record the batch.

    `files` is `all`, `new` or None (by mode). Raises SourceError for files that can't be read, UsageError where the
    same bytes were delivered by another version of the pipeline, or a file is among `outputs`.
    """
    if not pipeline.source.files:
        raise UsageError("the pipeline names no files", hint="Add `source: {files: ...}`.")
    paths = find_files(pipeline.source.files, Path(pipeline.base_folder))
    _check_apart(paths, outputs)
    sources = list(open_sources(paths))
    only_new = files == "new" or (files is None and not any(mode in _TAKES_ALL for mode in modes))
    wanted = sources
    if only_new and not force:
        delivered = ledger.delivered_files(pipeline.name, labels)
        wanted = [source for source in sources if source.file.sha256 not in delivered]
    whole = batch_id(pipeline.name, [source.file.sha256 for source in sources])
    if not force and (
        earlier := _delivered(ledger, whole, labels, modes, nothing_new=not wanted, pipeline=pipeline.name)
    ):
        return Received(batch=None, sources=[], noop=_same_pipeline(earlier, pipeline, digest))
    numbered = [with_file(source, replace(source.file, index=index)) for index, source in enumerate(wanted)]
    identity = batch_id(pipeline.name, [source.file.sha256 for source in numbered])
    batch = ledger.begin_batch(identity, pipeline.name, [source.file for source in numbered])
    point("batch.begun")
    return Received(batch=batch, sources=numbered)


def _check_apart(paths: Sequence[Path], outputs: Sequence[Path]) -> None:
    """A pattern that also matches the file delivered to would take the output in again, the next time."""
    written = {output.resolve() for output in outputs}
    if both := [path for path in paths if path.resolve() in written]:
        raise UsageError(
            f"{both[0]} is a source and the destination",
            hint="Narrow the pattern of `files:`, or deliver to another folder.",
        )


def _delivered(
    ledger: Ledger,
    batch: str,
    labels: Sequence[str],
    modes: Sequence[WriteMode],
    *,
    nothing_new: bool,
    pipeline: str,
) -> RunRecord | None:
    if (run := ledger.delivered_run(batch, labels)) and not _replaced_since(ledger, run, labels, modes):
        return run
    if not nothing_new:
        return None
    # every file came with some earlier batch: the newest delivery of this pipeline speaks for them
    for run in ledger.runs():
        if run.pipeline == pipeline and (known := ledger.delivered_run(run.batch, labels)):
            return known
    return None


def _replaced_since(ledger: Ledger, run: RunRecord, labels: Sequence[str], modes: Sequence[WriteMode]) -> bool:
    """Whether another batch replaced this one's rows: then the same bytes again are news."""
    if not any(mode in _TAKES_ALL for mode in modes):
        return False
    same_target = (other for other in ledger.runs() if set(other.destinations) == set(labels))
    newest = next((other for other in same_target if other.status in DELIVERED), run)
    return newest.batch != run.batch


def _same_pipeline(earlier: RunRecord, pipeline: Pipeline, digest: str) -> RunRecord:
    if earlier.plan_digest == digest:
        return earlier
    changed = changed_keys(earlier.state["pipeline"], pipeline)
    more = f" and {len(changed) - _SHOWN_CHANGES} more" if len(changed) > _SHOWN_CHANGES else ""
    what = f"; changed since: {', '.join(changed[:_SHOWN_CHANGES])}{more}" if changed else ""
    raise UsageError(
        f"these bytes were delivered by run {earlier.run} with another version of the pipeline{what}",
        hint=f"`loadlock rerun {earlier.batch[:12]}` applies the changed pipeline to them; --force delivers them again.",
    )


def with_file(source: LocalSource, file: SourceFile) -> ByteSource:
    """The source under another record of the same bytes (its place in the batch's order)."""
    return replace(source, file=file)
