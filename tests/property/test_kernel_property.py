"""Properties of the kernel: no text raises, no row is lost, cuts and order change nothing, numbers are exact."""

from __future__ import annotations

import datetime as dt
import json
import math
from decimal import Decimal
from functools import cache

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from loadlock.cleanup.compile import compile_plan
from loadlock.cleanup.kernel import clean
from loadlock.cleanup.plan import Plan
from loadlock.model import Severity
from loadlock.pipeline.model import CheckUse, Column, Pipeline, RuleUse
from loadlock.testing.raw import raw_part
from loadlock.types import ColumnType

KINDS = (
    "text",
    "integer",
    "decimal(12,2)",
    "float",
    "boolean",
    "date",
    "time",
    "timestamp",
    "timestamptz",
    "json",
    "uuid",
)
NEAR = st.text(st.sampled_from("0123456789.,-+eE:/ TZtruefalsyno{}[]\"'\\\x00\x1f\n\u00a0N"), max_size=24)
TEXTS = st.none() | NEAR | st.text(max_size=12) | st.sampled_from(
    ["", " ", "1", "1.5", "true", "2024-02-29", "01/02/2024", "12:30", "2024-02-29T12:00:00Z", "{}", "null", "1e5", "nan"]
)  # fmt: skip


@cache
def plan() -> Plan:
    columns = [
        Column(name=kind, type=ColumnType.parse(kind), rules=(RuleUse(name="trim"),) if kind == "text" else ())
        for kind in KINDS
    ]
    columns.append(Column(name="d", type=ColumnType.parse("date"), formats=("%d/%m/%Y", "%m/%d/%Y"), source=("date",)))
    checks = (CheckUse(name="sql", options={"sql": "integer < 5"}, severity=Severity.WARN),)
    return compile_plan(
        Pipeline(name="p", columns=tuple(columns), checks=checks), run_time=dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    )


def part_of(rows: list[list[str | None]]) -> pa.Table:
    return raw_part({kind: [row[number] for row in rows] for number, kind in enumerate(KINDS)})


ROWS = st.lists(st.lists(TEXTS, min_size=len(KINDS), max_size=len(KINDS)), max_size=40)


@settings(deadline=None, max_examples=12)
@given(ROWS, st.integers(9, 30))
def test_any_texts_end_as_clean_rows_or_rejects_and_the_cut_into_parts_changes_nothing(
    rows: list[list[str | None]], size: int
) -> None:
    raw = part_of(rows)
    whole = clean(raw, plan(), file_index=0)
    seen = sorted(whole.clean["_row"].to_pylist() + whole.rejects["_row"].to_pylist())
    assert seen == list(range(1, len(rows) + 1))
    parts = [clean(raw.slice(at, size), plan(), file_index=0) for at in range(0, len(rows), size)]
    assert sum(part.digest for part in parts) % 2**128 == whole.digest
    for reject in whole.rejects.to_pylist():
        assert json.loads(reject["values"]) == dict(zip(KINDS, rows[reject["_row"] - 1], strict=True))
        assert reject["problems"]
    if parts:
        assert pa.concat_tables([part.clean for part in parts]).equals(whole.clean)
        assert pa.concat_tables([part.rejects for part in parts]).to_pylist() == whole.rejects.to_pylist()


@settings(deadline=None, max_examples=20)
@given(
    st.lists(st.decimals(allow_nan=False, allow_infinity=False, places=4) | st.decimals(-(10**11), 10**11), max_size=60)
)
def test_decimals_are_exact_or_a_problem(numbers: list[Decimal]) -> None:
    texts = [str(number) for number in numbers if number.is_finite()]
    column = Column(name="n", type=ColumnType.parse("decimal(12,2)"))
    part = clean(raw_part({"n": list(texts)}), _single(column), file_index=0)
    kept = dict(zip(part.clean["_row"].to_pylist(), part.clean["n"].to_pylist(), strict=True))
    for row, text in enumerate(texts, 1):
        exact = Decimal(text)
        # DuckDB's cast reads exponents of four digits at most
        fits = abs(exact) < 10**10 and exact == round(exact, 2) and abs(exact.as_tuple().exponent) < 1000  # type: ignore[arg-type]
        assert kept.get(row) == (exact if fits else None)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.integers(-(2**64), 2**64) | st.floats(), max_size=60))
def test_integers_are_whole_and_floats_read_back_as_they_were(numbers: list[int | float]) -> None:
    texts = [repr(number) for number in numbers]
    whole = clean(
        raw_part({"n": list(texts)}), _single(Column(name="n", type=ColumnType.parse("integer"))), file_index=0
    )
    fitting = [n for n in numbers if isinstance(n, int) and -(2**63) <= n < 2**63]
    assert whole.clean["n"].to_pylist() == fitting
    real = clean(raw_part({"n": list(texts)}), _single(Column(name="n", type=ColumnType.parse("float"))), file_index=0)
    assert real.clean["n"].to_pylist() == [float(number) for number in numbers if math.isfinite(number)]


@cache
def _single(column: Column) -> Plan:
    return compile_plan(Pipeline(name="p", columns=(column,)), run_time=dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
