"""The verbs that run: `run`, `load`, `resume`, `rerun`."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from loadlock.engines.base import Engine
from loadlock.engines.local import LocalEngine
from loadlock.errors import LoadlockError, UsageError
from loadlock.faults import point
from loadlock.intake.base import ByteSource
from loadlock.intake.files import Keep, Patience
from loadlock.ledger.base import RunRecord
from loadlock.ledger.ids import new_run_id
from loadlock.model import RunStatus, WriteMode
from loadlock.pipeline.codec import from_json
from loadlock.pipeline.model import DestinationSpec, Pipeline, Source
from loadlock.workflow.amended import knowing
from loadlock.workflow.destinations import BoundDestination, all_targets, bind_destinations, plan_digest
from loadlock.workflow.document import noop_document
from loadlock.workflow.foreseeing import Confirm
from loadlock.workflow.generation import generation_for
from loadlock.workflow.inputs import Again
from loadlock.workflow.later import Later
from loadlock.workflow.planner import Planner
from loadlock.workflow.progress import Progress, Silent
from loadlock.workflow.quarantine import is_replay
from loadlock.workflow.receive import Wish, receive
from loadlock.workflow.replaying import Replayer, bound_for
from loadlock.workflow.result import RunResult
from loadlock.workflow.run import Runner
from loadlock.workflow.run_record import new_record
from loadlock.workflow.run_task import RunSettings, RunTask
from loadlock.workflow.settle import half_published
from loadlock.workflow.space import check_space, estimates, plain_size
from loadlock.workflow.stale import RERUN_OF, first_delivery
from loadlock.workflow.superseding import check_superseding
from loadlock.workflow.warming import warm
from loadlock.workflow.workspace import Workspace, find_workspace

ENDED = frozenset({RunStatus.VERIFIED, RunStatus.ROLLED_BACK})
ENGINES: dict[str, Callable[[Path], Engine]] = {"local": lambda temp: LocalEngine(temp_folder=temp)}


@dataclass(frozen=True, kw_only=True)
class Options:
    """The options that every verb which runs takes."""

    workspace: str | Path | None = None
    engine: str = "local"
    force: bool = False
    files: str | None = None
    """`all` | `new`; None = by write mode."""
    wait_seconds: float = 0.0
    report: bool = True
    plan: bool = False
    """Play the run through up to the publish, and say what that would change."""
    confirm: Confirm | None = None
    """Asked before anything is published."""
    environment: Mapping[str, str] | None = None
    progress: Progress = field(default_factory=Silent)

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise UsageError(f"unknown engine {self.engine!r}", hint=f"Known: {', '.join(ENGINES)}.")


def run_pipeline(pipeline: Pipeline, options: Options, *, path: str | None = None) -> RunResult:
    """Take the pipeline's files through all stages.

    The same bytes again are a no-op. Raises LoadlockError; the run's end is in the ledger in any case.
    """
    bound = bind_destinations(pipeline, environment=options.environment)
    check_superseding(pipeline, bound)
    digest = plan_digest(pipeline, bound)
    root = find_workspace(options.workspace, base_folder=pipeline.base_folder, environment=options.environment)
    labels = [destination.label for destination in bound]
    with ExitStack() as stack:
        workspace = stack.enter_context(Workspace.open(root))
        stack.enter_context(workspace.lock_targets(labels_of(bound), wait_seconds=options.wait_seconds))
        appends = any(destination.mode == WriteMode.APPEND for destination in bound)
        if appends and not options.force and not options.plan:
            _finish_half_published(workspace, pipeline, bound, options)
        wish = Wish(
            labels=labels,
            modes=[destination.mode for destination in bound],
            digest=digest,
            outputs=[Path(target.target.url) for target in all_targets(bound) if target.target.table is None],
            files=options.files,
            force=options.force,
            supersedes=pipeline.supersedes is not None,
            environment=options.environment,
        )
        keep = stack.enter_context(workspace.keep(Patience(say=options.progress.say)))
        received = receive(workspace.ledger, pipeline, wish, keep)
        if received.noop is not None:
            keep.discard(cached=pipeline.source.keep)
            _settle(bound, received.noop.run)
            return RunResult(document=noop_document(whole_run(workspace, received.noop)), workspace=workspace.root)
        assert received.batch is not None
        batch = received.batch.batch
        if not options.force:
            size = plain_size((source.file.path, source.file.size_bytes) for source in received.sources)
            found = estimates(size, workspace.root, all_targets(bound), keep_source=pipeline.source.keep)
            received.notes.extend(check_space(found))
        record = new_record(pipeline, run=new_run_id(), batch=batch, bound=bound, plan_digest=digest, path=path)
        record = replace(record, state={**record.state, "notes": received.notes})
        for note in received.notes:
            options.progress.say(note)
        with workspace.lock_batch(batch, wait_seconds=options.wait_seconds):
            workspace.ledger.begin_run(record := knowing(workspace.ledger, record))
            point("run.begun")
            return go(workspace, pipeline, record, bound, options, keep, received.sources)


def load(
    source: Source,
    *,
    to: str,
    table: str | None = None,
    mode: WriteMode | None = None,
    key: Sequence[str] = (),
    options: Options,
) -> RunResult:
    """`loadlock load`: files to a table without a pipeline file; every column as the text received."""
    return run_pipeline(load_pipeline_of(source, to=to, table=table, mode=mode, key=key), options)


def load_pipeline_of(
    source: Source,
    *,
    to: str,
    table: str | None = None,
    mode: WriteMode | None = None,
    key: Sequence[str] = (),
) -> Pipeline:
    """The pipeline that `load` stands for; its name is destination and table (contract: "Batches and runs")."""
    spec = DestinationSpec(url=to, table=table, mode=mode, key=tuple(key))
    draft = Pipeline(name="load", source=source, destinations=(spec,))
    label = bind_destinations(draft)[0].label
    return replace(draft, name=f"load {label}")


def resume(run: str, options: Options, *, to: str | None = None) -> RunResult:
    """Finish a run that was killed, interrupted, stopped or failed, from the ledger alone.

    `to` gives the destination's address again where it held a password (which is never kept).
    """
    root = find_workspace(options.workspace, base_folder=None, environment=options.environment)
    with Workspace.open(root, create=False) as workspace:
        record = whole_run(workspace, workspace.ledger.find_run(run))
        if record.status in ENDED:
            with suppress(LoadlockError):  # an address that needs a secret is none of a file
                _settle(bind_destinations(pipeline_of(record, to=to), environment=options.environment), record.run)
            return RunResult(document=noop_document(record), workspace=workspace.root)
        pipeline = pipeline_of(record, to=to)
        bound = bind_destinations(pipeline, environment=options.environment)
        with workspace.lock_targets(labels_of(bound), wait_seconds=options.wait_seconds):
            return _go_on(workspace, pipeline, record.run, bound, options)


def labels_of(bound: Sequence[BoundDestination]) -> list[str]:
    """What a run must have for itself: its destinations and their child tables."""
    return [target.label for target in all_targets(bound)]


def _go_on(
    workspace: Workspace, pipeline: Pipeline, run: str, bound: list[BoundDestination], options: Options
) -> RunResult:
    record = workspace.ledger.find_run(run)
    with workspace.lock_batch(record.batch, wait_seconds=options.wait_seconds):
        record = whole_run(workspace, record)
        if record.status in ENDED:  # by another process, while this one waited
            return RunResult(document=noop_document(record), workspace=workspace.root)
        workspace.ledger.set_status(run, RunStatus.INTERRUPTED, cause="resumed")
        with workspace.keep(Patience(say=options.progress.say)) as keep:
            return go(workspace, pipeline, replace(record, status=RunStatus.INTERRUPTED), bound, options, keep)


def _finish_half_published(
    workspace: Workspace, pipeline: Pipeline, bound: list[BoundDestination], options: Options
) -> None:
    """Finish runs whose rows lie in a destination though they never ended: to append their files again would double them."""
    for record in half_published(workspace.ledger, pipeline.name, bound):
        options.progress.say(f"run {record.run} was cut short while it published: finishing it first")
        urls = {destination.label: destination.spec.url for destination in bound}
        known = from_json(Pipeline, record.state["pipeline"])
        pairs = zip(known.destinations, record.destinations, strict=True)
        known = replace(known, destinations=tuple(replace(spec, url=urls[label]) for spec, label in pairs))
        _go_on(workspace, known, record.run, bind_destinations(known, environment=options.environment), options)


def rerun(batch: str, options: Options, *, pipeline: Pipeline | None = None, path: str | None = None) -> RunResult:
    """Take a batch through the current rules again, from staging, without its source files.

    For modes replace and upsert, which repeat without harm; append would double the rows and is refused.
    """
    base = pipeline.base_folder if pipeline is not None else None
    root = find_workspace(options.workspace, base_folder=base, environment=options.environment)
    with Workspace.open(root, create=False) as workspace:
        known = workspace.ledger.find_batch(batch)
        last = workspace.ledger.runs(batch=known.batch, limit=1)
        if pipeline is None:
            if not last:
                raise UsageError(
                    f"batch {known.batch[:12]} has no run", hint="Name its pipeline: `loadlock rerun BATCH PIPELINE`."
                )
            earlier = whole_run(workspace, last[0])
            pipeline, path = current_pipeline(earlier), earlier.pipeline_path
        bound = bind_destinations(pipeline, environment=options.environment)
        for destination in bound:
            if destination.mode == WriteMode.APPEND and workspace.ledger.delivered_run(
                known.batch, [destination.label]
            ):
                raise UsageError(
                    f"batch {known.batch[:12]} was appended to {destination.label}; a rerun would double its rows",
                    hint="Use mode upsert or replace for batches whose rules may change.",
                )
        digest = plan_digest(pipeline, bound)
        record = new_record(pipeline, run=new_run_id(), batch=known.batch, bound=bound, plan_digest=digest, path=path)
        first = first_delivery(workspace.ledger, known.batch, record.destinations)
        record = replace(record, state={**record.state, RERUN_OF: first})
        with (
            workspace.lock_targets(labels_of(bound), wait_seconds=options.wait_seconds),
            workspace.lock_batch(known.batch, wait_seconds=options.wait_seconds),
            workspace.keep(Patience(say=options.progress.say)) as keep,
        ):
            workspace.ledger.begin_run(record := knowing(workspace.ledger, record))
            point("run.begun")
            return go(workspace, pipeline, record, bound, options, keep)


def pipeline_of(record: RunRecord, *, to: str | None = None) -> Pipeline:
    """The pipeline as the run used it. Raises UsageError where a password is needed again."""
    pipeline = from_json(Pipeline, record.state["pipeline"])
    if to is not None:
        pipeline = replace(
            pipeline, destinations=(replace(pipeline.destinations[0], url=to), *pipeline.destinations[1:])
        )
    for spec in pipeline.destinations:
        if "***" in spec.url:
            raise UsageError(
                f"the password of {spec.url} is not kept",
                hint="Give the address again by --to, or write it as ${VARIABLE}.",
            )
    return pipeline


def current_pipeline(record: RunRecord, *, to: str | None = None) -> Pipeline:
    """The pipeline file as it is now, else as the run used it; `to` as for `pipeline_of`."""
    if record.pipeline_path and Path(record.pipeline_path).exists():
        from loadlock.pipeline.read import load_pipeline

        return load_pipeline(Path(record.pipeline_path))
    return pipeline_of(record, to=to)


def whole_run(workspace: Workspace, record: RunRecord) -> RunRecord:
    """The record with its document, which lists leave out."""
    return workspace.ledger.run(record.run) or record


def go(
    workspace: Workspace,
    pipeline: Pipeline,
    record: RunRecord,
    bound: list[BoundDestination],
    options: Options,
    keep: Keep,
    sources: list[ByteSource] | None = None,
) -> RunResult:
    """Take a run that is in the ledger to its end; targets and batch are locked by the caller."""
    found = workspace.ledger.batch(record.batch)
    assert found is not None
    batch = generation_for(workspace.ledger, found, record, pipeline)
    if sources is None:
        again = Again(pipeline=pipeline, store=workspace.sources, keep=keep, environment=options.environment)
        sources = [] if batch.staged else again.sources(batch.files)
    with ENGINES[options.engine](workspace.temp) as engine, _signals():
        task = RunTask(
            workspace=workspace,
            engine=engine,
            pipeline=pipeline,
            batch=batch,
            sources=sources,
            keep=keep,
            bound=bound_for(record, bound),
            record=record,
            settings=RunSettings(
                wait_seconds=options.wait_seconds,
                report=options.report and not options.plan,
                force=options.force,
                confirm=options.confirm,
            ),
        )
        Later(partial(warm, task.bound, report=task.settings.report))
        runner = Planner if options.plan else Replayer if is_replay(record) else Runner
        document = runner(task, options.progress).go()
    _settle(task.bound, record.run)
    return RunResult(document=document, workspace=workspace.root)


def _settle(bound: Sequence[BoundDestination], run: str) -> None:
    """The run's end is in the ledger: tell the destinations that keep a record of its publish until then."""
    for target in all_targets(bound):
        if (settled := getattr(target.destination, "settled", None)) is not None:
            settled(target.target, run)


@contextmanager
def _signals() -> Iterator[None]:
    """SIGTERM stops as cleanly as Ctrl-C (in the main thread; elsewhere the caller's handlers stand)."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    earlier = signal.signal(signal.SIGTERM, _interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, earlier)


def _interrupt(*_: object) -> None:
    raise KeyboardInterrupt
