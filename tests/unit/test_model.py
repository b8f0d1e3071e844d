"""The values that travel: statuses, balance, types, problem codes, the pipeline as JSON."""

from __future__ import annotations

import re

import pytest

from loadlock.intake.base import SourceOptions
from loadlock.model import RUN_TRANSITIONS, Balance, ByteCount, RunStatus, Severity, Stage, WriteMode
from loadlock.pipeline.codec import from_json, to_json
from loadlock.pipeline.model import Budget, CheckUse, Column, DestinationSpec, Flatten, Pipeline, RuleUse, Source
from loadlock.problems import CATALOGUE
from loadlock.types import ColumnType

CLOSED = Balance(
    received=100, staged=95, rejected_intake=5, clean=80, rejected_cleanup=10, skipped=3, superseded=2,
    inserted=50, updated=20, unchanged=9, rejected_delivery=1, blank=4,
)  # fmt: skip


def test_every_status_has_its_transitions() -> None:
    assert set(RUN_TRANSITIONS) == set(RunStatus)


def test_a_run_goes_only_forward() -> None:
    assert RunStatus.RECEIVED.may_become(RunStatus.STAGED)
    assert not RunStatus.STAGED.may_become(RunStatus.RECEIVED)
    assert not RunStatus.CLEANED.may_become(RunStatus.PUBLISHED)
    assert not RunStatus.ROLLED_BACK.may_become(RunStatus.VERIFIED)
    assert RunStatus.FAILED.may_become(RunStatus.CLEANED)


def test_a_closed_balance_has_no_faults() -> None:
    assert CLOSED.faults() == []


@pytest.mark.parametrize("name", ["received", "staged", "clean", "inserted", "rejected_delivery", "superseded"])
def test_one_row_too_many_anywhere_is_found(name: str) -> None:
    assert CLOSED.with_(**{name: getattr(CLOSED, name) + 1}).faults()


def test_a_balance_is_judged_up_to_its_stage() -> None:
    early = Balance(received=10, staged=9, rejected_intake=1)
    assert early.faults(upto=Stage.STAGING) == []
    assert early.faults(upto=Stage.CLEANUP) != []


def test_balances_add_up() -> None:
    assert (CLOSED + CLOSED).received == 200
    assert (CLOSED + CLOSED).faults() == []


def test_byte_classes_sum_to_the_total() -> None:
    assert (ByteCount(rows=5, blank=1) + ByteCount(framing=2)).total == 8


@pytest.mark.parametrize(
    ("written", "shown"),
    [("Text", "text"), ("int", "integer"), ("decimal( 12 , 2 )", "decimal(12,2)"), ("numeric(5)", "decimal(5,0)"),
     ("timestamp with time zone", "timestamptz"), ("bool", "boolean")],
)  # fmt: skip
def test_types_are_read_as_people_write_them(written: str, shown: str) -> None:
    assert str(ColumnType.parse(written)) == shown


@pytest.mark.parametrize("written", ["decimal", "decimal(39,2)", "decimal(2,3)", "money", ""])
def test_a_wrong_type_names_the_choices(written: str) -> None:
    with pytest.raises(ValueError, match=r"decimal|one of"):
        ColumnType.parse(written)


def test_the_budget_counts_rows_or_percent_whichever_comes_first() -> None:
    assert Budget(rows=10, percent=None).exceeded(11, 1_000_000)
    assert not Budget(rows=10, percent=None).exceeded(10, 10)
    assert not Budget().exceeded(100, 150)  # within the floor
    assert Budget().exceeded(101, 1000)
    assert not Budget().exceeded(50_000, 1_000_000)
    assert Budget().exceeded(50_001, 1_000_000)


def test_problem_codes_are_words_with_meaning_and_remedy() -> None:
    for code, entry in CATALOGUE.items():
        assert re.fullmatch(r"[a-z][a-z_]+", code)
        assert entry.meaning.endswith(".")
        assert entry.remedy.endswith(".")


def test_a_pipeline_survives_the_way_through_json() -> None:
    pipeline = Pipeline(
        name="orders",
        source=Source(
            files=("a.csv",), options=SourceOptions(delimiter=";", tolerate=("pad_short",)), flatten=Flatten(depth=2)
        ),
        columns=(
            Column(
                name="id",
                type=ColumnType.parse("decimal(12,2)"),
                rules=(RuleUse(name="trim", options={"side": "left"}),),
            ),
            Column(name="x", checks=(CheckUse(name="in", severity=Severity.WARN),)),
        ),
        rules=(("id", RuleUse(name="sql", options={"sql": "id + 1"})),),
        destinations=(DestinationSpec(url="x.csv", mode=WriteMode.UPSERT, key=("id",)),),
        lookups={"c.csv": (("a", "b"), ("1", "2"))},
    )
    assert from_json(Pipeline, to_json(pipeline)) == pipeline


def test_only_what_changes_the_result_changes_the_compiled_digest() -> None:
    one = Pipeline(name="a", columns=(Column(name="x"),), base_folder="/here")
    moved = Pipeline(
        name="b", columns=(Column(name="x"),), base_folder="/there", destinations=(DestinationSpec(url="y.csv"),)
    )
    other = Pipeline(name="a", columns=(Column(name="x", required=True),))
    assert one.compiled_digest() == moved.compiled_digest()
    assert one.compiled_digest() != other.compiled_digest()
