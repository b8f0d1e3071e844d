"""Who runs: the baselines, Loadlock, and the scripts in `peers/`, each as a command of its own."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from bench.filling import Filling
from bench.job import TABLE, Job, write_clean, write_parseable

PEERS = Path(__file__).parent / "peers"
LOADLOCK, COPY, LOAD_DATA = "Loadlock", "psql \\copy of the clean file", "LOAD DATA LOCAL of the clean file"
UPSERT = "Loadlock, upsert"
OURS = (LOADLOCK, UPSERT)
DOES = "survey, raw rows kept, cleanup, rules, rejects with reasons, load, publish, read-back"
PEER_NEEDS = {
    "polars": ("polars", "adbc_driver_postgresql"),
    "duckdb": ("duckdb", "psycopg"),
    "pandas": ("pandas", "psycopg"),
}


@dataclass(frozen=True, kw_only=True)
class Arena:
    """Where one run takes place: an empty table at `url` (for DuckDB: no file yet), and an empty folder."""

    url: str
    folder: Path


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """One that does the job, or the baseline of a destination. `command` is called outside the timing."""

    name: str
    destination: str
    """`postgres`, `mariadb`, `mysql` or `duckdb`."""
    does: str
    """What it does of the job, for the table."""
    errs: str
    """What it gets wrong, for the table."""
    command: Callable[[Arena], Sequence[str]]
    exit_codes: Sequence[int] = (0,)
    prepare: Callable[[Arena], None] | None = None
    """Makes and fills the table, outside the timing; without it the table is there and empty."""
    tidy: Callable[[Arena], None] | None = None
    """Takes away what the run had to leave alone, before the rows are compared; a BenchError where it did not."""

    @property
    def is_loadlock(self) -> bool:
        return self.name in OURS


def loadlock(job: Job, destination: str) -> Contestant:
    """The whole job by `loadlock run`, from a fresh workspace."""

    def command(arena: Arena) -> list[str]:
        return run_command(job.pipeline(f"orders-{destination}", [arena.url]), arena.folder / "workspace")

    return Contestant(
        name=LOADLOCK,
        destination=destination,
        does=DOES,
        errs="",
        command=command,
        exit_codes=(0, 3),
    )


def upsert(job: Job) -> Contestant:
    """The whole job merged by key into a table of as many rows, half of which the batch changes."""
    filling = Filling(job)

    def command(arena: Arena) -> list[str]:
        pipeline = job.pipeline("orders-upsert", [arena.url], mode="upsert, key: [order_id]")
        return run_command(pipeline, arena.folder / "workspace")

    return Contestant(
        name=UPSERT,
        destination="postgres",
        does=f"{DOES}; into a table with a primary key and {filling.rows:,} rows, of which it changes {filling.changed:,}",
        errs="",
        command=command,
        exit_codes=(0, 3),
        prepare=lambda arena: filling.fill(arena.url),
        tidy=lambda arena: filling.take_out(arena.url),
    )


def program() -> str:
    """The `loadlock` command of this environment."""
    return str(Path(sys.executable).with_name("loadlock"))


def run_command(pipeline: Path, workspace: Path) -> list[str]:
    """`loadlock run` as a process of its own."""
    return [program(), "run", str(pipeline), "--workspace", str(workspace), "--json", "--quiet"]


def copy_baseline(job: Job) -> Contestant:
    """What PostgreSQL can take at best: `\\copy` of a file that is clean already."""
    clean = job.folder / "clean-postgres.csv"
    write_clean(job, clean, null="")
    script = f"\\copy {TABLE} from '{clean}' (format csv)"
    return Contestant(
        name=COPY,
        destination="postgres",
        does="load only",
        errs="",
        command=lambda arena: [psql(), "-X", "-q", "-v", "ON_ERROR_STOP=1", arena.url, "-c", script],
    )


def psql() -> str:
    """The program itself: Debian's `psql` on the path is a Perl script that looks for it first."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/psql"), key=lambda path: float(path.parts[4]))
    return str(found[-1]) if found else (shutil.which("psql") or "psql")


def load_data_baseline(job: Job, destination: str) -> Contestant:
    """What MariaDB or MySQL can take at best: its own LOAD DATA of a file that is clean already."""
    clean = job.folder / "clean-mysql.csv"
    if not clean.exists():
        write_clean(job, clean, null="NULL", words=("1", "0"))
    script = (
        f"load data local infile '{clean}' into table {TABLE} character set utf8mb4"
        " fields terminated by ',' optionally enclosed by '\"' escaped by ''"
    )

    def command(arena: Arena) -> list[str]:
        parts = urlsplit(arena.url)
        client = shutil.which("mariadb") or shutil.which("mysql") or "mariadb"
        words = [client, "--no-defaults", "--local-infile=1", "--protocol=tcp", f"--host={parts.hostname}"]
        return [*words, f"--port={parts.port}", f"--user={parts.username}", parts.path.lstrip("/"), "-e", script]

    return Contestant(name=LOAD_DATA, destination=destination, does="load only", errs="", command=command)


def peers(job: Job, names: Sequence[str]) -> list[Contestant]:
    """The scripts asked for whose packages are installed."""
    return [_peer(job, name) for name in names if not missing_packages(name)]


def missing_packages(name: str) -> list[str]:
    """What a peer's script would import in vain."""
    return [package for package in PEER_NEEDS[name] if find_spec(package) is None]


def _peer(job: Job, name: str) -> Contestant:
    source, title, does, errs = job.source, f"{name} script", "clean, rules, load", ""
    if name == "polars":
        source = job.folder / "parseable.csv"
        taken = write_parseable(job, source)
        title, does = "Polars script → ADBC", f"{does}; fed a copy without the {taken:,} rows whose quotes it refuses"
        errs = "mojibake stays; rows with cp1252 bytes get � or are lost; rows with a wrong number of fields land"
    elif name == "duckdb":
        title, does = "DuckDB script → COPY", f"{does}, syntax rejects"
        errs = "mojibake stays; rows with cp1252 bytes or beside an open quote are lost; misquoted rows land"
    elif name == "pandas":
        title = "pandas script → COPY"
        errs = (
            "mojibake stays; rows with cp1252 bytes get � or are lost; rows beside an open quote are lost;"
            " short and misquoted rows land"
        )
    script = str(PEERS / f"{name}_script.py")
    return Contestant(
        name=title,
        destination="postgres",
        does=does,
        errs=errs,
        command=lambda arena: [sys.executable, script, str(source), arena.url, TABLE],
    )
