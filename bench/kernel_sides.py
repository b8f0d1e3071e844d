"""The two sides of `python -m bench.kernel`, each run in a process of its own; they time themselves after their imports."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from bench.kernel import COLUMNS, NULLS, query

BATCH = "b" * 64
SCOPE = "kernel"


def stage(work: Path) -> None:
    """Take `in.csv` into raw parts of a workspace."""
    from loadlock.intake.base import SourceOptions
    from loadlock.intake.files import open_sources
    from loadlock.workflow.take_in import Intake, take_in
    from loadlock.workflow.workspace import Workspace

    with Workspace.open(work / "ws") as workspace:
        sources = list(open_sources([work / "in.csv"]))
        workspace.ledger.begin_batch(BATCH, "kernel", [source.file for source in sources])
        intake = Intake(workspace=workspace, batch=BATCH, generation=1, options=SourceOptions(), keep_source=False)
        take_in(intake, list(sources), lambda size, rows: None)


def _loadlock(work: Path) -> dict[str, Any]:
    from datetime import UTC, datetime

    from loadlock.engines.local import LocalEngine
    from loadlock.engines.memory import choose_allocator, keep_small

    choose_allocator()
    keep_small()
    from loadlock.cleanup.tallies import Tallies
    from loadlock.ledger.base import PartRecord
    from loadlock.model import PartKind
    from loadlock.pipeline.build import make_pipeline
    from loadlock.workflow import cleaning
    from loadlock.workflow.planning import make_plan
    from loadlock.workflow.workspace import Workspace

    columns = {
        name: {"type": kind, "rules": ["trim", {"null_if": list(NULLS)}, {"replace": {"old": old, "new": new}}, last]}
        for name, kind, (old, new), last in COLUMNS
    }
    pipeline = make_pipeline(name="kernel", files="in.csv", columns=columns, destination="out.csv", base_folder=work)
    with Workspace.open(work / "ws") as workspace, LocalEngine(temp_folder=workspace.temp) as engine:
        workspace.staging.remove(BATCH, scope=SCOPE)
        raw = workspace.ledger.parts(BATCH, "g1", PartKind.RAW)
        made: list[PartRecord] = []
        begun, cpu = time.perf_counter(), time.process_time()
        plan = make_plan(pipeline, None, run_time=datetime.now(UTC))
        clean_work = cleaning.CleanWork(
            staging=workspace.staging, store=workspace.sources, files={}, plan=plan, batch=BATCH, scope=SCOPE
        )
        cleaning.clean_parts(engine, clean_work, raw, made.extend)
        tallies = Tallies()
        for record in made:
            tallies = tallies + (Tallies.from_json(record.info["tallies"]) if "tallies" in record.info else Tallies())
        seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    changed = {f"{tally.column}/{int(tally.path[-2]) + 1}": tally.changed for tally in tallies.rules}
    problems = sum(rows for _, _, rows in tallies.codes)
    return {"seconds": seconds, "cpu": cpu, "rows": tallies.clean, "problems": problems, "changed": changed}


def _duckdb(work: Path) -> dict[str, Any]:
    import duckdb

    folder = work / "duckdb"
    folder.mkdir(exist_ok=True)
    connection = duckdb.connect()
    connection.execute("set enable_progress_bar = false").fetchall()
    names = ", ".join(name for name, *_ in COLUMNS)
    flags = [(name, step) for name, *_ in COLUMNS for step in range(1, 5)]
    sums = ", ".join(f"count(*) filter ({name}_c{step})" for name, step in flags)
    begun, cpu = time.perf_counter(), time.process_time()
    raw = f"{work}/ws/staging/*/g1/raw/*.parquet"
    good, bad = (f"select {names}, _row, _line, problems from judged where len(problems) {sign} 0" for sign in "=>")
    for statement in (
        f"create temp table judged as {query(raw)}",
        f"copy ({good}) to '{folder}/clean.parquet' (format parquet)",
        f"copy ({bad}) to '{folder}/rejects.parquet' (format parquet)",
    ):
        connection.execute(statement).fetchall()
    counts = connection.execute(
        f"select count(*), sum(len(problems)), count(*) filter (len(problems) = 0), {sums} from judged"
    )
    _, problems, rows, *changed = counts.fetchall()[0]
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    named = {f"{name}/{step}": count for (name, step), count in zip(flags, changed, strict=True)}
    return {"seconds": seconds, "cpu": cpu, "rows": rows, "problems": int(problems), "changed": named}


SIDES: dict[str, Callable[[Path], dict[str, Any]]] = {"loadlock": _loadlock, "duckdb": _duckdb}
