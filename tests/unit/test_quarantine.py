"""Reading, counting, completing and exporting rejects."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from loadlock.model import Problem, SourceFile, Stage
from loadlock.quarantine import read
from loadlock.quarantine.read import ALL, RejectFilter, count_rejects, fill_raw, filter_rejects, reject_rows
from loadlock.rows import RAW_LIMIT, Place, reject, reject_schema, reject_table

NOT_DATE = Problem(code="not_date", column="day", value="31/02", message="is no date")
REQUIRED = Problem(code="required", column="name", message="is missing")
FIELDS = Problem(code="field_count", message="3 fields, not 2")


def row(number: int, *problems: Problem, stage: Stage = Stage.CLEANUP, file: int = 0, **changes: Any) -> dict[str, Any]:
    place = {"line": number + 1, "offset": number * 10, "length": 10, "sub": 0}
    place |= {name: changes.pop(name) for name in place if name in changes}
    changes.setdefault("values", {"day": "31/02", "name": None})
    where = Place(file=file, source_file=f"{file}.csv", row=number, **place)
    return reject(where, problems=problems, stage=stage, **changes)


def as_json(*rows: dict[str, Any], wanted: RejectFilter = ALL) -> list[dict[str, Any]]:
    return list(reject_rows([reject_table(rows)], batch="b1", run="r1", wanted=wanted))


# the JSON of the contract


def test_a_reject_has_the_fields_of_the_contract() -> None:
    assert as_json(row(7, NOT_DATE, REQUIRED, raw="31/02,größe\n".encode())) == [
        {
            "batch": "b1",
            "run": "r1",
            "file": "0.csv",
            "row": 7,
            "line": 8,
            "offset": 70,
            "length": 10,
            "stage": "cleanup",
            "state": "open",
            "problems": [
                {"code": "not_date", "column": "day", "value": "31/02", "message": "is no date"},
                {"code": "required", "column": "name", "value": None, "message": "is missing"},
            ],
            "values": {"day": "31/02", "name": None},
            "raw": "31/02,größe\n",
        }
    ]


def test_a_row_of_an_exploded_record_says_which() -> None:
    first, second = as_json(row(1, REQUIRED), row(1, REQUIRED, sub=2))
    assert "sub" not in first
    assert second["sub"] == 2


def test_bytes_that_do_not_decode_come_as_base64() -> None:
    (found,) = as_json(row(1, FIELDS, values=None, raw=b"\xff\x00"))
    assert found["raw"] is None
    assert base64.b64decode(found["raw_base64"]) == b"\xff\x00"
    assert found["values"] is None


@pytest.mark.parametrize("character", ["é", "€", "😀"])
def test_a_cut_through_a_character_is_still_text(character: str) -> None:
    # one byte, so that the limit falls into a character
    (found,) = as_json(row(1, FIELDS, raw=("x" + character * RAW_LIMIT).encode()))
    assert found["raw_truncated"] is True
    assert found["raw"] == "x" + character * ((RAW_LIMIT - 1) // len(character.encode()))


def test_a_place_and_raw_text_that_are_not_known_are_null() -> None:
    (found,) = as_json(row(1, FIELDS, line=None, offset=None, length=None))
    assert (found["line"], found["offset"], found["length"], found["raw"]) == (None, None, None, None)
    assert "raw_truncated" not in found
    assert "raw_base64" not in found


# filters


REJECTS = (
    row(1, NOT_DATE),
    row(2, REQUIRED, Problem(code="not_date", column="other", message="is no date")),
    row(3, FIELDS, stage=Stage.INTAKE, file=1),
    row(4, NOT_DATE, NOT_DATE, REQUIRED, file=1),
    row(5),
)


@pytest.mark.parametrize(
    ("wanted", "rows"),
    [
        (RejectFilter(), [1, 2, 3, 4, 5]),
        (RejectFilter(code="not_date"), [1, 2, 4]),
        (RejectFilter(column="name"), [2, 4]),
        (RejectFilter(code="not_date", column="day"), [1, 4]),
        (RejectFilter(code="required", column="day"), []),
        (RejectFilter(file="1.csv"), [3, 4]),
        (RejectFilter(stage="intake"), [3]),
        (RejectFilter(stage="cleanup", file="1.csv", code="required"), [4]),
        (RejectFilter(limit=2), [1, 2]),
        (RejectFilter(code="not_date", limit=2), [1, 2]),
        (RejectFilter(limit=0), []),
        (RejectFilter(code="unknown"), []),
    ],
)
def test_a_filter_names_rejects_by_one_and_the_same_problem(wanted: RejectFilter, rows: list[int]) -> None:
    assert [found["row"] for found in as_json(*REJECTS, wanted=wanted)] == rows


def test_the_limit_holds_over_all_parts() -> None:
    tables = [reject_table(REJECTS[:2]), reject_table([]), reject_table(REJECTS[2:])]
    found = reject_rows(tables, batch="", run="", wanted=RejectFilter(limit=3))
    assert [reject["row"] for reject in found] == [1, 2, 3]


def test_a_slice_of_a_table_is_filtered_by_its_own_rows() -> None:
    table = pa.concat_tables([reject_table(REJECTS), reject_table(REJECTS)]).slice(3, 4)
    assert filter_rejects(table, RejectFilter(code="not_date"))["_row"].to_pylist() == [4, 1, 2]
    assert count_rejects(table)["cleanup", "not_date", "day"] == 2


# counts


def test_a_reject_counts_once_for_each_code_and_column() -> None:
    assert count_rejects(reject_table(REJECTS)) == {
        ("cleanup", "not_date", "day"): 2,
        ("cleanup", "required", "name"): 2,
        ("cleanup", "not_date", "other"): 1,
        ("intake", "field_count", ""): 1,
    }


def test_no_rejects_count_nothing() -> None:
    assert count_rejects(reject_table([])) == {}
    assert count_rejects(reject_table([row(1)])) == {}


def test_the_counts_of_many_rejects_add_up() -> None:
    table = pa.concat_tables([reject_table(REJECTS)] * 1000)
    assert count_rejects(table)["cleanup", "not_date", "day"] == 2000


# raw text from the kept bytes


class Store:
    """Kept bytes of files, by digest."""

    def __init__(self, **contents: bytes) -> None:
        self.contents = contents

    def has(self, file: SourceFile) -> bool:
        return file.sha256 in self.contents

    def slices(
        self, file: SourceFile, offsets: np.ndarray[Any, Any], lengths: np.ndarray[Any, Any], limit: int = RAW_LIMIT
    ) -> list[bytes]:
        content = self.contents[file.sha256]
        return [content[at : at + min(length, limit)] for at, length in zip(offsets, lengths, strict=True)]


def source_files(*digests: str) -> dict[int, SourceFile]:
    return {
        index: SourceFile(index=index, path="", name="", size_bytes=0, sha256=digest)
        for index, digest in enumerate(digests)
    }


def raws(
    rows: Sequence[dict[str, Any]], store: Store, files: Mapping[int, SourceFile]
) -> list[tuple[bytes | None, bool]]:
    table = fill_raw(reject_table(rows), store, files)
    assert table.schema == reject_schema()
    return list(zip(table["raw"].to_pylist(), table["raw_truncated"].to_pylist(), strict=True))


def test_missing_raw_text_is_cut_from_each_file() -> None:
    rows = [
        row(1, FIELDS, offset=2, length=3),
        row(1, FIELDS, file=1, offset=0, length=2),
        row(2, FIELDS, raw=b"own"),
        row(3, FIELDS, offset=0, length=1),
    ]
    store = Store(a=b"0123456789", b="größe".encode())
    assert raws(rows, store, source_files("a", "b")) == [
        (b"234", False),
        (b"gr", False),
        (b"own", False),
        (b"0", False),
    ]


def test_raw_text_is_cut_at_the_limit() -> None:
    store = Store(a=b"x" * (RAW_LIMIT + 5))
    rows = [row(1, FIELDS, offset=0, length=RAW_LIMIT + 1), row(2, FIELDS, offset=5, length=RAW_LIMIT)]
    assert raws(rows, store, source_files("a")) == [(b"x" * RAW_LIMIT, True), (b"x" * RAW_LIMIT, False)]


def test_rows_of_formats_without_places_show_their_values_as_raw_text() -> None:
    rows = [row(1, FIELDS, offset=None, length=None, values={"a": "1"}), row(2, FIELDS, offset=None, values=None)]
    assert raws(rows, Store(), {}) == [(b'{"a": "1"}', False), (None, False)]


def test_raw_text_stays_null_where_place_or_bytes_are_unknown() -> None:
    rows = [
        row(1, FIELDS, offset=None, values=None),
        row(2, FIELDS, length=None),
        row(3, FIELDS, file=1),
        row(4, FIELDS, file=9),
    ]
    assert raws(rows, Store(a=b"x" * 99), source_files("a", "gone")) == [(None, False)] * 4


def test_raw_text_of_all_rejects_together_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "RAW_TOTAL", 20)
    rows = [row(number, FIELDS, offset=0, length=10) for number in range(4)]
    found = raws(rows, Store(a=b"x" * 10), source_files("a"))
    assert [raw is None for raw, _ in found] == [False, False, True, True]


def test_without_rejects_nothing_is_asked_for() -> None:
    assert fill_raw(reject_table([]), Store(), {}).num_rows == 0
