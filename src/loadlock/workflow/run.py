"""A run: one attempt to take a batch through intake, staging, cleanup and delivery."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadlock.cleanup.amending import Amendment
from loadlock.cleanup.batch import BatchVerdict
from loadlock.cleanup.plan import Plan
from loadlock.engines.memory import give_back, give_back_now_and_then
from loadlock.errors import BalanceError, InterruptedRunError, LoadlockError, StoppedError, one_interrupt
from loadlock.faults import point
from loadlock.ledger.base import PartRecord
from loadlock.model import Balance, BatchStatus, PartKind, RunStatus, Severity, Stage
from loadlock.workflow import cleaning
from loadlock.workflow.amended import Amended, standing_counts, take_up
from loadlock.workflow.children import ChildDeliveries
from loadlock.workflow.decided import decided
from loadlock.workflow.delivering import Deliveries, DeliveryWork
from loadlock.workflow.document import (
    cleanup_balance,
    destination_documents,
    file_documents,
    intake_balance,
    reject_summary,
    run_document,
)
from loadlock.workflow.drifting import compared
from loadlock.workflow.early import EarlyLoad, can_begin
from loadlock.workflow.foreseeing import ask
from loadlock.workflow.later import Later
from loadlock.workflow.marking import mark
from loadlock.workflow.planning import Staged, check_after, check_before, plan_of, refused_files
from loadlock.workflow.progress import Progress
from loadlock.workflow.quarantine import is_replay, known_acts
from loadlock.workflow.receive import REPLACING
from loadlock.workflow.run_record import counts_of
from loadlock.workflow.run_task import RunTask, check_none, end_of
from loadlock.workflow.sparing import Standing, is_latest, spare
from loadlock.workflow.superseding import write_down
from loadlock.workflow.surveying import Surveying
from loadlock.workflow.take_in import Intake, doubts, take_in

if TYPE_CHECKING:
    import pyarrow as pa


class Runner:
    """Takes one run from wherever it stands to its end; the ledger is written at each step, so it can be resumed."""

    def __init__(self, task: RunTask, progress: Progress) -> None:
        self.task = task
        self.progress = progress
        self.ledger = task.workspace.ledger
        self.run = task.record.run
        self.status = task.record.status
        self.balance = Balance()
        self.cleaned: cleaning.Cleaned | None = None
        self.decisions: list[dict[str, Any]] = []
        self.deliveries: Deliveries | None = None
        self.amended = Amended()
        self._early: EarlyLoad | None = None
        self._standing: Standing | None = None
        self._losers: Later[list[PartRecord]] | None = None
        self._begun = time.monotonic()

    def go(self) -> dict[str, Any]:
        """Run to the end; the run's document. Every error is recorded as the run's end and raised again."""
        try:
            with one_interrupt():
                self._stages()
        except KeyboardInterrupt as exc:
            self._fail(RunStatus.INTERRUPTED, "stopped by a signal")
            hint = f"`loadlock resume {self.run}` finishes it."
            stopped = InterruptedRunError(f"run {self.run} was stopped by a signal", hint=hint)
            stopped.run = self.run
            raise stopped from exc
        except LoadlockError as exc:
            exc.run = self.run
            self._fail(end_of(exc), str(exc))
            raise
        except BaseException as exc:
            self._fail(RunStatus.FAILED, f"{type(exc).__name__}: {exc}")
            raise
        verified = all(destination.spec.verify for destination in self.task.bound)
        return self._end(RunStatus.VERIFIED if verified else RunStatus.PUBLISHED, None)

    def _fail(self, status: RunStatus, cause: str) -> None:
        """Record how the run ended; never hides the error that ended it."""
        with suppress(Exception):
            if self._early is not None:
                self._early.give_up()
        with suppress(LoadlockError, OSError):
            self._list_losers()
        with suppress(LoadlockError, OSError):
            self._end(status, cause)

    # --- the stages

    def _stages(self) -> None:
        self._surveying = Surveying(self.task.pipeline, self.task.record)
        self._take_in()
        plan = self._plan()
        self._clean(plan)
        self._deliver(plan)

    def _take_in(self) -> None:
        task = self.task
        scope = f"g{task.batch.generation}"
        if not task.batch.staged:
            total = sum(source.file.size_bytes for source in task.sources)
            self.progress.begin(Stage.INTAKE, total=total, unit="bytes")
            options = task.pipeline.source.options
            intake = Intake(
                workspace=task.workspace,
                batch=task.batch.batch,
                generation=task.batch.generation,
                options=options,
                keep_source=task.pipeline.source.keep,
                look=self._surveying.look,
            )
            take_in(intake, task.sources, partial(self._advance, Stage.INTAKE))
            task.keep.discard(cached=task.pipeline.source.keep)
            self.progress.end(Stage.INTAKE)
            for note in doubts(self.ledger.file_reports(task.batch.batch, task.batch.generation), task.sources):
                self.progress.say(note)
            give_back()
        raw, rejects = (self.ledger.parts(task.batch.batch, scope, kind) for kind in (PartKind.RAW, PartKind.REJECTS))
        reports = self.ledger.file_reports(task.batch.batch, task.batch.generation)
        self.raw: list[PartRecord] = raw
        self.amended = take_up(task, raw)
        if known_acts(task.record) and not self.amended:
            self.progress.say("what operators decided was on rows as they were read before: it doesn't hold for these")
        self.reports = self.amended.files(reports)
        staged, rejected = (sum(record.ref.rows for record in records) for records in (raw, rejects))
        taken_up = sum(report.staged - reports[index].staged for index, report in self.reports.items())
        self.balance = intake_balance(reports, staged + taken_up, rejected - taken_up)
        self._check_balance(Stage.STAGING)
        self._become(RunStatus.STAGED)
        point("staged.recorded")
        if task.pipeline.source.empty == "fail" and not self.balance.received:
            raise StoppedError("the batch has no record, and the pipeline says `empty: fail`")

    def _plan(self) -> Plan:
        task, state = self.task, self.task.record.state
        self.staged = Staged(workspace=task.workspace, engine=task.engine, raw=self.raw, reports=self.reports)
        plan = plan_of(self.staged, task.pipeline, task.record, self._surveying.plan())
        known = self._surveying.counts(plan)
        if plan.needs_survey and "decisions" not in state:
            plan, decisions, found = decided(task, self.raw, plan, known)
            self.decisions = found["decided"]
            self.ledger.save_state(self.run, found)
            point("cleanup.decided")
            for decision in decisions:
                self.progress.say(f"{decision.column}: {decision.reason}")
        else:
            self.decisions = state.get("decided", [])
        check_before(self.staged, plan, task.pipeline)
        # what is decided by whole columns is decided by the rows as staged
        self.raw = [*self.raw, *self.amended.parts]
        return plan

    def _clean(self, plan: Plan) -> None:
        task, ledger = self.task, self.ledger
        work = cleaning.CleanWork(
            staging=task.workspace.staging,
            store=task.workspace.sources,
            files={source.index: source for source in task.batch.files},
            plan=plan,
            batch=task.batch.batch,
            scope=self.run,
            refused=refused_files(self.staged, plan, task.pipeline),
            amendments=self._amendments(),
        )
        self.work = work
        done = {record.ref.key.seq for record in ledger.parts(task.batch.batch, self.run, PartKind.CLEAN)}
        rows = sum(record.ref.rows for record in self.raw)
        self.progress.begin(Stage.CLEANUP, total=rows, unit="rows")
        missing = [record for record in self.raw if record.ref.key.seq not in done]
        if not done and self._loads_early(plan):
            pending = self._delivery_work(plan, cleaning.Cleaned.pending())
            self._early = EarlyLoad(pending, task.bound, rows, self._refusable())
            work = replace(work, fresh=self._early.rows.fresh)
        self._standing = Standing(task, self._delivery_work(plan, cleaning.Cleaned.pending()))
        cleaning.clean_parts(task.engine, work, missing, self._listed)
        give_back()
        parts = ledger.parts(task.batch.batch, self.run, PartKind.CLEAN)
        verdict = self._judge(work, parts)
        point("cleanup.judged")
        ledger.drop_parts(task.batch.batch, f"{self.run}-batch")
        known = None if self._early is None else self._early.rows.lost_digests
        settled = cleaning.settle(task.engine, work, self._counted(), parts, verdict, known)
        self.cleaned = self._compared(settled, plan)
        if self.cleaned.losers is not None:
            # nobody needs them before the publish: they are written while the destination loads
            engine = None if self._early is None else task.engine
            self._losers = Later(partial(cleaning.write_losers, work, self.raw, self.cleaned.losers, engine))
        self.progress.end(Stage.CLEANUP)
        give_back()
        self.balance = cleanup_balance(self.balance, self.cleaned)
        self._check_balance(Stage.CLEANUP)
        self._check_guards()
        self._become(RunStatus.CLEANED)
        point("cleaned.recorded")

    # --- what a replay does in another way

    def _amendments(self) -> Mapping[int, Amendment]:
        """What operators decided on rows, by raw part."""
        return self.amended.amendments

    def _judge(self, work: cleaning.CleanWork, parts: list[PartRecord]) -> BatchVerdict | None:
        """What only the whole batch can tell."""
        return cleaning.judge(self.task.workspace, work, self.raw, parts)

    def _counted(self) -> list[PartRecord]:
        """The raw parts with the rows that are to be accounted for."""
        return self.amended.counted(self.raw)

    def _compared(self, cleaned: cleaning.Cleaned, plan: Plan) -> cleaning.Cleaned:
        check_after(self.staged, plan, self.task.pipeline, cleaned.tallies.found)
        return compared(cleaned, plan, self.task.workspace, self.task.record)

    def _loads_early(self, plan: Plan) -> bool:
        """Whether the destination may load while parts are still cleaned."""
        later = self.task.pipeline.supersedes or plan.target_checks or self.amended
        return not later and is_latest(self.task) and can_begin(plan, self.task.bound, self.raw)

    def _elsewhere(self) -> dict[int, pa.Table]:
        """Rows that a destination (by index) has already."""
        return {}

    def _mark(self, deliveries: Deliveries) -> None:
        """Say which rows must not be delivered, before any is."""
        standing = None if self._standing is None else self._standing.before()
        self.amended.keep_out(deliveries.outcomes)
        self.cleaned = mark(self.task, deliveries.work, deliveries.outcomes)
        spare(self.task, deliveries.work, deliveries.outcomes, None if self.amended else standing)

    def _told(self, document: dict[str, Any]) -> dict[str, Any]:
        """The run's document as it is kept."""
        return self.amended.told(document, published=self._published())

    def _published(self) -> bool:
        return self.deliveries is not None and any(outcome.published for outcome in self.deliveries.outcomes)

    def _listed(self, records: list[PartRecord]) -> None:
        self.ledger.add_parts(records)
        point("cleanup.part_listed")
        if self._early is not None:
            self._early.rows.add(records[-1])
        rows = sum(record.info["staged"] for record in records if record.ref.key.kind == PartKind.CLEAN)
        self._advance(Stage.CLEANUP, rows, rows)

    def _list_losers(self) -> None:
        """Wait until the rows that lost and their rejects are at rest, and list them."""
        if self._losers is not None:
            losers, self._losers = self._losers, None
            self.ledger.add_parts(losers.result())
            point("cleanup.losers_listed")

    def _check_guards(self) -> None:
        assert self.cleaned is not None
        self._check_budget()
        failed = [
            finding for finding in self.cleaned.findings
            if not finding["passed"] and finding["severity"] != Severity.WARN
        ]  # fmt: skip
        failed_rows = self.cleaned.tallies.failures()
        if failed or failed_rows:
            reasons = [str(finding["message"]) for finding in failed]
            reasons += [f"{message} ({rows:,} rows)" for message, rows in failed_rows]
            raise StoppedError("checks stopped the run: " + "; ".join(reasons))

    def _check_budget(self) -> None:
        if reason := self._over_budget(0):
            raise StoppedError(
                f"{reason}: nothing was published",
                hint=f"Look at `loadlock rejects {self.task.batch.batch[:12]}`; the budget is `rejects: {{budget: ...}}`.",
            )

    def _over_budget(self, more: int) -> str | None:
        """Why the rejects so far and so many `more` of child rows are too many, or None."""
        return self.task.pipeline.budget.exceeded(self._rejected() + more, self.balance.received)

    def _rejected(self) -> int:
        """The rejects so far, without those that operators gave up."""
        return max(0, self.balance.rejected - self.amended.discarded)

    def _deliver(self, plan: Plan) -> None:
        task = self.task
        assert self.cleaned is not None
        work = self._delivery_work(plan, self.cleaned)
        bound = task.bound
        if not plan.columns:
            check_none(self.cleaned.clean)
            self.progress.say("no file has a record or a header: nothing was delivered")
            bound = []
        self.progress.begin(Stage.DELIVERY, total=self.cleaned.clean * len(bound), unit="rows")
        early = None if self._early is None else self._early.finish(work)
        self._early = None
        if early is not None:
            sent = sum(outcome.sent for outcome in early.outcomes)
            self._advance(Stage.DELIVERY, sent, sent)
        with (
            early or Deliveries(work, bound, lambda rows: self._advance(Stage.DELIVERY, rows, rows)) as self.deliveries,
            ChildDeliveries(self.deliveries, self._over_budget, self._refusable()) as children,
        ):
            children.check()
            if early is None:
                self._mark(self.deliveries)
            if self.deliveries.load(refused_limit=self._refusable()) if early is None else early.is_staged:
                self._become(RunStatus.LOADED)
            for outcome in self.deliveries.outcomes:
                self.balance = self.balance.with_(rejected_delivery=outcome.refused)
                self._check_budget()
            self._list_losers()
            if task.settings.confirm is not None:
                ask(self.deliveries, task.settings.confirm, task.pipeline, self.run)
            self._become(RunStatus.PUBLISHING)
            point("publishing.recorded")
            for outcome in self.deliveries.outcomes:
                self.deliveries.publish(outcome)
            children.deliver()
            self._become(RunStatus.PUBLISHED)
            point("published.recorded")
            self.ledger.set_batch_status(task.batch.batch, BatchStatus.DELIVERED)
            self._supersede()
            point("batch.delivered")
            for outcome in self.deliveries.outcomes:
                for note in outcome.notes:
                    self.progress.say(f"{outcome.bound.label}: {note}")
                for child in outcome.children:
                    for note in child.notes:
                        self.progress.say(f"{child.bound.label}: {note}")
                if outcome.bound.spec.verify:
                    self.deliveries.verify(outcome)
                    children.verify(outcome)
        if bound:
            self.balance = self.deliveries.outcomes[0].balance(
                cleanup_balance(self.balance.with_(rejected_delivery=0), self.cleaned)
            )
        self._check_balance(Stage.DELIVERY)
        self.progress.end(Stage.DELIVERY)

    def _delivery_work(self, plan: Plan, cleaned: cleaning.Cleaned) -> DeliveryWork:
        task = self.task
        return DeliveryWork(
            workspace=task.workspace,
            engine=task.engine,
            run=self.run,
            batch=task.batch.batch,
            pipeline=task.pipeline.name,
            plan=plan,
            cleaned=cleaned,
            raw=self.raw,
            clean_work=self.work,
            wait_seconds=task.settings.wait_seconds,
            force=task.settings.force,
            joins=is_replay(task.record),
            elsewhere=self._elsewhere(),
        )

    def _supersede(self) -> None:
        """Batches whose rows this one took the place of are not delivered any more."""
        if self.task.pipeline.supersedes:
            write_down(self.ledger, self.task.record)
        assert self.deliveries is not None
        replaced = [outcome.bound.label for outcome in self.deliveries.outcomes if outcome.bound.mode in REPLACING]
        if replaced:
            self.ledger.supersede(self.task.batch.batch, replaced)

    def _refusable(self) -> int | None:
        """How many rows a destination may still refuse within the budget."""
        return self.task.pipeline.budget.left(self._rejected(), self.balance.received)

    # --- bookkeeping

    def _advance(self, stage: Stage, done: int, rows: int) -> None:
        """A part (or chunk) is done: tell, and keep the memory small."""
        self.progress.advance(stage, done=done, rows=rows)
        give_back_now_and_then()

    def _check_balance(self, upto: Stage) -> None:
        if faults := self.balance.faults(upto=upto):
            raise BalanceError("the balance does not close: " + "; ".join(faults))

    def _become(self, status: RunStatus) -> None:
        """Go on to `status`; a resumed run passes again through what it had reached."""
        if status != self.status:
            self.ledger.set_status(self.run, status)
            self.status = status

    def _end(self, status: RunStatus, cause: str | None) -> dict[str, Any]:
        self._save_rejects()
        point("end.rejects_counted")
        document = self._document(status, cause)
        point("end.report_written")
        self.ledger.finish_run(self.run, digest=document["digest"], document=document)
        point("end.document_saved")
        self.ledger.set_status(self.run, status, cause=cause)
        point("end.recorded")
        return document

    def _save_rejects(self) -> None:
        known = self.amended.quarantine
        found = counts_of(self.ledger, self.task.record, self.task.batch.generation)
        self.reject_counts = found if known is None else standing_counts(known)
        self.ledger.save_reject_counts(self.run, self.reject_counts)

    def _document(self, status: RunStatus, cause: str | None) -> dict[str, Any]:
        task = self.task
        digest = None if self.cleaned is None else self.cleaned.digest_hex
        document = run_document(
            replace(task.record, digest=digest), status=status, seconds=time.monotonic() - self._begun, cause=cause
        )
        outcomes = [] if self.deliveries is None else self.deliveries.outcomes
        base = self.balance.with_(rejected_delivery=0)
        document |= {
            "balance": self.balance.to_json(),
            "files": file_documents(task.batch, getattr(self, "reports", {}), self.cleaned, outcomes),
            "rejects": reject_summary(self.reject_counts),
            "reject_columns": [[*key, rows] for key, rows in sorted(self.reject_counts.items())],
            "decisions": self.decisions,
            "destinations": destination_documents(outcomes, base),
        }
        if self.cleaned is not None:
            document["warnings"] = self.cleaned.tallies.warnings() + [
                finding for finding in self.cleaned.findings if not finding["passed"]
            ]
            document["tallies"] = self.cleaned.tallies.to_json()
        if document["destinations"]:
            document["receipt"] = document["destinations"][0]["receipt"]
        document = self._told(document)
        if task.settings.report:
            document["report"] = self._report(document)
        return document

    def _report(self, document: dict[str, Any]) -> str | None:
        from loadlock.report.page import write_report

        path: Path = self.task.workspace.reports / f"{self.run}.html"
        write_report(document, path)
        return str(path)
