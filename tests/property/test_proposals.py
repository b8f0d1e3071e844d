"""Whatever a column holds: the proposed pipeline runs unedited and rejects no row that it didn't name."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from loadlock.cleanup.compile import compile_plan
from loadlock.cleanup.kernel import clean
from loadlock.cleanup.profile import profile
from loadlock.cleanup.survey import decide, survey
from loadlock.pipeline.guess import propose, to_yaml
from loadlock.pipeline.read import pipeline_from_text
from loadlock.rows import provenance_fields

NOW = datetime(2024, 6, 1, tzinfo=UTC)
NUMBERS = ["1", "-2", "+3", "007", "0", "1.5", ".5", "5.", "1.234", "1e5", "-0.0", "12345678901234567890", "1" * 40]
AMOUNTS = [
    "1,234",
    "1,5",
    "1.234,50",
    "1,234.50",
    "$5",
    "5 €",
    "(3)",
    "3-",
    "1 234",
    "1'234.5",
    "12%",
    "€ -1,00",
    "--1",
    "(1",
]
DATES = [
    "2024-01-31",
    "2024-1-3",
    "31/01/2024",
    "01/02/2024",
    "1/2/24",
    "31.12.1999",
    "20240131",
    "31 Jan 2024",
    "May 5, 2024",
    "2024-02-30",
    "2024-01-31 10:00",
    "2024-01-31T10:00:00Z",
    "2024-01-31T10:00:00.5",
    "10:30",
    "9:05",
    "10:30:00",
    "24:00",
]
WORDS = [
    "yes",
    "No",
    "true",
    "F",
    "N/A",
    "-",
    "NULL",
    "",
    "  ",
    " x ",
    "a b",
    "{}",
    "[1]",
    "RenÃ©",
    "x@y.org",
    "0",
    "\t7",
    "٣",
]
UUIDS = ["123e4567-e89b-12d3-a456-426614174000", "9b2f8f5e-1c47-4f0e-9d55-0c2f6f1f2b3a"]
values = st.sampled_from([None, *NUMBERS, *AMOUNTS, *DATES, *WORDS, *UUIDS]) | st.text(max_size=8)
columns = st.lists(st.sampled_from([NUMBERS, AMOUNTS, DATES, WORDS, UUIDS]), min_size=1, max_size=2).flatmap(
    lambda pools: st.lists(st.sampled_from([None, *(v for pool in pools for v in pool)]), min_size=1, max_size=12)
) | st.lists(values, min_size=1, max_size=12)


def staged(column: list[str | None]) -> pa.Table:
    table = pa.table({"c": pa.array(column, pa.string())})
    for entry in provenance_fields():
        numbers = pa.array(range(1, len(column) + 1), pa.int64())
        texts = pa.array(["f"] * len(column)).cast(entry.type) if entry.type != pa.int64() else None
        table = table.append_column(entry, numbers if texts is None else texts)
    return table


@settings(max_examples=60, deadline=None)
@given(columns, st.integers(min_value=1, max_value=60))
def test_a_proposal_rejects_no_more_than_it_says(column: list[str | None], times: int) -> None:
    table = staged(column * times)
    proposal = propose(profile([table]), name="p", files=["f"])
    plan = compile_plan(pipeline_from_text(to_yaml(proposal), base_folder=Path(), environment={}), None, run_time=NOW)
    plan, _ = decide(plan, survey(table, plan))
    rejects = clean(table, plan, file_index=0).rejects
    assert rejects.num_rows == sum(one.misfits for one in proposal.columns), to_yaml(proposal)
