"""Child tables: the elements of arrays in tables of their own, delivered, balanced and read back like their parents."""

from __future__ import annotations

import csv
import json
import signal
from contextlib import closing
from typing import Any

import pytest

from loadlock import faults
from loadlock.testing.command import CommandLine
from loadlock.testing.databases import connect_mysql

ORDERS = [
    '{"id": 1, "name": "a", "items": [{"sku": "A1", "qty": 2.50}, {"sku": "B7", "Id": "x"}], "tags": ["new", "web"]}',
    '{"id": "bad", "name": "b", "items": [{"sku": "Z1"}], "tags": ["t"]}',
    '{"id": 2, "name": "c", "items": []}',
    '{"id": 3, "name": "d", "items": [{"sku": "C9", "note": {"deep": true}}], "tags": null}',
    '{"id": 3, "name": "twice", "items": [{"sku": "LOST"}]}',
]
COLUMNS = "columns: {id: {type: integer, required: true, unique: true}, name: {}}"
TO_DUCKDB = 'url: "duckdb:///out.duckdb", table: orders'
ITEMS = [(1, 1, 0, "A1", "2.50", None, None), (1, 1, 1, "B7", None, "x", None), (3, 4, 0, "C9", None, None, "true")]
"""Of the parents 1 and 3: `bad` was rejected, 3 stood twice, and 2 has none."""


def write(
    loadlock: CommandLine, *destinations: str, flatten: str = "", columns: str = COLUMNS, rows: Any = None
) -> None:
    (loadlock.folder / "a.ndjson").write_text("\n".join(ORDERS if rows is None else rows) + "\n", encoding="utf-8")
    lines = [
        "pipeline: orders",
        f"source: {{files: a.ndjson, flatten: {{{flatten or 'children: {items: order_items}'}}}}}",
    ]
    lines += [columns, "destinations:", *(f"  - {{{destination}}}" for destination in destinations)]
    (loadlock.folder / "p.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")


def query(loadlock: CommandLine, sql: str) -> list[tuple[Any, ...]]:
    import duckdb

    with duckdb.connect(str(loadlock.folder / "out.duckdb")) as connection:
        return connection.execute(sql).fetchall()


def child_of(document: dict[str, Any], destination: int = 0, child: int = 0) -> dict[str, Any]:
    return dict(document["destinations"][destination]["children"][child])


def counts(child: dict[str, Any]) -> tuple[int, ...]:
    return tuple(child[name] for name in ("rows", "inserted", "rejected", "left_out"))


def test_a_child_row_carries_its_parents_key_row_and_its_position(loadlock: CommandLine) -> None:
    write(loadlock, TO_DUCKDB, flatten="children: {items: order_items, tags: order_tags}")
    document = loadlock.json("run", "p.yaml", codes=[3])
    assert document["status"] == "verified"
    described = query(loadlock, "select column_name, column_type from (describe order_items)")
    assert described == [("id", "BIGINT"), ("_parent_row", "BIGINT"), ("_index", "BIGINT"), ("sku", "VARCHAR"),
                         ("qty", "VARCHAR"), ("Id_2", "VARCHAR"), ("note.deep", "VARCHAR")]  # fmt: skip
    assert query(loadlock, "from order_items order by id, _index") == ITEMS
    assert query(loadlock, "from order_tags order by _index") == [(1, 1, 0, "new"), (1, 1, 1, "web")]
    assert query(loadlock, "select column_name from (describe orders)") == [("id",), ("name",)]
    items, tags = child_of(document), child_of(document, child=1)
    assert (items["name"], counts(items)) == ("order_items", (3, 3, 0, 2))
    assert (tags["name"], counts(tags)) == ("order_tags", (2, 2, 0, 1))
    assert items["target"].endswith("table order_items")
    for child in (items, tags):
        assert (child["receipt"]["equal"], child["receipt"]["level"]) == (True, "content")
        assert child["receipt"]["rows"] == child["rows"]
    # the batch's own balance counts records, not elements
    assert (document["balance"]["clean"], document["balance"]["inserted"]) == (3, 3)


def test_the_balance_sheet_and_the_report_show_child_tables(loadlock: CommandLine) -> None:
    write(loadlock, TO_DUCKDB)
    ended = loadlock("run", "p.yaml")
    assert "table order_items: append, 3 rows = inserted 3 + rejected 0 (2 left out with their parents)" in ended.out
    assert ended.out.count("read back at level content: equal") == 2
    (report,) = (loadlock.folder / ".loadlock" / "reports").glob("*.html")
    assert "table order_items" in report.read_text(encoding="utf-8")


def test_doctor_looks_at_child_tables_too(loadlock: CommandLine) -> None:
    query(loadlock, "create table order_items (id bigint, sku varchar)")
    write(loadlock, TO_DUCKDB)
    found = [one["found"] for one in loadlock.json("doctor", "p.yaml") if one["what"] == "destination"]
    assert [line.rpartition("table ")[2] for line in found] == [
        "orders: absent, will be created",
        "order_items: 2 columns, append",
    ]


def test_files_get_their_children_in_files_beside_them(loadlock: CommandLine) -> None:
    import pyarrow.parquet as pq

    write(loadlock, "url: out.parquet", 'url: out.csv, filter: "id <> 1"', "url: out.jsonl")
    document = loadlock.json("run", "p.yaml", codes=[3])
    assert {path.name for path in loadlock.folder.glob("out.*")} == {
        f"out{name}.{ending}" for name in ("", ".order_items") for ending in ("parquet", "csv", "jsonl")
    }
    rows = pq.read_table(loadlock.folder / "out.order_items.parquet").to_pylist()
    assert [tuple(row.values()) for row in rows] == ITEMS
    with (loadlock.folder / "out.order_items.csv").open(encoding="utf-8", newline="") as file:
        assert [row[:4] for row in csv.reader(file)] == [["id", "_parent_row", "_index", "sku"], ["3", "4", "0", "C9"]]
    lines = (loadlock.folder / "out.order_items.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["sku"] for line in lines] == ["A1", "B7", "C9"]
    # what the filter leaves out stays out with its children
    assert [counts(child_of(document, index)) for index in range(3)] == [(3, 3, 0, 2), (1, 1, 0, 4), (3, 3, 0, 2)]


def test_without_a_key_file_and_row_number_tell_the_parents_apart(loadlock: CommandLine) -> None:
    write(loadlock, TO_DUCKDB, columns="columns: {name: {}}", rows=ORDERS[:1])
    (loadlock.folder / "b.ndjson").write_text('{"name": "q", "items": [{"sku": "Q"}]}\n', encoding="utf-8")
    text = (loadlock.folder / "p.yaml").read_text(encoding="utf-8").replace("a.ndjson", '"*.ndjson"')
    (loadlock.folder / "p.yaml").write_text(text, encoding="utf-8")
    loadlock.json("run", "p.yaml", codes=[0])
    found = query(loadlock, "select _parent_file, _parent_row, _index, sku from order_items order by all")
    assert found == [(0, 1, 0, "A1"), (0, 1, 1, "B7"), (1, 1, 0, "Q")]


def test_lineage_goes_to_the_children_too_and_verify_then_compares_their_content(loadlock: CommandLine) -> None:
    write(loadlock, f"{TO_DUCKDB}, lineage: columns")
    run = loadlock.json("run", "p.yaml", codes=[3])
    assert query(loadlock, "select distinct _batch, _row = _parent_row from order_items") == [(run["batch"], True)]
    found = loadlock.json("verify", run["batch"], codes=[0])
    assert [(receipt["level"], receipt["equal"], receipt["rows"]) for receipt in found["receipts"]] == [
        ("content", True, 3), ("content", True, 3),
    ]  # fmt: skip
    query(loadlock, "update order_items set sku = 'other' where sku = 'B7'")
    found = loadlock.json("verify", run["batch"], codes=[6])
    assert [receipt["equal"] for receipt in found["receipts"]] == [True, False]


@pytest.mark.parametrize(
    ("way", "level"),
    [("lineage: columns", "content"), ("mode: replace", "content"), ("mode: upsert, key: [id]", "count")],
)
def test_verify_compares_the_children_of_a_batch_and_of_its_replays(
    way: str, level: str, loadlock: CommandLine
) -> None:
    rows = [
        '{"id": 1, "items": [{"sku": "A"}, {"sku": "B"}]}',
        '{"id": "x", "items": [{"sku": "C", "qty": 2}]}',
        '{"id": 3, "name": "c"}',
    ]
    write(loadlock, f"{TO_DUCKDB}, {way}", rows=rows)
    batch = loadlock.json("run", "p.yaml", codes=[3])["batch"]
    loadlock("correct", batch, "--set", "id='2'", "--by", "ann")
    loadlock.json("replay", batch, codes=[0])
    _, children = loadlock.json("verify", batch, codes=[0])["receipts"]
    assert (children["level"], children["equal"], children["rows"]) == (level, True, 3)
    query(loadlock, "delete from order_items where sku = 'A'")
    assert [receipt["equal"] for receipt in loadlock.json("verify", batch, codes=[6])["receipts"]] == [True, False]


def test_a_replay_of_a_known_key_replaces_its_children_for_verify_too(loadlock: CommandLine) -> None:
    rows = [
        '{"id": 1, "items": [{"sku": "A"}, {"sku": "B"}]}',
        '{"id": "x", "items": [{"sku": "C"}]}',
        '{"id": 3, "name": "c"}',
    ]
    write(
        loadlock,
        f"{TO_DUCKDB}, mode: upsert, key: [id], lineage: columns",
        columns=COLUMNS.replace(", unique: true", ""),
        rows=rows,
    )
    batch = loadlock.json("run", "p.yaml", codes=[3])["batch"]
    loadlock("correct", batch, "--set", "id='1'", "--by", "ann")
    loadlock("replay", batch, "--force")
    assert query(loadlock, "select sku from order_items") == [("C",)]
    assert [receipt["equal"] for receipt in loadlock.json("verify", batch, codes=[0])["receipts"]] == [True, True]


def test_children_of_a_parent_that_the_destination_refused_stay_out(loadlock: CommandLine) -> None:
    query(loadlock, "create table orders (id bigint check (id <> 1), name varchar)")
    write(loadlock, TO_DUCKDB)
    document = loadlock.json("run", "p.yaml", codes=[3])
    assert document["balance"]["rejected"]["delivery"] == 1
    assert query(loadlock, "select id, sku from order_items") == [(3, "C9")]
    assert counts(child_of(document)) == (1, 1, 0, 4)


def test_a_refused_child_row_is_a_reject_with_its_parents_row(loadlock: CommandLine) -> None:
    own = "sku varchar check (sku <> 'B7'), qty varchar, Id_2 varchar, \"note.deep\" varchar"
    query(loadlock, f"create table order_items (id bigint, _parent_row bigint, _index bigint, {own})")
    write(loadlock, TO_DUCKDB, rows=[ORDERS[0], ORDERS[3]])
    ended = loadlock("run", "p.yaml", "--json")
    assert ended.code == 3, ended.said
    document = ended.document
    assert counts(child_of(document)) == (3, 2, 1, 0)
    assert document["balance"]["rejected"]["delivery"] == 0, "the parent was delivered"
    assert sum(document["rejects"].values()) == 1
    (reject,) = loadlock.json("rejects", document["run"], codes=[0])
    assert (reject["stage"], reject["file"], reject["row"], reject["line"]) == ("delivery", "a.ndjson", 1, 1)
    assert reject["problems"][0]["message"].startswith("child table order_items: ")
    assert reject["values"]["sku"] == "B7"
    assert reject["raw"] == ORDERS[0]


def test_refused_child_rows_beyond_the_budget_are_not_published(loadlock: CommandLine) -> None:
    own = "sku varchar check (sku = 'C9'), qty varchar, Id_2 varchar, \"note.deep\" varchar"
    query(loadlock, f"create table order_items (id bigint, _parent_row bigint, _index bigint, {own})")
    write(loadlock, TO_DUCKDB, columns=f"{COLUMNS}\nrejects: {{budget: {{rows: 1}}}}", rows=[ORDERS[0], ORDERS[3]])
    stopped = loadlock("run", "p.yaml", "--json")
    assert stopped.code == 4, stopped.said
    assert query(loadlock, "select count(*) from order_items") == [(0,)]
    tables = query(loadlock, "select table_name from duckdb_tables()")
    assert tables == [("order_items",)], "its parents were not published either"
    query(loadlock, "drop table order_items")
    document = loadlock.json("resume", stopped.document["run"], codes=[0])
    assert counts(child_of(document)) == (3, 3, 0, 0)
    assert query(loadlock, "select count(*) from orders") == [(2,)]


def test_parents_are_rejected_with_their_refused_children_where_the_pipeline_says_so(loadlock: CommandLine) -> None:
    own = "sku varchar check (sku <> 'B7'), qty varchar, Id_2 varchar, \"note.deep\" varchar"
    query(loadlock, f"create table order_items (id bigint, _parent_row bigint, _index bigint, {own})")
    write(loadlock, f"{TO_DUCKDB}, on_child_reject: reject_parent", rows=[ORDERS[0], ORDERS[2], ORDERS[3]])
    document = loadlock.json("run", "p.yaml", codes=[3])
    assert query(loadlock, "select id from orders order by 1") == [(2,), (3,)]
    assert query(loadlock, "select id, sku from order_items") == [(3, "C9")]
    assert counts(child_of(document)) == (1, 1, 0, 2)
    assert (document["balance"]["clean"], document["balance"]["inserted"]) == (3, 2)
    assert document["balance"]["rejected"]["delivery"] == 1
    (reject,) = loadlock.json("rejects", document["run"], codes=[0])
    assert (reject["stage"], reject["row"], reject["raw"]) == ("delivery", 1, ORDERS[0])
    assert reject["problems"][0]["message"].startswith("child table order_items: ")
    assert any("without 1 rows whose child rows were refused" in note for note in document["destinations"][0]["notes"])


SECOND = [
    '{"id": 1, "name": "a", "items": [{"sku": "NEW", "qty": 1, "Id": "y", "note": {"deep": 1}}], "tags": []}',
    '{"id": 3, "name": "none", "items": []}',
    '{"id": 9, "name": "new", "items": [{"sku": "N9"}]}',
]
AFTER = [(1, 0, "NEW"), (8, 0, "KEPT"), (9, 0, "N9")]


def upsert_twice(loadlock: CommandLine, destination: str) -> dict[str, Any]:
    rows = [*ORDERS, '{"id": 8, "name": "kept", "items": [{"sku": "KEPT"}]}']
    write(loadlock, f"{destination}, mode: upsert, key: [id]", rows=rows)
    loadlock.json("run", "p.yaml", codes=[3])
    write(loadlock, f"{destination}, mode: upsert, key: [id]", rows=SECOND)
    document: dict[str, Any] = loadlock.json("run", "p.yaml", codes=[0])
    child = child_of(document)
    assert counts(child) == (2, 2, 0, 0)
    receipt = child["receipt"]
    assert (receipt["inserted"], receipt["deleted"], receipt["equal"], receipt["level"]) == (2, 3, True, "content")
    found = document["receipt"]
    assert (found["inserted"], found["updated"], found["unchanged"]) == (1, 1, 1)
    return document


@pytest.mark.parametrize("kind", ["duckdb", "sqlite"])
def test_an_upsert_replaces_the_children_of_its_parents(kind: str, loadlock: CommandLine) -> None:
    import sqlite3

    upsert_twice(loadlock, f'url: "{kind}:///out.{kind}", table: orders')
    select = "select id, _index, sku from order_items order by id"
    if kind == "duckdb":
        assert query(loadlock, select) == AFTER
    else:
        with closing(sqlite3.connect(loadlock.folder / "out.sqlite")) as connection:
            assert connection.execute(select).fetchall() == AFTER


@pytest.mark.parametrize(
    ("destination", "flatten", "code", "said"),
    [
        ("url: out.parquet, mode: upsert, key: [id]", "", 2, "child tables can't be delivered by upsert"),
        ("url: out.csv, on_child_reject: reject_parent", "", 2, "needs a database"),
        (TO_DUCKDB, "children: {items: t, tags: T}", 2, "is named twice"),
        (TO_DUCKDB, "children: {items: Orders}", 2, "is named twice"),
        ("url: out.csv", "children: {items: a/b}", 2, "can't be a file's name"),
        (TO_DUCKDB, "children: {items: old}", 4, "column 'sku' is not in the table"),
        (f"{TO_DUCKDB}, create: false", "", 1, "does not exist"),
    ],
)
def test_what_can_not_be_delivered_is_refused_before_anything_is_touched(
    destination: str, flatten: str, code: int, said: str, loadlock: CommandLine
) -> None:
    query(loadlock, "create table old (id bigint, _parent_row bigint, _index bigint)")
    write(loadlock, destination, flatten=flatten)
    refused = loadlock("run", "p.yaml", "--json")
    assert refused.code == code, refused.said
    assert said in refused.document["error"]
    assert query(loadlock, "select table_name from duckdb_tables()") == [("old",)]
    assert not (loadlock.folder / "out.csv").exists()


def test_replace_empties_a_child_table_whose_elements_are_gone_and_append_makes_none(loadlock: CommandLine) -> None:
    replacing, appending = f"{TO_DUCKDB}, mode: replace", 'url: "duckdb:///out.duckdb", table: log.orders'
    query(loadlock, "create schema log")
    write(loadlock, replacing)
    loadlock.json("run", "p.yaml", codes=[3])
    assert query(loadlock, "select count(*) from order_items") == [(3,)]
    write(loadlock, replacing, appending, rows=['{"id": 7, "name": "none", "items": []}', '{"id": 8, "items": null}'])
    document = loadlock.json("run", "p.yaml", codes=[0])
    assert query(loadlock, "select count(*) from order_items") == [(0,)]
    assert query(loadlock, "select schema_name, table_name from duckdb_tables() where table_name = 'order_items'") == [
        ("main", "order_items")
    ]
    emptied, absent = child_of(document), child_of(document, 1)
    assert (counts(emptied), emptied["receipt"]["equal"]) == ((0, 0, 0, 0), True)
    assert (counts(absent), absent["receipt"]) == ((0, 0, 0, 0), None)
    assert absent["notes"] == ["no record has an element at 'items': nothing is delivered to it"]
    assert loadlock.json("verify", document["batch"], codes=[0])["equal"] is True


@pytest.mark.slow
@pytest.mark.parametrize("point", ["delivery.loaded", "delivery.published", *faults.CHILD_POINTS, "published.recorded"])
@pytest.mark.parametrize("to", ["duckdb", "file"])
def test_a_run_killed_between_parent_and_children_is_finished_by_resume(
    point: str, to: str, loadlock: CommandLine
) -> None:
    destination = TO_DUCKDB if to == "duckdb" else "url: out.csv, mode: append"
    write(loadlock, destination, flatten="children: {items: order_items, tags: order_tags}")
    killed = loadlock("run", "p.yaml", fault=f"{point}=kill")
    assert killed.code == -signal.SIGKILL, f"the place was not passed: {killed.said}"
    (run,) = loadlock.json("runs")
    document = loadlock.json("resume", run["run"], codes=[3])
    assert document["status"] == "verified"
    assert (document["balance"]["inserted"], document["receipt"]["equal"]) == (3, True)
    assert [counts(child_of(document, 0, child)) for child in (0, 1)] == [(3, 3, 0, 2), (2, 2, 0, 1)]
    assert [child_of(document, 0, child)["receipt"]["equal"] for child in (0, 1)] == [True, True]
    if to == "duckdb":
        assert query(loadlock, "from order_items order by id, _index") == ITEMS
        assert query(loadlock, "select (select count(*) from orders), (select count(*) from order_tags)") == [(3, 2)]
    else:
        lines = [len(path.read_text(encoding="utf-8").splitlines()) for path in sorted(loadlock.folder.glob("out.*"))]
        assert lines == [4, 4, 3]


def test_running_again_after_a_kill_between_parent_and_children_doubles_nothing(loadlock: CommandLine) -> None:
    write(loadlock, TO_DUCKDB)
    assert loadlock("run", "p.yaml", fault="delivery.published=kill").code == -signal.SIGKILL
    ended = loadlock("run", "p.yaml", "--json")
    assert (ended.code, ended.document["noop"]) == (0, True), ended.said
    assert query(loadlock, "select (select count(*) from orders), (select count(*) from order_items)") == [(3, 3)]


def test_exploded_rows_are_counted_and_close_the_balance(loadlock: CommandLine) -> None:
    columns = "columns: {id: {type: integer}, sku: {from: items.sku, required: true}, qty: {from: items.qty}}"
    write(loadlock, TO_DUCKDB, flatten="explode: [items]", columns=columns)
    document = loadlock.json("run", "p.yaml", codes=[3])
    balance = document["balance"]
    # five records, one of them with two items; `bad` is no integer, and 2 has no item
    assert (balance["staged"], balance["exploded"], balance["clean"], balance["inserted"]) == (5, 1, 4, 4)
    assert balance["rejected"] == {"intake": 0, "cleanup": 2, "delivery": 0}
    assert document["files"][0]["balance"] == balance
    assert query(loadlock, "from orders order by id, sku") == [(1, "A1", "2.50"), (1, "B7", None), (3, "C9", None),
                                                               (3, "LOST", None)]  # fmt: skip
    assert document["receipt"]["equal"] is True
    assert document["destinations"][0]["children"] == []


def test_one_array_is_exploded_and_another_goes_to_a_child_table(loadlock: CommandLine) -> None:
    write(
        loadlock,
        TO_DUCKDB,
        flatten="explode: [items], children: {tags: order_tags}",
        columns="columns: {id: {type: integer}, sku: {from: items.sku}}",
        rows=ORDERS[:1],
    )
    document = loadlock.json("run", "p.yaml", codes=[0])
    assert (document["balance"]["exploded"], document["balance"]["inserted"]) == (1, 2)
    assert query(loadlock, "select _parent_row, _index, value from order_tags order by all") == [
        (1, 0, "new"), (1, 1, "web"),
    ]  # fmt: skip


def test_records_without_a_column_of_their_own_are_refused_with_the_remedy(loadlock: CommandLine) -> None:
    write(loadlock, TO_DUCKDB, columns="", rows=['{"items": [{"sku": "A1"}]}'])
    refused = loadlock("run", "p.yaml", "--json")
    assert refused.code == 4, refused.said
    assert "no column of their own" in refused.document["error"]
    assert "from: _row" in refused.document["hint"]


def run_on_a_server(loadlock: CommandLine, url: str, table: str) -> dict[str, Any]:
    write(loadlock, f'url: "{url}", table: {table}, lineage: columns')
    document = loadlock.json("run", "p.yaml", codes=[3])
    assert counts(child_of(document)) == (3, 3, 0, 2)
    found = loadlock.json("verify", document["batch"], "--to", url, codes=[0])
    assert [(receipt["level"], receipt["equal"]) for receipt in found["receipts"]] == [("content", True)] * 2
    return dict(document)


@pytest.mark.postgres
def test_postgresql_takes_children_whose_foreign_key_asks_for_the_parent(loadlock: CommandLine, postgres: str) -> None:
    import psycopg

    keyed = 'create schema "my shop"; create table "my shop".orders (id bigint primary key, name text, _batch text, _row bigint)'
    child = (
        'create table "my shop".order_items (id bigint references "my shop".orders, _parent_row bigint, _index bigint,'
        ' sku text, qty text, "Id_2" text, "note.deep" text, _batch text, _row bigint)'
    )
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(keyed.encode())
        connection.execute(child.encode())
        run_on_a_server(loadlock, postgres, "'\"my shop\".orders'")
        select = (
            'select id, _parent_row, _index, sku, qty, "Id_2", "note.deep" from "my shop".order_items order by 1, 3'
        )
        assert connection.execute(select.encode()).fetchall() == ITEMS


@pytest.mark.postgres
def test_postgresql_upserts_children_in_the_parents_transaction(loadlock: CommandLine, postgres: str) -> None:
    import psycopg

    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute("create table orders (id bigint primary key, name text)")
        connection.execute(
            "create table order_items (id bigint references orders, _parent_row bigint, _index bigint, sku text, qty text,"
            ' "Id_2" text, "note.deep" text)'
        )
        upsert_twice(loadlock, f'url: "{postgres}", table: orders')
        select = "select id, _index, sku from order_items order by id"
        assert connection.execute(select.encode()).fetchall() == AFTER
        left = "select relname from pg_class where relname like '\\_loadlock%' and relkind = 'r'"
        assert connection.execute(left.encode()).fetchall() == []


@pytest.mark.postgres
@pytest.mark.parametrize("mode", ["replace", "upsert, key: [id]"])
def test_postgresql_shows_parents_and_children_at_once(mode: str, loadlock: CommandLine, postgres: str) -> None:
    import psycopg

    both = (
        b"select (select string_agg(name, ',' order by id) from orders), (select string_agg(sku, ',') from order_items)"
    )
    with psycopg.connect(postgres, autocommit=True) as connection:
        connection.execute(
            "create table orders (id bigint primary key, name text); insert into orders values (1, 'old')"
        )
        connection.execute(
            "create table order_items (id bigint references orders, _parent_row bigint, _index bigint, sku text, qty text,"
            ' "Id_2" text, "note.deep" text); insert into order_items values (1, 1, 0, \'OLD\')'
        )
        write(loadlock, f'url: "{postgres}", table: orders, mode: {mode}')
        killed = loadlock("run", "p.yaml", fault="publishing.recorded=kill")
        assert killed.code == -signal.SIGKILL
        assert connection.execute(both).fetchall() == [("old", "OLD")]
        (run,) = loadlock.json("runs")
        document = loadlock.json("resume", run["run"], codes=[3])
        assert (document["status"], child_of(document)["receipt"]["equal"]) == ("verified", True)
        found = connection.execute("select sku from order_items order by id, _index").fetchall()
        assert found == [("A1",), ("B7",), ("C9",)]


@pytest.mark.mysql
def test_mariadb_upserts_children_in_the_parents_transaction(loadlock: CommandLine, mysql: str) -> None:
    with closing(connect_mysql(mysql)) as connection, connection.cursor() as cursor:
        cursor.execute("create table orders (id bigint primary key, name text)")
        cursor.execute(
            "create table order_items (id bigint references orders (id), _parent_row bigint, _index bigint, sku text,"
            " qty text, Id_2 text, `note.deep` text)"
        )
        upsert_twice(loadlock, f'url: "{mysql}", table: orders')
        cursor.execute("select id, _index, sku from order_items order by id")
        assert list(cursor.fetchall()) == AFTER


@pytest.mark.mysql
def test_mariadb_takes_children_whose_foreign_key_asks_for_the_parent(loadlock: CommandLine, mysql: str) -> None:
    with closing(connect_mysql(mysql)) as connection, connection.cursor() as cursor:
        cursor.execute("create table orders (id bigint primary key, name text, _batch text, _row bigint)")
        cursor.execute(
            "create table order_items (id bigint references orders (id), _parent_row bigint, _index bigint, sku text,"
            " qty text, Id_2 text, `note.deep` text, _batch text, _row bigint)"
        )
        run_on_a_server(loadlock, mysql, "orders")
        cursor.execute("select id, _parent_row, _index, sku, qty, Id_2, `note.deep` from order_items order by 1, 3")
        assert list(cursor.fetchall()) == ITEMS
