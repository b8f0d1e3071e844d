"""From a pipeline's files to a batch: what is taken in, and whether that was done before."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from loadlock.errors import UsageError
from loadlock.faults import point
from loadlock.intake.base import ByteSource
from loadlock.intake.files import Keep, LocalFile, LocalSource, Location
from loadlock.ledger.base import BatchRecord, Ledger, RunRecord
from loadlock.ledger.ids import batch_id
from loadlock.model import WriteMode
from loadlock.pipeline.model import Pipeline
from loadlock.workflow.changes import changed_keys
from loadlock.workflow.inputs import find_inputs, open_inputs, with_file

_SHOWN_CHANGES = 10
_SHOWN_COPIES = 20
REPLACING = frozenset({WriteMode.REPLACE, WriteMode.MIRROR})
"""Modes that take all matched files, since they put the batch in the place of what was there."""


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a run is to take in. `files` is `all`, `new` or None (by mode)."""

    labels: Sequence[str]
    modes: Sequence[WriteMode]
    digest: str
    """Of the compiled pipeline."""
    outputs: Sequence[Path] = ()
    files: str | None = None
    force: bool = False
    supersedes: bool = False
    """A file takes the place of an earlier one of its name."""
    environment: Mapping[str, str] | None = None

    @property
    def replaces(self) -> bool:
        return any(mode in REPLACING for mode in self.modes)


@dataclass(frozen=True, kw_only=True)
class Received:
    """A batch to run, or the earlier run that makes this one a no-op."""

    batch: BatchRecord | None
    sources: list[ByteSource]
    noop: RunRecord | None = None
    notes: list[str] = field(default_factory=list)
    """What a person should know of the files."""


def receive(ledger: Ledger, pipeline: Pipeline, wish: Wish, keep: Keep) -> Received:
    """Find the files, bring them here, leave out what is delivered already (modes that add rows), record the batch.

    Raises SourceError for files that can't be read, UsageError where the same bytes were delivered by another version of the
    pipeline, or a file is among `outputs`.
    """
    if not pipeline.source.files:
        raise UsageError("the pipeline names no files", hint="Add `source: {files: ...}`.")
    files = find_inputs(pipeline.source, Path(pipeline.base_folder), wish.environment)
    _check_apart(files, wish.outputs)
    sources, notes = _once(open_inputs(files, pipeline.source, keep))
    only_new = wish.files == "new" or (wish.files is None and not wish.replaces)
    wanted = sources
    if only_new and not wish.force:
        delivered = ledger.delivered_files(pipeline.name, wish.labels)
        wanted = [source for source in sources if source.file.sha256 not in delivered]
    whole = batch_id(pipeline.name, [source.file.sha256 for source in sources])
    if not wish.force and (earlier := _delivered(ledger, whole, pipeline.name, wish, nothing_new=not wanted)):
        return Received(batch=None, sources=[], noop=_same_pipeline(earlier, pipeline, wish.digest))
    numbered = [with_file(source, replace(source.file, index=index)) for index, source in enumerate(wanted)]
    notes += _known_names(ledger, pipeline.name, wish, numbered)
    identity = batch_id(pipeline.name, [source.file.sha256 for source in numbered])
    batch = ledger.begin_batch(identity, pipeline.name, [source.file for source in numbered])
    point("batch.begun")
    return Received(batch=batch, sources=numbered, notes=notes)


def _check_apart(files: Sequence[Location], outputs: Sequence[Path]) -> None:
    """A pattern that also matches the file delivered to would take the output in again, the next time."""
    written = {output.resolve() for output in outputs}
    local = [file.path for file in files if isinstance(file, LocalFile)]
    if both := [path for path in local if path.resolve() in written]:
        raise UsageError(
            f"{both[0]} is a source and the destination",
            hint="Narrow the pattern of `files:`, or deliver to another folder.",
        )


def _once(sources: Sequence[LocalSource]) -> tuple[list[LocalSource], list[str]]:
    """The sources without those whose bytes an earlier one has, and a note for each left out.

    The same bytes are the same rows: taken twice they would be delivered twice, though on the next day they would not.
    """
    first: dict[str, LocalSource] = {}
    notes = []
    for source in sources:
        known = first.setdefault(source.file.sha256, source)
        if known is not source:
            notes.append(f"{source.file.path} has the same bytes as {known.file.path}: taken once")
    if len(notes) > _SHOWN_COPIES:
        notes = [*notes[:_SHOWN_COPIES], f"and {len(notes) - _SHOWN_COPIES:,} more files with bytes that others have"]
    return list(first.values()), notes


def _known_names(ledger: Ledger, pipeline: str, wish: Wish, sources: Sequence[ByteSource]) -> list[str]:
    """A note for each file whose name was delivered before with other bytes."""
    earlier = ledger.delivered_names(pipeline, wish.labels, [source.file.name for source in sources])
    notes = []
    for source in sources:
        known = earlier.get(source.file.name, {})
        if known and source.file.sha256 not in known:
            batch = next(iter(known.values()))
            told = "" if wish.replaces or wish.supersedes else "; its rows come beside those"
            notes.append(f"{source.file.name} was delivered before with other bytes, in batch {batch[:12]}{told}")
    if len(notes) > _SHOWN_COPIES:
        return [
            *notes[:_SHOWN_COPIES],
            f"and {len(notes) - _SHOWN_COPIES:,} more files under names known with other bytes",
        ]
    return notes


def _delivered(ledger: Ledger, batch: str, pipeline: str, wish: Wish, *, nothing_new: bool) -> RunRecord | None:
    if (run := ledger.delivered_run(batch, wish.labels)) and not _replaced_since(ledger, run, wish):
        return run
    # every file came with some earlier batch: the newest delivery of this pipeline speaks for them
    return ledger.newest_delivery(wish.labels, pipeline=pipeline) if nothing_new else None


def _replaced_since(ledger: Ledger, run: RunRecord, wish: Wish) -> bool:
    """Whether another batch replaced this one's rows: then the same bytes again are news."""
    if not wish.replaces:
        return False
    newest = ledger.newest_delivery(wish.labels)
    return newest is not None and newest.batch != run.batch


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
