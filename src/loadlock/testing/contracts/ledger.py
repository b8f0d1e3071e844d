"""The contract suite of the ledger.

class TestMine(LedgerContract):
    @pytest.fixture
    def ledger(self, clock):
        return Mine(clock=clock)
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from loadlock.errors import UsageError, WorkspaceError
from loadlock.ledger.base import Ledger, PartRecord, RunRecord
from loadlock.ledger.ids import Clock, batch_id
from loadlock.model import (
    RUN_TRANSITIONS,
    BatchStatus,
    ByteCount,
    Chunk,
    FileReport,
    PartKey,
    PartKind,
    PartRef,
    RunStatus,
    SourceFile,
)

START = dt.datetime(2026, 11, 23, 5, 45, tzinfo=dt.UTC)
WAY = (
    RunStatus.STAGED,
    RunStatus.CLEANED,
    RunStatus.LOADED,
    RunStatus.PUBLISHING,
    RunStatus.PUBLISHED,
    RunStatus.VERIFIED,
)
TARGETS = ("postgresql://localhost/shop orders", "orders.csv")


def source_file(index: int = 0, digest: str = "aa", **changes: Any) -> SourceFile:
    """A source file."""
    return replace(
        SourceFile(index=index, path=f"/inbox/{index}.csv", name=f"{index}.csv", size_bytes=5 << 30, sha256=digest),
        **changes,
    )


def run_record(run: str, batch: str, *, pipeline: str = "orders", **changes: Any) -> RunRecord:
    """A new run."""
    values = {"destinations": TARGETS, "started": "2026-11-23T05:45:00.000000Z", "plan_digest": "d1", **changes}
    return RunRecord(run=run, batch=batch, pipeline=pipeline, status=RunStatus.RECEIVED, **values)


def part(seq: int, *, batch: str, scope: str = "g1", kind: PartKind = PartKind.RAW, file: int | None = 0) -> PartRecord:
    """A listed part."""
    key = PartKey(batch=batch, scope=scope, kind=kind, seq=seq)
    ref = PartRef(key=key, location=f"{scope}/{kind}/{seq}", rows=100, bytes=3 << 31, file_index=file)
    return PartRecord(ref=ref, info={"digest": "0f" * 16, "columns": ["größe", "_row"], "nested": {"a": [1, None]}})


def begun(ledger: Ledger, run: str = "r1", digests: Sequence[str] = ("aa",), **changes: Any) -> tuple[str, str]:
    """A batch of files with these digests and a run of it: their names."""
    pipeline = changes.get("pipeline", "orders")
    batch = batch_id(pipeline, digests)
    ledger.begin_batch(batch, pipeline, [source_file(index, digest) for index, digest in enumerate(digests)])
    ledger.begin_run(run_record(run, batch, **changes))
    return batch, run


def brought_to(ledger: Ledger, run: str, status: RunStatus) -> None:
    """Take a new run the straight way to a status."""
    if status in WAY:
        for step in WAY[: WAY.index(status) + 1]:
            ledger.set_status(run, step)
    elif status is RunStatus.ROLLED_BACK:
        brought_to(ledger, run, RunStatus.VERIFIED)
        ledger.set_status(run, status)
    elif status is not RunStatus.RECEIVED:
        ledger.set_status(run, status)


class LedgerContract:
    """Give it a fixture `ledger`: an empty ledger that takes its time from the fixture `clock`."""

    @pytest.fixture
    def clock(self) -> Clock:
        """A second later each time."""
        moments = iter(range(1_000_000))
        return lambda: START + dt.timedelta(seconds=next(moments))

    # batches

    def test_a_batch_is_recorded_once_with_its_files_in_order(self, ledger: Ledger) -> None:
        files = [source_file(0, "bb"), source_file(1, "aa")]
        made = ledger.begin_batch("b1", "orders", files)
        assert (made.batch, made.pipeline, made.status) == ("b1", "orders", BatchStatus.OPEN)
        assert (made.generation, made.staged, made.run, made.files) == (1, False, None, tuple(files))
        assert ledger.begin_batch("b1", "orders", [source_file(0, "bb", path="/elsewhere")]) == made
        assert ledger.batch("b1") == made
        assert [event.kind for event in ledger.events(batch="b1")] == ["batch"]

    def test_names_that_are_no_valid_text_are_kept_as_they_are(self, ledger: Ledger) -> None:
        file = source_file(name="\udcff.csv", path="/in\udcffbox/a\0b 😀 json:x.csv")
        plain = source_file(1, name="json:1.csv")
        ledger.begin_batch("b1", "json:orders", [file, plain])
        found = ledger.batch("b1")
        assert found is not None
        assert found.files == (file, plain)
        assert found.pipeline == "json:orders"

    def test_an_unknown_batch_or_run_is_none(self, ledger: Ledger) -> None:
        assert ledger.batch("b1") is None
        assert ledger.run("r1") is None

    def test_the_batch_names_its_newest_run(self, ledger: Ledger) -> None:
        batch, _ = begun(ledger, "r2")
        ledger.begin_run(run_record("r1", batch))
        found = ledger.batch(batch)
        assert found is not None
        assert found.run == "r1"

    def test_a_batch_status_changes_with_an_event(self, ledger: Ledger) -> None:
        batch, _ = begun(ledger)
        ledger.set_batch_status(batch, BatchStatus.DELIVERED)
        found = ledger.batch(batch)
        assert found is not None
        assert found.status is BatchStatus.DELIVERED
        assert ledger.events(batch=batch)[-1].data == {"from": "open", "to": "delivered"}

    def test_a_staged_generation_becomes_the_one_that_counts(self, ledger: Ledger) -> None:
        batch, _ = begun(ledger)
        for generation in (1, 2):
            ledger.mark_staged(batch, generation)
            found = ledger.batch(batch)
            assert found is not None
            assert (found.generation, found.staged) == (generation, True)

    def test_a_collected_batch_has_no_parts_and_is_not_staged(self, ledger: Ledger) -> None:
        batch, run = begun(ledger)
        ledger.add_parts([part(1, batch=batch)])
        ledger.add_chunk(run, 0, Chunk(id="c", seq=1, rows=1, digest=1))
        ledger.mark_staged(batch, 1)
        ledger.collect(batch, bytes_freed=7)
        found = ledger.batch(batch)
        assert found is not None
        assert (found.staged, ledger.parts(batch, "g1", PartKind.RAW), ledger.chunks(run, 0)) == (False, [], [])

    # runs

    def test_a_run_is_read_as_it_was_recorded(self, ledger: Ledger) -> None:
        batch, _ = begun(ledger)
        record = run_record(
            "r2", batch, pipeline_text="pipeline: größe\n", pipeline_path="/p.yaml", state={"a": [1, None]}
        )
        ledger.begin_run(record)
        assert ledger.run("r2") == record
        first = ledger.events(run="r2")[0]
        assert (first.kind, first.batch, first.data["status"]) == ("run", batch, "received")

    def test_a_run_begins_once_and_in_a_known_batch(self, ledger: Ledger) -> None:
        batch, run = begun(ledger)
        with pytest.raises(WorkspaceError, match="already"):
            ledger.begin_run(run_record(run, batch))
        with pytest.raises(WorkspaceError, match="is not in the ledger"):
            ledger.begin_run(run_record("r9", "unknown"))
        assert ledger.run("r9") is None

    @pytest.mark.parametrize("old", list(RunStatus))
    def test_a_status_changes_only_as_the_transitions_allow(self, ledger: Ledger, old: RunStatus) -> None:
        for number, new in enumerate(RunStatus):
            run = f"r{number}"
            begun(ledger, run)
            brought_to(ledger, run, old)
            before = ledger.events(run=run)
            if new == old or new in RUN_TRANSITIONS[old]:
                ledger.set_status(run, new)
                found = ledger.run(run)
                assert found is not None
                assert found.status is new
                assert ledger.events(run=run)[-1].data == {"from": str(old), "to": str(new)}
            else:
                with pytest.raises(WorkspaceError, match=f"{old} and can't become {new}"):
                    ledger.set_status(run, new)
                assert ledger.events(run=run) == before

    def test_an_end_sets_cause_and_time_and_going_on_clears_them(self, ledger: Ledger) -> None:
        _, run = begun(ledger)
        ledger.set_status(run, RunStatus.FAILED, cause="the disk is full")
        failed = ledger.run(run)
        assert failed is not None
        assert failed.cause == "the disk is full"
        assert failed.finished is not None
        assert failed.finished.startswith("2026-11-23T05:45:0")
        assert failed.finished.endswith(".000000Z")
        assert ledger.events(run=run)[-1].data["cause"] == "the disk is full"
        ledger.set_status(run, RunStatus.STAGED)
        going = ledger.run(run)
        assert going is not None
        assert (going.cause, going.finished) == (None, None)

    def test_a_rollback_leaves_the_time_of_the_end(self, ledger: Ledger) -> None:
        _, run = begun(ledger)
        brought_to(ledger, run, RunStatus.VERIFIED)
        verified = ledger.run(run)
        ledger.set_status(run, RunStatus.ROLLED_BACK)
        rolled_back = ledger.run(run)
        assert verified is not None
        assert rolled_back is not None
        assert verified.finished is not None
        assert rolled_back.finished == verified.finished

    def test_state_is_merged_by_its_top_keys(self, ledger: Ledger) -> None:
        _, run = begun(ledger)
        ledger.save_state(run, {"a": {"x": 1}, "b": 1})
        ledger.save_state(run, {"a": {"y": 2}})
        found = ledger.run(run)
        assert found is not None
        assert found.state == {"a": {"y": 2}, "b": 1}

    def test_a_finished_run_holds_its_document_and_digest(self, ledger: Ledger) -> None:
        _, run = begun(ledger)
        ledger.finish_run(run, digest="0f" * 16, document={"status": "verified", "größe": [1.5, None, "\udc80"]})
        ledger.finish_run(run, digest=None, document={"status": "failed"})
        found = ledger.run(run)
        assert found is not None
        assert found.digest == "0f" * 16
        assert found.document == {"status": "failed"}

    @pytest.mark.parametrize("call", ["set_status", "save_state", "finish_run"])
    def test_changing_an_unknown_run_is_an_error(self, ledger: Ledger, call: str) -> None:
        calls = {
            "set_status": lambda: ledger.set_status("r9", RunStatus.STAGED),
            "save_state": lambda: ledger.save_state("r9", {}),
            "finish_run": lambda: ledger.finish_run("r9", digest=None, document={}),
        }
        with pytest.raises(WorkspaceError, match="r9 is not in the ledger"):
            calls[call]()

    # parts, reports, chunks, counts

    def test_parts_are_listed_by_number_and_replaced_when_made_again(self, ledger: Ledger) -> None:
        batch, _ = begun(ledger)
        ledger.add_parts([part(2, batch=batch), part(1, batch=batch), part(1, batch=batch, kind=PartKind.REJECTS)])
        again = replace(part(2, batch=batch), info={"again": True})
        ledger.add_parts([again])
        assert ledger.parts(batch, "g1", PartKind.RAW) == [part(1, batch=batch), again]
        assert ledger.parts(batch, "g1", PartKind.REJECTS) == [part(1, batch=batch, kind=PartKind.REJECTS)]
        assert ledger.parts(batch, "g2", PartKind.RAW) == []
        ledger.add_parts([])

    def test_parts_are_listed_all_or_none(self, ledger: Ledger) -> None:
        batch, _ = begun(ledger)
        with pytest.raises(WorkspaceError):
            ledger.add_parts([part(1, batch=batch), part(2, batch="unknown")])
        assert ledger.parts(batch, "g1", PartKind.RAW) == []

    def test_parts_are_dropped_by_file_and_kind(self, ledger: Ledger) -> None:
        batch, _ = begun(ledger)
        rejects = part(1, batch=batch, kind=PartKind.REJECTS)
        other_scope = part(1, batch=batch, scope="g2")
        ledger.add_parts([part(1, batch=batch), part(2, batch=batch, file=1), rejects, other_scope])
        ledger.drop_parts(batch, "g1", file_index=0, kind=PartKind.RAW)
        assert [found.ref.key.seq for found in ledger.parts(batch, "g1", PartKind.RAW)] == [2]
        assert ledger.parts(batch, "g1", PartKind.REJECTS) == [rejects]
        ledger.drop_parts(batch, "g1")
        assert ledger.parts(batch, "g1", PartKind.RAW) == ledger.parts(batch, "g1", PartKind.REJECTS) == []
        assert ledger.parts(batch, "g2", PartKind.RAW) == [other_scope]

    def test_file_reports_come_back_whole_by_generation(self, ledger: Ledger) -> None:
        batch, _ = begun(ledger)
        report = FileReport(
            format="csv", encoding={"name": "cp1252", "confidence": 0.75}, header=["größe"], counts={"padded_quotes": 3},
            bytes=ByteCount(rows=5 << 30, blank=1), received=9, staged=8, rejected=1, notes=["😀"],
        )  # fmt: skip
        ledger.save_file_report(batch, 1, 1, FileReport(format="json"))
        ledger.save_file_report(batch, 1, 1, report)
        ledger.save_file_report(batch, 2, 0, FileReport(format="json"))
        assert ledger.file_reports(batch, 1) == {1: report}
        assert ledger.file_reports(batch, 2) == {0: FileReport(format="json")}
        assert ledger.file_reports(batch, 3) == {}

    def test_chunks_are_kept_by_destination_and_again_is_no_error(self, ledger: Ledger) -> None:
        _, run = begun(ledger)
        second, first = (Chunk(id=f"c{seq}", seq=seq, rows=5, digest=2**128 - seq) for seq in (2, 1))
        for chunk in (second, first, second):
            ledger.add_chunk(run, 0, chunk)
        ledger.add_chunk(run, 1, first)
        assert ledger.chunks(run, 0) == [first, second]
        assert ledger.chunks(run, 1) == [first]
        assert ledger.chunks(run, 2) == []

    def test_reject_counts_are_replaced_as_a_whole(self, ledger: Ledger) -> None:
        _, run = begun(ledger)
        ledger.save_reject_counts(run, {("intake", "field_count", ""): 5, ("cleanup", "not_date", "x" * 300): 2})
        ledger.save_reject_counts(run, {("cleanup", "not_date", "größe\0"): 3, ("cleanup", "not_date", "a"): 1})
        assert ledger.reject_counts(run) == {("cleanup", "not_date", "größe\0"): 3, ("cleanup", "not_date", "a"): 1}
        ledger.save_reject_counts(run, {})
        assert ledger.reject_counts(run) == {}

    def test_events_are_read_in_order_with_their_times(self, ledger: Ledger) -> None:
        for number in range(3):
            ledger.event("note", run="r1" if number else None, batch="b1", data={"number": number, "text": "ß"})
        assert [event.data["number"] for event in ledger.events()] == [0, 1, 2]
        assert [event.data["number"] for event in ledger.events(run="r1")] == [1, 2]
        assert ledger.events(run="r1", batch="b2") == []
        assert [event.at for event in ledger.events(batch="b1")] == [f"2026-11-23T05:45:0{n}.000000Z" for n in range(3)]

    # finding

    def test_a_unique_prefix_finds_and_others_say_why_not(self, ledger: Ledger) -> None:
        batch, _ = begun(ledger, "r20261123-054500-3f9a")
        ledger.begin_run(run_record("r20261123-054501-0000", batch))
        ledger.begin_run(run_record("r20261123-05450", batch))
        assert ledger.find_run("r20261123-054500").run == "r20261123-054500-3f9a"
        assert ledger.find_run("r20261123-05450").run == "r20261123-05450"
        assert ledger.find_batch(batch[:6]).batch == batch
        with pytest.raises(
            UsageError, match="several runs: r20261123-05450, r20261123-054500-3f9a, r20261123-054501-0000"
        ):
            ledger.find_run("r2026")
        for missing in ("x", "%", "_", "r20261123-054500-3f9a0", "é", "\U0010ffff"):
            with pytest.raises(UsageError, match="there is no run"):
                ledger.find_run(missing)
        with pytest.raises(UsageError):
            ledger.find_batch("")

    def test_runs_are_listed_newest_first_without_their_bulk(self, ledger: Ledger) -> None:
        batch, _ = begun(ledger, "r3", pipeline_text="long")
        ledger.begin_run(run_record("r1", batch))
        other, _ = begun(ledger, "r2", ["cc"])
        ledger.finish_run("r3", digest=None, document={"a": 1})
        assert [run.run for run in ledger.runs()] == ["r2", "r1", "r3"]
        assert [run.run for run in ledger.runs(limit=1)] == ["r2"]
        assert [run.run for run in ledger.runs(batch=batch)] == ["r1", "r3"]
        assert [run.run for run in ledger.runs(batch=other, limit=5)] == ["r2"]
        bulk = ledger.runs(batch=batch)[-1]
        assert (bulk.document, bulk.pipeline_text) == (None, "")

    def test_batches_are_listed_newest_first_with_files_and_run(self, ledger: Ledger) -> None:
        first, _ = begun(ledger, "r1", ["cc", "dd"])
        second, _ = begun(ledger, "r2", ["aa"])
        assert [(batch.batch, batch.run, len(batch.files)) for batch in ledger.batches()] == [
            (second, "r2", 1),
            (first, "r1", 2),
        ]
        assert [batch.batch for batch in ledger.batches(limit=1)] == [second]
        assert ledger.batches() == [ledger.batch(second), ledger.batch(first)]

    # delivered

    @pytest.mark.parametrize("status", list(RunStatus))
    def test_only_published_and_verified_runs_are_delivered(self, ledger: Ledger, status: RunStatus) -> None:
        batch, run = begun(ledger, "r1", ["aa", "bb"])
        brought_to(ledger, run, status)
        delivered = status in (RunStatus.PUBLISHED, RunStatus.VERIFIED)
        found = ledger.delivered_run(batch, TARGETS)
        assert (found is not None) is delivered
        assert ledger.delivered_files("orders", TARGETS) == ({"aa", "bb"} if delivered else set())

    def test_delivered_means_to_the_same_set_of_destinations(self, ledger: Ledger) -> None:
        batch, run = begun(ledger)
        brought_to(ledger, run, RunStatus.VERIFIED)
        for destinations, delivered in ((TARGETS, True), (TARGETS[::-1], True), (TARGETS[:1], False), ((), False)):
            assert (ledger.delivered_run(batch, destinations) is not None) is delivered
            assert ledger.delivered_files("orders", destinations) == ({"aa"} if delivered else set())

    def test_the_newest_delivered_run_is_found_whole(self, ledger: Ledger) -> None:
        batch, _ = begun(ledger, "r1")
        ledger.begin_run(run_record("r2", batch, plan_digest="d2", pipeline_text="text"))
        ledger.begin_run(run_record("r3", batch))
        for run in ("r1", "r2"):
            brought_to(ledger, run, RunStatus.VERIFIED)
        found = ledger.delivered_run(batch, TARGETS)
        assert found is not None
        assert (found.run, found.plan_digest, found.pipeline_text) == ("r2", "d2", "text")

    def test_another_pipeline_has_delivered_nothing_yet(self, ledger: Ledger) -> None:
        _, first = begun(ledger, "r1", ["aa"])
        _, second = begun(ledger, "r2", ["aa", "bb"])
        _, other = begun(ledger, "r3", ["cc"], pipeline="other")
        for run in (first, second, other):
            brought_to(ledger, run, RunStatus.PUBLISHED if run == "r1" else RunStatus.VERIFIED)
        assert ledger.delivered_files("orders", TARGETS) == {"aa", "bb"}
        assert ledger.delivered_files("other", TARGETS) == {"cc"}
        assert ledger.delivered_files("third", TARGETS) == set()

    def test_the_newest_delivery_is_of_the_same_destinations(self, ledger: Ledger) -> None:
        for run, digest, changes in (
            ("r1", "aa", {}),
            ("r2", "bb", {"pipeline": "other"}),
            ("r3", "cc", {"destinations": TARGETS[:1]}),
            ("r4", "dd", {}),
        ):
            begun(ledger, run, [digest], **changes)
            brought_to(ledger, run, RunStatus.FAILED if run == "r4" else RunStatus.VERIFIED)
        for pipeline, expected in ((None, "r2"), ("orders", "r1"), ("other", "r2"), ("third", None)):
            found = ledger.newest_delivery(TARGETS, pipeline=pipeline)
            assert (found and found.run) == expected

    def test_names_are_known_with_the_bytes_they_were_delivered_with(self, ledger: Ledger) -> None:
        batches = [begun(ledger, f"r{n}", [digest])[0] for n, digest in enumerate(("aa", "bb", "cc"))]
        for run, end in (("r0", RunStatus.VERIFIED), ("r1", RunStatus.PUBLISHED), ("r2", RunStatus.FAILED)):
            brought_to(ledger, run, end)
        known = ledger.delivered_names("orders", TARGETS, ["0.csv", "none.csv"])
        assert {name: list(found.items()) for name, found in known.items()} == {
            "0.csv": [("bb", batches[1]), ("aa", batches[0])]
        }
        assert ledger.delivered_names("other", TARGETS, ["0.csv"]) == {}

    def test_what_was_replaced_everywhere_is_superseded(self, ledger: Ledger) -> None:
        first, second, partly, new = (
            begun(ledger, f"r{n}", [f"d{n}"], destinations=to)[0]
            for n, to in enumerate((TARGETS, TARGETS[:1], (*TARGETS, "third"), TARGETS))
        )
        for run in range(4):
            brought_to(ledger, f"r{run}", RunStatus.VERIFIED)
        for batch in (first, second, partly, new):
            ledger.set_batch_status(batch, BatchStatus.DELIVERED)
        assert sorted(ledger.supersede(new, TARGETS)) == sorted([first, second])
        assert ledger.supersede(new, TARGETS) == []
        found = {batch.batch: batch.status for batch in ledger.batches()}
        assert [str(found[batch]) for batch in (first, partly, new)] == ["superseded", "delivered", "delivered"]
        assert ledger.events(batch=first)[-1].data == {"from": "delivered", "to": "superseded", "by": new}

    # at once

    def test_threads_lose_nothing_to_each_other(self, ledger: Ledger) -> None:
        batch, run = begun(ledger)

        def work(number: int) -> None:
            ledger.add_parts([part(number, batch=batch)])
            ledger.save_state(run, {f"k{number}": number})
            ledger.begin_batch("same", "orders", [source_file()])

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(1, 21)))
        assert [found.ref.key.seq for found in ledger.parts(batch, "g1", PartKind.RAW)] == list(range(1, 21))
        found = ledger.run(run)
        assert found is not None
        assert found.state == {f"k{number}": number for number in range(1, 21)}
        assert len(ledger.events(batch="same")) == 1
