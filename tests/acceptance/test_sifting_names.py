"""Refused rows of tables whose columns are called like what looks for them."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from loadlock import Pipeline
from loadlock.delivery.deliver import Delivery
from loadlock.model import Chunk
from loadlock.testing.databases import ask


def test_rows_are_tried_in_the_server_whatever_their_columns_are_called(
    tmp_path: Path, postgres: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: list[int] = []
    send = Delivery.send

    def count(delivery: Delivery, chunk: Chunk, rows: pa.Table) -> None:
        sent.append(rows.num_rows)
        send(delivery, chunk, rows)

    monkeypatch.setattr(Delivery, "send", count)
    names = ("place", "row_number", "state", "said", "broken", "field", "d")
    columns = ", ".join(f"{name} int" for name in names)
    ask(postgres, f"create table p ({columns}, check (place <> 3))")
    lines = "".join(f"{number % 5}{',1' * 6}\n" for number in range(500))
    (tmp_path / "in.csv").write_text(",".join(names) + "\n" + lines, encoding="utf-8")
    (tmp_path / "p.yaml").write_text(
        f"pipeline: p\nsource: in.csv\ncolumns: {{{columns.replace(' int', ': integer')}}}\n"
        f'rejects: {{budget: {{percent: 100}}}}\ndestination: {{url: "{postgres}", table: p, undo: none}}\n',
        encoding="utf-8",
    )
    assert Pipeline.load(tmp_path / "p.yaml").run().status == "verified"
    assert ask(postgres, "select count(*) from p") == [(400,)]
    assert 0 < len(sent) < 10
