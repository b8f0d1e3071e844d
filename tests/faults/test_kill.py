"""Killed at any named place, then resumed: the same digest, balance and destination as if nothing had happened."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from loadlock import faults
from loadlock.testing.command import CommandLine, Ended

SOURCE = Path(faults.__file__).parent
ROWS = 120
FILES = ("a.csv", "b.csv", "c.csv")

# every place occurs: a date's order is decided, rows are rejected at each stage, a row is not unique, two parts a file
PIPELINE = """
pipeline: orders
source: {{files: "*.csv"}}
columns:
  id: {{type: integer, required: true, unique: true}}
  name: {{type: text, rules: [trim]}}
  amount: {{type: "decimal(12,2)"}}
  day: {{type: date, formats: ["%d/%m/%Y", "%m/%d/%Y"]}}
destination: {{url: "{url}"{rest}}}
"""


def write_batch(folder: Path) -> None:
    for number, name in enumerate(FILES):
        lines = ["id,name,amount,day"]
        lines += [f"{number * ROWS + i}, n{i} ,{i}.25,{13 + i % 15}/0{1 + i % 9}/2024" for i in range(ROWS)]
        lines += [f'{number * ROWS},"twice",1.00,14/01/2024' if number else "x1,no integer,1.00,14/01/2024"]
        lines += ["7001,few", f"{9000 + number},{'n' * 30},1.00,14/01/2024"]
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


class Place:
    """A destination of the tests: its URL, what lies in it, and what a run may leave behind."""

    mode = "append"

    def __init__(self, url: str, *, table: bool, rows: Callable[[], list[tuple[Any, ...]]], create: Callable[[], None]):
        self.url, self.table, self.rows, self.create = url, table, rows, create

    def pipeline(self) -> str:
        rest = f", table: orders, mode: {self.mode}" if self.table else ", mode: append"
        return PIPELINE.format(url=self.url, rest=rest)

    def leftovers(self) -> list[str]:
        return []


def query_postgres(url: str, sql: str) -> list[tuple[Any, ...]]:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection:
        cursor = connection.execute(sql.encode())
        return cursor.fetchall() if cursor.description else []


def query_duckdb(path: Path, sql: str) -> list[tuple[Any, ...]]:
    import duckdb

    with duckdb.connect(str(path)) as connection:
        return connection.execute(sql).fetchall()


TABLE = (
    "create table orders (id bigint primary key check (id < 9000), name varchar(40), amount decimal(12,2), day date)"
)
SELECT = "select id, name, cast(amount as varchar(20)), cast(day as varchar(10)) from orders order by id"
OURS = "select relname::text from pg_class where relkind in ('r','S') and relname like '%loadlock%'"


@pytest.fixture(params=["duckdb", "file", pytest.param("postgres", marks=pytest.mark.postgres)])
def place(request: pytest.FixtureRequest, loadlock: CommandLine) -> Place:
    folder = loadlock.folder
    match request.param:
        case "duckdb":
            return _local(folder / "out.duckdb", "duckdb:///out.duckdb")
        case "file":
            out = folder / "out.ndjson"
            lines = lambda: [tuple(re.findall(r": ([^,}]+)", line)) for line in sorted(out.read_text().splitlines())]  # noqa: E731
            return Place("out.ndjson", table=False, rows=lines, create=lambda: None)
        case _:
            return _server(request.getfixturevalue("postgres"))


def _local(path: Path, url: str) -> Place:
    return Place(
        url, table=True, rows=lambda: query_duckdb(path, SELECT), create=lambda: (query_duckdb(path, TABLE), None)[1]
    )


def _server(url: str) -> Place:
    found = Place(
        url, table=True, rows=lambda: query_postgres(url, SELECT), create=lambda: (query_postgres(url, TABLE), None)[1]
    )
    found.leftovers = lambda: sorted(  # type: ignore[method-assign]
        {str(name) for (name,) in query_postgres(url, OURS)} - {"loadlock_deliveries", "loadlock_chunks"}
    )
    return found


def prepare(loadlock: CommandLine, place: Place) -> None:
    write_batch(loadlock.folder)
    (loadlock.folder / "orders.yaml").write_text(place.pipeline(), encoding="utf-8")
    place.create()


Undisturbed = tuple[dict[str, Any], list[tuple[Any, ...]]]


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """Document and rows of the same batch in a DuckDB file, with nothing in the way."""
    folder = tmp_path_factory.mktemp("undisturbed") / "work"
    folder.mkdir()
    loadlock = CommandLine(folder=folder)
    plain = _local(folder / "out.duckdb", "duckdb:///out.duckdb")
    prepare(loadlock, plain)
    return loadlock.json("run", "orders.yaml", codes=[3]), plain.rows()


def only_run(loadlock: CommandLine) -> dict[str, Any]:
    (run,) = loadlock.json("runs")
    return dict(run)


def assert_right(place: Place, document: dict[str, Any], expected: dict[str, Any], rows: list[tuple[Any, ...]]) -> None:
    assert document["status"] == "verified"
    assert document["digest"] == expected["digest"]
    assert document["receipt"]["equal"] is True
    if place.table:  # a file takes what the table's columns refuse
        assert document["balance"] == expected["balance"]
        assert document["rejects"] == expected["rejects"]
        assert [tuple(map(str, row)) for row in place.rows()] == [tuple(map(str, row)) for row in rows]
    else:
        assert len(place.rows()) == document["balance"]["inserted"] == document["balance"]["clean"]
    assert place.leftovers() == []


def assert_tidy(folder: Path) -> None:
    """Nothing hidden beside the destination but locks, nothing unfinished in the workspace."""
    hidden = [path.name for path in folder.iterdir() if path.name.startswith(".") and path.name != ".loadlock"]
    assert [name for name in hidden if not name.endswith(".lock") and not name.endswith("loadlock-lock")] == []
    workspace = folder / ".loadlock"
    assert list((workspace / "tmp").iterdir()) == []
    assert list(workspace.rglob("*.tmp")) == []


@pytest.mark.slow
@pytest.mark.parametrize("point", faults.POINTS)
def test_a_run_killed_at_a_place_resumes_as_if_nothing_had_happened(
    point: str, loadlock: CommandLine, undisturbed: Undisturbed
) -> None:
    """On one kind of destination; the fault matrix has the others."""
    place = _local(loadlock.folder / "out.duckdb", "duckdb:///out.duckdb")
    expected, rows = undisturbed
    prepare(loadlock, place)
    killed = loadlock("run", "orders.yaml", fault=f"{point}=kill")
    assert killed.code == -signal.SIGKILL, f"the place was not passed: {killed.said}"
    assert_right(place, finish(loadlock), expected, rows)
    assert_tidy(loadlock.folder)


def finish(loadlock: CommandLine) -> dict[str, Any]:
    """What an operator does after a crash: resume the run, or run again where none had begun."""
    runs = loadlock.json("runs") if (loadlock.folder / ".loadlock" / "ledger.db").exists() else []
    if not runs:
        return dict(loadlock.json("run", "orders.yaml", codes=[3]))
    (run,) = runs
    # a run that had come to its end is a no-op: exit code 0
    return dict(loadlock.json("resume", run["run"], codes=[0] if run["status"] == "verified" else [3]))


@pytest.mark.slow
@pytest.mark.parametrize(
    "point", ["intake.part_written:2", "intake.part_listed:2", "cleanup.part_written:2", "cleanup.part_listed:3"]
)
def test_a_run_killed_between_its_files_takes_in_only_what_is_missing(
    point: str, loadlock: CommandLine, undisturbed: Undisturbed
) -> None:
    plain = _local(loadlock.folder / "out.duckdb", "duckdb:///out.duckdb")
    expected, rows = undisturbed
    prepare(loadlock, plain)
    assert loadlock("run", "orders.yaml", fault=f"{point}=kill").code == -signal.SIGKILL
    assert_right(plain, finish(loadlock), expected, rows)


@pytest.mark.slow
def test_running_again_after_a_kill_while_publishing_doubles_nothing(
    place: Place, loadlock: CommandLine, undisturbed: Undisturbed
) -> None:
    expected, rows = undisturbed
    prepare(loadlock, place)
    assert loadlock("run", "orders.yaml", fault="delivery.published=kill").code == -signal.SIGKILL
    ended = loadlock("run", "orders.yaml", "--json")
    assert ended.code == 0, ended.said
    assert ended.document["noop"] is True
    assert "finishing it first" in ended.err
    assert_right(place, ended.document, expected, rows)


@pytest.mark.slow
def test_a_day_later_the_files_of_a_half_published_run_are_not_appended_again(loadlock: CommandLine) -> None:
    plain = _local(loadlock.folder / "out.duckdb", "duckdb:///out.duckdb")
    prepare(loadlock, plain)
    assert loadlock("run", "orders.yaml", fault="delivery.published=kill").code == -signal.SIGKILL
    (loadlock.folder / "d.csv").write_text("id,name,amount,day\n5000,late,1.00,15/03/2024\n", encoding="utf-8")
    document = loadlock.json("run", "orders.yaml")
    assert [entry["name"] for entry in document["files"]] == ["d.csv"]
    assert len([row for row in plain.rows() if row[0] == 5]) == 1


@pytest.mark.slow
@pytest.mark.parametrize(("sent", "point"), [("int", "intake.part_listed"), ("term", "publishing.recorded")])
def test_a_signal_stops_a_run_cleanly_and_it_can_be_resumed(
    sent: str, point: str, loadlock: CommandLine, undisturbed: Undisturbed
) -> None:
    plain = _local(loadlock.folder / "out.duckdb", "duckdb:///out.duckdb")
    expected, rows = undisturbed
    prepare(loadlock, plain)
    stopped = loadlock("run", "orders.yaml", "--json", fault=f"{point}={sent}")
    assert stopped.code == 7, stopped.said
    run = only_run(loadlock)
    assert run["status"] == "interrupted"
    assert stopped.document["run"] == run["run"]
    assert f"loadlock resume {run['run']}" in stopped.err
    assert "Traceback" not in stopped.said
    assert plain.rows() == []
    assert_right(plain, finish(loadlock), expected, rows)


def test_resuming_a_run_that_came_to_its_end_does_nothing(loadlock: CommandLine) -> None:
    plain = _local(loadlock.folder / "out.duckdb", "duckdb:///out.duckdb")
    prepare(loadlock, plain)
    document = loadlock.json("run", "orders.yaml")
    again = loadlock("resume", document["run"], "--json")
    assert (again.code, again.document["noop"], again.document["digest"]) == (0, True, document["digest"])
    assert len(plain.rows()) == document["balance"]["inserted"]


@pytest.mark.parametrize("again", ["resume", "run"])
def test_a_run_killed_behind_its_last_record_leaves_nothing_beside_its_file(again: str, loadlock: CommandLine) -> None:
    plain = Place("out.ndjson", table=False, rows=list, create=lambda: None)
    prepare(loadlock, plain)
    assert loadlock("run", "orders.yaml", fault="end.recorded=kill").code == -signal.SIGKILL
    left = loadlock.folder / ".out.ndjson.loadlock-done"
    assert left.exists()
    words = ["run", "orders.yaml"] if again == "run" else ["resume", str(only_run(loadlock)["run"])]
    assert loadlock.json(*words)["noop"] is True
    assert not left.exists()


@pytest.mark.slow
@pytest.mark.parametrize("kept", [True, False])
def test_a_source_that_changed_after_the_kill_is_read_from_the_kept_bytes_or_refused(
    kept: bool, loadlock: CommandLine, undisturbed: Undisturbed
) -> None:
    plain = _local(loadlock.folder / "out.duckdb", "duckdb:///out.duckdb")
    expected, rows = undisturbed
    prepare(loadlock, plain)
    # killed while the second file is taken in: of the first the bytes are kept, of the others not
    assert loadlock("run", "orders.yaml", fault="intake.part_listed:2=kill").code == -signal.SIGKILL
    name = FILES[0] if kept else FILES[2]
    (loadlock.folder / name).write_text("id,name,amount,day\n1,other,1.00,15/01/2024\n", encoding="utf-8")
    if kept:
        assert_right(plain, finish(loadlock), expected, rows)
        return
    refused = loadlock("resume", only_run(loadlock)["run"], "--json")
    assert refused.code == 2, refused.said
    assert FILES[2] in refused.document["error"]
    assert "other bytes" in refused.document["error"]
    assert plain.rows() == []


@pytest.mark.slow
@pytest.mark.parametrize("place", ["file", pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True)
def test_two_runs_on_one_target_exclude_each_other(place: Place, loadlock: CommandLine) -> None:
    prepare(loadlock, place)
    (loadlock.folder / "later").mkdir()
    (loadlock.folder / "later" / "d.csv").write_text("id,name,amount,day\n5000,x,1.00,15/03/2024\n", encoding="utf-8")
    other = place.pipeline().replace("orders\n", "later\n").replace('"*.csv"', "later/d.csv")
    (loadlock.folder / "later.yaml").write_text(other, encoding="utf-8")
    with halted(loadlock, "delivery.loaded") as first:
        for workspace in (".loadlock", "another"):  # by the workspace's lock, and by the destination's own
            refused = loadlock("run", "later.yaml", "--workspace", workspace, "--json")
            assert refused.code == 5, refused.said
            assert refused.document["kind"] == "LockedError"
    assert first().code == 3
    assert loadlock("run", "later.yaml", "--workspace", "another").code == 0


class halted:  # noqa: N801 - reads as a statement
    """A run halted at a place; after the block it goes on to its end."""

    def __init__(self, loadlock: CommandLine, point: str) -> None:
        self._started = loadlock.start("run", "orders.yaml", fault=f"{point}=stop")
        self._started.wait_until_stopped()

    def __enter__(self) -> Callable[[], Ended]:
        return self._started.wait

    def __exit__(self, *exc: object) -> None:
        self._started.send(signal.SIGCONT)


def test_a_dead_process_leaves_no_lock(loadlock: CommandLine) -> None:
    plain = _local(loadlock.folder / "out.duckdb", "duckdb:///out.duckdb")
    prepare(loadlock, plain)
    assert loadlock("run", "orders.yaml", fault="run.begun=kill").code == -signal.SIGKILL
    assert finish(loadlock)["status"] == "verified"


def test_every_place_named_in_the_code_is_known_and_every_known_one_is_in_the_code() -> None:
    assert sorted(_points_in_code()) == sorted(faults.ALL_POINTS)


def _points_in_code() -> Iterator[str]:
    found = set()
    for path in SOURCE.rglob("*.py"):
        found |= set(re.findall(r'\bpoint\("([a-z_.]+)"\)', path.read_text(encoding="utf-8")))
    return iter(found)


def test_an_unknown_place_is_refused() -> None:
    with pytest.raises(ValueError, match="no known place"):
        faults.arm("nowhere=kill")
