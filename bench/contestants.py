"""Who runs: the baselines, Loadlock, and the scripts in `peers/`, each as a command of its own."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import urlsplit

from bench.job import TABLE, Job, write_clean, write_parseable

PEERS = Path(__file__).parent / "peers"
LOADLOCK, COPY, LOAD_DATA = "Loadlock", "psql \\copy of the clean file", "LOAD DATA LOCAL of the clean file"
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
    """`postgres`, `mariadb` or `duckdb`."""
    does: str
    """What it does of the job, for the table."""
    errs: str
    """What it gets wrong, for the table."""
    command: Callable[[Arena], Sequence[str]]
    exit_codes: Sequence[int] = (0,)

    @property
    def is_loadlock(self) -> bool:
        return self.name == LOADLOCK


def loadlock(job: Job, destination: str) -> Contestant:
    """The whole job by `loadlock run`, from a fresh workspace."""

    def command(arena: Arena) -> list[str]:
        return run_command(job.pipeline(f"orders-{destination}", [arena.url]), arena.folder / "workspace")

    return Contestant(
        name=LOADLOCK,
        destination=destination,
        does="survey, raw rows kept, cleanup, rules, rejects with reasons, load, publish, read-back",
        errs="",
        command=command,
        exit_codes=(0, 3),
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


def load_data_baseline(job: Job) -> Contestant:
    """What MariaDB can take at best: its own LOAD DATA of a file that is clean already."""
    clean = job.folder / "clean-mariadb.csv"
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

    return Contestant(name=LOAD_DATA, destination="mariadb", does="load only", errs="", command=command)


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
