"""Delivery to CSV, Parquet and JSON files."""

from __future__ import annotations

import csv
import datetime as dt
import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from loadlock.delivery.base import DeliveryColumn, Destination, Target
from loadlock.delivery.deliver import Delivery
from loadlock.delivery.destinations._files import FileSession
from loadlock.delivery.destinations._local import hidden_path
from loadlock.delivery.destinations.csv_file import CsvFile
from loadlock.delivery.destinations.ndjson_file import NdjsonFile, NdjsonForm
from loadlock.delivery.destinations.parquet_file import ParquetFile
from loadlock.errors import RefusedError, UsageError
from loadlock.model import VerifyLevel, WriteMode
from loadlock.testing.contracts.destinations import (
    PEOPLE,
    Case,
    DestinationContract,
    columns,
    deliver,
    job,
    part,
    person,
)


def rows_of(path: Path) -> int | None:
    """Rows in a file, counted without Loadlock."""
    if not path.exists():
        return None
    if path.suffix == ".parquet":
        return int(pq.read_metadata(path).num_rows)
    if path.suffix == ".csv":
        with path.open(encoding="utf-8", newline="") as file:
            return sum(1 for _ in csv.reader(file)) - 1
    text = path.read_text(encoding="utf-8")
    return len(json.loads(text)) if path.suffix == ".json" else sum(1 for _ in map(json.loads, text.split("\n")[:-1]))


def file_case(destination: Destination, path: Path) -> Case:
    return Case(destination=destination, target=Target(url=str(path)), count=lambda: rows_of(path))


class TestCsvContract(DestinationContract):
    @pytest.fixture
    def case(self, tmp_path: Path) -> Case:
        return file_case(CsvFile(), tmp_path / "out.csv")


class TestParquetContract(DestinationContract):
    @pytest.fixture
    def case(self, tmp_path: Path) -> Case:
        return file_case(ParquetFile(), tmp_path / "out.parquet")


class TestNdjsonContract(DestinationContract):
    @pytest.fixture
    def case(self, tmp_path: Path) -> Case:
        return file_case(NdjsonFile(), tmp_path / "out.ndjson")


class TestJsonArrayContract(DestinationContract):
    @pytest.fixture
    def case(self, tmp_path: Path) -> Case:
        return file_case(NdjsonFile(), tmp_path / "out.json")


DESTINATIONS: dict[str, Callable[[], Destination]] = {
    ".csv": CsvFile,
    ".parquet": ParquetFile,
    ".ndjson": NdjsonFile,
    ".json": NdjsonFile,
}


@pytest.fixture(params=sorted(DESTINATIONS))
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    """One case for each kind of file."""
    return file_case(DESTINATIONS[request.param](), tmp_path / f"out{request.param}")


def text_of(path: Path, given: Sequence[DeliveryColumn], rows: Sequence[Sequence[Any]], **options: Any) -> str:
    """What a replace writes into the file."""
    case = Case(
        destination=DESTINATIONS[path.suffix](), target=Target(url=str(path), options=options), count=lambda: None
    )
    receipt = deliver(case, job(case, given, WriteMode.REPLACE, f"run of {len(rows)}"), [part(given, rows)])
    assert (receipt.equal, receipt.level) == (True, VerifyLevel.CONTENT)
    return path.read_bytes().decode()


def hidden(case: Case) -> list[str]:
    folder = Path(case.target.url).parent
    hidden = sorted(path.name for path in folder.iterdir() if path.name.startswith("."))
    return [
        name for name in hidden if not name.endswith("loadlock-done")
    ]  # that stays until a workflow's end is recorded


MIXED = columns("n:integer", "d:decimal(6,2)", "b:boolean", "f:float", "day:date", "at:timestamp", "t:text")
MIXED_ROWS = [
    (1, Decimal("1.50"), True, 0.1, dt.date(2024, 2, 29), dt.datetime(2024, 1, 2, 3, 4, 5), "a,b"),
    (None, None, None, None, None, None, None),
    (-2, Decimal("-0.05"), False, 1e300, dt.date(1, 1, 1), dt.datetime(2024, 1, 2, 3, 4, 5, 120), ""),
]


def test_csv_quotes_only_what_needs_it_and_tells_null_from_empty(tmp_path: Path) -> None:
    assert text_of(tmp_path / "out.csv", MIXED, MIXED_ROWS) == (
        "n,d,b,f,day,at,t\n"
        '1,1.50,true,0.1,2024-02-29,2024-01-02 03:04:05,"a,b"\n'
        ",,,,,,\n"
        '-2,-0.05,false,1e+300,0001-01-01,2024-01-02 03:04:05.00012,""\n'
    )


def test_ndjson_keeps_numbers_as_they_are(tmp_path: Path) -> None:
    assert text_of(tmp_path / "out.ndjson", MIXED, MIXED_ROWS[:2]) == (
        '{"n":1,"d":1.50,"b":true,"f":0.1,"day":"2024-02-29","at":"2024-01-02 03:04:05","t":"a,b"}\n'
        '{"n":null,"d":null,"b":null,"f":null,"day":null,"at":null,"t":null}\n'
    )


def test_json_is_one_array_and_empty_where_there_are_no_rows(tmp_path: Path) -> None:
    given = columns("t:text", "j:json")
    assert text_of(tmp_path / "out.json", given, [("x", '{"a":\n1.10}'), (None, "[]")]) == (
        '[\n{"t":"x","j":{"a": 1.10}},\n{"t":null,"j":[]}\n]\n'
    )
    assert text_of(tmp_path / "out.json", given, []) == "[\n]\n"


def test_small_decimals_are_written_plainly(tmp_path: Path) -> None:
    assert text_of(tmp_path / "out.csv", columns("d:decimal(38,10)"), [(Decimal("1E-10"),)]) == "d\n0.0000000001\n"


def test_the_delimiter_is_an_option_and_a_tab_for_tsv(tmp_path: Path) -> None:
    given = columns("a:text", "b:text")
    assert text_of(tmp_path / "out.csv", given, [("x;y", "z,")], delimiter=";") == 'a;b\n"x;y";z,\n'
    case = Case(destination=CsvFile(), target=Target(url=str(tmp_path / "out.tsv")), count=lambda: None)
    assert deliver(case, job(case, given, WriteMode.REPLACE), [part(given, [("x", "y\tz")])]).equal
    assert (tmp_path / "out.tsv").read_text() == 'a\tb\nx\t"y\tz"\n'


@pytest.mark.parametrize("delimiter", [";;", "", '"', "é", "\n"])
def test_an_unfit_delimiter_is_an_error(tmp_path: Path, delimiter: str) -> None:
    target = Target(url=str(tmp_path / "out.csv"), options={"delimiter": delimiter})
    with pytest.raises(UsageError, match="can't be the delimiter"):
        CsvFile().inspect(target)


def test_special_delimiters_round_trip(tmp_path: Path) -> None:
    given = columns("a:text", "b:text")
    for number, delimiter in enumerate("|^-]\\[.$*"):
        text_of(tmp_path / f"{number}.csv", given, [(f"x{delimiter}y", delimiter), ("", "z")], delimiter=delimiter)


def test_a_file_without_header_holds_rows_only(tmp_path: Path) -> None:
    assert text_of(tmp_path / "out.csv", columns("a:text", "b:text"), [("x", None)], header=False) == "x,\n"


FORMULAS = ["=1+1", "+1", "-1", "@x", "'=1", "''=", "'plain", "\tx", "plain"]


def test_formulas_are_escaped_only_on_demand_and_still_compare_equal(tmp_path: Path) -> None:
    given, rows = columns("t:text", "n:integer"), [(text, -1) for text in FORMULAS]
    plain = text_of(tmp_path / "plain.csv", given, rows)
    escaped = text_of(tmp_path / "escaped.csv", given, rows, escape_formulas=True)
    assert plain.split("\n")[1:6] == ["=1+1,-1", "+1,-1", "-1,-1", "@x,-1", "'=1,-1"]
    assert escaped.split("\n")[1:6] == ["'=1+1,-1", "'+1,-1", "'-1,-1", "'@x,-1", "''=1,-1"]


def test_nothing_lies_beside_the_file_afterwards(case: Case) -> None:
    for mode in sorted(WriteMode(name) for name in ("append", "replace", "upsert")):
        deliver(case, job(case, PEOPLE, mode, f"run-{mode}"), [part(PEOPLE, [person(ord(mode[0]))])])
        assert hidden(case) == []


def test_an_append_keeps_the_old_content_and_reads_back_only_its_own_rows(case: Case) -> None:
    deliver(case, job(case, PEOPLE, WriteMode.APPEND), [part(PEOPLE, [person(1), person(2)])])
    receipt = deliver(case, job(case, PEOPLE, WriteMode.APPEND, "run2"), [part(PEOPLE, [person(1, "again")])])
    assert (receipt.level, receipt.read_back, receipt.equal) == (VerifyLevel.CONTENT, 1, True)
    assert case.count() == 3


def test_an_append_follows_the_columns_of_the_file(case: Case) -> None:
    deliver(case, job(case, PEOPLE, WriteMode.APPEND), [part(PEOPLE, [person(1)])])
    turned = tuple(reversed(PEOPLE))
    receipt = deliver(case, job(case, turned, WriteMode.APPEND, "run2"), [part(turned, [(Decimal(7), "b", 2)])])
    assert receipt.equal
    info = case.destination.inspect(case.target)
    assert info is not None
    assert [column.name for column in info.columns] == ["id", "name", "score"]


def test_an_upsert_keeps_the_old_rows_places(tmp_path: Path) -> None:
    case = file_case(CsvFile(), tmp_path / "out.csv")
    deliver(case, job(case, PEOPLE, WriteMode.UPSERT), [part(PEOPLE, [person(3), person(1), person(2)])])
    changed = [part(PEOPLE, [person(9, "z"), person(1, "changed"), person(8, "y")])]
    deliver(case, job(case, PEOPLE, WriteMode.UPSERT, "run2"), changed)
    assert (tmp_path / "out.csv").read_text().split("\n") == [
        "id,name,score", "3,n,1.50", "1,changed,1.50", "2,n,1.50", "9,z,1.50", "8,y,1.50", "",
    ]  # fmt: skip


def test_a_key_that_comes_twice_is_refused_and_the_other_rows_land(case: Case) -> None:
    parts = [part(PEOPLE, [person(1), person(2), person(1)]), part(PEOPLE, [person(2), person(3)], first_row=4)]
    with Delivery(case.destination, job(case, PEOPLE, WriteMode.UPSERT)) as delivery:
        delivery.open()
        delivery.load(enumerate(parts, 1), lambda chunk: None)
        delivery.publish()
        assert delivery.verify().equal
    assert [row.row for row in delivery.refused] == [3, 4]
    assert case.count() == 3


def test_columns_of_the_file_that_are_not_delivered_stop_the_run(case: Case) -> None:
    deliver(case, job(case, PEOPLE, WriteMode.APPEND), [part(PEOPLE, [person(1)])])
    before = Path(case.target.url).read_bytes()
    session = case.destination.session(job(case, PEOPLE[:2], WriteMode.APPEND, "run2"))
    with pytest.raises(RefusedError, match="score"):
        session.open()
    session.close()
    assert Path(case.target.url).read_bytes() == before


def test_a_replace_does_not_look_at_what_it_replaces(case: Case) -> None:
    Path(case.target.url).write_bytes(b"\x00\xffno such format")
    receipt = deliver(case, job(case, PEOPLE, WriteMode.REPLACE), [part(PEOPLE, [person(1)])])
    assert receipt.equal
    assert case.count() == 1


def test_an_existing_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    for name in ("out.parquet", "out.json", "out.ndjson"):
        path = tmp_path / name
        path.write_bytes(b"\xff\xfe no such format")
        with pytest.raises(RefusedError, match="can't read"):
            DESTINATIONS[path.suffix]().inspect(Target(url=str(path)))


def test_a_link_stays_a_link_and_rights_stay(tmp_path: Path) -> None:
    real, link = tmp_path / "real.csv", tmp_path / "link.csv"
    real.write_text("id\n1\n")
    real.chmod(0o640)
    link.symlink_to(real)
    text_of(link, columns("id:integer"), [(2,)])
    assert link.is_symlink()
    assert real.read_text() == "id\n2\n"
    assert real.stat().st_mode & 0o777 == 0o640


def test_file_urls_are_paths(tmp_path: Path) -> None:
    case = Case(destination=CsvFile(), target=Target(url=f"file://{tmp_path}/a%20b.csv"), count=lambda: None)
    assert deliver(case, job(case, PEOPLE, WriteMode.REPLACE), [part(PEOPLE, [person(1)])]).equal
    assert (tmp_path / "a b.csv").exists()


def test_a_missing_folder_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path, message in ((tmp_path / "gone" / "out.csv", "does not exist"), (tmp_path, "is a folder")):
        case = file_case(CsvFile(), path)
        session = case.destination.session(job(case, PEOPLE, WriteMode.REPLACE))
        with pytest.raises(RefusedError, match=message):
            session.open()
        session.close()


@pytest.mark.parametrize("mode", [WriteMode.APPEND, WriteMode.UPSERT])
def test_a_run_killed_after_the_rename_is_found_published(case: Case, mode: WriteMode) -> None:
    deliver(case, job(case, PEOPLE, mode, "run0"), [part(PEOPLE, [person(1), person(2)])])
    parts = [(1, part(PEOPLE, [person(2, "new"), person(3)]))]
    killed = Delivery(case.destination, job(case, PEOPLE, mode))
    killed.open()
    killed.load(parts, lambda chunk: None)
    published = killed.publish()
    left = killed._session  # the process ends here: nothing is closed, the lock frees itself
    assert isinstance(left, FileSession)
    left._lock.release()
    with Delivery(case.destination, job(case, PEOPLE, mode)) as delivery:
        opened = delivery.open()
        assert opened.published is not None
        assert (opened.published.inserted, opened.published.by_file) == (published.inserted, published.by_file)
        receipt = delivery.verify()
    assert (receipt.level, receipt.equal, receipt.read_back) == (VerifyLevel.CONTENT, True, 2)
    assert case.count() == (4 if mode == WriteMode.APPEND else 3)
    assert hidden(case) == []


def test_a_run_killed_before_the_rename_is_not_taken_for_published(case: Case) -> None:
    deliver(case, job(case, PEOPLE, WriteMode.APPEND, "run0"), [part(PEOPLE, [person(1)])])
    path = Path(case.target.url)
    before = path.read_bytes()
    killed = Delivery(case.destination, job(case, PEOPLE, WriteMode.APPEND))
    killed.open()
    killed.load([(1, part(PEOPLE, [person(2)]))], lambda chunk: None)
    killed.publish()
    path.write_bytes(before)  # as if the rename had not happened: the record lies there, the content does not
    left = killed._session
    assert isinstance(left, FileSession)
    left._lock.release()
    with Delivery(case.destination, job(case, PEOPLE, WriteMode.APPEND)) as delivery:
        assert delivery.open().published is None
        delivery.load([(1, part(PEOPLE, [person(2)]))], lambda chunk: None)
        delivery.publish()
        assert delivery.verify().equal
    assert case.count() == 2
    assert hidden(case) == []


def test_unfinished_content_of_dead_runs_is_cleared(case: Case) -> None:
    path = Path(case.target.url)
    hidden_path(path, "run", "dead").write_bytes(b"half of a file")
    hidden_path(path, "run", "dead", "rows").mkdir()
    deliver(case, job(case, PEOPLE, WriteMode.REPLACE), [part(PEOPLE, [person(2)])])
    assert hidden(case) == []


def test_five_hundred_columns_are_delivered(case: Case) -> None:
    given = columns(*(f"column {number}:text" for number in range(500)))
    rows = [tuple(f"{row} {number}" for number in range(500)) for row in range(20)]
    assert deliver(case, job(case, given, WriteMode.REPLACE), [part(given, rows)]).equal


def test_text_with_nul_is_a_misfit_of_csv_only(case: Case) -> None:
    given = columns("t:text")
    with Delivery(case.destination, job(case, given, WriteMode.REPLACE)) as delivery:
        delivery.open()
        delivery.load([(1, part(given, [("a\0b",), ("c",)]))], lambda chunk: None)
        delivery.publish()
        assert delivery.verify().equal
    codes = [problem.code for row in delivery.refused for problem in row.problems]
    assert codes == (["unsupported_character"] if case.target.url.endswith(".csv") else [])


def test_nan_is_a_misfit_of_json_only(case: Case) -> None:
    given = columns("f:float")
    with Delivery(case.destination, job(case, given, WriteMode.REPLACE)) as delivery:
        delivery.open()
        delivery.load([(1, part(given, [(float("nan"),), (2.5,)]))], lambda chunk: None)
        delivery.publish()
        assert delivery.verify().equal
    assert len(delivery.refused) == ("json" in case.target.url.rpartition(".")[2])


def test_json_of_others_is_read_for_an_upsert(tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    path.write_text('[{"id": 1, "name": "a", "score": 1.5},\n {"id": 2,\n "name": "b", "score": 2}]')
    case = file_case(NdjsonFile(), path)
    receipt = deliver(case, job(case, PEOPLE, WriteMode.UPSERT), [part(PEOPLE, [person(2, "B")])])
    assert (receipt.updated, receipt.equal) == (1, True)
    assert json.loads(path.read_text()) == [
        {"id": 1, "name": "a", "score": 1.5}, {"id": 2, "name": "B", "score": 1.5},
    ]  # fmt: skip


def test_an_append_to_a_file_without_final_line_end_starts_a_new_line(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("id,name,score\n1,a,1.50")
    case = file_case(CsvFile(), path)
    assert deliver(case, job(case, PEOPLE, WriteMode.APPEND), [part(PEOPLE, [person(2)])]).equal
    assert path.read_text() == "id,name,score\n1,a,1.50\n2,n,1.50\n"


def test_lines_of_others_with_unexpected_kinds_of_values_are_read_too(tmp_path: Path) -> None:
    path = tmp_path / "out.ndjson"
    path.write_text('{"id": 1, "name": 12.50, "score": "1.5", "id2": 0}\n\n{"id": "2", "name": {"a": 1}}\n')
    read = [row for table in NdjsonForm(Target(url=str(path))).read(path, PEOPLE) for row in table.to_pylist()]
    assert read == [{"id": 1, "name": "12.50", "score": Decimal("1.50")}, {"id": 2, "name": '{"a":1}', "score": None}]


def test_a_session_may_be_opened_again_by_its_holder(case: Case) -> None:
    session = case.destination.session(job(case, PEOPLE, WriteMode.REPLACE))
    try:
        assert session.open() == session.open()
    finally:
        session.close()
    assert hidden(case) == []
