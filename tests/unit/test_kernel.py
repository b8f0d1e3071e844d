"""The kernel: a raw part becomes typed clean rows, rejects with all their problems, and tallies; nothing is lost."""

from __future__ import annotations

import datetime as dt
import json
import pickle
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from loadlock.cleanup.compile import compile_plan
from loadlock.cleanup.kernel import CleanPart, clean
from loadlock.cleanup.plan import Plan
from loadlock.digest import digest_table
from loadlock.model import Severity, WriteMode
from loadlock.pipeline.model import CheckUse, Column, DestinationSpec, Pipeline, RuleUse, Source
from loadlock.rows import reject_schema
from loadlock.testing.raw import json_part, raw_part
from loadlock.types import ColumnType

RUN_TIME = dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC)


def column(name: str, kind: str = "text", **options: Any) -> Column:
    return Column(name=name, type=ColumnType.parse(kind), **options)


def plan_of(*columns: Column, names: list[str] | None = None, **options: Any) -> Plan:
    return compile_plan(Pipeline(name="p", columns=columns or None, **options), names, run_time=RUN_TIME)


def rule(name: str, **options: Any) -> RuleUse:
    return RuleUse(name=name, options=options)


def check(name: str, severity: Severity = Severity.REJECT, message: str | None = None, **options: Any) -> CheckUse:
    return CheckUse(name=name, options=options, severity=severity, message=message)


def values(part: CleanPart, name: str) -> list[Any]:
    return list(part.clean[name].to_pylist())


def problems(part: CleanPart) -> dict[int, list[tuple[str, str | None, str | None]]]:
    return {
        row["_row"]: [(p["code"], p["column"], p["value"]) for p in row["problems"]] for row in part.rejects.to_pylist()
    }


def test_clean_rows_have_the_declared_types_and_the_rows_identity() -> None:
    plan = plan_of(column("id", "integer"), column("amount", "decimal(12,2)"), column("on", "date"), column("t"))
    raw = raw_part({"t": [" a "], "on": ["2024-02-29"], "amount": [" 1.5"], "id": ["7"]}, first_row=5)
    part = clean(raw, plan, file_index=3)
    assert part.clean.schema.names == ["id", "amount", "on", "t", "_file", "_row", "_sub"]
    assert part.clean.schema.types == [
        pa.int64(), pa.decimal128(12, 2), pa.date32(), pa.string(), pa.int32(), pa.int64(), pa.int32(),
    ]  # fmt: skip
    assert part.clean.to_pylist() == [
        {"id": 7, "amount": Decimal("1.50"), "on": dt.date(2024, 2, 29), "t": " a ", "_file": 3, "_row": 5, "_sub": 0}
    ]


def test_every_type_has_its_arrow_type_even_in_an_empty_part() -> None:
    kinds = (
        "text",
        "integer",
        "decimal(5,1)",
        "float",
        "boolean",
        "date",
        "time",
        "timestamp",
        "timestamptz",
        "json",
        "uuid",
    )
    plan = plan_of(*(column(f"c{number}", kind) for number, kind in enumerate(kinds)))
    part = clean(raw_part({f"c{number}": [] for number in range(len(kinds))}), plan, file_index=0)
    assert part.clean.schema.types[: len(kinds)] == [ColumnType.parse(kind).arrow() for kind in kinds]
    assert part.digest == 0


def test_all_problems_of_a_row_are_collected_in_one_reject() -> None:
    plan = plan_of(
        column("id", "integer", required=True), column("amount", "decimal(5,2)"), column("on", "date"),
        checks=(check("sql", message="too much", sql="amount > 900"),),
    )  # fmt: skip
    raw = raw_part(
        {"id": ["1", "x", "", "4"], "amount": ["950", "1.234", "5", "y"], "on": ["2024-01-01", "n", "", "2024"]}
    )
    part = clean(raw, plan, file_index=0)
    assert values(part, "id") == [1]
    assert problems(part) == {
        2: [("not_integer", "id", "x"), ("too_precise", "amount", "1.234"), ("not_date", "on", "n")],
        3: [("required", "id", None), ("sql_check", None, None)],
        4: [("not_decimal", "amount", "y"), ("not_date", "on", "2024")],
    }


def test_a_reject_holds_place_staged_values_and_messages() -> None:
    plan = plan_of(column("id", "integer", source=("Order ID",)))
    raw = raw_part({"Order ID": ["x'\"\\"], "extra\x00": [None], "q\"'": ["é\n"]}, first_row=9)
    part = clean(raw, plan, file_index=2)
    assert part.rejects.schema == reject_schema()
    (row,) = part.rejects.to_pylist()
    assert (row["_file"], row["_source_file"], row["_row"], row["_line"], row["_offset"]) == (2, "made.csv", 9, 10, 90)
    assert json.loads(row["values"]) == {"Order ID": "x'\"\\", "extra\x00": None, "q\"'": "é\n"}
    assert row["problems"][0]["message"] == "'x'\"\\' is no whole number"
    assert row["raw"] is None


def test_the_digest_is_that_of_the_clean_rows_and_adds_up_over_any_cut() -> None:
    plan = plan_of(column("id", "integer"), column("t"), column("j", "json"), column("f", "float"))
    texts: dict[str, list[str | None]] = {
        "id": [str(n) for n in range(40)],
        "t": [None, "", "\\N", "a\x1fb"] * 10,
        "j": ['{"b": 1.10, "a": [1e2]}', "null", None, "bad"] * 10,
        "f": ["-0", "1.5", "", "2"] * 10,
    }
    raw = raw_part(texts)
    part = clean(raw, plan, file_index=0)
    assert part.clean.num_rows == 30
    assert part.digest == digest_table(part.clean.select(["id", "t", "j", "f"]), plan.columns) != 0
    cuts = [clean(raw.slice(at, 7), plan, file_index=0) for at in range(0, 40, 7)]
    assert sum(cut.digest for cut in cuts) % 2**128 == part.digest


def test_texts_that_look_like_null_or_hold_the_separator_are_hashed_in_their_own_form_also_where_a_rule_made_them() -> (
    None
):
    plan = plan_of(column("t", rules=(rule("replace", old="X", new="N"),)), column("u"))
    for texts in (["a", "b"], ["\\X", "b"], ["a", "\\N"], ["a\x1fb", None]):
        part = clean(raw_part({"t": texts, "u": ["\\", "N"]}), plan, file_index=0)
        assert part.digest == digest_table(part.clean.select(["t", "u"]), plan.columns) != 0


def test_a_typed_column_trims_and_takes_empty_as_null_and_counts_both() -> None:
    plan = plan_of(column("id", "integer"), column("t"))
    part = clean(raw_part({"id": [" 1", "", "  ", "2"], "t": [" ", "", None, "x"]}), plan, file_index=0)
    assert values(part, "id") == [1, None, None, 2]
    assert values(part, "t") == [" ", "", None, "x"]
    tally = {entry.name: entry for entry in part.tallies.columns}
    assert (tally["id"].trimmed, tally["id"].emptied, tally["id"].nulls, tally["id"].low) == (1, 2, 2, "1")
    assert (tally["t"].empties, tally["t"].nulls, tally["t"].longest) == (1, 1, 1)


def test_required_text_must_not_be_empty_but_a_key_may() -> None:
    plan = plan_of(
        column("a", required=True), column("k"),
        destinations=(DestinationSpec(url="x", mode=WriteMode.UPSERT, key=("k",)),),
    )  # fmt: skip
    part = clean(raw_part({"a": ["x", "", None, "y"], "k": ["1", "2", "", None]}), plan, file_index=0)
    assert problems(part) == {2: [("required", "a", "")], 3: [("required", "a", None)], 4: [("key_missing", "k", None)]}
    assert plan.required == {"a", "k"}


def test_columns_are_found_by_name_alias_then_similar_spelling() -> None:
    plan = plan_of(column("id"), column("name", source=("Name", "Full Name")), column("Order-Date"), column("gone"))
    raw = raw_part({"ID": ["1"], "full name": ["n"], "order date": ["d"], "more": ["m"]})
    part = clean(raw, plan, file_index=0)
    assert part.clean.select(["id", "name", "Order-Date", "gone"]).to_pylist() == [
        {"id": "1", "name": "n", "Order-Date": "d", "gone": None}
    ]
    assert part.tallies.bound == {"id": "ID", "name": "full name", "Order-Date": "order date"}
    assert part.tallies.found == ("id", "name", "Order-Date")
    assert part.tallies.unnamed == {"more": 1}
    assert plan.missing_sources([["ID", "full name"]]) == ["Order-Date", "gone"]
    assert plan.unnamed([["ID", "more"], ["other"]]) == ["more", "other"]


def test_two_similar_names_bind_nothing() -> None:
    plan = plan_of(column("id"))
    part = clean(raw_part({"ID": ["1"], "I.D.": ["2"]}), plan, file_index=0)
    assert values(part, "id") == [None]
    assert plan.missing_sources([["ID", "I.D."]]) == ["id"]


def test_without_declared_columns_all_are_taken_as_text_also_those_that_differ_only_in_case() -> None:
    plan = plan_of(names=["a", "A", "", "_row"])
    raw = raw_part({"a": [" 1"], "A": ["2"], "": ["3"]})
    part = clean(raw, plan, file_index=0)
    assert part.clean.schema.names[:4] == ["a", "A_2", "", "_row_2"]
    assert [part.clean[number][0].as_py() for number in range(3)] == [" 1", "2", "3"]


def test_provenance_can_be_declared_as_a_column() -> None:
    plan = plan_of(column("file", source=("_source_file",)), column("line", "integer", source=("_line",)))
    part = clean(raw_part({"x": ["1"]}, first_row=4), plan, file_index=0)
    assert part.clean.select(["file", "line"]).to_pylist() == [{"file": "made.csv", "line": 5}]


def test_sql_over_the_row_sees_typed_values_and_is_read_by_the_columns_type() -> None:
    plan = plan_of(
        column("price", "decimal(8,2)"), column("n", "integer"), column("total", "decimal(8,2)"), column("day", "date"),
        rules=(
            ("total", rule("sql", sql="round(price * n, 2)")), ("day", rule("sql", sql="run_time()")),
        ),
    )  # fmt: skip
    part = clean(raw_part({"price": ["1.10", "999999", "2"], "n": ["3", "9", None]}), plan, file_index=0)
    assert values(part, "total") == []
    assert problems(part)[1] == [("not_date", "day", "2026-01-02 03:04:05+00")]
    assert problems(part)[2][0] == ("out_of_range", "total", "8999991.00")
    fitting = plan_of(
        column("price", "decimal(8,2)"), column("n", "integer"), column("total", "decimal(8,2)"), column("day", "date"),
        rules=(
            ("total", rule("sql", sql="round(price * n, 2)")), ("day", rule("sql", sql="run_time()::date + n::integer")),
        ),
    )  # fmt: skip
    part = clean(raw_part({"price": ["1.10", "2"], "n": ["3", None]}), fitting, file_index=0)
    assert values(part, "total") == [Decimal("3.30"), None]
    assert values(part, "day") == [dt.date(2026, 1, 5), None]


def test_sql_that_fails_for_a_row_is_a_problem_of_that_row() -> None:
    plan = plan_of(
        column("a"), column("b", "integer"),
        rules=(("b", rule("sql", sql="a::integer + 1")),), checks=(check("sql", sql="a::integer > 0"),),
    )  # fmt: skip
    part = clean(raw_part({"a": ["1", "x", None, "3", "-5"]}), plan, file_index=0)
    assert values(part, "b") == [2, None, 4]
    assert problems(part) == {2: [("sql_error", "b", None), ("sql_error", None, None)], 5: [("sql_check", None, None)]}


def test_a_columns_own_sql_sees_its_text_so_far_and_the_other_columns_as_staged() -> None:
    plan = plan_of(column("a", rules=(rule("upper"), rule("sql", sql="value || '-' || b"))), column("b", "integer"))
    part = clean(raw_part({"a": ["x", None], "b": ["01", "2"]}), plan, file_index=0)
    assert values(part, "a") == ["X-01", None]


def test_rules_run_in_order_and_are_tallied_with_examples() -> None:
    plan = plan_of(column("a", rules=(rule("trim"), rule("null_if", words=["n/a"]), rule("upper"))))
    part = clean(raw_part({"a": [" x ", "n/a", "Y", " x "]}), plan, file_index=0)
    assert values(part, "a") == ["X", None, "Y", "X"]
    trim, null_if, upper = part.tallies.rules
    assert (trim.rule, trim.looked, trim.changed, trim.examples) == ("trim", 4, 2, ((" x ", "x"),))
    assert (null_if.changed, null_if.examples) == (1, (("n/a", None),))
    assert (upper.path, upper.changed, upper.examples) == ("columns.a.rules[2]", 2, (("x", "X"),))


def test_examples_of_masked_columns_are_not_kept() -> None:
    part = clean(raw_part({"a": [" x "]}), plan_of(column("a", rules=(rule("trim"),), mask=True)), file_index=0)
    assert (part.tallies.rules[0].changed, part.tallies.rules[0].examples) == (1, ())


def test_a_rules_finding_stands_alone_without_the_types() -> None:
    plan = plan_of(column("n", "decimal(9,2)", rules=(rule("number", decimal="auto"),)))
    part = clean(raw_part({"n": ["1,234", "1,5", "abc"]}), plan, file_index=0)
    assert values(part, "n") == [Decimal("1.50")]
    assert problems(part) == {1: [("ambiguous_number", "n", "1,234")], 3: [("not_decimal", "n", "abc")]}
    assert part.tallies.rules[0].rejected == 1


def test_an_arrow_rule_may_stand_between_sql_rules() -> None:
    plan = plan_of(column("a", rules=(rule("trim"), rule("fix_encoding"), rule("upper"))))
    part = clean(raw_part({"a": [" MÃ¼nchen ", "x"]}), plan, file_index=0)
    assert values(part, "a") == ["MÜNCHEN", "X"]
    assert [tally.changed for tally in part.tallies.rules] == [1, 1, 2]


def test_named_rules_over_the_row_join_the_columns_own_until_sql_comes() -> None:
    plan = plan_of(
        column("n", "integer"),
        rules=(
            ("n", rule("replace", old="#", new="")), ("n", rule("sql", sql="n * 10")), ("n", rule("replace", old="0", new="1")),
        ),
    )  # fmt: skip
    assert values(clean(raw_part({"n": ["#5"]}), plan, file_index=0), "n") == [51]


def test_warnings_and_failures_are_counted_and_the_rows_stay() -> None:
    checks = (check("sql", Severity.WARN, "low", sql="n > 2"), check("sql", Severity.FAIL, "very low", sql="n > 1"))
    part = clean(raw_part({"n": ["1", "2", "3"]}), plan_of(column("n", "integer"), checks=checks), file_index=0)
    assert values(part, "n") == [1, 2, 3]
    assert part.tallies.failures() == [("very low", 1)]
    assert [(warning["message"], warning["rows"]) for warning in part.tallies.warnings()] == [("low", 2)]


def test_a_filter_skips_rows_but_never_hides_bad_ones() -> None:
    plan = plan_of(column("n", "integer"), rules=(("", rule("filter", sql="n > 1")),))
    part = clean(raw_part({"n": ["1", "2", "x", None]}), plan, file_index=0)
    assert values(part, "n") == [2]
    assert [(row["_row"], row["reason"]) for row in part.dropped.to_pylist()] == [
        (1, "rules[0]: n > 1"),
        (4, "rules[0]: n > 1"),
    ]
    assert list(problems(part)) == [3]
    assert part.tallies.skipped == 2


def test_json_columns_keep_their_text_and_must_be_strict_json() -> None:
    texts = ['{"a": 1.10}', " [1] ", "NaN", "[1,]", "null", "1e400", None, '{"a":1}{', "[" * 5000]
    part = clean(raw_part({"j": texts}), plan_of(column("j", "json")), file_index=0)
    assert values(part, "j") == ['{"a": 1.10}', "[1]", "null", "1e400", None]
    assert {row: found[0][0] for row, found in problems(part).items()} == dict.fromkeys((3, 4, 8, 9), "not_json")


def test_json_records_are_flattened_first_and_bad_ones_are_rejects() -> None:
    plan = plan_of(column("id", "integer"), column("city", source=("address.city",)))
    raw = json_part(['{"id": 1, "address": {"city": "Köln"}}', '{"id": "x"}', '{"id": 2, "id": 3}', "{}"])
    part = clean(raw, plan, file_index=0)
    assert part.clean.select(["id", "city"]).to_pylist() == [{"id": 1, "city": "Köln"}, {"id": None, "city": None}]
    assert {row: found[0][0] for row, found in problems(part).items()} == {2: "not_integer", 3: "duplicate_json_key"}
    assert part.staged + part.exploded == part.clean.num_rows + part.rejects.num_rows + part.dropped.num_rows


def test_exploded_rows_have_numbers_of_their_own() -> None:
    from loadlock.pipeline.model import Flatten

    source = Source(flatten=Flatten(explode=("lines",)))
    plan = plan_of(column("sku", source=("lines.sku",)), source=source)
    part = clean(json_part(['{"lines": [{"sku": "a"}, {"sku": "b"}]}', '{"lines": []}']), plan, file_index=0)
    assert [(row["sku"], row["_row"], row["_sub"]) for row in part.clean.to_pylist()][:2] == [("a", 1, 0), ("b", 1, 1)]
    assert part.staged + part.exploded == part.clean.num_rows


def test_when_nearly_all_rows_are_bad_each_is_rejected_with_its_own_value() -> None:
    numbers = 5000
    raw = raw_part({"n": [f"bad{n}" if n % 10 else "1" for n in range(numbers)]})
    part = clean(raw, plan_of(column("n", "integer")), file_index=0)
    assert part.clean.num_rows == numbers // 10
    found = problems(part)
    assert len(found) == numbers - numbers // 10
    assert all(entries == [("not_integer", "n", f"bad{row - 1}")] for row, entries in found.items())
    assert part.tallies.codes == (("not_integer", "n", 4500),)


def test_more_findings_than_one_word_of_bits_are_all_found() -> None:
    columns = [column(f"c{number}", "integer") for number in range(70)]
    raw = raw_part({f"c{number}": ["x", "1"] for number in range(70)})
    part = clean(raw, plan_of(*columns), file_index=0)
    assert [name for _, name, _ in problems(part)[1]] == [entry.name for entry in columns]
    assert part.clean.num_rows == 1


def test_hostile_names_and_texts_are_names_and_texts_like_any_other() -> None:
    name = 'x"; drop table part; --'
    texts = ["\x00", "'", '"', "{}", "🎉", "x" * 1_000_000, "\\N", "\x1f", "%s", "{value}"]
    plan = plan_of(column(name, rules=(rule("trim"),)), column("n", "integer"))
    part = clean(raw_part({name: texts, "n": texts}), plan, file_index=0)
    assert values(part, "n") == [None]  # U+001F counts as white space, so a number column takes it for empty
    assert part.rejects.num_rows == len(texts) - 1
    row = part.rejects.to_pylist()[5]
    assert len(json.loads(row["values"])[name]) == 1_000_000
    assert len(row["problems"][0]["message"]) < 200
    alone = clean(raw_part({name: texts}), plan_of(column(name)), file_index=0)
    assert values(alone, name) == texts


def test_tallies_of_parts_add_up_and_survive_json() -> None:
    plan = plan_of(column("n", "integer"), column("t", rules=(rule("trim"),)))
    raw = raw_part({"n": ["10", " 9", "x", ""], "t": [" a", "b ", "c", " a"], "u": ["1", None, "1", "1"]})
    one = clean(raw, plan, file_index=0).tallies
    parts = [clean(raw.slice(at, 1), plan, file_index=0).tallies for at in range(4)]
    total = type(one)()
    for part in parts:
        total = total + type(one).from_json(json.loads(json.dumps(part.to_json())))
    assert total == one
    assert (one.columns[0].low, one.columns[0].high) == ("9", "10")
    assert (one.staged, one.clean, one.rejected, one.unnamed) == (4, 3, 1, {"u": 3})


def test_a_fresh_process_gets_the_same_from_nothing_but_pickled_plan_and_part(tmp_path: Path) -> None:
    source = "def shout(value):\n    return None if value is None else value.upper()\n"
    plan = plan_of(
        column("id", "integer"), column("t", rules=(rule("python", python="r.py:shout", source=source),)),
        column("j", "json"), rules=(("t", rule("sql", sql="t || run_time()::date")),),
    )  # fmt: skip
    raw = raw_part({"id": ["1", "x", "3"], "t": ["a", "b", "ü"], "j": ["{}", "[]", "1.10"]})
    (tmp_path / "plan").write_bytes(pickle.dumps(plan))
    with pa.OSFile(str(tmp_path / "part"), "wb") as file, pa.ipc.new_stream(file, raw.schema) as writer:
        writer.write_table(raw)
    script = (
        "import pickle, sys, pyarrow as pa\n"
        "from loadlock.cleanup.kernel import clean\n"
        f"plan = pickle.load(open({str(tmp_path / 'plan')!r}, 'rb'))\n"
        f"raw = pa.ipc.open_stream(pa.OSFile({str(tmp_path / 'part')!r})).read_all()\n"
        "part = clean(raw, plan, file_index=0)\n"
        "print(part.digest, part.clean.num_rows, part.rejects.num_rows)\n"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=tmp_path)
    here = clean(raw, plan, file_index=0)
    assert found.stdout.split() == [str(here.digest), "2", "1"]


@pytest.mark.parametrize("rows", [0, 1])
def test_a_pipeline_of_no_columns_cleans_rows_of_nothing(rows: int) -> None:
    part = clean(json_part(["{}"] * rows), plan_of(names=[]), file_index=0)
    assert part.clean.num_rows == rows
    assert part.clean.schema.names == ["_file", "_row", "_sub"]
