"""The digest: fixed test vectors, an independent reference, and what it must not depend on."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from loadlock import digest
from loadlock.digest import MODULUS, canonical_json, digest_table, schema_seed, to_hex
from loadlock.types import ColumnType

# one column named v with one value → digest; also in docs/reference/digest.md
VECTORS: list[tuple[str, Any, str]] = [
    ("text", "a", "0cd57cd396c6d9f9f056907f25d41865"),
    ("text", "", "f36b0d5facee92bcb7edced2dc495e4c"),
    ("text", None, "a462925851af79af9bcd0cf19a078ad4"),
    ("text", "\\N", "206ef724eaa06b10ba2985eb0c4d101a"),
    ("text", "a\x1fb", "ace5fb3feb2db845f2ee1bdb885077ec"),
    ("text", "\u00e9", "a1b328f8424d259e54f8524c0156426a"),
    ("text", "e\u0301", "7fb128cff01a5560140819cdbb29d81a"),
    ("integer", 0, "40080f854e07ce95683f11cd1f85658d"),
    ("integer", -1, "02ff4c3fb0dddafdbd2218782e7220de"),
    ("integer", 9223372036854775807, "fc3558253f1c2593734b36676572089a"),
    ("decimal(12,2)", Decimal("1.10"), "8bdcbf5d0f1950434b3d652fcc801cd8"),
    ("decimal(12,2)", Decimal("-0.00"), "5b16d68792c6caa293ce4905138f97eb"),
    ("decimal(38,10)", Decimal("1234567890123456789012345678.0000000001"), "7c1748a0e464fbaa03346c3476becfb5"),
    ("float", 1.5, "24a5341084c2b380ebe5e764dec7f70c"),
    ("float", -0.0, "1a3724d66593ae324e6efeca791844bc"),
    ("float", 0.0, "1a3724d66593ae324e6efeca791844bc"),
    ("float", float("nan"), "ac55d1a22cc4aede54f3b39c949ba336"),
    ("float", 1e300, "bb92d73084f3810e58a83111ba0d760c"),
    ("boolean", True, "def5c3e6ac92ba51a1f266f95208e010"),
    ("boolean", False, "255ccd0f20fd2340ed93ef2f10e8a99a"),
    ("date", date(2024, 2, 29), "9d000bc5e9d3d704a0007e998e954d75"),
    ("date", date(1, 1, 1), "80195e03f188061061e0ff3c9321a230"),
    ("time", time(23, 59, 59, 999999), "2afb928c0f99055be944eb000a851650"),
    ("timestamp", datetime(2024, 1, 2, 3, 4, 5, 678901), "acb24f23af8fd3241cc290409d6843a7"),
    (
        "timestamptz",
        datetime(2024, 1, 2, 3, 4, 5, tzinfo=timezone(timedelta(hours=2))),
        "6bb21d141f523e20289b9f01170d22ce",
    ),
    ("timestamptz", datetime(2024, 1, 2, 1, 4, 5, tzinfo=UTC), "6bb21d141f523e20289b9f01170d22ce"),
    ("json", '{"b": 1.10, "a": [1e2, null]}', "398f5af6146a5858a2db23eed9c7f768"),
    ("json", '{"a":[100,null],"b":1.1}', "398f5af6146a5858a2db23eed9c7f768"),
    ("uuid", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", "6129d9d6f6bd0e0516da6f16ffb1bb83"),
    ("uuid", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11", "6129d9d6f6bd0e0516da6f16ffb1bb83"),
]

COLUMNS = [
    ("id", ColumnType.parse("integer")),
    ("name", ColumnType.parse("text")),
    ("_batch", ColumnType.parse("text")),
]


def rows(*pairs: tuple[int | None, str | None]) -> pa.Table:
    return pa.table(
        {
            "id": pa.array([number for number, _ in pairs], pa.int64()),
            "name": pa.array([name for _, name in pairs], pa.string()),
            "_batch": pa.array(["x"] * len(pairs), pa.string()),
        }
    )


def reference(*pairs: tuple[int | None, str | None]) -> int:
    """The page docs/reference/digest.md, in plain Python."""
    document = json.dumps([["id", "integer"], ["name", "text"]], separators=(",", ":"))
    seed = hashlib.md5(document.encode()).hexdigest()[:16]
    total = 0
    for number, name in pairs:
        texts = [None if number is None else str(number), name]
        if name is not None and ("\x1f" in name or name == "\\N"):
            body = "l" + "".join("~" if t is None else f"{len(t.encode())}:{t}" for t in texts)
        else:
            body = "p\x1f" + "\x1f".join("\\N" if t is None else t for t in texts)
        total += int.from_bytes(hashlib.md5((seed + body).encode()).digest(), "little")
    return total % MODULUS


@pytest.mark.parametrize(("kind", "value", "expected"), VECTORS)
def test_a_value_has_its_published_digest(kind: str, value: Any, expected: str) -> None:
    column = ColumnType.parse(kind)
    table = pa.table({"v": pa.array([value], column.arrow())})
    assert to_hex(digest_table(table, [("v", column)])) == expected


def test_the_digest_is_what_the_documentation_says() -> None:
    pairs = [(1, "a"), (None, None), (3, "\\N"), (4, "x\x1fy"), (5, "Łódź"), (5, "Łódź")]
    assert digest_table(rows(*pairs), COLUMNS) == reference(*pairs)


def test_neither_order_nor_the_cut_into_parts_matters() -> None:
    whole = digest_table(rows((1, "a"), (2, "b"), (3, "c")), COLUMNS)
    parts = digest_table(rows((3, "c")), COLUMNS) + digest_table(rows((2, "b"), (1, "a")), COLUMNS)
    assert whole == parts % MODULUS


def test_one_changed_cell_changes_the_digest() -> None:
    assert digest_table(rows((1, "a"), (2, "b")), COLUMNS) != digest_table(rows((1, "a"), (2, "B")), COLUMNS)


def test_a_value_cannot_move_into_its_neighbour() -> None:
    two = [("a", ColumnType.parse("text")), ("b", ColumnType.parse("text"))]

    def digest(a: str | None, b: str | None) -> int:
        return digest_table(pa.table({"a": pa.array([a], pa.string()), "b": pa.array([b], pa.string())}), two)

    rows_ = [
        ("x\x1f", "y"),
        ("x", "\x1fy"),
        ("x\x1fy", ""),
        ("x", "y"),
        (None, "y"),
        ("\\N", "y"),
        ("", "xy"),
        ("xy", ""),
    ]
    assert len({digest(a, b) for a, b in rows_}) == len(rows_)


def test_names_and_types_are_part_of_it() -> None:
    kinds = [("a", "text"), ("b", "text"), ("a", "integer")]
    assert len({schema_seed([(name, ColumnType.parse(kind))]) for name, kind in kinds}) == 3


def test_columns_of_lineage_are_left_out() -> None:
    table = rows((1, "a"))
    other = table.set_column(2, "_batch", pa.array(["another"]))
    assert digest_table(table, COLUMNS) == digest_table(other, COLUMNS)


@pytest.mark.parametrize("kinds", [["text"], ["text", "integer", "float", "date"]])
def test_rows_of_very_many_columns_are_hashed_alike(kinds: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    number = 2 * digest.GROUP + 7
    columns = [(f"c {place}", ColumnType.parse(kinds[place % len(kinds)])) for place in range(number)]
    some = {
        "text": ["a", None, "x\x1fy"],
        "integer": [1, None, 3],
        "float": [0.5, -0.0, None],
        "date": [date(2024, 1, 2)] * 3,
    }
    table = pa.table({name: pa.array(some[kind.kind], kind.arrow()) for name, kind in columns})
    assert digest.groups_of(columns) == 3
    in_groups = [digest_table(part, columns) for part in (table, table.slice(0, 1), table.slice(2))]
    monkeypatch.setattr(digest, "GROUP", number)
    assert digest.groups_of(columns) == 0
    assert in_groups == [digest_table(part, columns) for part in (table, table.slice(0, 1), table.slice(2))]


def test_an_empty_table_has_digest_zero() -> None:
    assert digest_table(rows(), COLUMNS) == 0


@pytest.mark.parametrize(
    ("left", "right"),
    [('{"a":1,"b":2}', '{"b": 2.0, "a": 1}'), ("[1e2]", "[100]"), ("0.0", "-0"), ('"\\u00e9"', '"é"'), ("1.50", "1.5")],
)
def test_equal_json_has_one_canonical_text(left: str, right: str) -> None:
    assert canonical_json(left) == canonical_json(right)


@pytest.mark.parametrize(
    ("left", "right"), [('"1"', "1"), ("null", '"null"'), ("[1,2]", "[2,1]"), ("1.1", "1.10000001")]
)
def test_different_json_stays_different(left: str, right: str) -> None:
    assert canonical_json(left) != canonical_json(right)


def test_the_documentation_holds_every_vector() -> None:
    page = (Path(__file__).parents[2] / "docs" / "reference" / "digest.md").read_text(encoding="utf-8")
    assert all(digest in page for _, _, digest in VECTORS)
    assert len(VECTORS) >= 20
