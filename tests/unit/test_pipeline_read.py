"""A written pipeline becomes the value that all stages see."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import pytest

from loadlock.errors import PipelineError, UsageError
from loadlock.intake.base import SourceOptions
from loadlock.model import Severity, WriteMode
from loadlock.pipeline.model import Budget, CheckUse, Column, DestinationSpec, Flatten, Pipeline, RuleUse
from loadlock.pipeline.read import check_environment, load_pipeline, pipeline_from, pipeline_from_text
from loadlock.types import ColumnType

EXAMPLES = sorted((Path(__file__).parents[2] / "examples").glob("**/*.yaml"))

ORDERS = """\
# yaml-language-server: $schema=...        (the JSON schema is generated: loadlock schema)
pipeline: orders
source:
  files: inbox/orders-*.csv.gz             # globs, folders, archives, s3:// gs:// sftp:// https://
  format: csv                              # csv, json, ndjson, excel, parquet, fixed ...: guessed if absent
  encoding: auto                           # or a name; what was found is recorded with the evidence
columns:
  order_id:    {from: Order ID, type: integer, required: true, unique: true}
  customer:    {type: text, rules: [fix_encoding, trim, collapse_spaces]}
  email:       {type: text, rules: [trim, lower], checks: [email]}
  ordered_on:  {type: date, formats: ["%Y-%m-%d", "%d/%m/%Y"]}
  amount:      {type: "decimal(12,2)", rules: [{number: {decimal: ","}}]}
  country:     {type: text, rules: [trim, upper, {map: countries.csv}], checks: [{in: countries.csv}]}
  city:        {from: address.city, type: text}          # nested JSON is flattened to dotted names
rules:
  - sql: "replace(phone, ' ', '')"         # DuckDB SQL over the row
    column: phone
  - python: rules.py:split_name            # a function over a value, a column or a table
checks:
  - sql: "quantity > 0"
    message: quantity must be positive
    severity: reject                       # reject | warn | fail
  - batch: "select count(*) > 1000 from rows"            # over the whole batch
rejects:
  budget: {rows: 10000, percent: 2}        # beyond it nothing is published
destination:
  url: ${SHOP_DB}                          # secrets come from the environment
  table: shop.orders
  mode: upsert
  key: [order_id]
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "orders.yaml").write_text(ORDERS, encoding="utf-8")
    (tmp_path / "countries.csv").write_text("\ufeffname;code\nGermany;DE\nFrance;FR\n", encoding="utf-8")
    (tmp_path / "rules.py").write_text("def split_name(table):\n    return table\n", encoding="utf-8")
    return tmp_path


def read(text: str, folder: Path = Path(), **others: str) -> Pipeline:
    return pipeline_from_text(text, base_folder=folder, environment=others)


def test_the_example_of_the_product_page_is_read_whole(folder: Path) -> None:
    pipeline = load_pipeline(folder / "orders.yaml", environment={})

    assert pipeline.name == "orders"
    assert pipeline.base_folder == str(folder)
    assert pipeline.text == ORDERS
    assert pipeline.source.files == ("inbox/orders-*.csv.gz",)
    assert pipeline.source.options == SourceOptions(format="csv", encoding=None)
    assert pipeline.columns is not None
    columns = {column.name: column for column in pipeline.columns}
    assert list(columns) == ["order_id", "customer", "email", "ordered_on", "amount", "country", "city", "phone"]
    assert columns["order_id"] == Column(
        name="order_id", source=("Order ID",), type=ColumnType(kind="integer"), required=True, unique=True
    )
    assert [rule.name for rule in columns["customer"].rules] == ["fix_encoding", "trim", "collapse_spaces"]
    assert [check.name for check in columns["email"].checks] == ["email"]
    assert columns["ordered_on"].formats == ("%Y-%m-%d", "%d/%m/%Y")
    assert columns["amount"].type == ColumnType(kind="decimal", precision=12, scale=2)
    assert columns["amount"].rules == (
        RuleUse(name="number", options={"decimal": ","}, where="columns.amount.rules[0]"),
    )
    assert columns["country"].rules[2].options == columns["country"].checks[0].options == {"file": "countries.csv"}
    assert columns["city"].source == ("address.city",)
    assert pipeline.rules[0] == (
        "phone",
        RuleUse(name="sql", options={"sql": "replace(phone, ' ', '')"}, where="rules[0]"),
    )
    source = "def split_name(table):\n    return table\n"
    options = {"python": "rules.py:split_name", "source": source, "sha256": sha256(source.encode()).hexdigest()}
    assert pipeline.rules[1] == ("", RuleUse(name="python", options=options, where="rules[1]"))
    assert pipeline.checks == (
        CheckUse(name="sql", options={"sql": "quantity > 0"}, message="quantity must be positive", where="checks[0]"),
        CheckUse(
            name="batch",
            options={"batch": "select count(*) > 1000 from rows"},
            severity=Severity.FAIL,
            where="checks[1]",
        ),
    )
    assert pipeline.budget == Budget(rows=10000, percent=2.0)
    assert pipeline.destinations == (
        DestinationSpec(url="${SHOP_DB}", table="shop.orders", mode=WriteMode.UPSERT, key=("order_id",)),
    )
    assert pipeline.lookups == {"countries.csv": (("name", "code"), ("Germany", "DE"), ("France", "FR"))}


@pytest.mark.skipif(not EXAMPLES, reason="NO EXAMPLES: the folder examples/ is empty")
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_are_read_without_a_mistake(path: Path) -> None:
    assert load_pipeline(path, environment={}).destinations


def test_a_name_alone_is_a_pipeline() -> None:
    pipeline = read("pipeline: orders\n")
    assert pipeline == Pipeline(name="orders", text="pipeline: orders\n")
    assert pipeline.columns is None


def test_every_option_of_a_source_is_read() -> None:
    pipeline = read(r"""
pipeline: p
source:
  files: [a.csv, "b/*.csv"]
  format: csv
  encoding: cp1252
  fallback_encoding: latin-1
  delimiter: tab
  quote: "'"
  escape: "\\"
  header: 2
  preamble: 3
  footer: 1
  comment: "#"
  record_end: \r\n
  records_path: data.rows
  sheet: auto
  tolerate: [pad_short, stray_quotes]
  record_limit: 1000
  depth_limit: 5
  null_words: [N/A, "-"]
  empty: fail
  drift: freeze
  keep_source: false
  flatten: {separator: _, depth: 2, arrays: explode, explode: [items], children: {lines: order_lines}, null_text: '-'}
""")
    assert pipeline.source.files == ("a.csv", "b/*.csv")
    assert pipeline.source.options == SourceOptions(
        format="csv",
        encoding="cp1252",
        fallback_encoding="latin-1",
        delimiter="\t",
        quote="'",
        escape="\\",
        header=2,
        preamble=3,
        footer=1,
        comment="#",
        record_end="\r\n",
        records_path="data.rows",
        sheet="auto",
        tolerate=("pad_short", "stray_quotes"),
        record_limit=1000,
        depth_limit=5,
        null_words=("N/A", "-"),
    )
    assert (pipeline.source.empty, pipeline.source.drift, pipeline.source.keep) == ("fail", "freeze", False)
    assert pipeline.source.flatten == Flatten(
        separator="_", depth=2, arrays="explode", explode=("items",), children={"lines": "order_lines"}, null_text="-"
    )


@pytest.mark.parametrize(("written", "rows"), [("true", 1), ("false", 0), ("0", 0), ("3", 3), ("auto", None)])
def test_a_header_is_a_number_or_a_flag(written: str, rows: int | None) -> None:
    assert read(f"pipeline: p\nsource: {{files: a, header: {written}}}\n").source.options.header == rows


def test_no_quoting_is_an_empty_text() -> None:
    assert read("pipeline: p\nsource: {files: a, quote: ''}\n").source.options.quote == ""
    assert read("pipeline: p\nsource: {files: a, quote: none}\n").source.options.quote == ""


def test_files_may_stand_alone_as_the_source() -> None:
    assert read("pipeline: p\nsource: a.csv\n").source.files == ("a.csv",)


def test_columns_have_short_forms() -> None:
    pipeline = read("""
pipeline: p
columns:
  a: integer
  b:
  c: {from: [C, See], aliases: [sea, C]}
  d: {aliases: dee}
  e: {type: timestamptz, timezone: Europe/Berlin, mask: true}
""")
    assert pipeline.columns == (
        Column(name="a", type=ColumnType(kind="integer")),
        Column(name="b"),
        Column(name="c", source=("C", "See", "sea")),
        Column(name="d", source=("d", "dee")),
        Column(name="e", type=ColumnType(kind="timestamptz"), timezone="Europe/Berlin", mask=True),
    )


def test_two_columns_may_come_from_one_source() -> None:
    pipeline = read("pipeline: p\ncolumns: {a: {from: x}, b: {from: x}}\n")
    assert [column.source for column in pipeline.columns or ()] == [("x",), ("x",)]


def test_a_rule_over_the_row_may_name_several_columns() -> None:
    pipeline = read(
        "pipeline: p\ncolumns: {a: text, b: text}\nrules: [{trim: , columns: [a, b]}, {upper: , column: b}]\n"
    )
    assert [(column, rule.name) for column, rule in pipeline.rules] == [("a", "trim"), ("b", "trim"), ("b", "upper")]


def test_a_check_with_a_column_judges_that_column() -> None:
    pipeline = read("""
pipeline: p
columns: {a: text, b: integer}
checks:
  - {email: , column: a, severity: warn}
  - {range: {min: 1}, columns: [b], message: too small}
  - {sql: "b > 0", column: b}
  - unique: [a, b]
""")
    assert pipeline.columns is not None
    assert pipeline.columns[0].checks == (CheckUse(name="email", severity=Severity.WARN, where="checks[0]"),)
    assert pipeline.columns[1].checks == (
        CheckUse(name="range", options={"min": 1}, message="too small", where="checks[1]"),
    )
    assert pipeline.checks == (
        CheckUse(name="sql", options={"sql": "b > 0", "column": "b"}, where="checks[2]"),
        CheckUse(name="unique", options={"columns": ["a", "b"]}, where="checks[3]"),
    )


@pytest.mark.parametrize(
    ("written", "budget"),
    [
        ("", Budget()),
        ("rejects: {budget: {rows: 5}}", Budget(rows=5, percent=None)),
        ("rejects: {budget: {percent: 0.5, floor: 3}}", Budget(rows=None, percent=0.5, floor=3)),
        ("rejects: {budget: {floor: 7}}", Budget(floor=7)),
    ],
)
def test_a_budget_holds_what_it_names(written: str, budget: Budget) -> None:
    assert read(f"pipeline: p\n{written}\n").budget == budget


def test_winners_are_kept_as_written() -> None:
    pipeline = read("pipeline: p\nkeep: {duplicates: none, unique: last}\n")
    assert (pipeline.keep_duplicates, pipeline.keep_unique) == ("none", "last")
    assert (read("pipeline: p\n").keep_duplicates, read("pipeline: p\n").keep_unique) == ("last", "first")


def test_there_may_be_several_destinations() -> None:
    pipeline = read("""
pipeline: p
columns: {a: integer, b: text}
destinations:
  - {url: "duckdb:///x.duckdb", table: t, mode: upsert, key: a, lineage: columns, create: false, memory_limit: 100MB}
  - {url: out.csv, columns: [b], filter: "a > 1", verify: false, options: {header: false}}
""")
    assert pipeline.destinations == (
        DestinationSpec(
            url="duckdb:///x.duckdb",
            table="t",
            mode=WriteMode.UPSERT,
            key=("a",),
            lineage=True,
            create=False,
            options={"memory_limit": "100MB"},
        ),
        DestinationSpec(url="out.csv", columns=("b",), filter="a > 1", verify=False, options={"header": False}),
    )


PROFILES = """\
pipeline: p
source: {files: a.csv, delimiter: ","}
destination: {url: "${SHOP_DB}", table: t}
profiles:
  dev:
    source: {files: sample.csv}
    destination: {url: dev.csv, table: }
  bad:
    destination: {mode: upsrt}
"""


def test_a_profile_is_laid_over_the_pipeline() -> None:
    text = PROFILES.replace(", table: }", "}").replace(", table: t}", "}")
    pipeline = read(text, LOADLOCK_PROFILE="dev")
    assert pipeline.source.files == ("sample.csv",)
    assert pipeline.source.options.delimiter == ","
    assert pipeline.destinations[0].url == "dev.csv"
    assert read(text).destinations[0].url == "${SHOP_DB}"


def test_a_mistake_in_a_profile_has_its_place_there() -> None:
    with pytest.raises(PipelineError) as caught:
        read(PROFILES, LOADLOCK_PROFILE="bad")
    (mistake,) = caught.value.mistakes
    assert (mistake.line, mistake.column) == (9, 25)


def test_an_unknown_profile_is_a_mistake() -> None:
    with pytest.raises(PipelineError, match=r"the profile 'devv'.*Did you mean 'dev'\?"):
        read(PROFILES, LOADLOCK_PROFILE="devv")


def test_a_mapping_is_read_as_the_text_it_stands_for() -> None:
    document = {"pipeline": "p", "columns": {"a": "integer"}, "destination": "out.csv"}
    text = "pipeline: p\ncolumns: {a: integer}\ndestination: out.csv\n"
    assert pipeline_from(document, base_folder=Path(), text=text) == read(text)


def test_a_digest_depends_on_rules_and_not_on_places(folder: Path) -> None:
    before = load_pipeline(folder / "orders.yaml", environment={}).compiled_digest()
    (folder / "orders.yaml").write_text(ORDERS.replace("inbox/", "outbox/"), encoding="utf-8")
    assert load_pipeline(folder / "orders.yaml", environment={}).compiled_digest() == before
    (folder / "countries.csv").write_text("name;code\nGermany;GER\n", encoding="utf-8")
    assert load_pipeline(folder / "orders.yaml", environment={}).compiled_digest() != before


def test_variables_are_looked_for_only_when_asked() -> None:
    pipeline = read("pipeline: p\ndestination: {url: '${SHOP_DB}', table: t}\n")
    check_environment(pipeline, {"SHOP_DB": "postgresql://h/d"})
    with pytest.raises(UsageError, match="SHOP_DB"):
        check_environment(pipeline, {})


@pytest.mark.parametrize("kind", ["missing", "folder"])
def test_a_pipeline_that_cannot_be_read_is_wrong_usage(tmp_path: Path, kind: str) -> None:
    path = tmp_path if kind == "folder" else tmp_path / "none.yaml"
    with pytest.raises(UsageError, match="can't read the pipeline"):
        load_pipeline(path)


def test_a_pipeline_that_is_not_utf8_is_said_to_be_so(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_bytes(b"pipeline: p\nsource: \xff.csv\n")
    with pytest.raises(PipelineError, match="line 2, column 9: this is not UTF-8"):
        load_pipeline(path)
