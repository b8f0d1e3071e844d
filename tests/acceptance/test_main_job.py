"""The main job as a user does it: files in by `load` and `run`, a right and verified destination out, everything told."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest

from loadlock.digest import digest_table, to_hex
from loadlock.testing.command import CommandLine
from loadlock.testing.databases import connect_mysql

BATCH = """id,name,amount,day
1, Ann ,1.50,2024-01-02
2,Bob,two,2024-01-03
3,"Cy, Jr",2.25,2024-01-04
4,Dee,-3,2024-02-30
5,,4.00,
6,Eve,5,2024-03-01,extra
7,Zoë,0.10,2024-03-02
"""
COLUMNS = """
columns:
  id: {type: integer, required: true}
  name: {type: text, rules: [trim]}
  amount: {type: "decimal(12,2)"}
  day: {type: date}
"""
CLEAN = [
    (1, "Ann", "1.50", "2024-01-02"),
    (3, "Cy, Jr", "2.25", "2024-01-04"),
    (5, "", "4.00", None),
    (7, "Zoë", "0.10", "2024-03-02"),
]
"""Rows that `COLUMNS` makes of `BATCH`; row 2 is no decimal, row 4 no date, row 6 has a field too many."""
DIGEST_FIELDS = (
    "run",
    "batch",
    "pipeline",
    "status",
    "digest",
    "seconds",
    "balance",
    "files",
    "rejects",
    "receipt",
    "report",
)
BALANCE_FIELDS = (
    "received",
    "staged",
    "clean",
    "inserted",
    "updated",
    "unchanged",
    "rejected",
    "skipped",
    "superseded",
    "blank",
)


def write(loadlock: CommandLine, name: str, text: str) -> Path:
    path = loadlock.folder / name
    path.write_text(text, encoding="utf-8")
    return path


def write_pipeline(
    loadlock: CommandLine,
    destination: str,
    *,
    columns: str = COLUMNS,
    source: str = 'files: "[a-d]*.csv"',
    more: str = "",
    name: str = "p.yaml",
) -> None:
    write(
        loadlock, name, f"pipeline: orders\nsource: {{{source}}}\n{columns}\n{more}\ndestination: {{{destination}}}\n"
    )


def query(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(path)) as connection:
        return connection.execute(sql).fetchall()


def table(loadlock: CommandLine, columns: str = "*") -> list[tuple[Any, ...]]:
    return query(loadlock.folder / "out.duckdb", f"select {columns} from t order by all")


TO_DUCKDB = "url: 'duckdb:///out.duckdb', table: t"
READ = "id, name, amount::varchar, day::varchar"


def delivered_rows(folder: Path, url: str) -> list[tuple[Any, ...]]:
    """What lies in the destination, by other means than Loadlock's."""
    if url.startswith("postgresql"):
        import psycopg

        with psycopg.connect(url) as connection:
            return connection.execute(b"select id, name, amount::text, day::text from t order by id").fetchall()
    if url.startswith("mysql"):
        with closing(connect_mysql(url)) as mysql, mysql.cursor() as cursor:
            cursor.execute("select id, name, cast(amount as char), cast(day as char) from t order by id")
            return list(cursor.fetchall())
    if url.startswith("sqlite"):
        import sqlite3

        with closing(sqlite3.connect(folder / "out.sqlite")) as sqlite:
            rows = sqlite.execute("select id, name, amount, day from t order by id").fetchall()
        return [(key, name, f"{float(amount):.2f}", day) for key, name, amount, day in rows]
    if url.startswith("duckdb"):
        return query(folder / "out.duckdb", f"select {READ} from t order by id")
    path = folder / url
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            return [(int(row[0]), row[1], row[2], row[3] or None) for row in list(csv.reader(file))[1:]]
    if path.suffix == ".ndjson":
        lines = [json.loads(line, parse_float=str) for line in path.read_text(encoding="utf-8").splitlines()]
        return [(line["id"], line["name"], str(line["amount"]), line["day"]) for line in lines]
    return query(Path(":memory:"), f"select {READ} from '{path}' order by id")


PLACES = ["duckdb:///out.duckdb", "sqlite:///out.sqlite", "out.csv", "out.parquet", "out.ndjson",
          pytest.param("postgres", marks=pytest.mark.postgres), pytest.param("mysql", marks=pytest.mark.mysql)]  # fmt: skip


@pytest.fixture(params=PLACES)
def url(request: pytest.FixtureRequest) -> str:
    """The URL of an empty destination of each kind."""
    return str(request.getfixturevalue(request.param) if request.param in ("postgres", "mysql") else request.param)


def to(url: str) -> str:
    return f"url: '{url}', table: t" if "://" in url else f"url: '{url}'"


def test_every_destination_holds_the_same_rows_and_gives_the_same_digest(url: str, loadlock: CommandLine) -> None:
    write(loadlock, "a.csv", BATCH)
    write_pipeline(loadlock, to(url))
    document = loadlock.json("run", "p.yaml", codes=[3])
    assert document["digest"] == expected_digest()
    assert (
        document["receipt"] | {"rows": 4, "equal": True, "level": "content", "digest": expected_digest()}
        == document["receipt"]
    )
    assert document["balance"] == document["balance"] | {"received": 7, "staged": 6, "clean": 4, "inserted": 4}
    assert document["balance"]["rejected"] == {"intake": 1, "cleanup": 2, "delivery": 0}
    assert document["rejects"] == {"field_count": 1, "not_date": 1, "not_decimal": 1}
    assert delivered_rows(loadlock.folder, url) == CLEAN


def expected_digest() -> str:
    """From the values above, by the published digest alone."""
    import pyarrow as pa

    from loadlock.types import ColumnType

    types = [ColumnType.parse(name) for name in ("integer", "text", "decimal(12,2)", "date")]
    with duckdb.connect() as connection:
        values = ", ".join(
            f"({key}, '{name}', {amount}::decimal(12,2), {'null' if day is None else repr(day)}::date)"
            for key, name, amount, day in CLEAN
        )
        rows: pa.Table = connection.sql(f"select * from (values {values}) v(id, name, amount, day)").to_arrow_table()
        schema = pa.schema([(n, t.arrow()) for n, t in zip(rows.column_names, types, strict=True)])
        columns = list(zip(rows.column_names, types, strict=True))
        return to_hex(digest_table(rows.cast(schema), columns))


def test_load_without_a_pipeline_delivers_every_column_as_the_text_received(url: str, loadlock: CommandLine) -> None:
    write(loadlock, "a.csv", "id;note\n007; x \n8;\n")
    arguments = ["--to", url, *(["--table", "t"] if "://" in url else [])]
    document = loadlock.json("load", "a.csv", *arguments, codes=[0])
    assert document["balance"]["inserted"] == 2
    assert document["receipt"]["equal"] is True
    assert document["files"][0]["dialect"]["delimiter"] == ";"
    if url.startswith("duckdb"):
        assert table(loadlock) == [("007", " x "), ("8", "")]


def test_upsert_by_a_key_updates_inserts_and_counts_what_stays(url: str, loadlock: CommandLine) -> None:
    columns = "columns: {id: {type: integer}, name: {}, amount: {type: 'decimal(12,2)'}, day: {type: date}}"
    write_pipeline(loadlock, f"{to(url)}, mode: upsert, key: [id]", columns=columns)
    write(loadlock, "a.csv", "id,name,amount,day\n1,Ann,1,\n2,Bob,2,\n")
    assert loadlock.json("run", "p.yaml")["balance"]["inserted"] == 2
    write(loadlock, "b.csv", "id,name,amount,day\n2,Bob,2,\n1,Anna,1.5,\n3,Cy,3,\n3,Cyd,3,\n")
    document = loadlock.json("run", "p.yaml")
    counted = {
        name: document["balance"][name] for name in ("received", "superseded", "inserted", "updated", "unchanged")
    }
    assert counted == {"received": 4, "superseded": 1, "inserted": 1, "updated": 1, "unchanged": 1}
    assert sorted(delivered_rows(loadlock.folder, url)) == [
        (1, "Anna", "1.50", None), (2, "Bob", "2.00", None), (3, "Cyd", "3.00", None),
    ]  # fmt: skip


def test_replace_takes_all_files_and_puts_them_in_place_of_the_old_rows(url: str, loadlock: CommandLine) -> None:
    write_pipeline(loadlock, f"{to(url)}, mode: replace")
    write(loadlock, "a.csv", "id,name,amount,day\n1,Ann,1,\n")
    first = loadlock.json("run", "p.yaml")
    write(loadlock, "b.csv", "id,name,amount,day\n2,Bob,2,\n")
    second = loadlock.json("run", "p.yaml")
    assert (second["balance"]["received"], second["balance"]["deleted"]) == (2, 1)
    assert delivered_rows(loadlock.folder, url) == [(1, "Ann", "1.00", None), (2, "Bob", "2.00", None)]
    # the first batch again is news: another one lies there now
    (loadlock.folder / "b.csv").unlink()
    third = loadlock.json("run", "p.yaml")
    assert (third["noop"], third["batch"]) == (False, first["batch"])
    assert delivered_rows(loadlock.folder, url) == [(1, "Ann", "1.00", None)]


def test_a_destination_is_never_its_own_source(loadlock: CommandLine) -> None:
    write(loadlock, "a.csv", BATCH)
    write_pipeline(loadlock, "url: out.csv", source='files: "*.csv"')
    assert loadlock("run", "p.yaml").code == 3
    before = (loadlock.folder / "out.csv").read_bytes()
    refused = loadlock("run", "p.yaml", "--json")
    assert refused.code == 2
    assert "out.csv is a source and the destination" in refused.document["error"]
    assert (loadlock.folder / "out.csv").read_bytes() == before


def test_the_same_bytes_again_are_a_no_op_that_names_the_old_run(loadlock: CommandLine) -> None:
    write(loadlock, "a.csv", BATCH)
    write_pipeline(loadlock, TO_DUCKDB)
    first = loadlock.json("run", "p.yaml", codes=[3])
    again = loadlock.json("run", "p.yaml", codes=[0])
    assert again == {**first, "noop": True}
    shutil.move(loadlock.folder / "a.csv", loadlock.folder / "b.csv")
    assert loadlock.json("run", "p.yaml", codes=[0])["noop"] is True
    said = loadlock("run", "p.yaml")
    assert f"Already delivered by run {first['run']}" in said.out
    assert len(table(loadlock)) == 4


def test_words_around_the_rules_change_nothing(loadlock: CommandLine) -> None:
    write(loadlock, "a.csv", BATCH)
    write_pipeline(loadlock, TO_DUCKDB)
    loadlock.json("run", "p.yaml")
    path = loadlock.folder / "p.yaml"
    path.write_text("# a comment\n\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    assert loadlock.json("run", "p.yaml", codes=[0])["noop"] is True


def test_force_delivers_the_same_bytes_again(loadlock: CommandLine) -> None:
    write(loadlock, "a.csv", BATCH)
    write_pipeline(loadlock, TO_DUCKDB)
    first = loadlock.json("run", "p.yaml")
    again = loadlock.json("run", "p.yaml", "--force", codes=[3])
    assert (again["noop"], again["batch"], again["digest"]) == (False, first["batch"], first["digest"])
    assert again["run"] != first["run"]
    assert len(table(loadlock)) == 8


def test_the_second_day_does_not_load_the_first_again(loadlock: CommandLine) -> None:
    write_pipeline(loadlock, TO_DUCKDB)
    write(loadlock, "b-day1.csv", "id,name,amount,day\n1,a,1,\n")
    loadlock.json("run", "p.yaml")
    # sorts before the first day's file: its place in the batch is another than in the folder
    write(loadlock, "c-day2.csv", "id,name,amount,day\n2,b,2,\n")
    write(loadlock, "a-day2.csv", "id,name,amount,day\n3,c,3,\n")
    second = loadlock.json("run", "p.yaml")
    assert [entry["name"] for entry in second["files"]] == ["a-day2.csv", "c-day2.csv"]
    assert [entry["balance"]["inserted"] for entry in second["files"]] == [1, 1]
    assert table(loadlock, "id") == [(1,), (2,), (3,)]
    assert loadlock.json("run", "p.yaml", codes=[0])["noop"] is True
    everything = loadlock.json("run", "p.yaml", "--files", "all", "--force")
    assert len(everything["files"]) == 3


def test_a_changed_pipeline_on_the_same_bytes_names_the_changed_keys_and_rerun(loadlock: CommandLine) -> None:
    write(loadlock, "a.csv", BATCH)
    write_pipeline(loadlock, f"{TO_DUCKDB}, mode: upsert, key: [id]")
    first = loadlock.json("run", "p.yaml")
    changed = COLUMNS.replace("12,2", "14,3").replace("rules: [trim]", "rules: [trim, upper]")
    write_pipeline(
        loadlock, f"{TO_DUCKDB}, mode: upsert, key: [id]", columns=changed, source='files: "[a-d]*.csv", header: 1'
    )
    refused = loadlock("run", "p.yaml", "--json")
    assert refused.code == 2
    assert "source.header, columns.name.rules, columns.amount.type" in refused.document["error"]
    assert first["run"] in refused.document["error"]
    assert f"loadlock rerun {first['batch'][:12]}" in refused.document["hint"]
    assert table(loadlock, "name") == [("",), ("Ann",), ("Cy, Jr",), ("Zoë",)]


def test_rerun_applies_changed_rules_from_staging_without_the_source(loadlock: CommandLine) -> None:
    source = write(loadlock, "a.csv", BATCH)
    write_pipeline(loadlock, f"{TO_DUCKDB}, mode: upsert, key: [id]")
    first = loadlock.json("run", "p.yaml")
    source.unlink()
    changed = COLUMNS.replace("rules: [trim]", "rules: [trim, upper]")
    write_pipeline(loadlock, f"{TO_DUCKDB}, mode: upsert, key: [id]", columns=changed)
    again = loadlock.json("rerun", first["batch"][:10], codes=[3])
    assert again["batch"] == first["batch"]
    assert again["digest"] != first["digest"]
    assert (again["balance"]["updated"], again["balance"]["unchanged"]) == (3, 1)
    assert table(loadlock, "name") == [("",), ("ANN",), ("CY, JR",), ("ZOË",)]


def test_rerun_of_an_appended_batch_is_refused(loadlock: CommandLine) -> None:
    write(loadlock, "a.csv", BATCH)
    write_pipeline(loadlock, TO_DUCKDB)
    first = loadlock.json("run", "p.yaml")
    refused = loadlock("rerun", first["batch"], "--json")
    assert refused.code == 2
    assert "double" in refused.document["error"]
    assert len(table(loadlock)) == 4


def test_several_destinations_each_take_their_columns_and_rows(loadlock: CommandLine) -> None:
    write(loadlock, "a.csv", BATCH)
    text = f"pipeline: orders\nsource: {{files: a.csv}}\n{COLUMNS}\ndestinations:\n"
    text += f"  - {{{TO_DUCKDB}}}\n  - {{url: names.csv, columns: [name, id], filter: 'amount > 1'}}\n"
    write(loadlock, "p.yaml", text)
    document = loadlock.json("run", "p.yaml", codes=[3])
    table_entry, file_entry = document["destinations"]
    assert document["receipt"] == table_entry["receipt"]
    assert (table_entry["balance"]["inserted"], table_entry["receipt"]["rows"]) == (4, 4)
    assert (file_entry["balance"]["inserted"], file_entry["balance"]["skipped"], file_entry["mode"]) == (
        3,
        1,
        "replace",
    )
    assert table_entry["receipt"]["equal"] is file_entry["receipt"]["equal"] is True
    assert (loadlock.folder / "names.csv").read_text(encoding="utf-8").splitlines() == [
        "name,id", "Ann,1", '"Cy, Jr",3', '"",5',
    ]  # fmt: skip
    assert len(table(loadlock)) == 4


def test_rejects_beyond_the_budget_stop_before_anything_is_published(loadlock: CommandLine) -> None:
    write(loadlock, "a.csv", BATCH)
    write_pipeline(loadlock, TO_DUCKDB, more="rejects: {budget: {rows: 2}}")
    ended = loadlock("run", "p.yaml", "--json")
    assert ended.code == 4
    assert "3 rejects" in ended.document["error"]
    assert not (loadlock.folder / "out.duckdb").exists()
    (run,) = loadlock.json("runs")
    assert run["status"] == "stopped"
    assert len(loadlock.json("rejects", run["batch"])) == 3
    shown = loadlock.json("show", run["run"])
    assert (shown["balance"]["rejected"], shown["cause"]) == (
        {"intake": 1, "cleanup": 2, "delivery": 0},
        ended.document["error"],
    )
    # within a wider budget the same batch goes through
    write_pipeline(loadlock, TO_DUCKDB, more="rejects: {budget: {rows: 3}}")
    assert loadlock.json("run", "p.yaml", codes=[3])["balance"]["inserted"] == 4


@pytest.mark.parametrize(("severity", "code"), [("fail", 4), ("warn", 3), ("reject", 3)])
def test_a_check_stops_warns_or_rejects(severity: str, code: int, loadlock: CommandLine) -> None:
    write(loadlock, "a.csv", BATCH)
    more = f"checks: [{{sql: 'amount < 4', message: too much, severity: {severity}}}]"
    write_pipeline(loadlock, TO_DUCKDB, more=more)
    ended = loadlock("run", "p.yaml", "--json")
    assert ended.code == code, ended.said
    if severity == "fail":
        assert "too much" in ended.document["error"]
        assert not (loadlock.folder / "out.duckdb").exists()
        return
    assert len(table(loadlock)) == (4 if severity == "warn" else 3)
    warnings = [(warning["message"], warning["rows"]) for warning in ended.document["warnings"]]
    assert warnings == ([("too much", 1)] if severity == "warn" else [])


@pytest.mark.parametrize(("condition", "code"), [("count(*) = 4", 3), ("count(*) > 4", 4)])
def test_a_check_of_the_batch_looks_at_all_rows(condition: str, code: int, loadlock: CommandLine) -> None:
    write(loadlock, "a.csv", BATCH)
    write_pipeline(loadlock, TO_DUCKDB, more=f"checks: [{{batch: 'select {condition} from rows', severity: fail}}]")
    assert loadlock("run", "p.yaml").code == code


HEADERS = {"a.csv": "id,name\n1,a\n", "b.csv": "NAME;ID;extra\nb;2;x\n", "c.csv": "id,name,other\n3,c,y\n"}


@pytest.mark.parametrize("drift", ["ignore", "evolve", "freeze"])
def test_columns_that_the_pipeline_does_not_name(drift: str, loadlock: CommandLine) -> None:
    for name, text in HEADERS.items():
        write(loadlock, name, text)
    columns = "columns: {id: {type: integer}, name: {}}"
    write_pipeline(loadlock, TO_DUCKDB, columns=columns, source=f'files: "[a-d]*.csv", drift: {drift}')
    ended = loadlock("run", "p.yaml", "--json")
    if drift == "freeze":
        assert ended.code == 4
        assert "extra, other" in ended.document["error"]
        return
    assert ended.code == 0, ended.said
    if drift == "ignore":
        assert table(loadlock) == [(1, "a"), (2, "b"), (3, "c")]
        assert ended.document["tallies"]["unnamed"] == {"extra": 1, "other": 1}
    else:
        assert table(loadlock, "id, name, extra, other") == [
            (1, "a", None, None),
            (2, "b", "x", None),
            (3, "c", None, "y"),
        ]


def test_files_with_other_headers_become_one_table(loadlock: CommandLine) -> None:
    for name, text in HEADERS.items():
        write(loadlock, name, text)
    write(loadlock, "d.csv", "id,name\n")
    document = loadlock.json("load", "*.csv", "--to", "duckdb:///out.duckdb", "--table", "t", codes=[0])
    assert [entry["header"] for entry in document["files"]] == [
        ["id", "name"], ["NAME", "ID", "extra"], ["id", "name", "other"], ["id", "name"],
    ]  # fmt: skip


def test_a_declared_column_that_no_file_has_stops_the_run(loadlock: CommandLine) -> None:
    write(loadlock, "a.csv", "id\n1\n")
    write(loadlock, "empty.csv", "")
    write_pipeline(loadlock, TO_DUCKDB, columns="columns: {id: {}, town: {from: City}}")
    ended = loadlock("run", "p.yaml", "--json")
    assert ended.code == 4
    assert "town" in ended.document["error"]
    assert "The files have: id" in ended.document["hint"]


@pytest.mark.parametrize(
    ("records", "code"), [('[{"a": 1}, {"a": 2, "b": null}]', 0), ('[{"a": 1, "c": 3}]', 4), ("[]", 0)]
)
def test_a_declared_column_that_no_json_record_has_stops_the_run(
    records: str, code: int, loadlock: CommandLine
) -> None:
    write(loadlock, "a.json", records)
    write_pipeline(loadlock, TO_DUCKDB, columns="columns: {a: {}, b: {}}", source="files: a.json")
    ended = loadlock("run", "p.yaml", "--json")
    assert ended.code == code, ended.said
    if code:
        assert "no file has a column for b" in ended.document["error"]


def test_the_document_of_a_run_has_every_field(loadlock: CommandLine) -> None:
    write(loadlock, "a.csv", BATCH + "\n\n")
    write_pipeline(loadlock, TO_DUCKDB)
    document = loadlock.json("run", "p.yaml")
    assert [name for name in DIGEST_FIELDS if name not in document] == []
    assert [name for name in BALANCE_FIELDS if name not in document["balance"]] == []
    (entry,) = document["files"]
    assert {name: entry[name] for name in ("name", "bytes", "header")} == {
        "name": "a.csv", "bytes": len((BATCH + "\n\n").encode()), "header": ["id", "name", "amount", "day"],
    }  # fmt: skip
    assert (entry["encoding"]["name"], entry["dialect"]["delimiter"], entry["balance"]["received"]) == ("utf-8", ",", 7)
    assert Path(document["report"]).is_file()
    assert document["balance"]["blank"] == 2


def test_what_is_told_in_json_is_told_by_show_resume_and_rerun_too(loadlock: CommandLine) -> None:
    write(loadlock, "a.csv", BATCH)
    write_pipeline(loadlock, f"{TO_DUCKDB}, mode: replace")
    run = loadlock.json("run", "p.yaml")
    for arguments in (("show", run["run"]), ("resume", run["run"]), ("rerun", run["batch"])):
        document = loadlock.json(*arguments)
        assert [name for name in DIGEST_FIELDS if name not in document] == []
        assert document["digest"] == run["digest"]


def test_rejects_tell_where_each_row_stood_and_why(loadlock: CommandLine) -> None:
    write(loadlock, "a.csv", BATCH)
    write_pipeline(loadlock, TO_DUCKDB)
    run = loadlock.json("run", "p.yaml")
    rejects = loadlock.json("rejects", run["batch"])
    fields = {"batch", "run", "file", "row", "line", "offset", "length", "stage", "state", "problems", "values", "raw"}
    assert all(fields <= set(reject) for reject in rejects)
    places = {reject["row"]: (reject["stage"], reject["line"], reject["problems"][0]["code"]) for reject in rejects}
    assert places == {2: ("cleanup", 3, "not_decimal"), 4: ("cleanup", 5, "not_date"), 6: ("intake", 7, "field_count")}
    content = BATCH.encode()
    for reject in rejects:
        assert content[reject["offset"] :][: reject["length"]].rstrip(b"\n") == reject["raw"].rstrip("\n").encode()
        assert (reject["file"], reject["state"], reject["run"], reject["batch"]) == (
            "a.csv",
            "open",
            run["run"],
            run["batch"],
        )
    second = next(reject for reject in rejects if reject["row"] == 2)
    assert second["problems"] == [
        {"code": "not_decimal", "column": "amount", "value": "two", "message": second["problems"][0]["message"]}
    ]
    assert second["values"]["amount"] == "two"
    assert [r["row"] for r in loadlock.json("rejects", run["batch"], "--column", "day")] == [4]
    assert "not_decimal amount" in loadlock("rejects", run["batch"]).out
    loadlock("rejects", run["batch"], "--export", "fix.csv")
    with (loadlock.folder / "fix.csv").open(encoding="utf-8-sig", newline="") as file:
        assert len(list(csv.DictReader(file))) == 3


@pytest.fixture
def delivered(loadlock: CommandLine) -> dict[str, Any]:
    """A run of the batch into a DuckDB file."""
    write(loadlock, "a.csv", BATCH)
    write_pipeline(loadlock, f"{TO_DUCKDB}, mode: replace")
    return dict(loadlock.json("run", "p.yaml", codes=[3]))


def test_sql_reads_raw_clean_and_rejects(loadlock: CommandLine, delivered: dict[str, Any]) -> None:
    answers = {
        "select count(*) n, max(_row) last from raw": [{"n": 6, "last": 7}],
        "select sum(amount)::varchar total from clean": [{"total": "7.85"}],
        "select stage, count(*) n from rejects group by all order by all": [
            {"stage": "cleanup", "n": 2},
            {"stage": "intake", "n": 1},
        ],
    }
    for question, answer in answers.items():
        assert loadlock.json("sql", delivered["batch"], question) == answer
    assert "7.85" in loadlock("sql", delivered["batch"], "select sum(amount) from clean").out


FORBIDDEN = (
    "select * from read_csv('{folder}/a.csv')",
    "select * from '{folder}/a.csv'",
    "select * from read_text('/etc/passwd')",
    "select * from glob('/etc/*')",
    "copy (select 1) to '{folder}/written.csv'",
    "copy (select 1) to '{folder}/.loadlock/staging/written.parquet'",
    "attach '{folder}/out.duckdb' as other",
    "attach '{folder}/.loadlock/staging/new.duckdb' as other",
    "set enable_external_access = true",
    "set memory_limit = '10GB'",
    "install httpfs",
    "load httpfs",
    "select * from 'https://127.0.0.1:1/a.csv'",
    "select getenv('HOME')",
    "select 1; copy (select 2) to '{folder}/written.csv'",
    "pragma database_list",
    "select * from nowhere",
    "selec 1",
)


def test_sql_over_a_batch_reaches_nothing_else(loadlock: CommandLine, delivered: dict[str, Any]) -> None:
    known = files_of(loadlock)
    for sql in FORBIDDEN:
        ended = loadlock("sql", delivered["batch"], sql.format(folder=loadlock.folder), "--json")
        assert ended.code == 2, f"{sql}: {ended.said}"
        assert "Traceback" not in ended.said
        assert files_of(loadlock) == known, sql


def files_of(loadlock: CommandLine) -> set[Path]:
    """Every file below the folder but those that SQLite keeps beside an open ledger."""
    return {path for path in loadlock.folder.rglob("*") if not path.name.startswith("ledger.db-")}


CHANGES: dict[str, Callable[[Path], object]] = {
    "a value": lambda path: query(path, "update t set name = 'Anne' where id = 1"),
    "a row less": lambda path: query(path, "delete from t where id = 7"),
    "a row more": lambda path: query(path, "insert into t values (8, 'new', 1, null)"),
    "an empty text made null": lambda path: query(path, "update t set name = null where id = 5"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_verify_finds_what_was_changed_in_the_destination(
    change: str, loadlock: CommandLine, delivered: dict[str, Any]
) -> None:
    equal = loadlock.json("verify", delivered["batch"], codes=[0])
    assert (equal["equal"], equal["receipts"][0]["level"], equal["receipts"][0]["rows"]) == (True, "content", 4)
    CHANGES[change](loadlock.folder / "out.duckdb")
    ended = loadlock("verify", delivered["run"], "--json")
    assert (ended.code, ended.document["equal"]) == (6, False)
    assert "DIFFERS" in loadlock("verify", delivered["batch"]).out
    # a look changes nothing
    assert loadlock.json("show", delivered["run"])["status"] == "verified"


@pytest.mark.parametrize("name", ["out.csv", "out.ndjson", "out.parquet"])
def test_verify_reads_files_too(name: str, loadlock: CommandLine) -> None:
    write(loadlock, "a.csv", BATCH)
    write_pipeline(loadlock, f"url: {name}")
    run = loadlock.json("run", "p.yaml")
    assert loadlock.json("verify", run["batch"], codes=[0])["equal"] is True
    path = loadlock.folder / name
    if name != "out.parquet":
        path.write_text(path.read_text(encoding="utf-8").replace("Ann", "Anne"), encoding="utf-8")
        assert loadlock("verify", run["batch"]).code == 6
    path.unlink()
    gone = loadlock("verify", run["batch"], "--json")
    assert gone.code == 1
    assert name in gone.document["error"]


def test_verify_of_an_earlier_batch_looks_at_its_own_rows(loadlock: CommandLine) -> None:
    write_pipeline(loadlock, f"{TO_DUCKDB}, lineage: columns")
    write(loadlock, "a.csv", BATCH)
    first = loadlock.json("run", "p.yaml")
    write(loadlock, "b.csv", "id,name,amount,day\n9,x,1,\n")
    second = loadlock.json("run", "p.yaml")
    for run in (first, second):
        found = loadlock.json("verify", run["batch"], codes=[0])
        assert (found["equal"], found["receipts"][0]["level"]) == (True, "content")
    query(loadlock.folder / "out.duckdb", "update t set name = 'y' where id = 9")
    assert loadlock("verify", first["batch"]).code == 0
    assert loadlock("verify", second["batch"]).code == 6


def test_a_guessed_pipeline_runs_as_it_is(loadlock: CommandLine) -> None:
    write(loadlock, "a.csv", "id,code,amount,day\n1,01234,1.5,2024-01-02\n2,00077,2.25,2024-01-03\n")
    assert loadlock("guess", "a.csv", "-o", "guessed.yaml").code == 0
    text = (loadlock.folder / "guessed.yaml").read_text(encoding="utf-8")
    assert "code:" in text
    path = loadlock.folder / "guessed.yaml"
    assert loadlock("guess", "a.csv", "-o", "guessed.yaml").code == 2, "an existing file is not overwritten"
    assert path.read_text(encoding="utf-8") == text
    preview = loadlock.json("preview", "guessed.yaml")
    assert preview["rows"][0]["after"]["code"] == "01234"
    if "destination:" not in text:
        path.write_text(text + f"\ndestination: {{{TO_DUCKDB}}}\n", encoding="utf-8")
    document = loadlock.json("run", "guessed.yaml", codes=[0])
    assert document["balance"]["inserted"] == 2


def test_preview_shows_before_and_after_and_touches_nothing(loadlock: CommandLine) -> None:
    write(loadlock, "a.csv", BATCH)
    write_pipeline(loadlock, TO_DUCKDB)
    before = sorted(path.name for path in loadlock.folder.rglob("*"))
    found = loadlock.json("preview", "p.yaml", "--rows", "3", codes=[0])
    first = {name: found["rows"][0][name] for name in ("file", "row", "before", "after")}
    assert first == {
        "file": "a.csv", "row": 1,
        "before": {"id": "1", "name": " Ann ", "amount": "1.50", "day": "2024-01-02"},
        "after": {"id": 1, "name": "Ann", "amount": "1.50", "day": "2024-01-02"},
    }  # fmt: skip
    assert {reject["row"] for reject in found["rejects"]} == {2, 4, 6}
    assert loadlock("preview", "p.yaml").code == 0
    assert sorted(path.name for path in loadlock.folder.rglob("*")) == before


@pytest.mark.parametrize("text", ["", "id,name,amount,day\n"], ids=["empty", "header"])
def test_preview_and_guess_of_nothing_are_no_error(text: str, loadlock: CommandLine) -> None:
    write(loadlock, "a.csv", text)
    write_pipeline(loadlock, TO_DUCKDB)
    assert loadlock.json("preview", "p.yaml", codes=[0])["rows"] == []
    ended = loadlock("guess", "a.csv")
    assert ended.code in (0, 2)
    assert "Traceback" not in ended.said
    assert "defect" not in ended.said


def test_runs_batches_and_show_tell_the_newest_first(loadlock: CommandLine) -> None:
    write_pipeline(loadlock, TO_DUCKDB)
    write(loadlock, "a.csv", "id,name,amount,day\n1,a,1,\n")
    first = loadlock.json("run", "p.yaml")
    write(loadlock, "b.csv", "id,name,amount,day\n2,a,1,\n")
    second = loadlock.json("run", "p.yaml")
    assert [(run["run"], run["batch"], run["status"]) for run in loadlock.json("runs")] == [
        (second["run"], second["batch"], "verified"), (first["run"], first["batch"], "verified"),
    ]  # fmt: skip
    assert [(entry["run"], entry["status"], entry["files"]) for entry in loadlock.json("batches")] == [
        (second["run"], "delivered", ["b.csv"]), (first["run"], "delivered", ["a.csv"]),
    ]  # fmt: skip
    assert len(loadlock.json("runs", "--limit", "1")) == 1
    batch = loadlock.json("show", second["batch"][:8])
    assert [run["run"] for run in batch["runs"]] == [second["run"]]
    for command in (("runs",), ("batches",), ("show", first["run"]), ("show", first["batch"])):
        ended = loadlock(*command)
        assert ended.code == 0
        assert first["batch"][:12] in ended.out


def test_report_writes_one_page_that_needs_nothing_else(loadlock: CommandLine, delivered: dict[str, Any]) -> None:
    assert loadlock.json("report", delivered["run"], "-o", "page.html")["report"] == "page.html"
    page = (loadlock.folder / "page.html").read_text(encoding="utf-8")
    assert delivered["run"] in page
    assert "not_decimal" in page
    assert 'src="http' not in page
    assert 'href="http' not in page


def test_schema_and_doctor(loadlock: CommandLine, delivered: dict[str, Any]) -> None:
    assert "columns" in loadlock.json("schema")["properties"]
    findings = {finding["what"]: finding["verdict"] for finding in loadlock.json("doctor", "p.yaml", codes=[0])}
    assert findings | {"pipeline": "ok", "workspace": "ok", "files": "ok", "destination": "ok"} == findings
    write_pipeline(loadlock, "url: 'mongo://x/y', table: t", name="bad.yaml")
    ended = loadlock("doctor", "bad.yaml", "--json")
    assert ended.code == 1
    assert "fail" in {finding["verdict"] for finding in ended.document}
    assert delivered["status"] == "verified"


def test_a_person_sees_the_balance_sheet_and_progress_apart(loadlock: CommandLine) -> None:
    write(loadlock, "a.csv", BATCH)
    write_pipeline(loadlock, TO_DUCKDB)
    ended = loadlock("run", "p.yaml")
    assert ended.code == 3
    for word in ("Balance sheet", "a.csv", "read back at level content: equal", "report: ", "not_decimal 1"):
        assert word in ended.out
    assert [line.split(":")[0] for line in ended.err.splitlines()] == ["intake", "cleanup", "delivery"]
    again = loadlock("run", "p.yaml", "--force", "--quiet")
    assert again.err == ""


def test_the_workspace_is_where_it_was_named(loadlock: CommandLine) -> None:
    write(loadlock, "a.csv", "id\n1\n")
    (loadlock.folder / "sub").mkdir()
    shutil.copy(loadlock.folder / "a.csv", loadlock.folder / "sub")
    write_pipeline(loadlock, "url: out.csv", columns="", name="sub/p.yaml")
    loadlock.json("run", "sub/p.yaml")
    assert (loadlock.folder / "sub" / ".loadlock" / "ledger.db").exists()
    assert (loadlock.folder / "sub" / "out.csv").exists()
    loadlock.json("run", "sub/p.yaml", "--workspace", "named")
    assert (loadlock.folder / "named" / "ledger.db").exists()
    assert len(loadlock("runs", "--json", LOADLOCK_WORKSPACE="named").document) == 1


@pytest.mark.postgres
def test_a_password_is_in_no_file_message_or_report(loadlock: CommandLine, postgres: str) -> None:
    secret = "pa55-w0rd-that-works"
    url = postgres.replace("postgres@", f"postgres:{secret}@")
    write(loadlock, "a.csv", BATCH)
    said = loadlock("load", "a.csv", "--to", url, "--table", "public.t", "--json")
    assert said.code == 3, said.said
    run = said.document
    verified = loadlock("verify", run["batch"], "--to", url)
    assert verified.code == 0, verified.said
    shown = loadlock("show", run["run"], "--json")
    needs = loadlock("verify", run["batch"], "--json")
    assert needs.code == 2
    assert "--to" in needs.document["hint"]
    assert secret not in said.said + verified.said + shown.said + needs.said
    for path in (loadlock.folder / ".loadlock").rglob("*"):
        assert path.is_dir() or secret.encode() not in path.read_bytes(), path


@pytest.mark.slow
@pytest.mark.postgres
@pytest.mark.mysql
def test_a_dirty_batch_is_equal_in_postgresql_mariadb_and_duckdb(
    loadlock: CommandLine, postgres: str, mysql: str
) -> None:
    from loadlock.testing import maker

    maker.make_batch(loadlock.folder / "batch", records=3000, seed=7, shape="demo")
    digests = {}
    for name, url in (("duckdb", "duckdb:///made.duckdb"), ("postgres", postgres), ("mysql", mysql)):
        pipeline = loadlock.folder / "batch" / "orders.yaml"
        text = pipeline.read_text(encoding="utf-8").replace("duckdb:///orders.duckdb", url)
        assert url in text
        (loadlock.folder / "batch" / f"{name}.yaml").write_text(text, encoding="utf-8")
        document = loadlock.json("run", f"batch/{name}.yaml", "--workspace", name, codes=[3])
        assert document["receipt"]["equal"] is True
        digests[name] = (document["digest"], document["receipt"]["digest"], document["balance"]["inserted"])
    assert len(set(digests.values())) == 1, digests
