"""Every mistake in a pipeline is named, all at once, with line, column and what to write instead."""

from __future__ import annotations

from pathlib import Path

import pytest

from loadlock.errors import Mistake, PipelineError
from loadlock.pipeline.read import pipeline_from, pipeline_from_text, place
from loadlock.registry import components


def mistakes(text: str, folder: Path = Path("nowhere"), **environment: str) -> list[Mistake]:
    with pytest.raises(PipelineError) as caught:
        pipeline_from_text(text, base_folder=folder, environment=environment)
    return caught.value.mistakes


FIVE = """\
pipeline: orders
source:
  fils: a.csv
columns:
  amount: {type: decimal}
  day: {type: date, formats: ["dd/MM/yyyy"]}
rules:
  - {trimm: , column: amount}
destination: {url: "duckdb:///x.duckdb", table: t, mode: upsert}
"""


def test_five_mistakes_are_named_at_once_with_place_and_remedy() -> None:
    with pytest.raises(PipelineError) as caught:
        pipeline_from_text(FIVE, base_folder=Path(), environment={}, source="orders.yaml")
    assert str(caught.value).splitlines() == [
        "orders.yaml has 5 mistakes:",
        "  line 3, column 3: source.fils: unknown key 'fils'. Did you mean 'files'?",
        "  line 5, column 18: columns.amount.type: a decimal needs precision and scale. Write it as in decimal(12,2).",
        "  line 6, column 31: columns.day.formats[0]: the format 'dd/MM/yyyy' has no directive. Write '%d/%m/%Y'.",
        "  line 8, column 5: rules[0]: unknown rule 'trimm'. Did you mean 'trim'?",
        "  line 9, column 58: destination.mode: mode upsert needs a key. Add `key:` with the columns that tell rows apart.",
    ]


CASES = [
    # (text after `pipeline: p`, line, column, message, remedy)
    ("colums: {}", 2, 1, "unknown key 'colums'", "Did you mean 'columns'?"),
    ("source: 5", 2, 9, "must be a mapping, not the number 5", "`files:`"),
    ("source:\n  files: []", 3, 3, "the list is empty", "at least one"),
    ("source:\n  files: [a, true]", 3, 14, "must be a text, not true", "quotes"),
    ("source:\n  files:", 3, 9, "this key has no value", "remove the line"),
    ("source: {format: cvs}", 2, 18, "unknown format 'cvs'", "Did you mean 'csv'?"),
    ("source: {encoding: utf-88}", 2, 20, "unknown encoding 'utf-88'", "Did you mean 'utf-8'"),
    ("source: {encoding: base64}", 2, 20, "unknown encoding 'base64'", "One of"),
    ('source: {delimiter: "a\\n"}', 2, 21, "a delimiter can't hold line ends", "between two fields"),
    ("source: {quote: '||'}", 2, 17, "'||' is not one character", "or none"),
    ("source: {delimiter: ';', quote: ';'}", 2, 33, "the same character", "another"),
    ("source: {header: 1.5}", 2, 18, "must be a number of header rows", "`false`"),
    ('source: {flatten: {separator: "\\\\"}}', 2, 31, "without a backslash", 'as in "."'),
    ("source: {preamble: -1}", 2, 20, "-1 is too small", "Write 0 or more"),
    ("source: {record_limit: 100000000000000000000}", 2, 24, "too large", "smaller"),
    ("source: {tolerate: [pad_shrt]}", 2, 21, "'pad_shrt' is none of the choices", "Did you mean 'pad_short'?"),
    ("source: {drift: evolv}", 2, 17, "none of the choices", "Did you mean 'evolve'?"),
    ("source: {keep_source: yes}", 2, 23, "must be true or false, not the text 'yes'", "Write `true` or `false`."),
    ("source: {flatten: {arrays: explod}}", 2, 28, "none of the choices", "'explode'"),
    ("source: {flatten: {children: [a]}}", 2, 20, "must map paths of arrays", "{items: order_items}"),
    ("columns: [a, b]", 2, 1, "columns must be a mapping", "a line each"),
    ("columns: {}", 2, 1, "there is no column", "Write name: type"),
    ("columns: {a: integr}", 2, 14, "unknown type 'integr'", "Did you mean 'integer'?"),
    ("columns: {a: 'decimal(50,2)'}", 2, 14, "precision is 1 to 38", "decimal(12,2)"),
    ("columns: {a: {typ: date}}", 2, 15, "unknown key 'typ'", "'type'"),
    ("columns: {a: {type: date, required: 1}}", 2, 37, "must be true or false, not the number 1", "`true`"),
    ("columns:\n  a: text\n  b: text\n  a: date", 5, 3, "stands here already in line 3", "Keep one"),
    ("columns:\n  name: text\n  Name: text", 4, 3, "differ only in case", "Rename"),
    ("columns: {_id: text}", 2, 11, "names that begin with _", "Name it 'id' and write `from: _id`."),
    ("columns: {'': text}", 2, 11, "must have a name", "Write one"),
    ("columns: {a: {type: text, formats: '%d/%m/%Y'}}", 2, 36, "a column of type text has no formats", "date, time"),
    ("columns: {a: {type: date, formats: '%Y-%m'}}", 2, 36, "names no whole date", "year, month and day"),
    ("columns: {a: {type: date, formats: '%Y-%m-%Q'}}", 2, 36, "unknown directive %Q", "Use %Y"),
    ("columns: {a: {type: time, formats: '%d.%m.%Y'}}", 2, 36, "names no time", "%H:%M"),
    ("columns: {a: {type: date, formats: yyyy-MM-dd}}", 2, 36, "has no directive", "Write '%Y-%m-%d'."),
    ("columns: {a: {type: timestamptz, timezone: Europe/Berln}}", 2, 44, "unknown time zone", "Europe/Berlin"),
    ("columns: {a: {type: date, timezone: Europe/Berlin}}", 2, 37, "has no time zone", "timestamptz"),
    ("columns: {a: {rules: [trm]}}", 2, 23, "unknown rule 'trm'", "Did you mean 'trim'"),
    ("columns: {a: {rules: [[trim]]}}", 2, 23, "this is no rule: a list", "rule's name"),
    ("columns: {a: {rules: {trim: }}}", 2, 15, "must be a list", "as in [trim, lower]"),
    ("columns: {a: {rules: [{number: {decimal: x}}]}}", 2, 24, "decimal must be one of", "ptions are decimal"),
    ("columns: {a: {rules: [{number: {decimel: x}}]}}", 2, 24, "no option 'decimel'", "ptions are decimal"),
    ("columns: {a: {rules: [{regex: {pattern: '('}}]}}", 2, 24, "missing )", "ptions are pattern"),
    ("columns: {a: {rules: [{trim: , lower: }]}}", 2, 23, "trim and lower stand in one item", "item of its own"),
    ("columns: {a: {rules: [{}]}}", 2, 23, "no rule is named here", "python"),
    ("columns: {a: {rules: [{map: nowhere.csv}]}}", 2, 29, "'nowhere.csv' can't be read", "pipeline's folder"),
    ("columns: {a: {checks: [{in: nowhere.csv}]}}", 2, 29, "'nowhere.csv' can't be read", "pipeline's folder"),
    ("columns: {a: {checks: [emale]}}", 2, 24, "unknown check 'emale'", "Did you mean 'email'"),
    ("columns: {a: {checks: [{email: , severity: rejct}]}}", 2, 44, "none of the choices", "Did you mean 'reject'?"),
    ("columns: {a: {checks: [{email: , mesage: x}]}}", 2, 34, "unknown key 'mesage'", "Did you mean 'message'?"),
    ("columns: {a: {checks: [{batch: 'select 1'}]}}", 2, 24, "unknown check 'batch'", "Did you mean"),
    ("rules:\n  - trim", 3, 5, "the rule trim names no column", "Add `column:`"),
    ("columns: {city: text}\nrules: [{trim: , column: cty}]", 3, 26, "no column 'cty'", "Did you mean 'city'?"),
    ("rules: [{sql: 'a +', column: a}]", 2, 15, "the SQL does not parse", "Correct the SQL"),
    ("rules: [{sql: '1; drop table x', column: a}]", 2, 15, "does not parse", "Correct the SQL"),
    ("rules: [{sql: 'a), (b', column: a}]", 2, 15, "not one expression", "one SQL expression"),
    ("rules: [{sql: 'a, a', column: a}]", 2, 15, "several expressions", "one SQL expression"),
    ("rules: [{sql: 5, column: a}]", 2, 15, "must be SQL, not the number 5", "quotes"),
    ("rules: [{python: rules.py}]", 2, 18, "names no function", "file.py:function"),
    ("rules: [{python: 'nowhere.py:f'}]", 2, 18, "'nowhere.py' can't be read", "pipeline's folder"),
    ("checks: [{batch: drop table x}]", 2, 18, "the query is no select", "Write one select"),
    ("checks: [{batch: select from where}]", 2, 18, "does not parse", "Correct"),
    ("checks: [{email: , column: a}]", 2, 10, "needs declared columns", "Declare 'a'"),
    ("columns: {a: text}\nchecks: [{unique: [a, b]}]", 3, 11, "no column 'b'", "One of: a."),
    ("rejects: {budget: {percent: 101}}", 2, 29, "more than 100 percent", "0 to 100"),
    ("rejects: {budgt: {}}", 2, 11, "unknown key 'budgt'", "'budget'"),
    ("keep: {duplicates: frist}", 2, 20, "none of the choices", "'first'"),
    ("destination: {table: t}", 2, 1, "has no url", "${NAME}"),
    ("destination: {url: '${SHOP_DB', table: t}", 2, 20, "not closed", "${NAME}"),
    ("destination: {url: 'postgrsql://h/d', table: t}", 2, 20, "no destination is known", "'postgresql://'"),
    ("destination: {url: out.cvs}", 2, 20, "no destination is known", "'.csv'"),
    ("destination: {url: 'duckdb:///x.duckdb'}", 2, 1, "duckdb needs a table", "`table: schema.table`"),
    ("destination: {url: out.csv, table: t}", 2, 36, "a file has no table", "Remove"),
    ("destination: {url: out.csv, mode: upsrt}", 2, 35, "none of the choices", "'upsert'"),
    ("destination: {url: out.csv, mode: mirror, key: a}", 2, 35, "can't do mirror", "append"),
    ("destination: {url: '${X}', table: t, mode: delete_insert}", 2, 44, "needs a key", "`key:`"),
    ("destination: {url: duckdb:///x, table: t, update: all}", 2, 51, "`update` is for mode upsert", "Leave it out"),
    ("destination: {url: out.csv, mode: upsert, key: a, update: all}", 2, 59, "csv has no such choice", "Leave it out"),
    ("destination: {url: duckdb:///x, table: t, mode: upsert, key: a, update: [a]}", 2, 65, "'a' is a column of the key", "key"),
    ("destination: {url: duckdb:///x, table: t, mode: upsert, key: a, update: some}", 2, 73, "must be `changed`, `all`", "list"),
    ("columns: {a: }\ndestination: {url: duckdb:///x, table: t, mode: upsert, key: a, update: [c]}", 3, 65, "column 'c'", "a."),
    ("destination: {url: duckdb:///x, table: t, mode: scd2, key: a, valid_to: valid_from}", 2, 73, "name the same column", "own"),
    ("destination: {url: out.csv, memory_limt: 5}", 2, 29, "unknown key 'memory_limt'", "One of"),
    ("destination: {url: out.csv, options: {header: false, x: 1}}", 2, 54, "unknown option 'x'", "header"),
    ("columns: {a: text}\ndestination: {url: out.csv, columns: [a, a]}", 3, 29, "stands twice", "once"),
    ("columns: {a: text}\ndestination: {url: out.csv, columns: [b]}", 3, 29, "no column 'b'", "One of: a."),
    ("columns: {a: , b: }\ndestination: {url: a.csv, mode: upsert, columns: [a], key: b}", 3, 60, "'b' is not delivered", "Add"),
    ("destination: {url: out.csv, filter: 'a >'}", 2, 37, "does not parse", "Correct the SQL"),
    ("destination: out.csv\ndestinations: [out.csv]", 2, 1, "stand both here", "Move it"),
    ("destinations: out.csv", 2, 15, "must be a list", "`- url:`"),
    ("profiles: [dev]", 2, 1, "must map names to overrides", "dev: {destination"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "line", "column", "message", "remedy"), CASES, ids=[case[0][:60] for case in CASES])
def test_a_mistake_has_its_place_and_remedy(text: str, line: int, column: int, message: str, remedy: str) -> None:
    found = mistakes(f"pipeline: p\n{text}\n")
    assert [(m.line, m.column) for m in found] == [(line, column)], found
    assert message in found[0].message
    assert remedy in found[0].remedy


def test_a_pipeline_needs_a_name() -> None:
    assert mistakes("source: a.csv\n")[0].remedy == "Write `pipeline: name` in the first line."
    assert mistakes("pipeline: ' '\n")[0].message == "the name is empty"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("just words\n", "must be a mapping, not the text 'just words'"),
        ("- a\n- b\n", "must be a mapping, not a list"),
        ("a: [1\n", "while parsing a flow sequence"),
    ],
)
def test_what_is_no_pipeline_at_all_is_said_once(text: str, message: str) -> None:
    assert message in mistakes(text)[0].message


def test_mistakes_of_yaml_and_of_meaning_come_together_in_the_files_order() -> None:
    found = mistakes("pipeline: p\nsource: {fils: a}\nsource: b\ncolumns: {a: integr}\n")
    assert [mistake.line for mistake in found] == [2, 3, 4]


def test_damaged_lookup_files_are_mistakes(tmp_path: Path) -> None:
    files = {
        "empty.csv": b"",
        "latin.csv": "a,b\nÄ,1\n".encode("latin-1"),
        "ragged.csv": b"a,b\n1,2\n3\n",
        "open.csv": b'a,b\n"1,2\n',
        "nul.csv": b"a,b\n\x00,1\n",
        "big.csv": b"x" * ((16 << 20) + 1),
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    rules = ", ".join(f"{{map: {name}}}" for name in files)
    found = mistakes(f"pipeline: p\ncolumns: {{a: {{rules: [{rules}]}}}}\n", tmp_path)
    assert [mistake.message for mistake in found] == [
        "empty.csv is empty",
        "latin.csv is not UTF-8 (byte 4)",
        "row 3 of ragged.csv has 1 fields, its header 2",
        "open.csv is damaged in line 2: unexpected end of data",
        "nul.csv holds NUL characters",
        "big.csv has more than 16,777,216 bytes",
    ]


def test_a_python_rule_is_looked_into_and_not_run(tmp_path: Path) -> None:
    (tmp_path / "rules.py").write_text("raise SystemExit\ndef split_name(value): ...\n", encoding="utf-8")
    (tmp_path / "bad.py").write_text("def f(:\n", encoding="utf-8")
    text = (
        "pipeline: p\ncolumns: {a: {rules: [{python: rules.py:splt_name}, {python: bad.py:f}, {python: rulez.py:f}]}}\n"
    )
    first, second, third = mistakes(text, tmp_path)
    assert (first.message, first.remedy) == ("rules.py has no function 'splt_name'", "Did you mean 'split_name'?")
    assert second.message.startswith("bad.py is not valid Python in line 1")
    assert third.remedy.endswith("Did you mean 'rules.py'?")


def test_no_message_holds_the_password_of_a_destination() -> None:
    url = "nosuch://app:hunter2@h/d"
    found = mistakes(f"pipeline: p\ndestination: {{url: '{url}', mode: '{url}', table: t}}\n")
    assert len(found) == 2
    assert "hunter2" not in str(found)


def test_a_mapping_from_its_text_has_places_and_one_without_text_has_paths() -> None:
    text = "pipeline: p\ncolumns:\n  a: integr\n"
    for given, line in ((text, 3), ("", None)):
        with pytest.raises(PipelineError) as caught:
            pipeline_from({"pipeline": "p", "columns": {"a": "integr"}}, base_folder=Path(), text=given)
        (mistake,) = caught.value.mistakes
        assert (mistake.path, mistake.line) == ("columns.a", line)


def test_a_mistake_found_later_gets_its_place_by_its_path() -> None:
    text = "pipeline: p\nchecks:\n  - sql: 'nosuch > 0'\n  - sql: 'b > 0'\n"
    late = PipelineError(
        [
            Mistake(message="unknown column b", remedy="x", path="checks[1].sql"),
            Mistake(message="unknown column nosuch", remedy="x", path="checks[0].sql"),
            Mistake(message="elsewhere", remedy="x"),
        ],
        source="p.yaml",
    )
    found = place(late, text)
    assert [(m.line, m.column) for m in found.mistakes] == [(3, 10), (4, 10), (None, None)]
    assert found.source == "p.yaml"


ADDRESSES = {"gsheets": "gsheets://id/Sheet", "csv": "out.csv", "ndjson": "out.ndjson", "parquet": "out.parquet"}


@pytest.mark.parametrize("update", ["all", "[b]"])
def test_every_kind_without_a_choice_of_updates_refuses_one(update: str) -> None:
    kinds = components("destinations").values()
    without = {kind.name for kind in kinds if not kind.capabilities.chooses_updates}
    assert without == set(ADDRESSES)
    for name in without:
        table = "" if ADDRESSES[name].startswith("out") else ", table: Sheet"
        text = f"destination: {{url: '{ADDRESSES[name]}', mode: upsert, key: a, update: {update}{table}}}"
        (found,) = [mistake for mistake in mistakes(f"columns: {{a: , b: }}\n{text}") if "choice" in mistake.message]
        assert found.message.endswith(f"a destination of kind {name} has no such choice")
