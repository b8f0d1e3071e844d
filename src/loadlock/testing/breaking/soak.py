"""Many batches in mixed modes by two processes at once, killed at random times, against a model of a few lines.

    python -m loadlock.testing.breaking.soak --out docs/soak.md

Three tables in a PostgreSQL database of its own. The batches of one table follow one another, those of different tables
overlap; a killed run is resumed, and may be killed again. At the end each table holds what the model holds.
"""

from __future__ import annotations

import random
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import click

from loadlock.delivery.base import CHUNK_TABLE, CONTROL_TABLE
from loadlock.model import WriteMode
from loadlock.testing.breaking.places import PostgresPlace
from loadlock.testing.command import CommandLine
from loadlock.testing.databases import fresh_postgres
from loadlock.testing.servers import start_postgres

TABLES = ("alpha", "beta", "gamma")
PROCESSES = 2
PART = 1_000_000
"""An id is its part times this and a number, so that parts can be replaced without meeting others' ids."""
PARTS = 8
KILLED = 0.4
"""The share of runs and resumes that are killed."""
BAD_AMOUNT = "not a number"
KILLED_WITHIN_SECONDS = 2.5
REFUSED_AMOUNT = "100000.00"
"""More than the tables take."""
TABLE = (
    "create table {} (id bigint primary key, part integer not null, name text not null,"
    " amount numeric(12,2) check (amount < 100000))"
)
PIPELINE = """
pipeline: soak {table} {mode}
source: {{files: "{name}.csv"}}
rejects: {{budget: {{percent: 20}}}}
columns:
  id: {{type: integer, required: true}}
  part: {{type: integer, required: true}}
  name: {{type: text, rules: [trim]}}
  amount: {{type: "decimal(12,2)"}}
destination: {{url: "{url}", table: {table}, mode: {mode}{rest}}}
"""
RESUMES = 40

Row = tuple[int, int, str, str]


@dataclass(frozen=True, kw_only=True)
class SoakBatch:
    """One batch. The rows that are right are those the model takes."""

    name: str
    table: str
    mode: WriteMode
    rows: tuple[Row, ...]
    bad: tuple[Row, ...]

    def write(self, folder: Path, url: str) -> None:
        """Its file and its pipeline."""
        lines = [f"{number},{part}, {name} ,{amount}" for number, part, name, amount in (*self.rows, *self.bad)]
        random.Random(self.name).shuffle(lines)  # noqa: S311
        (folder / f"{self.name}.csv").write_text("id,part,name,amount\n" + "\n".join(lines) + "\n", encoding="utf-8")
        key = "part" if self.mode == WriteMode.DELETE_INSERT else "id"
        rest = f", key: [{key}]" if self.mode not in (WriteMode.APPEND, WriteMode.REPLACE) else ""
        rest += ", max_delete_percent: 100" if self.mode == WriteMode.MIRROR else ""
        text = PIPELINE.format(table=self.table, mode=self.mode, name=self.name, url=url, rest=rest)
        (folder / f"{self.name}.yaml").write_text(text, encoding="utf-8")


def make_batches(count: int, rows: int, seed: int, modes: Sequence[WriteMode]) -> list[SoakBatch]:
    """Batches in all modes, with about 1 % of rows that cleanup or the table refuses."""
    draw = random.Random(seed)  # noqa: S311
    mixed = [mode for mode in modes if mode != WriteMode.SCD2]  # its tables hold a row several times
    return [_batch(number, rows, draw, mixed) for number in range(count)]


def _batch(number: int, rows: int, draw: random.Random, modes: Sequence[WriteMode]) -> SoakBatch:
    mode, table = draw.choice(modes), draw.choice(TABLES)
    if mode == WriteMode.APPEND:
        ids = [(100 + number) * PART + i for i in range(rows)]  # ids that no other batch has
    else:
        parts = draw.sample(range(PARTS), 2) if mode == WriteMode.DELETE_INSERT else range(PARTS)
        space = [part * PART + i for part in parts for i in range(max(1, rows // len(parts) * 3 // 2))]
        ids = draw.sample(space, min(rows, len(space)))
    good, bad = [], []
    for i in ids:
        row = (i, i // PART, f"batch {number}", f"{draw.randrange(10_000)}.{draw.randrange(100):02}")
        chance = draw.random()
        if chance < 0.01:
            bad.append((*row[:3], BAD_AMOUNT if chance < 0.005 else REFUSED_AMOUNT))
        else:
            good.append(row)
    return SoakBatch(name=f"batch{number:04}", table=table, mode=mode, rows=tuple(good), bad=tuple(bad))


def apply(model: dict[int, Row], batch: SoakBatch) -> None:
    """What a batch does to a table, in plain words."""
    if batch.mode in (WriteMode.REPLACE, WriteMode.MIRROR):
        model.clear()
    elif batch.mode == WriteMode.DELETE_INSERT:
        replaced = {part for _, part, _, _ in batch.rows}
        for number in [number for number, row in model.items() if row[1] in replaced]:
            del model[number]
    for row in batch.rows:
        if batch.mode == WriteMode.INSERT_ONLY:
            model.setdefault(row[0], row)
        else:
            model[row[0]] = row


@dataclass(kw_only=True)
class Soak:
    """The work of a soak in one folder and one database."""

    folder: Path
    place: PostgresPlace
    seed: int
    kills: int = 0
    resumes: int = 0
    seconds: float = 0.0
    say: Callable[[str], None] = lambda line: None
    """Takes what is told on the way."""
    sizes: list[tuple[int, int, int, int]] = field(default_factory=list)
    """(batches, ledger's bytes, workspace's bytes, database's bytes)"""
    models: dict[str, dict[int, Row]] = field(default_factory=lambda: {table: {} for table in TABLES})
    _turn: threading.Lock = field(default_factory=threading.Lock)

    def run(self, batches: Sequence[SoakBatch], *, report_every: int) -> None:
        """All batches; AssertionError where one doesn't come right."""
        begun = time.monotonic()
        for table in TABLES:
            self.place.query(TABLE.format(table))
        queue = Queue(batches)

        def work(worker: int) -> None:
            draw = random.Random(self.seed * 1000 + worker)  # noqa: S311
            while (batch := queue.take()) is not None:
                try:
                    self._deliver(batch, draw)
                finally:
                    queue.done(batch)
                with self._turn:
                    apply(self.models[batch.table], batch)
                    if queue.finished % report_every == 0:
                        self.sizes.append((queue.finished, *self._sizes()))
                        self.say(f"{queue.finished} batches, {time.monotonic() - begun:.0f} seconds")

        with ThreadPoolExecutor(PROCESSES) as pool:
            for ended in [pool.submit(work, worker) for worker in range(PROCESSES)]:
                ended.result()
        self.seconds = time.monotonic() - begun

    def _deliver(self, batch: SoakBatch, draw: random.Random) -> None:
        """Run a batch; kill some attempts, resume them until one ends well."""
        batch.write(self.folder, self.place.url)
        command = CommandLine(folder=self.folder)
        words = ["run", f"{batch.name}.yaml", "--json", "--wait", "60"]
        for _ in range(RESUMES):
            started = command.start(*words)
            if draw.random() < KILLED:
                time.sleep(draw.random() * KILLED_WITHIN_SECONDS)
                started.process.kill()
            ended = started.wait()
            if ended.code in (0, 3):
                wanted = len(batch.bad)
                assert ended.document["status"] == "verified", ended.said[-1000:]
                assert sum(ended.document["rejects"].values()) == wanted, f"{batch.name}: {ended.document['rejects']}"
                return
            assert ended.code in (-9, 5, 7), f"{batch.name} ended with {ended.code}: {ended.said[-1000:]}"
            with self._turn:
                self.kills += ended.code == -9
            words = self._again(command, batch, words)
        raise AssertionError(f"{batch.name} never came right")

    def _again(self, command: CommandLine, batch: SoakBatch, words: list[str]) -> list[str]:
        """Resume the run that was killed; run again where it had not begun, or had come to its end."""
        own = [run for run in command.json("runs") if run["pipeline"] == f"soak {batch.table} {batch.mode}"]
        if not own or own[0]["status"] == "verified":
            return words
        with self._turn:
            self.resumes += 1
        return ["resume", own[0]["run"], "--json", "--wait", "60"]

    def _sizes(self) -> tuple[int, int, int]:
        ledger = sum(path.stat().st_size for path in self.folder.glob(".loadlock/ledger.db*"))
        workspace = sum(_size(path) for path in self.folder.glob(".loadlock/**/*"))
        database = self.place.query("select pg_database_size(current_database())")[0][0]
        return ledger, workspace, int(database)

    def differences(self) -> list[str]:
        """What differs from the model, and what was left behind."""
        found = []
        for table, model in self.models.items():
            rows = self.place.query(f"select id, part, name, amount::text from {table} order by id")
            wanted = [model[number] for number in sorted(model)]
            if rows != wanted:
                wrong = len(set(rows) ^ set(wanted))
                found.append(f"{table}: {len(rows):,} rows, the model has {len(wanted):,}; {wrong:,} differ")
        return [*found, *self._left()]

    def _left(self) -> list[str]:
        own = {*TABLES, CONTROL_TABLE, CHUNK_TABLE}
        tables = self.place.query(
            "select relname::text from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'"
        )
        undo = [name for (name,) in tables if name.startswith("loadlock_undo_")]
        found = sorted({name for (name,) in tables} - own - set(undo))
        found += [f"{len(undo)} undo tables"] if len(undo) > len(TABLES) else []
        found += [f"receipt {name}" for (name,) in self.place.query(f"select chunk_id from {CHUNK_TABLE}")]
        workspace = self.folder / ".loadlock"
        return found + [str(path) for path in [*(workspace / "tmp").iterdir(), *workspace.rglob("*.tmp")]]


class Queue:
    """Batches in order, but none of a table that somebody works on."""

    def __init__(self, batches: Sequence[SoakBatch]) -> None:
        self._waiting = list(batches)
        self._busy: set[str] = set()
        self._changed = threading.Condition()
        self.finished = 0

    def take(self) -> SoakBatch | None:
        """The next batch whose table is free; waits for one. None when all are taken."""
        with self._changed:
            while self._waiting:
                for batch in self._waiting:
                    if batch.table not in self._busy:
                        self._waiting.remove(batch)
                        self._busy.add(batch.table)
                        return batch
                self._changed.wait()
            return None

    def done(self, batch: SoakBatch) -> None:
        """The table is free again."""
        with self._changed:
            self._busy.discard(batch.table)
            self.finished += 1
            self._changed.notify_all()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size if path.is_file() else 0
    except FileNotFoundError:  # a run goes on beside us
        return 0


@contextmanager
def soaking(folder: Path, seed: int, url: str | None = None) -> Iterator[Soak]:
    """A soak in an empty database: on a server of its own, or on the one given."""
    with ExitStack() as stack:
        if url is None:
            server = start_postgres()
            stack.callback(server.stop)
            url = stack.enter_context(fresh_postgres(server.url))
        yield Soak(folder=folder, place=PostgresPlace(kind="postgres", url=url), seed=seed)


def page(soak: Soak, batches: Sequence[SoakBatch], differences: Sequence[str]) -> str:
    """The page of a soak."""
    rows = sum(len(batch.rows) for batch in batches)
    counts = ", ".join(f"{mode} {sum(batch.mode == mode for batch in batches)}" for mode in WriteMode)
    lines = [
        "# Soak",
        "",
        "Made by `make soak`; do not edit by hand.",
        "",
        (
            f"{len(batches)} batches, {rows:,} good rows, two processes at once on three tables of PostgreSQL; {soak.kills} runs"
            f" killed at random times, {soak.resumes} resumed; {soak.seconds:,.0f} seconds. Modes: {counts}."
        ),
        "",
        f"**Against the model: {'; '.join(differences) or 'every table equal, nothing left behind'}.**",
        "",
        "| batches | ledger | workspace | database |",
        "| ---: | ---: | ---: | ---: |",
    ]
    lines += [
        f"| {done} | {ledger / 1e6:.1f} MB | {workspace / 1e6:.1f} MB | {database / 1e6:.1f} MB |"
        for done, ledger, workspace, database in soak.sizes
    ]
    if len(soak.sizes) > 1:
        (first, _, early, _), (last, _, late, _) = soak.sizes[0], soak.sizes[-1]
        lines += [
            "",
            (
                f"The workspace grew by {(late - early) / (last - first) / 1e6:.2f} MB a batch: the kept sources, rows as they"
                " came and rejects. The ledger is measured with its write-ahead log, the database with what undoes the last batch"
                " of each table."
            ),
        ]
    return "\n".join(lines) + "\n"


def soak_through(
    folder: Path, *, count: int, rows: int, seed: int, url: str | None, say: Callable[[str], None]
) -> tuple[str, list[str]]:
    """Do a soak; its page, and what differs from the model."""
    work = folder / "work"
    work.mkdir()
    with soaking(work, seed, url) as soak:
        soak.say = say
        batches = make_batches(count, rows, seed, soak.place.modes)
        soak.run(batches, report_every=max(1, count // 10))
        differences = soak.differences()
        say(f"{count} batches, {soak.kills} killed, {soak.seconds:.0f} seconds: {'; '.join(differences) or 'right'}")
        return page(soak, batches, differences), differences


@click.command()
@click.option("--batches", default=200, show_default=True)
@click.option("--rows", default=10_000, show_default=True, help="Of each batch.")
@click.option("--seed", default=1, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), help="Write the page here.")
def main(batches: int, rows: int, seed: int, out: Path | None) -> None:
    """Run many batches with random kills and compare with a model. Ends with 1 where something differs."""
    with tempfile.TemporaryDirectory(prefix="loadlock-soak-") as folder:
        text, differences = soak_through(Path(folder), count=batches, rows=rows, seed=seed, url=None, say=click.echo)
    if out is not None:
        out.write_text(text, encoding="utf-8")
    sys.exit(1 if differences else 0)


if __name__ == "__main__":
    main()
