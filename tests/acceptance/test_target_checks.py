"""Checks that look into the destination's database: `unique: {against: target}` and `references: {table: ...}`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loadlock.testing.command import CommandLine
from loadlock.testing.databases import ask

PIPELINE = """\
pipeline: people
source: {{files: in.csv}}
columns:
  id: {{type: integer}}
  email: {{checks: [{unique}]}}
  town: {{type: integer, checks: [{towns}]}}
  at: {{type: date}}
rejects: {{budget: {{percent: 100}}}}
destination: {{url: "{url}", table: people, {way}}}
"""
AGAINST, TOWNS = "{unique: {against: target}}", "{references: {table: towns, column: nr}}"
HEAD = "id,email,town,at\n"
FIRST = HEAD + "1,ann@x.org,10,2026-01-01\n2,bo@x.org,20,2026-01-02\n"
SECOND = HEAD + "3,ann@x.org,10,2026-01-03\n4,cy@x.org,30,2026-01-04\n5,,,2026-01-05\n6,di@x.org,20,2026-01-06\n"


def write(loadlock: CommandLine, url: str, rows: str, way: str, **parts: str) -> None:
    (loadlock.folder / "in.csv").write_text(rows, encoding="utf-8")
    text = PIPELINE.format(url=url, way=way, **{"unique": AGAINST, "towns": TOWNS} | parts)
    (loadlock.folder / "p.yaml").write_text(text, encoding="utf-8")


def run(loadlock: CommandLine, url: str, rows: str, way: str, code: int = 0, **parts: str) -> dict[str, Any]:
    write(loadlock, url, rows, way, **parts)
    document: dict[str, Any] = loadlock.json("run", "p.yaml", codes=[code])
    return document


def ids(url: str) -> list[int]:
    return [row[0] for row in ask(url, "select id from people order by id")]


def towns(url: str) -> None:
    ask(url, "create table towns (nr int, name varchar(20) not null)")
    ask(url, "insert into towns values (10, 'A'), (20, 'B')")


def found(loadlock: CommandLine, batch: str) -> list[tuple[int, str, str, str]]:
    return [
        (reject["row"], reject["stage"], problem["code"], problem["value"])
        for reject in loadlock.json("rejects", batch)
        for problem in reject["problems"]
    ]


def test_rows_that_the_target_or_its_parent_table_speaks_against_are_rejects(loadlock: CommandLine, url: str) -> None:
    towns(url)
    run(loadlock, url, FIRST, "mode: append")
    batch = run(loadlock, url, SECOND, "mode: append", 3)["batch"]
    assert ids(url) == [1, 2, 5, 6]
    assert found(loadlock, batch) == [
        (1, "delivery", "not_unique", "ann@x.org"),
        (2, "delivery", "not_found", "30"),
    ]


def test_a_row_of_the_same_key_is_no_rival_and_a_rerun_finds_its_own_rows_no_rivals(
    loadlock: CommandLine, url: str
) -> None:
    towns(url)
    way = "mode: upsert, key: [id]"
    run(loadlock, url, FIRST, way)
    swapped = HEAD + "1,bo@x.org,10,2026-01-01\n2,ann@x.org,20,2026-01-02\n7,bo@x.org,20,2026-01-02\n8,new@x.org,10,\n"
    second = run(loadlock, url, swapped, way, 3)
    assert found(loadlock, second["batch"]) == [(3, "cleanup", "not_unique", "bo@x.org")]
    assert second["balance"]["updated"] == 2
    write(loadlock, url, swapped, way, unique=AGAINST + ", {length: {max: 8}}")
    again = loadlock.json("rerun", second["batch"], codes=[3])
    assert again["balance"]["unchanged"] == 1
    assert {code for _, _, code, _ in found(loadlock, second["batch"])} == {"not_unique", "bad_length"}


@pytest.fixture
def base(loadlock: CommandLine) -> str:
    return f"duckdb:///{loadlock.folder}/out.db"


def test_a_replayed_row_is_looked_up_again(loadlock: CommandLine, base: str) -> None:
    towns(base)
    run(loadlock, base, FIRST, "mode: append")
    batch = run(loadlock, base, SECOND, "mode: append", 3)["batch"]
    loadlock.json("correct", batch, "--set", "email='bo@x.org'", "--where", "code='not_unique'")
    loadlock.json("correct", batch, "--set", "town='20'", "--where", "code='not_found'")
    loadlock.json("replay", batch, codes=[3])
    assert (ids(base), [row for row, *_ in found(loadlock, batch)]) == ([1, 2, 4, 5, 6], [1])


def test_what_the_target_loses_by_a_replace_does_not_count(loadlock: CommandLine, base: str) -> None:
    towns(base)
    run(loadlock, base, FIRST, "mode: append")
    run(loadlock, base, SECOND.replace(",30,", ",20,"), "mode: replace")
    assert ids(base) == [3, 4, 5, 6]


def test_several_columns_together_and_conditions(loadlock: CommandLine, base: str) -> None:
    towns(base)
    run(loadlock, base, FIRST, "mode: append", unique="email")
    write(loadlock, base, SECOND.replace("4,cy@x.org,30", "4,bo@x.org,20"), "mode: append", unique="")
    more = "checks: [{unique: {columns: [email, town], against: target}, when: id <> 4}]\n"
    pipeline = loadlock.folder / "p.yaml"
    pipeline.write_text(pipeline.read_text(encoding="utf-8") + more, encoding="utf-8")
    batch = loadlock.json("run", "p.yaml", codes=[3])["batch"]
    assert found(loadlock, batch) == [(1, "delivery", "not_unique", "ann@x.org, 10")]


def test_a_table_may_refer_to_itself(loadlock: CommandLine, base: str) -> None:
    itself = "{references: {table: people, column: id}}"
    run(loadlock, base, HEAD + "1,a@x.org,2,\n2,b@x.org,,\n3,c@x.org,9,\n", "mode: append", 3, towns=itself)
    assert ids(base) == [1, 2]


def test_a_check_may_warn_or_stop_the_run(loadlock: CommandLine, base: str) -> None:
    towns(base)
    run(loadlock, base, FIRST, "mode: append")
    warned = run(loadlock, base, SECOND, "mode: append", unique="{unique: {against: target}, severity: warn}", towns="")
    assert [(found["value"], found["passed"]) for found in warned["warnings"]] == [("1", False)]
    write(loadlock, base, SECOND + "9,,77,\n", "mode: append", towns=TOWNS[:-1] + ", severity: fail}", unique="")
    stopped = loadlock("run", "p.yaml")
    assert stopped.code == 4
    assert "town is not in towns (2 rows)" in stopped.err


def test_a_plan_counts_them_and_a_mistake_is_told(loadlock: CommandLine, base: str) -> None:
    towns(base)
    run(loadlock, base, FIRST, "mode: append")
    write(loadlock, base, SECOND, "mode: append")
    (entry,) = loadlock.json("plan", "p.yaml", codes=[0])["plan"]
    assert (entry["rows"], entry["rejected"]) == (2, 2)
    write(loadlock, base, SECOND, "mode: append", towns="{references: {table: nowhere}}")
    assert "nowhere" in loadlock("run", "p.yaml").err
    write(loadlock, base, SECOND, "mode: append", towns="{references: {table: towns, column: number}}")
    assert "has no column number" in loadlock("run", "p.yaml").err
    write(loadlock, base, SECOND, "mode: append", towns="references")
    assert "give `file` or `table`" in loadlock("run", "p.yaml").err
    write(loadlock, str(Path("out.csv")), SECOND, "mode: replace")
    (loadlock.folder / "p.yaml").write_text(
        (loadlock.folder / "p.yaml").read_text(encoding="utf-8").replace(", table: people", ""), encoding="utf-8"
    )
    assert "delivers to none" in loadlock("run", "p.yaml").err


def test_a_row_that_was_refused_is_none_of_the_batch_s_own(loadlock: CommandLine, base: str) -> None:
    towns(base)
    way = "mode: upsert, key: [id]"
    run(loadlock, base, FIRST, way)
    batch = run(loadlock, base, SECOND, way, 3)["batch"]
    loadlock.json("replay", batch, "--all", codes=[3])
    assert ids(base) == [1, 2, 5, 6]
    write(loadlock, base, SECOND, way, unique=AGAINST + ", {length: {max: 20}}")
    loadlock.json("rerun", batch, codes=[3])
    assert ids(base) == [1, 2, 5, 6]


def test_a_rerun_may_look_up_a_column_that_the_batch_did_not_deliver_before(loadlock: CommandLine, base: str) -> None:
    towns(base)
    way = "mode: upsert, key: [id], evolve: columns"
    batch = run(loadlock, base, FIRST, way, unique="email")["batch"]
    text = (loadlock.folder / "p.yaml").read_text(encoding="utf-8")
    changed = text.replace("  email: {", "  mail: {from: email, ").replace("checks: [email]", f"checks: [{AGAINST}]")
    (loadlock.folder / "p.yaml").write_text(changed, encoding="utf-8")
    loadlock.json("rerun", batch, codes=[0])
    assert ask(base, "select id, mail from people order by id") == [(1, "ann@x.org"), (2, "bo@x.org")]
    again = changed.replace("at: {type: date}", "at: {type: date, required: true}")
    (loadlock.folder / "p.yaml").write_text(again, encoding="utf-8")
    loadlock.json("rerun", batch, codes=[0])
    assert ids(base) == [1, 2]


def test_of_an_exploded_record_only_the_rows_that_are_rivals_are_rejected(loadlock: CommandLine, base: str) -> None:
    (loadlock.folder / "p.yaml").write_text(
        "pipeline: items\nsource: {files: in.json, flatten: {explode: [items]}}\n"
        "columns:\n  nr: {type: integer}\n  sku: {from: items.sku, checks: [{unique: {against: target}}]}\n"
        f'rejects: {{budget: {{percent: 100}}}}\ndestination: {{url: "{base}", table: items, mode: append, undo: none}}\n',
        encoding="utf-8",
    )
    for number, skus, code in ((1, "A", 0), (2, "BAC", 3)):
        items = ", ".join(f'{{"sku": "{sku}"}}' for sku in skus)
        (loadlock.folder / "in.json").write_text(f'[{{"nr": {number}, "items": [{items}]}}]', encoding="utf-8")
        loadlock.json("run", "p.yaml", codes=[code])
    assert ask(base, "select nr, sku from items order by sku") == [(1, "A"), (2, "B"), (2, "C")]


def test_of_versions_only_the_current_ones_are_rivals(loadlock: CommandLine, url: str) -> None:
    way = "mode: scd2, key: [id]"
    run(loadlock, url, FIRST, way, towns="")
    run(loadlock, url, HEAD + "1,new@x.org,10,2026-01-01\n", way, towns="")
    batch = run(loadlock, url, HEAD + "8,ann@x.org,10,\n9,bo@x.org,10,\n", way, 3, towns="")["batch"]
    assert [(row, value) for row, _, _, value in found(loadlock, batch)] == [(2, "bo@x.org")]


def test_versions_that_end_with_this_batch_are_no_rivals(loadlock: CommandLine, base: str) -> None:
    way = "mode: scd2, key: [id], missing: close, max_delete_percent: 100"
    run(loadlock, base, FIRST, way, towns="")
    run(loadlock, base, HEAD + "7,ann@x.org,10,\n", way, towns="")
    assert ids(base) == [1, 2, 7]


def test_rows_that_a_filter_leaves_out_are_not_looked_up_and_free_nothing(loadlock: CommandLine, base: str) -> None:
    run(loadlock, base, FIRST, "mode: append", towns="")
    way = "mode: upsert, key: [id], filter: id <> 3 and id <> 2"
    rows = HEAD + "2,free@x.org,20,\n3,ann@x.org,10,\n4,bo@x.org,10,\n1,moved@x.org,10,\n"
    batch = run(loadlock, base, rows, way, 3, towns="")["batch"]
    assert [(row, value) for row, _, _, value in found(loadlock, batch)] == [(3, "bo@x.org")]
    assert ids(base) == [1, 2]


def test_rows_that_clash_at_the_publish_are_rejects_or_the_refusal_says_which_check_makes_them_so(
    loadlock: CommandLine, url: str
) -> None:
    at = "`at`" if url.startswith(("mysql", "mariadb")) else '"at"'
    ask(url, f"create table people (id int primary key, email varchar(40) unique, town int, {at} date)")
    ask(url, "insert into people values (1, 'ann@x.org', null, null)")
    way = "mode: delete_insert, key: [id]"
    write(loadlock, url, HEAD + "3,ann@x.org,,\n4,cy@x.org,,\n", way, unique="", towns="")
    if url.startswith(("duckdb", "sqlite")):
        refused = loadlock("run", "p.yaml")
        assert (refused.code, "With `unique: {against: target}` at that column" in refused.said) == (1, True), (
            refused.said
        )
        write(loadlock, url, HEAD + "3,ann@x.org,,\n4,cy@x.org,,\n", way, towns="")
        loadlock.json("run", "p.yaml", codes=[3])
    else:
        document = loadlock.json("run", "p.yaml", codes=[3])
        assert (document["balance"]["inserted"], document["balance"]["rejected"]["delivery"]) == (1, 1)
        (reject,) = loadlock.json("rejects", document["batch"])
        assert (reject["row"], reject["stage"], reject["problems"][0]["column"]) == (1, "delivery", "email")
    assert ids(url) == [1, 4]


@pytest.mark.parametrize("way", ["mode: insert_only, key: [id]", "mode: upsert, key: [id], filter: id <> 1"])
def test_a_rerun_takes_rows_that_the_destination_did_not_get_for_none_of_its_own(
    loadlock: CommandLine, base: str, way: str
) -> None:
    ask(base, "create table people (id int, email varchar, one varchar, two varchar)")
    ask(base, "insert into people (id, email) values (1, 'ann@x.org')")
    (loadlock.folder / "in.csv").write_text("one,two,email\n1,7,ann@x.org\n5,5,bo@x.org\n", encoding="utf-8")
    pipeline = loadlock.folder / "p.yaml"
    text = (
        "pipeline: people\nsource: {files: in.csv}\nrejects: {budget: {percent: 100}}\n"
        f"columns:\n  id: {{from: one, type: integer}}\n  email: {{checks: [{AGAINST}]}}\n"
        f'destination: {{url: "{base}", table: people, {way}}}\n'
    )
    pipeline.write_text(text, encoding="utf-8")
    batch = loadlock.json("run", "p.yaml", codes=[0])["batch"]
    assert ids(base) == [1, 5]
    pipeline.write_text(text.replace("from: one", "from: two"), encoding="utf-8")
    loadlock.json("rerun", batch, codes=[3])
    assert found(loadlock, batch) == [(1, "delivery", "not_unique", "ann@x.org")]
    assert ids(base) == [1, 5]
