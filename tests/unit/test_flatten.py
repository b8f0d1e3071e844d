"""Nested JSON records become rows of text columns."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest

from loadlock import rows
from loadlock.cleanup.flatten import Flattened, child_tables, column_names, flatten
from loadlock.pipeline.model import Flatten

PLAIN = Flatten()


def raw(texts: Sequence[str]) -> pa.Table:
    """A raw part as a JSON format stages it."""
    count = len(texts)
    columns = [
        pa.array(["orders.json"] * count, pa.string()).dictionary_encode(),
        pa.array(range(1, count + 1), pa.int64()),
        pa.array(range(1, count + 1), pa.int64()),
        pa.array([10 * index for index in range(count)], pa.int64()),
        pa.array([len(text.encode()) for text in texts], pa.int64()),
        pa.nulls(count, pa.string()),
    ]
    schema = pa.schema([pa.field(rows.JSON_RECORD, pa.string()), *rows.provenance_fields()])
    return pa.table([pa.array(list(texts), pa.string()), *columns], schema=schema)


def values(found: Flattened | pa.Table) -> list[dict[str, Any]]:
    """The rows without provenance."""
    table = found.table if isinstance(found, Flattened) else found
    return [{k: v for k, v in row.items() if k not in (*rows.PROVENANCE, rows.SUB)} for row in table.to_pylist()]


def one(text: str, spec: Flatten = PLAIN) -> dict[str, Any]:
    """The one row of a record; alone and among others, which must agree."""
    found = values(flatten(raw([text]), spec))
    assert len(found) == 1
    assert values(flatten(raw([text] * 5), spec)) == found * 5
    return found[0]


def codes(text: str, spec: Flatten = PLAIN) -> list[tuple[str, str | None]]:
    """The problems of a record among sound ones: (code, column)."""
    found = flatten(raw(['{"ok":1}', '{"ok":2}', '{"ok":3}', text, '{"ok":4}']), spec)
    assert {index for index, _ in found.problems} <= {3}
    assert found.table.num_rows == (4 if found.problems else 5)
    assert found.exploded == 0
    return [(problem.code, problem.column) for _, problem in found.problems]


@pytest.mark.parametrize(
    ("token", "value"),
    [
        ("1.10", "1.10"), ("1E2", "1E2"), ("-0", "-0"), ("-0.0", "-0.0"), ("1e-400", "1e-400"),
        ("123456789012345678901234567890", "123456789012345678901234567890"), ("9" * 5000, "9" * 5000),
        ("true", "true"), ("false", "false"), ("null", None), ('"null"', "null"), ('"true"', "true"), ('"1.10"', "1.10"),
        ('""', ""), ('" "', " "), ('"a\\"b"', 'a"b'), ('"\\"\\""', '""'), ('"\\\\"', "\\"), ('"\\u00e9\\n"', "é\n"),
        ('"\\ud83d\\ude00"', "😀"), ('"Käthe 😀"', "Käthe 😀"), ('"\\u0000"', "\0"), ("[]", "[]"), ("[1, 1.10]", "[1, 1.10]"),
        ('[{"a": "b\\"]"}, [[1.0]]]', '[{"a": "b\\"]"}, [[1.0]]]'), ("{}", "{}"), ("{ }", "{ }"), ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
    ],
)  # fmt: skip
def test_a_value_is_the_text_of_the_source(token: str, value: str | None) -> None:
    assert one(f'{{"a": {token}, "b": 1}}') == {"a": value, "b": "1"}
    assert one(f'{{"x": {{"a": {token}}}}}') == {"x.a": value}


def test_nested_objects_become_dotted_columns_in_the_order_of_the_source() -> None:
    text = '{"id":7,"ship":{"city":"Bonn","geo":{"lat":50.73}},"note":null}'
    assert list(one(text).items()) == [("id", "7"), ("ship.city", "Bonn"), ("ship.geo.lat", "50.73"), ("note", None)]


@pytest.mark.parametrize("text", ["3", '"x"', "true", "[1, 2]", " 3 "])
def test_a_record_that_is_no_object_is_the_column_value(text: str) -> None:
    assert one(text) == {"value": text.strip().strip('"')}


def test_an_empty_object_as_record_is_a_row_of_nulls() -> None:
    assert values(flatten(raw(["{}", '{"a":1}', " { } "]), PLAIN)) == [{"a": None}, {"a": "1"}, {"a": None}]


def test_types_may_change_from_record_to_record() -> None:
    tokens = ["1", '"one"', "null", "true", "[1]", "{}", '"1"', "1.0"] * 3
    found = flatten(raw([f'{{"a":{token},"z":0}}' for token in tokens]), PLAIN)
    assert [row["a"] for row in values(found)] == ["1", "one", None, "true", "[1]", "{}", "1", "1.0"] * 3
    assert found.problems == []


def test_an_object_here_and_a_number_there_are_two_columns() -> None:
    found = flatten(raw(['{"a":1}', '{"a":{"b":2}}', '{"a":null}']), PLAIN)
    assert values(found) == [{"a": "1", "a.b": None}, {"a": None, "a.b": "2"}, {"a": None, "a.b": None}]


def test_an_object_is_opened_though_it_was_empty_in_records_before() -> None:
    found = flatten(raw(['{"a":{}}'] * 3 + ['{"a":{"b":2}}', '{"a":[]}', '{"a":{}}', '{"a":{ }}']), PLAIN)
    rows = [(row["a"], row["a.b"]) for row in values(found)]
    assert rows == [("{}", None)] * 3 + [(None, "2"), ("[]", None), ("{}", None), ("{ }", None)]


def test_missing_keys_and_nulls_are_null() -> None:
    found = flatten(raw(['{"a":1,"b":2}', '{"a":null}', '{"b":""}', "{}"]), PLAIN)
    assert [(row["a"], row["b"]) for row in values(found)] == [("1", "2"), (None, None), (None, ""), (None, None)]


def test_null_missing_and_empty_are_told_apart_by_a_text_for_null() -> None:
    texts = ['{"a":null,"b":{"c":null}}', '{"a":""}', "{}", '{"a":"null","b":null}', '{"a":null,"a":null}']
    found = flatten(raw(texts), Flatten(null_text="<null>"))
    assert [(row["a"], row["b.c"], row["b"]) for row in values(found)] == [
        ("<null>", "<null>", None), ("", None, None), (None, None, None), ("null", None, "<null>"), ("<null>", None, None),
    ]  # fmt: skip
    assert values(found)[4][r"a\#2"] == "<null>"


def test_provenance_stays_with_its_row_whatever_the_shapes() -> None:
    texts = [f'{{"n":{index}}}' if index % 3 else f'{{"n":{index},"extra":[{index}]}}' for index in range(100)]
    table = flatten(raw(texts), PLAIN).table
    assert table["_row"].to_pylist() == [int(text) + 1 for text in table["n"].to_pylist()] == list(range(1, 101))
    assert table["_offset"].to_pylist() == [10 * index for index in range(100)]
    assert table.column_names == ["n", "extra", *rows.PROVENANCE, rows.SUB]
    assert table.schema.field(rows.SUB).type == pa.int32()


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ('{"a.b":1,"a":{"b":2}}', {r"a\.b": "1", "a.b": "2"}),
        ('{"a":{"b":2},"a.b":1}', {"a.b": "2", r"a\.b": "1"}),
        (r'{"a\\.b":1,"a.b":2,"a\\":{"b":3}}', {r"a\\\.b": "1", r"a\.b": "2", r"a\\.b": "3"}),
        (r'{"a\\#2":1,"a#2":2}', {r"a\\#2": "1", "a#2": "2"}),
        ('{"_row":1,"_row_2":2,"x":{"_row":3}}', {"_row_2": "1", "_row_2_2": "2", "x._row": "3"}),
    ],
)
def test_different_ways_through_a_record_are_different_columns(text: str, row: dict[str, str]) -> None:
    assert list(one(text).items()) == list(row.items())


@pytest.mark.parametrize(
    ("text", "row"),
    [
        ('{"a":1,"b":2,"a":3,"a":4}', {"a": "1", "b": "2", r"a\#2": "3", r"a\#3": "4"}),
        ('{"a":1,"\\u0061":1}', {"a": "1", r"a\#2": "1"}),
        ('{"x":{"a":1,"a":[1]}}', {"x.a": "1", r"x.a\#2": "[1]"}),
        ('{"a":{"b":1},"a":{"b":2,"c":3}}', {"a.b": "1", r"a\#2.b": "2", r"a\#2.c": "3"}),
    ],
)
def test_a_key_that_stands_twice_is_two_columns_where_all_are_taken(text: str, row: dict[str, str]) -> None:
    assert list(one(text).items()) == list(row.items())


def test_a_key_that_stands_twice_is_a_problem_where_only_one_of_its_columns_is_wanted() -> None:
    part = raw(['{"a":1,"b":1}', '{"a":1,"a":2,"b":2}', '{"x":{"y":1},"x":{"z":1},"b":3}'])
    found = flatten(part, PLAIN, ["a", "b"])
    assert [(index, problem.code, problem.column) for index, problem in found.problems] == [
        (1, "duplicate_json_key", "a")
    ]
    assert [row["b"] for row in values(found)] == ["1", "3"]
    assert [problem.column for _, problem in flatten(part, PLAIN, ["x.y"]).problems] == ["x"]
    assert flatten(part, PLAIN, ["b"]).problems == []
    assert flatten(part, PLAIN, ["a", r"a\#2"]).problems == []


EXTRA = ['{"a":1}', '{"a":2,"new":{"x":1,"y":null}}', '{"a":3,"new":{"x":2}}', '{"a":4,"a":5,"new":null}', '{"b":[1]}']


def test_values_of_columns_that_are_not_wanted_are_counted() -> None:
    assert flatten(raw(EXTRA), PLAIN, ["b", "a", r"a\#2"]).unnamed == {"new.x": 2}
    assert flatten(raw(EXTRA), PLAIN, ["new.x"]).unnamed == {"a": 4, r"a\#2": 1, "b": 1}
    assert flatten(raw(EXTRA), PLAIN).unnamed == {}


def test_strictly_a_record_with_a_column_that_is_not_wanted_has_a_problem() -> None:
    found = flatten(raw(EXTRA), PLAIN, ["a", r"a\#2", "b", "nowhere"], strict=True)
    assert [(index, problem.code, problem.column) for index, problem in found.problems] == [
        (1, "drift", "new.x"), (2, "drift", "new.x"), (3, "drift", "new"),
    ]  # fmt: skip
    assert found.problems[0][1].message == "the pipeline doesn't name what the record has: new.x, new.y"
    assert [row["_row"] for row in found.table.to_pylist()] == [1, 5]
    assert found.exploded == 0
    assert flatten(raw(EXTRA), PLAIN, strict=True).problems == []


def test_equal_keys_inside_json_text_are_left_as_they_are() -> None:
    assert one('{"a":[{"x":1,"x":2}]}') == {"a": '[{"x":1,"x":2}]'}


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "{", "}", '{"a"}', '{"a":}', '{"a":1,}', '{"a":1]', "[1,]", "[1", "01", "1.", ".5", "+1", "'a'", '{"a":1}x',
        '{a:1}',
        '{"a":"\t"}', '{"a":"\\x"}', '{"a":"\\u12"}', '{"a":tru}', '{"a":[1,{"b":}]}', '"\\ud83d"', '{"\\ud83d":1}',
        '{"a":1 "b":2}',
    ],
)  # fmt: skip
def test_what_is_no_json_is_a_problem_and_no_row(text: str) -> None:
    assert [code for code, _ in codes(text)] == ["invalid_json"]


@pytest.mark.parametrize("position", range(5))
def test_half_a_surrogate_pair_rejects_its_row_only(position: int) -> None:
    texts = ['{"a":"x","b":"\\n"}'] * 5
    texts[position] = '{"a":"x","b":"\\ud83d!"}'
    found = flatten(raw(texts), PLAIN)
    assert [(index, problem.code, problem.column) for index, problem in found.problems] == [
        (position, "invalid_json", "b")
    ]
    assert found.table["_row"].to_pylist() == [row for row in range(1, 6) if row != position + 1]


@pytest.mark.parametrize(
    "text", ["[" * 50_000, '{"a":' * 50_000, "[" * 50_000 + "]" * 50_000, '{"a":' * 400 + "1" + "}" * 400]
)
def test_nesting_without_end_is_a_problem_not_a_crash(text: str) -> None:
    assert codes(text)[0][0] in ("invalid_json", "nested_too_deep")


def test_the_separator_and_the_depth_are_settings() -> None:
    text = '{"a":{"b":{"c":1.0,"d":{}},"e":[2]},"f":{}}'
    assert one(text, Flatten(separator="/")) == {"a/b/c": "1.0", "a/b/d": "{}", "a/e": "[2]", "f": "{}"}
    assert one(text, Flatten(depth=1)) == {"a.b": '{"c":1.0,"d":{}}', "a.e": "[2]", "f": "{}"}
    assert one(text, Flatten(depth=0)) == {"a": '{"b":{"c":1.0,"d":{}},"e":[2]}', "f": "{}"}


def test_only_wanted_columns_are_given_in_the_order_asked() -> None:
    texts = ['{"a":1,"b":{"c":2},"d":[1]}'] * 3 + ['{"b":{"c":"x"}}', '{"z":0}']
    found = flatten(raw(texts), PLAIN, ["b.c", "nowhere", "a"])
    assert found.table.column_names[:3] == ["b.c", "nowhere", "a"]
    assert [tuple(row.values()) for row in values(found)] == [("2", None, "1")] * 3 + [
        ("x", None, None),
        (None, None, None),
    ]


def test_no_wanted_column_still_gives_every_row() -> None:
    found = flatten(raw(['{"a":1}'] * 4), PLAIN, [])
    assert found.table.column_names == [*rows.PROVENANCE, rows.SUB]
    assert found.table.num_rows == 4


def test_a_key_named_like_a_provenance_column_stands_beside_it() -> None:
    table = flatten(raw(['{"_row":"mine","_sub":1}'] * 4), PLAIN).table
    assert table.column_names == ["_row_2", "_sub_2", *rows.PROVENANCE, rows.SUB]
    assert table["_row_2"].to_pylist() == ["mine"] * 4


def test_an_empty_part_has_no_rows() -> None:
    found = flatten(raw([]), PLAIN, ["a"])
    assert found.table.num_rows == 0
    assert found.table.column_names[0] == "a"
    assert flatten(raw([]), PLAIN).table.column_names == [*rows.PROVENANCE, rows.SUB]


@pytest.mark.parametrize(
    "style", [{}, {"indent": 2}, {"separators": (",", ":")}, {"indent": "\t", "ensure_ascii": False}]
)
def test_white_space_between_tokens_does_not_matter(style: dict[str, Any]) -> None:
    record = {"a": 1, "b": {"c": "ü", "d": [1, {"e": 2}]}, "f": None}
    found = one(json.dumps(record, **style))
    assert (found["a"], found["b.c"], json.loads(found["b.d"]), found["f"]) == ("1", "ü", [1, {"e": 2}], None)


def test_columns_are_named_in_the_order_of_first_appearance() -> None:
    texts = ['{"b":1}'] * 3 + ['{"a":1,"b":2}', '{"b":1,"c":{"d":2}}'] * 3
    assert column_names(raw(texts), PLAIN) == ["b", "a", "c.d"] == flatten(raw(texts), PLAIN).table.column_names[:3]


def test_an_earlier_part_adds_no_columns_to_a_later_one() -> None:
    optional = [json.dumps({f"k{key}": key for key in range(8) if seed >> key & 1}) for seed in range(256)]
    flatten(raw(optional), PLAIN)
    assert column_names(raw(['{"k1":1,"k3":2}'] * 3), PLAIN) == ["k1", "k3"]
    assert flatten(raw(['{"k1":1,"k3":2}'] * 3), PLAIN).table.column_names[:3] == ["k1", "k3", "_source_file"]


def test_records_with_optional_keys_are_exact_in_any_mixture() -> None:
    chance = random.Random(5)
    records = [
        {
            f"k{key}": {"v": key, "w": [key]} if key % 3 == 0 else f"v{number}"
            for key in range(12)
            if chance.random() < 0.6
        }
        for number in range(3_000)
    ]
    found = values(flatten(raw([json.dumps(record) for record in records]), PLAIN))
    for record, row in zip(records, found, strict=True):
        expected: dict[str, str] = {}
        for key, value in record.items():
            if isinstance(value, dict):
                expected |= {f"{key}.v": str(value["v"]), f"{key}.w": f"[{value['v']}]"}
            else:
                expected[key] = str(value)
        assert {name: value for name, value in row.items() if value is not None} == expected


ORDERS = [
    '{"id":1,"items":[{"sku":"a","n":1},{"sku":"b"}],"who":"x"}',
    '{"id":2,"items":[],"who":"y"}',
    '{"id":3,"who":"z"}',
    '{"id":4,"items":null}',
    '{"id":5,"items":[7,[8],{"sku":"c","sub":{"k":1.0}}]}',
    '{"id":6,"items":{"sku":"d"}}',
]


def test_explode_gives_one_row_an_element() -> None:
    found = flatten(raw(ORDERS), Flatten(explode=("items",)))
    picked = [(r["id"], r["items"], r["items.sku"], r["items.n"], r["items.sub.k"], r["who"]) for r in values(found)]
    assert picked == [
        ("1", None, "a", "1", None, "x"),
        ("1", None, "b", None, None, "x"),
        ("2", None, None, None, None, "y"),
        ("3", None, None, None, None, "z"),
        ("4", None, None, None, None, None),
        ("5", "7", None, None, None, None),
        ("5", "[8]", None, None, None, None),
        ("5", None, "c", None, "1.0", None),
        ("6", None, "d", None, None, None),
    ]
    assert found.table["_row"].to_pylist() == [1, 1, 2, 3, 4, 5, 5, 5, 6]
    assert found.table[rows.SUB].to_pylist() == [0, 1, 0, 0, 0, 0, 1, 2, 0]
    assert found.exploded == 3


def test_arrays_beside_each_other_stand_side_by_side() -> None:
    found = flatten(raw(['{"a":[1,2,3],"b":["x"]}']), Flatten(arrays="explode"))
    assert [(row["a"], row["b"]) for row in values(found)] == [("1", "x"), ("2", None), ("3", None)]


def test_arrays_inside_exploded_arrays_explode_too() -> None:
    found = flatten(raw(['{"a":[{"b":[1,2]},{"b":[3]},{"b":[]}]}']), Flatten(explode=("a", "a.b")))
    assert [row["a.b"] for row in values(found)] == ["1", "2", "3", None]
    assert found.table[rows.SUB].to_pylist() == [0, 1, 2, 3]


def test_an_array_as_record_explodes_as_value() -> None:
    found = flatten(raw(['[1,{"a":2}]']), Flatten(explode=("value",)))
    assert [(row["value"], row["value.a"]) for row in values(found)] == [("1", None), (None, "2")]


def test_a_key_twice_inside_an_exploded_element_is_two_columns_or_rejects_the_record() -> None:
    part, spec = raw(['{"items":[{"a":1},{"a":1,"a":2}]}', '{"items":[{"a":3}]}']), Flatten(explode=("items",))
    assert [tuple(row.values()) for row in values(flatten(part, spec))] == [("1", None), ("1", "2"), ("3", None)]
    found = flatten(part, spec, ["items.a"])
    assert [(index, problem.code, problem.column) for index, problem in found.problems] == [
        (0, "duplicate_json_key", "items.a")
    ]
    assert [row["items.a"] for row in values(found)] == ["3"]
    assert found.exploded == 0


def test_child_tables_hold_the_elements_with_their_parents_row() -> None:
    spec = Flatten(children={"items": "lines"})
    parent = flatten(raw(ORDERS), spec)
    assert parent.table.num_rows == len(ORDERS)
    assert parent.table.column_names[:3] == ["id", "who", "items"]
    child = child_tables(raw(ORDERS), spec)["lines"]
    assert values(child) == [
        {"sku": "a", "n": "1", "value": None, "sub.k": None},
        {"sku": "b", "n": None, "value": None, "sub.k": None},
        {"sku": None, "n": None, "value": "7", "sub.k": None},
        {"sku": None, "n": None, "value": "[8]", "sub.k": None},
        {"sku": "c", "n": None, "value": None, "sub.k": "1.0"},
    ]
    assert child["_row"].to_pylist() == [1, 1, 5, 5, 5]
    assert child[rows.SUB].to_pylist() == [0, 1, 0, 1, 2]


def test_records_with_a_problem_have_no_children() -> None:
    texts = ['{"items":[{"a":1,"a":2}]}', "{", '{"items":[{"a":3}]}']
    spec = Flatten(children={"items": "lines"})
    assert [(index, problem.code) for index, problem in flatten(raw(texts), spec).problems] == [(1, "invalid_json")]
    assert values(child_tables(raw(texts), spec)["lines"]) == [{"a": "1", r"a\#2": "2"}, {"a": "3", r"a\#2": None}]


def test_a_child_table_without_rows_has_only_provenance() -> None:
    child = child_tables(raw(['{"id":1}']), Flatten(children={"items": "lines"}))["lines"]
    assert (child.num_rows, child.column_names) == (0, [*rows.PROVENANCE, rows.SUB])


def test_messages_say_where_and_what() -> None:
    problem = flatten(raw(['{"a":1,"b":oops}']), PLAIN).problems[0][1]
    assert problem.message == "the record is not valid JSON at character 12: 'oops}'"
    problem = flatten(raw(['{"a":{"x":1,"x":2}}']), PLAIN, ["a.x"]).problems[0][1]
    assert problem.message == "the key 'x' stands twice in the same object"


def test_names_are_those_of_pandas_json_normalize() -> None:
    pandas = pytest.importorskip("pandas")
    records = [
        {"id": 1, "a": {"b": {"c": 1, "d": [1, 2]}, "e": None}, "x-y": 2},
        {"id": "2", "a": {"b": {"c": "1"}}, "list": [{"k": 1}], "deep": {"er": {"still": {"yes": True}}}},
        {"id": None, "a": 5},
    ]
    found = flatten(raw([json.dumps(record) for record in records]), PLAIN).table
    expected = pandas.json_normalize(records, sep=".")
    assert set(found.column_names) - {*rows.PROVENANCE, rows.SUB} == set(expected.columns)
    one_level = flatten(raw([json.dumps(record) for record in records]), Flatten(depth=1)).table
    assert set(one_level.column_names) - {*rows.PROVENANCE, rows.SUB} == set(
        pandas.json_normalize(records, sep=".", max_level=1).columns
    )
