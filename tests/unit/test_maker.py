"""The dirty-file maker and the comparison with its truth."""

from __future__ import annotations

import ast
import csv
import gzip
import io
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import ftfy
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from loadlock.testing import compare as comparing
from loadlock.testing.compare import compare
from loadlock.testing.maker import Made, main, make_batch
from loadlock.testing.maker_values import CITIES, Vocabulary, amount_texts, mojibake

RECORDS = 20_000
FORMATS = {"orders-02.csv": ";", "orders-03.tsv": "\t", "orders-05.csv.zst": ";"}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make_batch(tmp_path_factory.mktemp("demo"), records=RECORDS, seed=11)


@pytest.fixture(scope="module")
def truth(demo: Made) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = pq.read_table(demo.truth / "truth.parquet").to_pylist()
    return rows


def content(path: Path) -> bytes:
    if path.suffix == ".gz":
        return gzip.decompress(path.read_bytes())
    if path.suffix == ".zst":
        with pa.CompressedInputStream(pa.OSFile(str(path)), "zstd") as stream:
            return bytes(stream.read())
    return path.read_bytes()


def right_values(demo: Made) -> pa.Table:
    """The rows as they should arrive, in their types."""
    table = pq.read_table(demo.truth / "truth.parquet")
    table = table.filter(table["_code"].is_null())
    types = json.loads((demo.truth / "truth.json").read_text(encoding="utf-8"))["types"]
    kinds = {"integer": pa.int64(), "date": pa.date32(), "boolean": pa.bool_(), "decimal(12,2)": pa.decimal128(12, 2)}
    return pa.table({name: table[name].cast(kinds.get(kind, pa.string())) for name, kind in types.items()})


def right_rejects(truth: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rejects as Loadlock's JSON has them."""
    return [
        {
            "file": row["_file"], "row": row["_row"], "line": row["_line"], "offset": row["_offset"],
            "problems": [{"code": row["_code"].split("|")[-1], "column": row["_column"]}],
        }
        for row in truth if row["_code"]
    ]  # fmt: skip


def with_value(table: pa.Table, name: str, value: Any) -> pa.Table:
    """The table with another first value in a column."""
    column = table[name].combine_chunks()
    changed = pa.concat_arrays([pa.array([value], column.type), column.slice(1)])
    return table.set_column(table.schema.get_field_index(name), table.schema.field(name), changed)


def test_the_same_seed_makes_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    first, again, other = (
        make_batch(tmp_path / name, records=3_000, seed=seed) for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert [path.read_bytes() for path in first.files] == [path.read_bytes() for path in again.files]
    assert all(one.read_bytes() != two.read_bytes() for one, two in zip(first.files, other.files, strict=True))


def test_the_truth_has_one_row_a_record(demo: Made, truth: list[dict[str, Any]]) -> None:
    assert len(truth) == RECORDS == demo.counts["records"]
    assert demo.counts["load"] + sum(demo.counts["rejects"].values()) == RECORDS
    for path in demo.files:
        rows = [row["_row"] for row in truth if row["_file"] == path.name]
        assert rows == list(range(1, len(rows) + 1))


def test_every_kind_of_fault_is_in_a_batch(demo: Made) -> None:
    assert set(demo.counts["rejects"]) == {
        "field_count", "stray_quote", "open_quote", "nul_byte|invalid_json", "invalid_json", "invalid_json|truncated",
        "not_decimal", "not_date", "not_integer", "out_of_bounds", "not_email", "not_in", "not_boolean", "required", "not_unique",
    }  # fmt: skip
    assert demo.counts["blank"] > 0


def test_offset_and_line_of_every_record_are_where_the_record_is(demo: Made, truth: list[dict[str, Any]]) -> None:
    for path in demo.files:
        data, rows = content(path), [row for row in truth if row["_file"] == path.name]
        newline = "\n".encode("utf-16-le") if path.suffix == ".tsv" else b"\n"
        line, behind = 1, 0
        for row, following in zip(rows, [*rows[1:], None], strict=True):
            line += data[behind : row["_offset"]].count(newline)
            behind = row["_offset"]
            assert row["_line"] == line
            record = data[row["_offset"] : following["_offset"] if following else len(data)]
            if row["_code"] is None:
                assert read_id(path, record) == row["order_id"]


def read_id(path: Path, record: bytes) -> str:
    """The id of a good record, read by Python's own readers."""
    if path.suffix in (".json", ".ndjson"):
        return str(json.loads(record.strip().rstrip(b"]").strip().rstrip(b",\n"))["order_id"])
    text = record.decode("utf-16-le") if path.suffix == ".tsv" else record.decode("utf-8", "replace")
    return next(csv.reader(io.StringIO(text, newline=""), delimiter=FORMATS.get(path.name, ",")))[0]


def test_csv_records_with_a_wrong_field_count_have_one(demo: Made, truth: list[dict[str, Any]]) -> None:
    path = demo.files[0]
    data = content(path)
    width = len(data.split(b"\n", 1)[0].split(b","))
    found = [row for row in truth if row["_file"] == path.name and row["_code"] == "field_count"]
    assert found
    for row in found:
        text = data[row["_offset"] : data.index(b"\n", row["_offset"])].decode()
        assert len(next(csv.reader([text]))) != width


def test_rows_in_another_encoding_are_no_utf8_and_load(demo: Made, truth: list[dict[str, Any]]) -> None:
    data, rows = content(demo.files[0]), [row for row in truth if row["_file"] == demo.files[0].name]
    foreign = 0
    for row in rows:
        record = data[row["_offset"] : data.index(b"\n", row["_offset"])]
        try:
            record.decode()
        except UnicodeDecodeError:
            foreign += 1
            assert row["_code"] is None
            assert row["customer"].encode("cp1252") in record
    assert foreign > 0


def test_a_duplicate_repeats_the_id_of_an_earlier_good_record(demo: Made, truth: list[dict[str, Any]]) -> None:
    seen: set[str] = set()
    for row in truth:
        if row["_code"] is None:
            assert row["order_id"] not in seen
            seen.add(row["order_id"])
    assert {row["_column"] for row in truth if row["_code"] == "not_unique"} == {"order_id"}


def test_mojibake_of_the_vocabulary_can_be_repaired_and_clean_words_stay() -> None:
    words = Vocabulary(np.random.default_rng(1))
    assert words.broken_names
    assert [ftfy.fix_encoding(mojibake(name)) for name in words.broken_names] == words.broken_names
    assert [ftfy.fix_encoding(name) for name in (*words.names, *CITIES)] == [*words.names, *CITIES]


def test_amounts_are_written_in_eight_ways() -> None:
    assert amount_texts(123_450) == [
        "1234.50", "1234,50", "1,234.50", "1.234,50", "$1,234.50", "€ 1.234,50", "1,234.50 USD", "1.234,50 €",
    ]  # fmt: skip


def test_the_bench_shape_is_one_file_of_fifteen_columns(tmp_path: Path) -> None:
    made = make_batch(tmp_path, records=5_000, seed=3, shape="bench")
    assert [path.name for path in made.files] == ["orders.csv"]
    data = made.files[0].read_bytes()
    assert len(data.split(b"\n", 1)[0].split(b",")) == 15
    assert 155 <= len(data) / 5_000 <= 175


def test_an_unknown_shape_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="demo or bench"):
        make_batch(tmp_path, records=1, seed=1, shape="other")


def test_the_command_line_prints_what_it_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), "--records", "500", "--seed", "5"]) == 0
    assert json.loads(capsys.readouterr().out)["counts"]["records"] == 500


def test_right_rows_and_rejects_compare_as_right(demo: Made, truth: list[dict[str, Any]]) -> None:
    found = compare(demo.truth, right_values(demo), right_rejects(truth))
    assert found.is_right
    assert (found.received, found.expected) == (RECORDS, RECORDS)
    assert found.right == demo.counts["load"]
    assert found.rejects_right == RECORDS - demo.counts["load"]


def test_a_changed_value_is_wrong_and_shown(demo: Made) -> None:
    rows = right_values(demo)
    found = compare(demo.truth, with_value(rows, "city", "Atlantis"))
    assert (found.wrong, found.missing, found.extra, found.right) == (1, 0, 0, rows.num_rows - 1)
    assert found.examples["wrong"][0]["found_and_expected"]["city"] == ["Atlantis", rows["city"][0].as_py()]
    assert not found.is_right


def test_a_null_instead_of_a_value_is_wrong(demo: Made) -> None:
    assert compare(demo.truth, with_value(right_values(demo), "amount", None)).wrong == 1


def test_a_lost_row_is_missing_a_strange_one_extra_and_a_doubled_one_too(demo: Made) -> None:
    rows = right_values(demo)
    assert compare(demo.truth, rows.slice(1)).missing == 1
    strange = compare(demo.truth, with_value(rows, "order_id", 5))
    assert (strange.missing, strange.extra) == (1, 1)
    assert compare(demo.truth, pa.concat_tables([rows, rows.slice(0, 2)])).extra == 2


def test_values_that_are_text_compare_by_the_truths_types(demo: Made) -> None:
    rows = right_values(demo)
    texts = pa.table({name: rows[name].cast(pa.string()) for name in rows.column_names})
    assert compare(demo.truth, texts).is_right
    unreadable = compare(demo.truth, with_value(texts, "shipped_on", "no date"))
    assert unreadable.wrong == 1


@pytest.mark.parametrize(
    "change",
    [{"line": 0}, {"offset": 1}, {"problems": [{"code": "other", "column": None}]}, {"row": 10**6}, {"problems": []}],
)
def test_a_reject_with_another_place_or_reason_is_a_mismatch(
    demo: Made, truth: list[dict[str, Any]], change: dict[str, Any]
) -> None:
    rejects = right_rejects(truth)
    rejects[3] = {**rejects[3], **change}
    found = compare(demo.truth, right_values(demo), rejects)
    assert found.reject_mismatch == (2 if "row" in change else 1)
    assert not found.is_right


def test_an_altered_truth_is_noticed(demo: Made, truth: list[dict[str, Any]], tmp_path: Path) -> None:
    table = pq.read_table(demo.truth / "truth.parquet")
    number = next(index for index, row in enumerate(truth) if row["_code"] is None)
    notes = table["note"].to_pylist()
    notes[number] = "altered"
    altered = table.set_column(table.schema.get_field_index("note"), "note", pa.array(notes, pa.string()))
    pq.write_table(altered, tmp_path / "truth.parquet")
    (tmp_path / "truth.json").write_bytes((demo.truth / "truth.json").read_bytes())
    assert compare(tmp_path, right_values(demo)).wrong == 1


def test_compare_runs_as_a_script_and_imports_nothing_of_loadlock(demo: Made, tmp_path: Path) -> None:
    script = Path(comparing.__file__)
    tree = ast.parse(script.read_text(encoding="utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not any(name and name.startswith("loadlock") for name in imported)
    pq.write_table(right_values(demo), tmp_path / "out.parquet")
    command = [sys.executable, "-I", str(script), str(demo.truth), "--parquet", str(tmp_path / "out.parquet")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["wrong"] == 0
