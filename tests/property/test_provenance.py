"""Cutting a source at a row's offset and length gives back the record. `make provenance` does it for a million rows."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from loadlock.testing.provenance import MAKERS, Found, Made, Record, examine


@pytest.mark.parametrize("place", range(len(MAKERS)))
def test_every_record_of_a_mixed_file_is_found_where_it_was_written(place: int, tmp_path: Path) -> None:
    made = MAKERS[place](2_000, random.Random(place))
    found = examine(made, tmp_path)
    rows = sum(record.is_row for record in made.records)
    assert found == Found(rows=rows, rejects=2_000 - rows, wrong=[])
    assert 0 < rows < 2_000


def test_a_record_that_is_not_where_it_should_be_is_told(tmp_path: Path) -> None:
    made = Made(name="a.csv", head=b"id,n\n", records=[Record(b"1,a", True, b"\n"), Record(b"2,b,c", True, b"\n")])
    found = examine(made, tmp_path)
    assert (found.rows, found.rejects) == (1, 1)
    assert found.wrong == ["a.csv: record 2 stands at (True, 3, 9, 5), was found at (False, 3, 9, 5): b'2,b,c'"]
