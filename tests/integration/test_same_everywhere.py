"""One dirty batch into three databases: the same rows in each, and the right ones."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from loadlock import Pipeline
from loadlock.testing.compare import Comparison, compare_duckdb, compare_mysql, compare_postgres
from loadlock.testing.maker import Made, make_batch
from loadlock.workflow.result import RunResult

pytestmark = [pytest.mark.postgres, pytest.mark.mysql]

RECORDS = 5_000


@dataclass(frozen=True, kw_only=True)
class Delivered:
    made: Made
    result: RunResult
    verdicts: dict[str, Comparison]


@pytest.fixture
def delivered(tmp_path: Path, postgres: str, mysql: str) -> Delivered:
    made = make_batch(tmp_path / "batch", records=RECORDS, seed=31, shape="demo")
    pipeline = Pipeline.load(made.pipeline)
    file = tmp_path / "orders.duckdb"
    urls = (postgres, mysql, f"duckdb:///{file}")
    (spec,) = pipeline.spec.destinations
    spec_of_all = replace(pipeline.spec, destinations=tuple(replace(spec, url=url) for url in urls))
    result = Pipeline(spec_of_all).run(workspace=tmp_path / "workspace", report=False)
    rejects = result.rejects()
    verdicts = {
        "postgres": compare_postgres(made.truth, postgres, "orders", rejects),
        "mysql": compare_mysql(made.truth, mysql, "orders", rejects),
        "duckdb": compare_duckdb(made.truth, str(file), "orders", rejects),
    }
    return Delivered(made=made, result=result, verdicts=verdicts)


def test_a_dirty_batch_is_the_same_in_postgresql_mariadb_and_duckdb_and_right_in_each(delivered: Delivered) -> None:
    receipts = [destination["receipt"] for destination in delivered.result.document["destinations"]]

    assert [receipt["destination"] for receipt in receipts] == ["postgres", "mysql", "duckdb"]
    assert [receipt["digest"] for receipt in receipts] == [delivered.result.digest] * 3
    assert [(receipt["level"], receipt["equal"]) for receipt in receipts] == [("content", True)] * 3
    for name, verdict in delivered.verdicts.items():
        assert verdict.is_right, (name, verdict)
        assert verdict.right == delivered.made.counts["load"], name
        assert verdict.rejects_right == sum(delivered.made.counts["rejects"].values()), name
