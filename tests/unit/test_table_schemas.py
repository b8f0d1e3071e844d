"""Schemas of other tools become pipelines that load, and say what they could not take over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from loadlock.errors import UsageError
from loadlock.pipeline.model import Column, Pipeline
from loadlock.pipeline.read import pipeline_from_text
from loadlock.pipeline.table_schemas import pipeline_text
from loadlock.testing.command import CommandLine

TABLE_SCHEMA = {
    "fields": [
        {"name": "id", "type": "integer", "constraints": {"required": True, "minimum": 1}},
        {"name": "e-mail", "type": "string", "format": "email", "constraints": {"maxLength": 80, "unique": True}},
        {"name": "on", "type": "date", "format": "%d/%m/%Y", "constraints": {"minimum": "2020-01-01"}},
        {"name": "amount", "type": "number", "decimalChar": ",", "groupChar": "."},
        {"name": "size", "constraints": {"enum": ["S", "M"], "pattern": "[A-Z]"}},
        {"name": "paid", "type": "boolean", "trueValues": ["ja"], "falseValues": ["nein"]},
        {"name": "place", "type": "geopoint"},
        {"name": "code", "constraints": {"pattern": "(?=x)"}},
    ],
    "missingValues": ["", "-"],
    "primaryKey": "id",
    "foreignKeys": [{"fields": "id", "reference": {"resource": "x", "fields": "id"}}],
}
CONTRACT = """
kind: DataContract
apiVersion: v3.0.2
schema:
  - name: orders
    properties:
      - {name: id, logicalType: integer, required: true, primaryKey: true}
      - {name: total, logicalType: number, physicalType: "decimal(12,2)", logicalTypeOptions: {exclusiveMinimum: 0}}
      - {name: iban, logicalType: string, classification: restricted, quality: [{rule: nullCount}]}
  - {name: lines, properties: [{name: no, logicalType: string, logicalTypeOptions: {pattern: "^[0-9]"}}]}
"""
PANDERA = """
schema_type: dataframe
version: 0.20.0
columns:
  id: {dtype: int64, nullable: false, unique: true, checks: {greater_than: 0}}
  name: {dtype: str, nullable: true, checks: {str_matches: "[A-Z]", str_length: {min_value: 1, max_value: 9}}}
  kind: {dtype: category, nullable: true, checks: {isin: [a, b], my_own: 1}}
  at: {dtype: "datetime64[ns, UTC]", nullable: true, checks: {in_range: {min_value: 2020-01-01, max_value: 2030-01-01}}}
unique: [id, kind]
"""


def taken(tmp_path: Path, name: str, content: Any, table: str | None = None) -> tuple[str, Pipeline]:
    path = tmp_path / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    text = pipeline_text(path, table)
    return text, pipeline_from_text(text, base_folder=tmp_path, environment={})


def columns(pipeline: Pipeline) -> dict[str, Column]:
    return {column.name: column for column in pipeline.columns or ()}


def checks(column: Column) -> list[tuple[str, dict[str, Any]]]:
    return [(check.name, check.options) for check in column.checks]


def test_a_table_schema_becomes_columns_and_checks(tmp_path: Path) -> None:
    text, pipeline = taken(tmp_path, "orders.schema.json", TABLE_SCHEMA)
    found = columns(pipeline)
    assert pipeline.name == "orders"
    assert [str(column.type) for column in found.values()] == [
        "integer", "text", "date", "float", "text", "boolean", "text", "text",
    ]  # fmt: skip
    assert found["id"].required
    assert checks(found["id"]) == [("range", {"min": 1})]
    assert found["e-mail"].unique
    assert checks(found["e-mail"]) == [("email", {}), ("length", {"max": 80})]
    assert found["on"].formats == ("%d/%m/%Y",)
    assert [rule.name for rule in found["amount"].rules] == ["null_if", "number"]
    assert checks(found["size"]) == [("matches", {"pattern": "[A-Z]"}), ("in", {"values": ["S", "M"]})]
    assert found["paid"].rules[1].options == {"true": ["ja"], "false": ["nein"]}
    for said in (
        "place: the type geopoint is taken as text",
        "foreign key id",
        "code: the pattern (?=x) is not taken over",
    ):
        assert said in text
    assert "# mode: upsert, with key: [id]" in text


def test_a_data_contract_becomes_columns_and_checks(tmp_path: Path) -> None:
    text, pipeline = taken(tmp_path, "contract.yaml", CONTRACT, "orders")
    found = columns(pipeline)
    assert str(found["total"].type) == "decimal(12,2)"
    assert checks(found["total"]) == [("range", {"min": 0, "min_exclusive": True})]
    assert found["iban"].mask
    assert "iban: its quality rules are not taken over" in text
    _, lines = taken(tmp_path, "contract.yaml", CONTRACT, "lines")
    assert checks(columns(lines)["no"]) == [("matches", {"pattern": "^[0-9]", "part": True})]


def test_a_pandera_schema_becomes_columns_and_checks(tmp_path: Path) -> None:
    text, pipeline = taken(tmp_path, "frame.yml", PANDERA)
    found = columns(pipeline)
    assert [str(column.type) for column in found.values()] == ["integer", "text", "text", "timestamptz"]
    assert found["id"].required
    assert not found["name"].required
    assert checks(found["id"]) == [("range", {"min": 0, "min_exclusive": True})]
    assert checks(found["name"])[0] == ("matches", {"pattern": "^(?:[A-Z])", "part": True})
    assert checks(found["at"]) == [("range", {"min": "2020-01-01", "max": "2030-01-01"})]
    assert [check.options for check in pipeline.checks] == [{"columns": ["id", "kind"]}]
    assert "kind: the check my_own is not taken over" in text


@pytest.mark.parametrize(
    ("content", "table", "words"),
    [
        ("[1]", None, "holds no mapping"),
        ("{}", None, "no schema of a known kind"),
        ("{", None, "can't read the schema"),
        ('{"fields": 5}', None, "no schema that can be taken over"),
        (CONTRACT, None, "describes orders, lines"),
        (CONTRACT, "nothing", "describes orders, lines"),
    ],
)
def test_what_is_no_schema_is_refused_with_a_reason(
    content: str, table: str | None, words: str, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match=words):
        taken(tmp_path, "x.json", content, table)


def test_the_command_writes_a_new_file_or_prints(loadlock: CommandLine) -> None:
    (loadlock.folder / "frame.yml").write_text(PANDERA)
    printed = loadlock("columns", "frame.yml")
    assert (printed.code, printed.out.splitlines()[0][:36]) == (0, "# From frame.yml (Pandera schema). N")
    assert loadlock("columns", "frame.yml", "-o", "frame.yaml").code == 0
    assert (loadlock.folder / "frame.yaml").read_text() == printed.out
    again = loadlock("columns", "frame.yml", "-o", "frame.yaml")
    assert again.code == 2
    assert "can't write frame.yaml" in again.err
