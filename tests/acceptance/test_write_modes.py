"""insert_only, delete_insert and mirror as a user meets them: counts, guards, `verify` at once and later."""

from __future__ import annotations

import signal
from contextlib import closing
from typing import Any

from loadlock.testing.command import CommandLine
from loadlock.testing.databases import connect_mysql

FIRST = "id,name\n1,a\n2,b\n3,c\n4,d\n"
SECOND = "id,name\n2,B\n3,c\n5,e\n"
COUNTS = ("inserted", "updated", "unchanged", "deleted")


def write(loadlock: CommandLine, url: str, destination: str, **files: str) -> None:
    for name, text in files.items():
        (loadlock.folder / f"{name}.csv").write_text(text, encoding="utf-8")
    lines = ["pipeline: people", "source: '*.csv'", "columns: {id: {type: integer}, name: {}}"]
    lines.append(f'destination: {{url: "{url}", table: people, {destination}}}')
    (loadlock.folder / "p.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def deliver(loadlock: CommandLine, url: str, destination: str, **files: str) -> dict[str, Any]:
    write(loadlock, url, destination, **files)
    return dict(loadlock.json("run", "p.yaml", "--files", "new", codes=[0]))


def counts(run: dict[str, Any]) -> tuple[int, ...]:
    return tuple(run["balance"][name] for name in COUNTS)


def verdict(loadlock: CommandLine, run: dict[str, Any], url: str) -> tuple[str, Any]:
    (receipt,) = loadlock("verify", run["batch"], "--to", url, "--json").document["receipts"]
    return receipt["level"], receipt["equal"]


def execute(url: str, sql: str) -> list[tuple[Any, ...]]:
    """One statement, by others."""
    kind, path = url.partition(":")[0], url.partition(":///")[2]
    if kind == "duckdb":
        import duckdb

        with duckdb.connect(path) as base:
            return base.execute(sql).fetchall()
    if kind == "sqlite":
        import sqlite3

        with closing(sqlite3.connect(path, isolation_level=None)) as file:
            return file.execute(sql).fetchall()
    if kind == "mysql":
        with closing(connect_mysql(url)) as link, link.cursor() as cursor:
            cursor.execute(sql)
            return [tuple(row) for row in cursor.fetchall()]
    import psycopg

    with psycopg.connect(url, autocommit=True) as server:
        found = server.execute(sql.encode())
        return found.fetchall() if found.description else []


def names(url: str) -> dict[int, str]:
    return dict(execute(url, "select id, name from people order by id"))


def test_insert_only_leaves_known_rows_and_compares_its_own_ones_later_too(url: str, loadlock: CommandLine) -> None:
    lineage = ", lineage: columns" if url.startswith(("sqlite", "mysql")) else ""
    way = f"mode: insert_only, key: [id]{lineage}"
    first = deliver(loadlock, url, way, a=FIRST)
    second = deliver(loadlock, url, way, b=SECOND)
    assert (counts(first), counts(second)) == ((4, 0, 0, 0), (1, 0, 2, 0))
    assert names(url) == {1: "a", 2: "b", 3: "c", 4: "d", 5: "e"}
    assert (second["receipt"]["level"], second["receipt"]["equal"], second["receipt"]["read_back"]) == (
        "content",
        True,
        1,
    )
    execute(url, "update people set name = 'stranger' where id = 2")
    assert verdict(loadlock, first, url) == ("content", False)
    assert verdict(loadlock, second, url) == ("content", True)
    execute(url, "update people set name = 'stranger' where id = 5")
    assert verdict(loadlock, second, url) == ("content", False)


def test_delete_insert_replaces_the_partitions_of_the_batch(url: str, loadlock: CommandLine) -> None:
    way = "mode: delete_insert, key: [name]"
    first = deliver(loadlock, url, way, a="id,name\n1,mon\n2,mon\n3,tue\n")
    second = deliver(loadlock, url, way, b="id,name\n7,mon\n8,wed\n")
    assert (counts(first), counts(second)) == ((3, 0, 0, 0), (2, 0, 0, 2))
    assert names(url) == {3: "tue", 7: "mon", 8: "wed"}
    for run in (first, second):
        assert verdict(loadlock, run, url) == ("content", True)
    execute(url, "insert into people (id, name) values (9, 'wed')")
    assert verdict(loadlock, first, url) == ("content", True)
    assert verdict(loadlock, second, url) == ("content", False)


def test_mirror_stops_at_its_guard_and_goes_on_when_forced(loadlock: CommandLine) -> None:
    url = f"duckdb:///{loadlock.folder}/out.db"
    deliver(loadlock, url, "mode: mirror, key: [id]", a=FIRST)
    write(loadlock, url, "mode: mirror, key: [id]", a=SECOND)
    stopped = loadlock("run", "p.yaml")
    assert stopped.code == 4
    assert "would delete 2 of the table's 4 rows, more than 20 %" in stopped.err
    assert names(url) == {1: "a", 2: "b", 3: "c", 4: "d"}
    forced = loadlock.json("run", "p.yaml", "--force", codes=[0])
    assert (counts(forced), names(url)) == ((1, 1, 1, 2), {2: "B", 3: "c", 5: "e"})


def test_a_mirror_within_its_limit_makes_the_table_the_batch(url: str, loadlock: CommandLine) -> None:
    way = "mode: mirror, key: [id], max_delete_percent: 50"
    deliver(loadlock, url, way, a=FIRST)
    second = deliver(loadlock, url, way, b=SECOND)
    assert counts(second) == (1, 1, 1, 2)
    assert names(url) == {2: "B", 3: "c", 5: "e"}
    assert verdict(loadlock, second, url) == ("content", True)
    execute(url, "insert into people (id, name) values (9, 'x')")
    assert verdict(loadlock, second, url) == ("content", False)


def test_an_empty_batch_does_not_empty_a_mirror(loadlock: CommandLine) -> None:
    url = f"duckdb:///{loadlock.folder}/out.db"
    way = "mode: mirror, key: [id], max_delete_percent: 100"
    deliver(loadlock, url, way, a=FIRST)
    write(loadlock, url, way, b="id,name\n")
    stopped = loadlock("run", "p.yaml", "--files", "new")
    assert (stopped.code, "the batch is empty" in stopped.err) == (4, True)
    assert len(names(url)) == 4


def test_insert_only_that_was_killed_behind_its_commit_is_finished_and_inserts_nothing_twice(
    url: str, loadlock: CommandLine
) -> None:
    way = "mode: insert_only, key: [id]"
    deliver(loadlock, url, way, a=FIRST)
    write(loadlock, url, way, b=SECOND)
    assert loadlock("run", "p.yaml", fault="target.committed=kill").code == -signal.SIGKILL
    (killed, _) = loadlock.json("runs")
    done = loadlock.json("resume", killed["run"], "--to", url, codes=[0])
    assert (counts(done), names(url)[5]) == ((1, 0, 2, 0), "e")
    # on a server the staging table still says which rows were left out
    is_server = url.startswith(("postgres", "mysql"))
    assert (done["receipt"]["level"], done["receipt"]["equal"]) == ("content" if is_server else "count", True)
    assert verdict(loadlock, done, url) == (("content", True) if is_server else ("none", None))


def versions(url: str) -> list[tuple[int, str, bool]]:
    return [
        (key, name, until is None)
        for key, name, until in execute(url, "select id, name, valid_to from people order by id, valid_from")
    ]


def test_versions_of_two_days_are_verified_rerun_and_taken_back(loadlock: CommandLine) -> None:
    url = f"duckdb:///{loadlock.folder}/out.db"
    way = "mode: scd2, key: [id], undo: 3"
    first = deliver(loadlock, url, way, a=FIRST)
    second = deliver(loadlock, url, way, b=SECOND)
    assert (counts(first), counts(second)) == ((4, 0, 0, 0), (1, 1, 1, 0))
    assert versions(url)[1:3] == [(2, "b", False), (2, "B", True)]
    # the rerun of an older batch begins no version over a later one
    stale = loadlock.json("rerun", first["batch"], "--force", codes=[0])
    assert counts(stale) == (0, 1, 3, 0)
    loadlock.json("rollback", first["batch"], "--to", url, "--force", codes=[0])
    assert verdict(loadlock, second, url)[1] is not None
    execute(url, "update people set name = 'theirs' where valid_to is null and id = 5")
    assert verdict(loadlock, second, url) == ("content", False)


def test_a_replay_ends_no_keys_and_an_older_batch_is_not_run_again_where_missing_keys_end(
    loadlock: CommandLine,
) -> None:
    url = f"sqlite:///{loadlock.folder}/out.db"
    way = "mode: scd2, key: [id], missing: close, max_delete_percent: 60"
    write(loadlock, url, way, a="id,name\n1,a\n2,b\nx,c\n")
    first = loadlock.json("run", "p.yaml", codes=[3])
    loadlock.json("correct", first["batch"], "--set", "id=3", "--why", "read from paper")
    assert counts(loadlock.json("replay", first["batch"], codes=[0])) == (3, 0, 0, 0)
    assert versions(url) == [(1, "a", True), (2, "b", True), (3, "c", True)]
    assert verdict(loadlock, first, url) == ("content", True)
    write(loadlock, url, way, b="id,name\n2,B\n")
    assert loadlock("run", "p.yaml", "--files", "new").code == 4  # two of three would end
    write(loadlock, url, way.replace("60", "70"))
    done = loadlock.json("run", "p.yaml", "--files", "new", codes=[0])
    assert (counts(done), versions(url)[:2]) == ((0, 1, 0, 2), [(1, "a", False), (2, "b", False)])
    stopped = loadlock("rerun", first["batch"], "p.yaml")
    assert (stopped.code, done["run"] in stopped.err) == (4, True)


def test_versions_that_were_published_by_a_killed_run_are_not_begun_again(loadlock: CommandLine) -> None:
    url = f"sqlite:///{loadlock.folder}/out.db"
    way = "mode: scd2, key: [id]"
    deliver(loadlock, url, way, a=FIRST)
    write(loadlock, url, way, b=SECOND)
    assert loadlock("run", "p.yaml", fault="target.committed=kill").code == -signal.SIGKILL
    (killed, _) = loadlock.json("runs")
    done = loadlock.json("resume", killed["run"], "--to", url, codes=[0])
    assert (counts(done), len(versions(url))) == ((1, 1, 1, 0), 6)
    assert verdict(loadlock, done, url) == ("content", True)


def test_a_corrected_file_does_not_supersede_versions(loadlock: CommandLine) -> None:
    url = f"sqlite:///{loadlock.folder}/out.db"
    write(loadlock, url, "mode: scd2, key: [id]", a=FIRST)
    pipeline = loadlock.folder / "p.yaml"
    pipeline.write_text(pipeline.read_text(encoding="utf-8") + "supersedes: name\n", encoding="utf-8")
    refused = loadlock("run", "p.yaml")
    assert (refused.code, "mode scd2 keeps what was" in refused.err) == (2, True)
