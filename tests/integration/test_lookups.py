"""Lists that rules and checks read from tables of real servers."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import psycopg
import pytest

from loadlock.errors import PipelineError
from loadlock.pipeline.read import pipeline_from_text
from loadlock.testing.databases import connect_mysql
from loadlock.workflow.preview import preview

TABLE = (
    "create table countries (name varchar(40), code varchar(9), since date, area decimal(10,2))",
    "insert into countries values ('Germany', 'DE', '1990-10-03', 357588.00), ('Österreich', 'AT', null, 83879.50)",
)
PIPELINE = """pipeline: p
source: in.csv
columns:
  id: {type: integer}
  land:
    rules: [{map: {file: "${SHOP}#countries", key: name, value: code}}]
    checks: [{in: {file: "${SHOP}#countries", column: code}}]
  since: {from: land, rules: [{map: {file: "${SHOP}#countries", key: name, value: since}}]}
  area: {from: land, rules: [{map: {file: "${SHOP}#countries", key: name, value: area}}]}
destination: out.csv
"""


def shown(folder: Path, url: str) -> tuple[list[list[str | None]], list[int]]:
    """(the values of each clean row, the rows kept out)"""
    (folder / "in.csv").write_text("id,land\n1,Germany\n2,Österreich\n3,Spain\n", encoding="utf-8")
    found = preview(pipeline_from_text(PIPELINE, base_folder=folder, environment={"SHOP": url}))
    clean = [row["after"] for row in found.rows if row["fate"] == "clean"]
    return [[row[name] for name in ("land", "since", "area")] for row in clean], [row["row"] for row in found.rejects]


EXPECTED = [["DE", "1990-10-03", "357588.00"], ["AT", "", "83879.50"]], [3]
"""A missing value of a list is empty text, as in a file."""


@pytest.mark.postgres
def test_a_table_of_postgresql_is_a_list(postgres: str, tmp_path: Path) -> None:
    with closing(psycopg.connect(postgres, autocommit=True)) as connection:
        for statement in TABLE:
            connection.execute(statement)
    assert shown(tmp_path, postgres) == EXPECTED


@pytest.mark.mysql
def test_a_table_of_mysql_is_a_list(mysql: str, tmp_path: Path) -> None:
    with closing(connect_mysql(mysql)) as connection, connection.cursor() as cursor:
        for statement in TABLE:
            cursor.execute(statement)
        connection.commit()
    assert shown(tmp_path, mysql) == EXPECTED


@pytest.mark.postgres
def test_a_table_that_is_not_there_is_a_mistake_of_the_pipeline(postgres: str, tmp_path: Path) -> None:
    with pytest.raises(PipelineError, match="countries") as raised:
        shown(tmp_path, postgres)
    assert "line 6" in str(raised.value)
