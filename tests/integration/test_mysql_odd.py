"""Columns of bytes, bits and single precision in MySQL and MariaDB: what they keep exactly is delivered, the rest rejected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loadlock.delivery.base import Target
from loadlock.delivery.deliver import Delivery
from loadlock.delivery.destinations.mysql import MysqlDestination
from loadlock.model import WriteMode
from loadlock.testing.contracts.cases import Case, columns, ignore, job, part
from loadlock.testing.databases import ask

SERVERS = [pytest.param(name, marks=pytest.mark.mysql) for name in ("mysql", "mysql_lts")]
TABLE = (
    "create table t (id int primary key, b blob, v varbinary(3), f binary(2), bits bit(9), mask bit(40), flag bit(1),"
    " r float)"
)
GIVEN = ("id:integer", "b:text", "v:text", "f:text", "bits:text", "mask:integer", "flag:boolean", "r:float")
RIGHT: list[tuple[Any, ...]] = [
    (1, "0x00ff10", "0x", "0x0a00", "000000101", 2**40 - 1, True, 1.1),
    (2, "0x", "0xabcdef", "0x0000", "111111111", 0, False, -3.4e38),
    (3, None, None, None, None, None, None, None),
    (4, "0x5c27090a1a", "0x27", "0x5c6e", "000000000", 7, True, 1.5e-38),
    (5, "0x41", "0x42", "0x4344", "100000000", 1, False, 16777216.0),
]
WRONG: dict[int, tuple[Any, ...]] = {
    11: ("abc", None, None, None, None, None, None),
    12: ("0xABCD", None, None, None, None, None, None),
    13: (None, "0x00112233", None, None, None, None, None),
    14: (None, None, "0x00", None, None, None, None),
    15: (None, None, None, "101", None, None, None),
    16: (None, None, None, None, 2**40, None, None),
    17: (None, None, None, None, None, None, 0.123456789),
    18: (None, None, None, None, None, None, 1e300),
    19: (None, None, None, "000000102", None, None, None),
}


@pytest.fixture(params=SERVERS)
def url(request: pytest.FixtureRequest) -> str:
    return str(request.getfixturevalue(request.param))


@pytest.mark.parametrize("load_data", [True, False])
@pytest.mark.parametrize("mode", [WriteMode.APPEND, WriteMode.UPSERT, WriteMode.MIRROR])
def test_what_is_kept_exactly_is_delivered_and_the_rest_is_rejected(
    url: str, mode: WriteMode, load_data: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    from loadlock.delivery.destinations import _mysql_send

    if not load_data:
        monkeypatch.setattr(_mysql_send.Sender, "_load", _mysql_send.Sender._insert)
    ask(url, TABLE)
    place = Case(destination=MysqlDestination(), target=Target(url=url, table="t"), count=lambda: None)
    given = columns(*GIVEN, key=("id",) if mode.by_key else ())
    rows = RIGHT + [(number, *values) for number, values in WRONG.items()]
    with Delivery(place.destination, job(place, given, mode)) as delivery:
        delivery.open()
        delivery.load([(1, part(given, rows, first_row=0))], ignore)
        delivery.publish()
        receipt = delivery.verify()
    assert {rows[one.row][0] for one in delivery.refused} == set(WRONG)
    assert (receipt.inserted, receipt.equal, str(receipt.level)) == (len(RIGHT), True, "content")
    found = ask(url, "select id, hex(b), hex(v), hex(f), bits + 0, mask + 0, flag + 0 from t order by id")
    assert [tuple(map(str, row)) for row in found][:2] == [
        ("1", "00FF10", "", "0A00", "5", str(2**40 - 1), "1"),
        ("2", "", "ABCDEF", "0000", "511", "0", "0"),
    ]
    assert ask(url, "select count(*) from t where id = 1 and r + 0e0 = 1.100000023841858e0") in ([(1,)], [("1",)])


def test_a_changed_byte_bit_or_number_is_an_update_and_found_by_the_read_back(url: str, tmp_path: Path) -> None:
    ask(url, TABLE)
    place = Case(destination=MysqlDestination(), target=Target(url=url, table="t"), count=lambda: None)
    given = columns(*GIVEN, key=("id",))
    for run, last, updated in (("run1", RIGHT[0], 0), ("run2", (*RIGHT[0][:7], 1.2), 1)):
        with Delivery(place.destination, job(place, given, WriteMode.UPSERT, run)) as delivery:
            delivery.open()
            delivery.load([(1, part(given, [last, *RIGHT[1:]], first_row=0))], ignore)
            assert delivery.publish().updated == updated
            if run == "run2":
                ask(url, "update t set b = x'00fe10' where id = 1")
            assert delivery.verify().equal is (run == "run1")
