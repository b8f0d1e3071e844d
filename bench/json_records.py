"""`python -m bench.json_records`: JSON from bytes to raw staging and on to flat clean parts, in CPU time and memory.

Each file is done by a process of its own. The machine should do nothing else meanwhile: what shares its caches makes
this twice as slow.
"""

from __future__ import annotations

import argparse
import json
import random
import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.measure import measure
from bench.page import put_between_markers

DOCS = Path(__file__).parent.parent / "docs" / "performance.md"
MARKERS = ("<!-- json: begin (written by `python -m bench.json_records`) -->", "<!-- json: end -->")
CPU_TARGET, MIB_TARGET = 10.0, 400
_SCRIPT = """
import sys, json, time
from datetime import UTC, datetime
from pathlib import Path
from loadlock.engines.memory import choose_allocator, collect_seldom, keep_small, spare_pandas
choose_allocator()
keep_small()
spare_pandas()
collect_seldom()
from loadlock.engines.local import LocalEngine
from loadlock.intake.files import open_sources
from loadlock.model import PartKind
from loadlock.pipeline.build import pipeline_from
from loadlock.workflow.cleaning import CleanWork, clean_parts
from loadlock.workflow.planning import make_plan
from loadlock.workflow.take_in import Intake, take_in
from loadlock.workflow.workspace import Workspace
columns, flatten = json.loads(sys.argv[2]), json.loads(sys.argv[3])
document = {"pipeline": "bench", "source": {"files": sys.argv[1], "flatten": flatten}, "destination": {"url": "out.csv"},
            "columns": {f"c{number}": {"from": name} for number, name in enumerate(columns)}}
pipeline = pipeline_from(document, base_folder=Path.cwd(), environment={})
workspace = Workspace.open(Path("json-ws"))
begun, cpu = time.perf_counter(), time.process_time()
sources = list(open_sources([Path(sys.argv[1])]))
batch = "b" * 64
workspace.ledger.begin_batch(batch, "bench", [source.file for source in sources])
take_in(Intake(workspace=workspace, batch=batch, generation=1, options=pipeline.source.options, keep_source=False), sources,
        lambda size, rows: None)
staged = time.process_time()
raw = workspace.ledger.parts(batch, "g1", PartKind.RAW)
plan = make_plan(pipeline, None, run_time=datetime.now(UTC))
work = CleanWork(staging=workspace.staging, store=workspace.sources, files={0: sources[0].file}, plan=plan, batch=batch,
                 scope="r1")
rows = []
with LocalEngine() as engine:
    clean_parts(engine, work, raw, lambda records: rows.append(records[-1].ref.rows))
report = workspace.ledger.file_reports(batch, 1)[0]
print(json.dumps({"seconds": time.perf_counter() - begun, "intake": staged - cpu, "clean": time.process_time() - staged,
                  "staged": report.staged, "rejects": report.rejected, "rows": sum(rows)}))
"""

Record = dict[str, Any]


def nested(number: int, chance: random.Random) -> Record:
    """A record of 18 values in objects of up to three levels."""
    street = f"{chance.randint(1, 200)} Main Street"
    address = {
        "street": street,
        "city": chance.choice(["Oslo", "München", "Paris", "Łódź"]),
        "zip": f"{chance.randint(0, 99999):05d}",
    }
    return {
        "id": number,
        "ref": f"A-{number:08d}",
        "created": f"2024-{chance.randint(1, 12):02d}-{chance.randint(1, 28):02d}T10:{chance.randint(0, 59):02d}:00Z",
        "customer": {
            "id": chance.randint(1, 99999),
            "name": chance.choice(["Ann Åberg", 'Bo "B" Li', "Mary Jones", "Иван Петров"]),
            "email": f"user{chance.randint(1, 9999)}@example.org",
            "address": {**address, "country": chance.choice(["NO", "DE", "FR", "PL"])},
        },
        "total": round(chance.random() * 1000, 2),
        "currency": "EUR",
        "paid": chance.random() < 0.5,
        "note": None if chance.random() < 0.5 else "leave at the door",
        "items": chance.randint(1, 9),
        "discount": {"code": None, "rate": 0.1 * chance.randint(0, 5)},
        "tags": ["new", "web"][: chance.randint(0, 2)],
    }


def optional(number: int, chance: random.Random) -> Record:
    """A record with some of 40 optional keys, whose values change their types."""
    values = [1, 2.5, "text", None, True, f"v{number}"]
    return {"id": number} | {f"option_{key}": chance.choice(values) for key in range(40) if chance.random() < 0.4}


def items(number: int, chance: random.Random) -> Record:
    """A record with up to five items."""
    made = [
        {"sku": f"S{chance.randint(0, 999)}", "quantity": chance.randint(1, 9), "price": {"net": chance.random()}}
        for _ in range(chance.randint(0, 5))
    ]
    return {"id": number, "customer": {"name": f"N{number}"}, "items": made}


@dataclass(frozen=True, kw_only=True)
class Case:
    """One file and what is done with it."""

    name: str
    maker: Callable[[int, random.Random], Record]
    is_array: bool = False
    flatten: dict[str, Any]
    columns: tuple[str, ...]


_NESTED = (
    "id", "ref", "created", "customer.id", "customer.name", "customer.email", "customer.address.street",
    "customer.address.city", "customer.address.zip", "customer.address.country", "total", "currency", "paid", "note",
    "items", "discount.code", "discount.rate", "tags",
)  # fmt: skip
_ITEMS = ("id", "customer.name", "items.sku", "items.quantity", "items.price.net")
CASES = (
    Case(name="nested records, NDJSON", maker=nested, flatten={}, columns=_NESTED),
    Case(name="nested records, one array", maker=nested, is_array=True, flatten={}, columns=_NESTED),
    Case(name="40 optional keys", maker=optional, flatten={}, columns=("id", *(f"option_{n}" for n in range(40)))),
    Case(name="arrays as text", maker=items, flatten={}, columns=("id", "customer.name", "items")),
    Case(name="arrays exploded", maker=items, flatten={"explode": ["items"]}, columns=_ITEMS),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the files, measure, write docs/performance.md."""
    parser = argparse.ArgumentParser(prog="python -m bench.json_records", description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=None)
    parser.add_argument("--no-docs", action="store_true")
    parser.add_argument("--out", type=Path, default=Path("bench-out"))
    options = parser.parse_args(arguments)
    work = (options.out / "json").resolve()
    work.mkdir(parents=True, exist_ok=True)
    try:
        lines = [_line(case, work, options.records, options.seed) for case in CASES]
    finally:
        shutil.rmtree(work, ignore_errors=True)
    head = f"{options.records:,} records each; target: at most {CPU_TARGET:g} s of CPU time for 1,000,000, {MIB_TARGET} MiB."
    names = ["file", "MiB", "CPU s to raw staging", "CPU s to clean parts", "both", "wall s", "peak MiB", "rows"]
    text = "\n".join([head, "", f"| {' | '.join(names)} |", "| --- | " + "---: | " * 7, *lines]) + "\n"
    print(text)
    if not options.no_docs:
        put_between_markers(DOCS, text, MARKERS)
    return 0


def make_file(case: Case, path: Path, records: int, seed: int | None) -> None:
    """Write the file of a case."""
    chance = random.Random(seed)
    with path.open("w", encoding="utf-8") as file:
        for number in range(records):
            text = json.dumps(case.maker(number, chance), ensure_ascii=False)
            file.write(("," if number else "[") + "\n" + text if case.is_array else text + "\n")
        file.write("\n]\n" if case.is_array else "")


def _line(case: Case, work: Path, records: int, seed: int | None) -> str:
    path = work / "records.json"
    make_file(case, path, records, seed)
    size = path.stat().st_size / (1 << 20)
    run = measure(
        [sys.executable, "-c", _SCRIPT, str(path), json.dumps(case.columns), json.dumps(case.flatten)], cwd=work
    )
    shutil.rmtree(work / "json-ws", ignore_errors=True)
    path.unlink()
    if run.exit_code:
        raise RuntimeError(run.errors)
    found = json.loads(run.output)
    if found["staged"] + found["rejects"] != records:
        raise RuntimeError(f"{case.name}: {found['staged']:,} of {records:,} records were staged")
    times = [found["intake"], found["clean"], found["intake"] + found["clean"], found["seconds"]]
    cells = [case.name, f"{size:.0f}", *(f"{time:.1f}" for time in times), f"{run.peak_mib:.0f}", f"{found['rows']:,}"]
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    sys.exit(main())
