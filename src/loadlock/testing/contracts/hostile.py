"""Names and values that look like something else: they arrive as they are, or are rejected with a reason, in every mode.

class TestMine(HostileContract):
    @pytest.fixture
    def case(self, tmp_path): ...
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from loadlock.delivery.base import Target
from loadlock.delivery.deliver import Delivery
from loadlock.delivery.names import TableName
from loadlock.model import VerifyLevel, WriteMode
from loadlock.testing.contracts.destinations import HOSTILE_NAME, HOSTILE_TEXTS, Case, columns, job, part

MEGABYTE = 1 << 20
TEXTS = (
    *HOSTILE_TEXTS, "nul \0 nul", "\\copy people from program 'x'", "\\", "'", "''; --", "${HOME}", "$$ $1 $$", "{0} {}",
    "\x7f\x80\x9f", "\u202e\u200b\ufeff", "=1+1", "@x", "load data infile", "\u00e4" * (MEGABYTE // 2),
    "\U0001f600" * 1000, "\\x41", "\t", "\n", "\r",
)  # fmt: skip
KEYS = tuple(f"{text[:60]} {number}" for number, text in enumerate(TEXTS))
"""The same as parts of a key, each once."""
COLUMNS = columns(
    "id:integer", f"{HOSTILE_NAME}:text", "select:text", "Größe 😀 €:text", "a.b:text", "%s {x} $1:text", "_new:text", key=("id",)
)  # fmt: skip
BMP_COLUMNS = columns(
    "id:integer", f"{HOSTILE_NAME}:text", "select:text", "Größe €:text", "a.b:text", "%s {x} $1:text", "_new:text", key=("id",)
)  # fmt: skip


class HostileContract:
    """Subclass it and define the fixture `case`; `bmp_names` where names hold no character beyond the BMP."""

    bmp_names = False

    @pytest.mark.parametrize("mode", list(WriteMode))
    def test_hostile_names_and_values_arrive_as_they_are_or_are_rejected(self, case: Case, mode: WriteMode) -> None:
        if mode not in case.destination.capabilities.modes:
            pytest.skip(f"{case.destination.name} has no mode {mode}")
        given = BMP_COLUMNS if self.bmp_names else COLUMNS
        limit = case.destination.capabilities.text_chars
        rows = [(number, *[text[:limit]] * (len(given) - 1)) for number, text in enumerate(TEXTS)]
        work = job(case, given, mode, target=self._target(case))
        with Delivery(case.destination, work) as delivery:
            delivery.open()
            delivery.load([(1, part(given, rows))], lambda _: None)
            delivery.publish()
            receipt = delivery.verify()
        assert (receipt.level, receipt.equal) == (VerifyLevel.CONTENT, True)
        assert receipt.read_back == len(rows) - len(delivery.refused)
        assert {len(TEXTS[row.row - 1].split("\0")) for row in delivery.refused} <= {2}, "only NUL may be rejected"
        for row in delivery.refused:
            assert "NUL" in row.problem.message
            assert row.problem.column in {column.name for column in given}

    @pytest.mark.parametrize("mode", [mode for mode in WriteMode if mode.by_key])
    def test_hostile_texts_can_be_keys(self, case: Case, mode: WriteMode) -> None:
        if mode not in case.destination.capabilities.modes:
            pytest.skip(f"{case.destination.name} has no mode {mode}")
        given = columns(f"{HOSTILE_NAME}:text", "v:text", key=(HOSTILE_NAME,))
        for run, value in (("run1", "old"), ("run2", "new")):
            rows: list[tuple[Any, ...]] = [(key, value) for key in KEYS if "\0" not in key]
            with Delivery(case.destination, job(case, given, mode, run, target=self._target(case))) as delivery:
                delivery.open()
                delivery.load([(1, part(given, rows))], lambda _: None)
                published = delivery.publish()
                receipt = delivery.verify()
            assert delivery.refused == []
            assert receipt.equal is not False
        kept = published.updated + published.unchanged + min(published.deleted, published.inserted)
        assert kept == len(rows), "each key meets its own row again"

    def _target(self, case: Case) -> Target:
        """A table whose name is hostile too; files have none."""
        if case.target.table is None:
            return case.target
        schema = case.target.table.rpartition(".")[0] or None
        return replace(case.target, table=TableName(schema=schema, table='x\'; drop table "people"; --`').written())
