"""What is proposed for files: golden cases that a person can read, and what must hold for all of them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pyarrow as pa
import pytest

from loadlock.cleanup.compile import compile_plan
from loadlock.cleanup.kernel import clean
from loadlock.cleanup.profile import Profile, profile
from loadlock.cleanup.survey import decide, survey
from loadlock.model import FileReport
from loadlock.pipeline.guess import Proposal, identifier, propose, to_yaml
from loadlock.pipeline.read import pipeline_from, pipeline_from_text
from loadlock.rows import provenance_fields

GOLDEN = sorted(path for path in (Path(__file__).parents[1] / "golden" / "guess").iterdir() if path.is_dir())
NOW = datetime(2024, 6, 1, tzinfo=UTC)


def table_of(header: Sequence[str], rows: Sequence[Sequence[str | None]]) -> pa.Table:
    return pa.table([pa.array([row[n] for row in rows], pa.string()) for n in range(len(header))], names=list(header))


def read(path: Path) -> pa.Table:
    with path.open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    return table_of(header, rows)


def column(*values: str | None) -> Profile:
    return profile([table_of(["c"], [[value] for value in values])])


def proposed(*values: str | None) -> tuple[str, str]:
    """Type and reasons proposed for a column of these values."""
    (found,) = propose(column(*values), name="p", files=["f"]).columns
    return found.type, "\n".join(found.reasons)


def guess(folder: Path) -> tuple[list[pa.Table], Proposal]:
    paths = sorted(folder.glob("input*.csv"))
    tables = [read(path) for path in paths]
    return tables, propose(profile(tables), name=folder.name, files=[path.name for path in paths])


def rejected(proposal: Proposal, tables: list[pa.Table]) -> int:
    """How many rows the proposed pipeline, unedited, rejects of the rows that it was derived from."""
    pipeline = pipeline_from_text(to_yaml(proposal), base_folder=Path(), environment={})
    plan = compile_plan(pipeline, None, run_time=NOW)
    staged = [_staged(table) for table in tables]
    counts: dict[str, int] = {}
    for table in staged:
        for name, count in survey(table, plan).items():
            counts[name] = counts.get(name, 0) + count
    plan, _ = decide(plan, counts)
    return sum(clean(table, plan, file_index=index).rejects.num_rows for index, table in enumerate(staged))


def _staged(table: pa.Table) -> pa.Table:
    for entry in provenance_fields():
        numbers = list(range(1, table.num_rows + 1))
        values = numbers if entry.type == pa.int64() else ["f"] * table.num_rows
        table = table.append_column(entry, pa.array(values).cast(entry.type))
    return table


@pytest.mark.parametrize("folder", GOLDEN, ids=lambda path: path.name)
def test_a_proposal_is_as_written(folder: Path) -> None:
    assert to_yaml(guess(folder)[1]) == (folder / "expected.yaml").read_text(encoding="utf-8")


@pytest.mark.parametrize("folder", GOLDEN, ids=lambda path: path.name)
def test_a_proposal_runs_unedited_and_rejects_only_what_it_names(folder: Path) -> None:
    tables, proposal = guess(folder)
    assert rejected(proposal, tables) == sum(one.misfits for one in proposal.columns)


@pytest.mark.parametrize("folder", GOLDEN, ids=lambda path: path.name)
def test_the_yaml_says_what_the_proposal_holds(folder: Path) -> None:
    _, proposal = guess(folder)
    written = pipeline_from_text(to_yaml(proposal), base_folder=Path(), environment={})
    built = pipeline_from(proposal.document(), base_folder=Path(), text=to_yaml(proposal), environment={})
    assert written == built


@pytest.mark.parametrize(
    ("values", "kind", "reason"),
    [
        (["1", "20", "-3"], "integer", "all 3 values are whole numbers of up to 2 digits"),
        (["0", "1", "1"], "integer", "only 0 and 1: make it boolean if that is meant"),
        (["01234", "90210"], "text", "a number would lose the leading 0 of 1 value, as '01234'"),
        (["+4930123456", "+4930123457"], "text", "like telephone numbers"),
        (["12345678901234567890"], "decimal(38,0)", "whole, up to 20 digits"),
        (["9" * 40], "text", "whole numbers of up to 40 digits"),
        (["1.5", "2"], "decimal(12,1)", "numbers with up to 1 digit before and 1 behind the point"),
        (["1.234", "5.678"], "text", "can be thousands or three decimals"),
        (["0.123", "5.678"], "decimal(12,3)", "3 behind the point"),
        (["1.1234567890123456789"], "float", "up to 19 decimals: too many for an exact decimal"),
        (["1e5", "2"], "float", "1 with an exponent as '1e5'"),
        (["$ 1,234.50", "(3.00)"], "decimal(12,2)", "the decimal mark is the point in 2 values, never the comma"),
        (["1.234,50", "3,00"], "decimal(12,2)", "the decimal mark is the comma in 2 values, never the point"),
        (["1,234.50", "1.234,50"], "decimal(12,2)", "decimal point in 1 value, decimal comma in 1"),
        (["1,234", "2,500"], "text", "can be thousands or decimals"),
        (["12%", "5 %"], "text", "percent signs in 2 values"),
        (["yes", "No", "yes"], "boolean", "only words for yes and no: No (1), yes (2)"),
        (["yes", "yes"], "text", ""),
        (["2024-01-31", "2024-02-01"], "date", "all 2 values fit %Y-%m-%d"),
        (["01/02/2024", "03/04/2024"], "text", "fit %d/%m/%Y and %m/%d/%Y, and no value decides"),
        (["01/02/2024", "13/04/2024"], "date", "day before month: 1 value can't be read otherwise"),
        (["01/02/2024", "03/14/2024"], "date", "month before day: 1 value can't be read otherwise"),
        (["01/02/2024", "13/04/2024", "04/13/2024"], "text", "can be read both ways, as '01/02/2024'"),
        (["13/04/2024", "04/14/2024"], "date", "a value that fits both will be rejected"),
        (["31.12.69", "1.1.70"], "date", "years of two digits are read as 1969 to 2068"),
        (["2024-01-31T10:00:00"], "timestamp", "ISO 8601"),
        (["2024-01-31T10:00:00Z"], "timestamptz", "ISO 8601 with a zone"),
        (["08:30", "17:45"], "time", "times of day, %H:%M"),
        (["20240131", "20240201"], "date", "fit %Y%m%d"),
        (["20240131", "99999999"], "integer", "8 digits"),
        (["2024-02-30"], "text", ""),
        (['{"a": 1}', "[]"], "json", "JSON objects or lists"),
        (['{"a": NaN}', "[]"], "text", ""),
        ([None, "", "  "], "text", "no value at all"),
        (["abc", "1"], "text", ""),
        (["1", "2", "x"], "text", ""),
    ],
)
def test_a_type_is_proposed_with_its_reason(values: list[str | None], kind: str, reason: str) -> None:
    found, reasons = proposed(*values)
    assert found == kind
    assert reason in reasons


def test_few_misfits_are_named_and_many_keep_the_column_text() -> None:
    few = [*map(str, range(98)), "n.v.t.", "?x"]
    assert proposed(*few) == (
        "integer",
        "98 of 100 values are whole numbers of up to 2 digits; 2 will be rejected: 'n.v.t.', '?x'",
    )
    assert proposed(*few, "y") == ("text", "101 different texts of up to 6 characters")
    dates = [f"2024-01-{n:02d}" for n in range(1, 28)]
    assert proposed(*dates, "soon", "later") == (
        "text",
        "stays text: 27 of 29 values could be dates, 2 not, as 'soon', 'later'",
    )


def test_together_the_misfits_stay_below_the_budget() -> None:
    header = [f"c{n}" for n in range(6)]
    rows = [["x" if row == number else str(row) for number in range(6)] for row in range(100)]
    proposal = propose(profile([table_of(header, rows)]), name="p", files=["f"])
    assert [one.type for one in proposal.columns] == ["text", "text", *["integer"] * 4]
    assert "too many rows would be rejected in all" in proposal.columns[0].reasons[0]


def test_white_space_and_words_for_null_get_rules_in_the_order_in_which_they_work() -> None:
    (found,) = propose(column(" N/A", "5 ", "7", "-"), name="p", files=["f"]).columns
    assert found.rules == ("trim", {"null_if": ["N/A", "-"]})


def test_words_that_may_be_texts_stay_in_a_text_column() -> None:
    (found,) = propose(column("NA", "DE", "FR"), name="p", files=["f"]).columns
    assert (found.type, found.rules) == ("text", ())
    assert "'NA' (1) may mean null" in found.reasons[0]


def test_what_reading_found_stands_as_comments_ready_to_be_pinned() -> None:
    reports = [
        FileReport(
            format="csv",
            encoding={"name": "cp1252", "how": "detected", "confidence": 0.87, "runner_up": "iso-8859-2"},
            dialect={"delimiter": ";", "header": 1, "reasons": ["records end with LF", "delimiter ';': 3 fields"]},
            rejected=2,
        ),
        FileReport(format="csv", encoding={"name": "utf-8", "how": "utf8"}, dialect={"delimiter": ";", "header": 1}),
    ]
    text = to_yaml(propose(column("a"), name="p", files=["a", "b"], reports=reports, options={"quote": "'"}))
    assert "# Note: 2 rows can't be read whatever the rules; see loadlock preview." in text
    assert '  format: csv\n  quote: "\'"\n' in text
    assert "  # encoding: cp1252" in text
    assert "# found: in 1 of 2 files; detected, confidence 0.87, else iso-8859-2" in text
    assert "  # delimiter: \";\"           # found: delimiter ';': 3 fields" in text
    pinned = text.replace("# delimiter", "delimiter")
    assert pipeline_from_text(pinned, base_folder=Path(), environment={}).source.options.delimiter == ";"


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("Order ID", "order_id"),
        ("orderID", "order_id"),
        ("HTTPStatus", "http_status"),
        ("Country/Region", "country_region"),
        ("address.city", "address_city"),
        ("Größe (cm)", "groesse_cm"),
        ("Café", "cafe"),
        ("_id", "id"),
        ("2019", "column_2019"),
        ("名前", "column_7"),
        ("", "column_7"),
        ("x" * 80, "x" * 60),
    ],
)
def test_names_become_plain_identifiers(written: str, name: str) -> None:
    assert identifier(written, 7) == name


@pytest.mark.parametrize(
    "evil", ["a\nb: c", "#", "a: b", "- x", "{x}", "'\"", "\u2028x", "\x07", "null", "5", "@a", "é"]
)
def test_no_name_or_value_can_break_out_of_its_place(evil: str) -> None:
    found = profile([table_of([evil], [[evil], ["1"], ["2"]])])
    text = to_yaml(propose(found, name=evil, files=[evil], destination={"url": "out.csv"}))
    pipeline = pipeline_from_text(text, base_folder=Path(), environment={})
    assert (pipeline.name, pipeline.source.files) == (evil, (evil,))
    assert pipeline.columns is not None
    assert (pipeline.columns[0].source or (pipeline.columns[0].name,)) == (evil,)


def test_a_running_index_is_a_key_and_a_telephone_number_is_none() -> None:
    rows = [[str(n), str(2050000000 + 7919 * n)] for n in range(1, 60)]
    proposal = propose(profile([table_of(["index", "phone_number"], rows)]), name="p", files=["f"])
    assert [column.unique for column in proposal.columns] == [True, False]
    assert "index can be a key" in proposal.notes[-1]
