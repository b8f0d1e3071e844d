"""`rerun` after one rule was changed: from staging alone, touching only the rows that change, with true counts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest

from loadlock.testing.command import CommandLine

ROWS = "id,name,amount\n" + "".join(f"{n},name {n % 10},{n % 200}\n" for n in range(1, 1001))
PIPELINE = """pipeline: p
source: in.csv
columns:
  id: {type: integer, required: true}
  name: {rules: []}
  amount: {type: integer, checks: [{range: {max: 149}}]}
rejects: {budget: {percent: 50}}
destination: {url: "${TARGET}", table: t, mode: upsert, key: [id]}
"""


@pytest.fixture
def delivered(loadlock: CommandLine, postgres: str) -> Iterator[tuple[CommandLine, Any, str]]:
    """The command line after a run into PostgreSQL, a connection, and the batch; the source file is gone."""
    loadlock.environment["TARGET"] = postgres
    (loadlock.folder / "in.csv").write_text(ROWS, encoding="utf-8")
    (loadlock.folder / "p.yaml").write_text(PIPELINE, encoding="utf-8")
    batch = loadlock.json("run", "p.yaml", codes=[3])["batch"]
    (loadlock.folder / "in.csv").unlink()
    with closing(psycopg.connect(postgres, autocommit=True)) as connection:
        yield loadlock, connection, batch


def rows(connection: Any) -> dict[int, tuple[Any, ...]]:
    """Key → the row with the transaction that wrote it."""
    return {row[0]: row for row in connection.execute("select id, name, amount, xmin::text from t").fetchall()}


@pytest.mark.postgres
@pytest.mark.parametrize(
    ("old", "new", "counts"),
    [
        ("rules: []", "rules: [{replace: {old: name 3, new: third}}]", (0, 75, 675)),
        ("max: 149", "max: 159", (50, 0, 750)),
        ("rules: []", "rules: [trim]", (0, 0, 750)),
    ],
    ids=["values change", "rows are freed", "nothing changes"],
)
def test_only_what_changes_is_touched_and_the_counts_are_true(
    delivered: tuple[CommandLine, Any, str], old: str, new: str, counts: tuple[int, int, int]
) -> None:
    loadlock, connection, batch = delivered
    before = rows(connection)
    (loadlock.folder / "p.yaml").write_text(PIPELINE.replace(old, new), encoding="utf-8")
    foreseen = loadlock.json("preview", "p.yaml", "--batch", batch, codes=[0])
    done = loadlock.json("rerun", batch, codes=[0, 3])
    after = rows(connection)
    touched = {key for key, row in after.items() if before.get(key, (None,))[-1] != row[-1]}
    inserted = after.keys() - before.keys()
    updated = {key for key in touched - inserted if before[key][:-1] != after[key][:-1]}
    assert touched == inserted | updated
    assert (len(inserted), len(updated), len(after) - len(touched)) == counts
    assert tuple(done["balance"][name] for name in ("inserted", "updated", "unchanged")) == counts
    assert (foreseen["leave"]["rows"], foreseen["values"]["rows"]) == counts[:2]
    assert done["receipt"]["equal"] is True
