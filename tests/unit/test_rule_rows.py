"""Rules over the row, as they are written in a pipeline and run by the kernel."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from loadlock.cleanup.batch import judge_batch
from loadlock.cleanup.compile import compile_plan
from loadlock.cleanup.kernel import CleanPart
from loadlock.cleanup.plan import Plan
from loadlock.errors import PipelineError
from loadlock.pipeline.read import pipeline_from_text
from loadlock.testing.contracts.row_rules import cleaned

RUN_TIME = datetime(2026, 1, 2, tzinfo=UTC)


def plan_of(body: str, names: list[str], folder: Path = Path(), **environment: str) -> Plan:
    text = f"pipeline: p\nsource: x.csv\n{body}"
    return compile_plan(pipeline_from_text(text, base_folder=folder, environment=environment), names, run_time=RUN_TIME)


def run(body: str, *rows: dict[str, str | None], folder: Path = Path(), **environment: str) -> CleanPart:
    return cleaned(plan_of(body, list(rows[0]), folder, **environment), rows, list(rows[0]))


def values(part: CleanPart) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name[0] != "_"} for row in part.clean.to_pylist()]


def problems(part: CleanPart) -> list[tuple[str, str | None]]:
    return [(found["code"], found["column"]) for row in part.rejects["problems"].to_pylist() for found in row]


def mistakes(body: str, names: list[str]) -> list[str]:
    with pytest.raises(PipelineError) as caught:
        plan_of(body, names)
    return [f"{mistake.path}: {mistake.message}. {mistake.remedy}" for mistake in caught.value.mistakes]


def test_pieces_of_a_split_get_the_types_of_their_columns() -> None:
    part = run(
        """
columns:
  id: integer
  lat: {type: "decimal(8,4)", required: true}
rules:
  - split: {by: ",", into: [lat, lon], fewer: reject}
    column: place
""",
        {"id": "1", "place": "52.5, 13.4"}, {"id": "2", "place": "x, 1"}, {"id": "3", "place": "1"},
        {"id": "4", "place": None},
    )  # fmt: skip
    assert [(row["id"], str(row["lat"]), row["lon"]) for row in values(part)] == [(1, "52.5000", "13.4")]
    assert problems(part) == [
        ("not_decimal", "lat"), ("bad_split", "place"), ("required", "lat"), ("required", "lat"),
    ]  # fmt: skip


def test_rules_over_the_row_see_what_those_before_them_made() -> None:
    part = run(
        """
columns: {first: {rules: [trim]}, last: {}, qty: integer}
rules:
  - join: [first, last]
    column: name
  - upper: {}
    column: name
  - sql: "qty * 2"
    column: twice
  - coalesce: [nick, name]
    column: shown
  - drop: [first, last, name]
""",
        {"first": " Ann ", "last": "Lee", "qty": "4", "nick": ""},
        {"first": "Bo", "last": None, "qty": "", "nick": "bobo"},
    )
    assert values(part) == [{"qty": 4, "twice": "8", "shown": "ANN LEE"}, {"qty": None, "twice": None, "shown": "bobo"}]


def test_filtered_rows_are_skipped_with_the_rule_as_their_reason() -> None:
    part = run(
        "columns: {qty: integer}\nrules:\n  - filter: qty > 1\n  - filter: {sql: qty < 9}\n",
        {"qty": "1"}, {"qty": "5"}, {"qty": "10"}, {"qty": None}, {"qty": "x"},
    )  # fmt: skip
    assert values(part) == [{"qty": 5}]
    assert part.dropped["reason"].to_pylist() == ["rules[0]: qty > 1", "rules[1]: qty < 9", "rules[0]: qty > 1"]
    assert problems(part) == [("not_integer", "qty")]


def test_columns_of_files_that_no_pipeline_declares_can_be_split_and_kept() -> None:
    body = "rules:\n  - split: {by: ' ', into: [first, last]}\n    column: name\n  - keep: [first, last]\n"
    assert values(run(body, {"id": "1", "name": "Ann  Lee"})) == [{"first": "Ann", "last": "Lee"}]


def test_a_dropped_column_can_be_judged_but_not_over_the_batch() -> None:
    body = "columns: {{a: integer, b: {{type: integer, {b}}}}}\nrules: [{{drop: [b]}}]\nchecks: [{check}]\n"
    part = run(body.format(b="required: true", check="{sql: b > 1}"), {"a": "1", "b": "2"}, {"a": "2", "b": "0"})
    assert values(part) == [{"a": 1}]
    assert problems(part) == [("sql_check", None)]
    assert mistakes(body.format(b="unique: true", check=""), ["a", "b"]) == [
        "columns.b: a column that is not delivered can't be unique. Keep the column."
    ]


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        ("deduplicate: {by: [id]}", [1, 3, 4, 5]),
        ("deduplicate: {by: [id], keep: last}", [2, 3, 4, 6]),
        ("deduplicate: {by: [id], keep: greatest, order: at}", [1, 3, 4, 6]),
        ("deduplicate: {by: [id], keep: least, order: at}", [2, 3, 4, 6]),
        ("deduplicate", [1, 2, 3, 5, 6]),
    ],
)
def test_the_stated_winner_stays_whatever_the_order_of_the_parts(rule: str, kept: list[int]) -> None:
    rows = [("7", "2"), ("7", "1"), (None, "3"), (None, "3"), ("8", None), ("8", "5")]
    table = pa.table(
        {
            "id": [row[0] for row in rows], "at": [row[1] for row in rows], "_file": pa.array([0] * 6, pa.int32()),
            "_row": pa.array(range(1, 7), pa.int64()), "_sub": pa.array([0] * 6, pa.int32()),
        }
    )  # fmt: skip
    plan = plan_of(f"columns: {{id: text, at: text}}\nrules:\n  - {rule}\n", ["id", "at"])
    for order in (range(6), reversed(range(6))):
        connection = duckdb.connect()
        connection.register("rows", table.take(list(order)))
        verdict = judge_batch(plan, lambda sql, use=connection: use.sql(sql).to_arrow_table())  # type: ignore[misc]
        assert sorted(set(range(1, 7)) - set(verdict.losers["_row"].to_pylist())) == kept
        assert set(verdict.losers["reason"].to_pylist()) == {"superseded"}


LOOKUP = """
columns: {{customer: integer, name: text}}
rules:
  - lookup: {{file: "{file}", match: {{customer: id}}, take: {{name: name, since: since}}{more}}}
"""


def written(folder: Path) -> list[str]:
    """The same table as a CSV file, a Parquet file, and in two databases."""
    (folder / "c.csv").write_text("id;name;since\n7;Ann;2024-01-31\n8;Bo;\n")
    pq.write_table(pa.table({"id": [7, 8], "name": ["Ann", "Bo"], "since": ["2024-01-31", None]}), folder / "c.parquet")
    with duckdb.connect(str(folder / "c.duckdb")) as connection:
        connection.execute('create table "cus tomers" (id integer, name text, since date)').fetchall()
        connection.execute("insert into \"cus tomers\" values (8, 'Bo', null), (7, 'Ann', '2024-01-31')").fetchall()
    engine = sa.create_engine(f"sqlite:///{folder}/c.sqlite")
    with engine.begin() as connection:
        connection.execute(sa.text("create table customers (id integer, name text, since text)"))
        connection.execute(sa.text("insert into customers values (7, 'Ann', '2024-01-31'), (8, 'Bo', null)"))
    engine.dispose()
    return ["c.csv", "c.parquet", '${DUCK}#\\"cus tomers\\"', f"sqlite:///{folder}/c.sqlite#main.customers"]


def test_a_lookup_comes_from_a_file_or_a_database_alike(tmp_path: Path) -> None:
    for file in written(tmp_path):
        body = LOOKUP.format(file=file, more="")
        rows: list[dict[str, str | None]] = [{"customer": text} for text in ("7", "8", "9", None)]
        part = run(body, *rows, folder=tmp_path, DUCK=f"duckdb:///{tmp_path}/c.duckdb")
        assert values(part) == [
            {"customer": 7, "name": "Ann", "since": "2024-01-31"}, {"customer": 8, "name": "Bo", "since": None},
            {"customer": None, "name": None, "since": None},
        ], file  # fmt: skip
        assert problems(part) == [("not_found", "customer")]


def test_a_lookup_that_can_not_be_used_is_found_before_the_run(tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text("id,name,since\n7,Ann,x\n7,Bo,x\n")
    for file, words in (
        ("c.csv", "'7' stands twice in c.csv with different values"),
        ("no.parquet", "can't be read"),
        ("${NOT_SET}#t", "NOT_SET is not set"),
        ("duckdb:////nowhere/x.duckdb#t", "can't be read"),
        ("oracle://ann:secret@h/db#t", "no database that lookups are read from"),
    ):
        with pytest.raises(PipelineError, match=words) as caught:
            run(LOOKUP.format(file=file, more=""), {"customer": "7"}, folder=tmp_path)
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("{split: {by: ',', into: [a, b]}}", "split names no column to cut. Add `column:`."),
        ("{split: {by: ',', into: [a, a]}, column: id}", "`into` must name two columns or more"),
        ("{join: [id, nothing], column: x}", "there is no column 'nothing'"),
        ("{keep: [nothing]}", "there is no column 'nothing'"),
        ("{drop: [id]}", "no column would be left"),
        ("{deduplicate: [nothing]}", "there is no column 'nothing' among the delivered ones"),
        ("{deduplicate: {by: [id], keep: least}}", "`order` goes with"),
        ("{filter: 'id >'}", "the SQL does not parse"),
        ("{filter: 'nothing > 1'}", "unknown column 'nothing'"),
        ("{filter: 'id > 1', column: id}", "filter works on whole rows"),
        ("{coalesce: [id]}", "coalesce names no column"),
        ("{phone: {country_column: nothing}, column: id}", "there is no column 'nothing'"),
    ],
)
def test_a_rule_that_can_not_work_is_a_mistake_with_its_place(rule: str, words: str) -> None:
    (mistake,) = mistakes(f"columns: {{id: text}}\nrules: [{rule}]\n", ["id"])
    assert mistake.startswith("rules[0]")
    assert words in mistake


def test_a_rule_over_the_row_can_not_stand_at_a_column() -> None:
    (mistake,) = mistakes("columns: {id: {rules: [{join: [id, id]}]}}\n", ["id"])
    assert mistake == "columns.id.rules[0]: join works on the whole row. Write it under `rules:` of the pipeline."


def test_a_rule_at_a_column_can_look_at_another_as_it_was_staged() -> None:
    body = "columns: {country: {rules: [country]}, phone: {rules: [{phone: {country_column: country}}]}}\n"
    part = run(body, {"country": "de", "phone": "030 901820"}, {"country": "Peru", "phone": "030 901820"})
    assert values(part) == [{"country": "DE", "phone": "+4930901820"}]
    assert problems(part) == [("not_phone", "phone")]


def test_a_type_with_a_zone_refuses_times_that_came_twice_or_never_by_half_an_hour_too() -> None:
    body = "columns: {at: {type: timestamptz, timezone: Australia/Lord_Howe}}\n"
    times = ("2024-04-07 01:45", "2024-10-06 02:15", "2024-04-07 02:15", "0001-01-01 00:00", "9999-12-31 23:59:59")
    rows: list[dict[str, str | None]] = [{"at": time} for time in times]
    part = run(body, *rows)
    assert [str(row["at"]) for row in values(part)][:1] == ["2024-04-06 15:45:00+00:00"]
    assert problems(part)[:2] == [("not_timestamp", "at"), ("not_timestamp", "at")]
    assert part.rejects["_row"].to_pylist()[:2] == [1, 2]
