"""The hashing beside a delivery to MySQL: bounded, and never the end of a delivery."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from loadlock.delivery.destinations._mysql_proof import Proof
from loadlock.delivery.destinations._mysql_types import CatalogColumn, CatalogTable
from loadlock.testing.contracts.cases import columns

_NUMBER = CatalogColumn(
    name="n", type="int", shown_type="int", nullable=True, has_default=False, generated=False, max_chars=None,
    max_bytes=None, precision=None, scale=None, fraction=None, charset=None,
)  # fmt: skip
TABLE = CatalogTable(kind="BASE TABLE", engine="InnoDB", columns=(_NUMBER,), unique=())
ROWS = pa.table({"n": pa.array([1, 2], pa.int64())})


@pytest.fixture
def proof() -> Iterator[Proof]:
    made = Proof(TABLE, columns("n:integer"))
    yield made
    made.close()


def test_pieces_that_are_refused_do_not_wait_to_be_hashed(proof: Proof, monkeypatch: pytest.MonkeyPatch) -> None:
    gate, hashed = threading.Event(), []
    summed = proof._sum

    def held(rows: pa.Table) -> Any:
        gate.wait(10)
        hashed.append(rows.num_rows)
        return summed(rows)

    monkeypatch.setattr(proof, "_sum", held)
    for _ in range(50):
        with pytest.raises(ZeroDivisionError), proof.sending(ROWS):
            1 / 0  # noqa: B018
    with proof.sending(ROWS):
        pass
    gate.set()
    assert (proof.wanted() or ())[0] == 2
    assert len(hashed) <= 2


def test_whatever_goes_wrong_in_the_thread_proves_nothing(proof: Proof, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: pa.Table) -> Any:
        raise MemoryError

    monkeypatch.setattr(proof, "_sum", fails)
    with proof.sending(ROWS):
        pass
    assert proof.wanted() is None
