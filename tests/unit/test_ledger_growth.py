"""Questions to the ledger cost the same whatever the number of batches: each one goes by an index."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy import Engine, event, insert

from loadlock.ledger import schema as tables
from loadlock.ledger.records import target_of
from loadlock.ledger.sql_ledger import SqlLedger, open_ledger
from loadlock.ledger.sqlite_file import FILE, sqlite_engine, writing
from loadlock.model import PartKind

BATCHES = 10_000
WANTED = "b05000"
TARGET = target_of("orders", ["shop"])
OTHER = target_of("orders", ["rare"])


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    folder = tmp_path_factory.mktemp("grown")
    open_ledger(folder).close()
    engine = sqlite_engine(folder / FILE)
    _fill(engine)
    yield engine
    engine.dispose()


def _fill(engine: Engine) -> None:
    names = [f"b{number:05}" for number in range(BATCHES)]
    batch = {"pipeline": "orders", "status": "delivered", "created": "x", "generation": 1, "staged": True}
    file = {"file_index": 0, "path": "p", "name": "n", "size_bytes": 1}
    run = {
        "pipeline": "orders", "status": "verified", "started": "x", "plan_digest": "d", "pipeline_text": "",
        "state": {}, "target": TARGET, "destinations": ["shop"],
    }  # fmt: skip
    part = {"scope": "g1", "kind": "raw", "seq": 1, "location": "x", "row_count": 1, "byte_count": 1, "info": {}}
    with writing(engine) as connection:
        connection.execute(insert(tables.batches), [{"batch": name, **batch} for name in names])
        connection.execute(insert(tables.files), [{"batch": name, "sha256": f"s{name}", **file} for name in names])
        connection.execute(insert(tables.runs), [{"run": f"r{name}", "batch": name, **run} for name in names])
        connection.execute(insert(tables.parts), [{"batch": name, **part} for name in names])
        connection.execute(
            insert(tables.events), [{"at": "x", "batch": n, "run": f"r{n}", "kind": "run", "data": {}} for n in names]
        )


QUESTIONS: dict[str, Callable[[SqlLedger], Any]] = {
    "batch": lambda ledger: ledger.batch(WANTED),
    "run": lambda ledger: ledger.run(f"r{WANTED}"),
    "find_batch": lambda ledger: ledger.find_batch(WANTED),
    "find_run": lambda ledger: ledger.find_run(f"r{WANTED}"),
    "runs of a batch": lambda ledger: ledger.runs(batch=WANTED),
    "newest runs": lambda ledger: ledger.runs(limit=5),
    "newest batches": lambda ledger: ledger.batches(limit=5),
    "parts": lambda ledger: ledger.parts(WANTED, "g1", PartKind.RAW),
    "events of a run": lambda ledger: ledger.events(run=f"r{WANTED}"),
    "events of a batch": lambda ledger: ledger.events(batch=WANTED),
    "delivered_run": lambda ledger: ledger.delivered_run(WANTED, ["shop"]),
    "file_reports": lambda ledger: ledger.file_reports(WANTED, 1) or True,
    "chunks": lambda ledger: ledger.chunks(f"r{WANTED}", 0) or True,
    "reject_counts": lambda ledger: ledger.reject_counts(f"r{WANTED}") or True,
    "newest_delivery": lambda ledger: ledger.newest_delivery(["shop"], pipeline="orders"),
    "delivered_names": lambda ledger: not ledger.delivered_names("orders", ["rare"], ["n"]),
    "delivered_files": lambda ledger: not ledger.delivered_files("orders", ["rare"]),
}


@pytest.mark.parametrize("question", QUESTIONS)
def test_a_question_scans_no_table(engine: Engine, question: str) -> None:
    plans: list[str] = []

    def explain(connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, _many: bool) -> None:
        if statement.lower().startswith("select"):
            raw = connection.connection.dbapi_connection
            plans.extend(row[3] for row in raw.execute(f"explain query plan {statement}", parameters).fetchall())

    ledger = SqlLedger(engine, place="ledger")
    event.listen(engine, "before_cursor_execute", explain)
    try:
        assert QUESTIONS[question](ledger)
    finally:
        event.remove(engine, "before_cursor_execute", explain)
    # reading the newest few off the end of a table is no scan of it
    newest = question.startswith("newest")
    scans = [
        plan for plan in plans if plan.startswith("SCAN") and not (newest and plan in ("SCAN runs", "SCAN batches"))
    ]
    assert [plan for plan in scans if plan.split()[1] in tables.metadata.tables] == []
    assert any(plan.startswith("SEARCH") for plan in plans) or newest


def test_all_delivered_files_come_from_one_query(engine: Engine) -> None:
    statements: list[str] = []

    def seen(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        statements.append(statement)

    event.listen(engine, "before_cursor_execute", seen)
    try:
        found = SqlLedger(engine, place="ledger").delivered_files("orders", ["shop"])
    finally:
        event.remove(engine, "before_cursor_execute", seen)
    assert len(found) == BATCHES
    assert len([statement for statement in statements if statement.lower().startswith("select")]) == 1
