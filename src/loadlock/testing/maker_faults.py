"""Which records of the maker are bad, and how: at most one fault a record, so that the reason is known for sure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loadlock.testing.maker_values import Values

INVALID_VALUES = (
    ("amount", "twelve", "not_decimal"),
    ("amount", "12..3", "not_decimal"),
    ("ordered_on", "2024-13-45", "not_date"),
    ("ordered_on", "31.02.2024", "not_date"),
    ("ordered_on", "soon", "not_date"),
    ("quantity", "many", "not_integer"),
    ("quantity", "-5", "out_of_bounds"),
    ("quantity", "99999", "out_of_bounds"),
    ("email", "user.example.com", "not_email"),
    ("email", "a@b@example.com", "not_email"),
    ("status", "unknown", "not_in"),
    ("country", "Germany", "not_in"),
    ("paid", "perhaps", "not_boolean"),
    ("order_id", "", "required"),
)
"""(column, value, code): values that a rule, type or check must refuse."""

CSV_FAULTS = {
    "missing_field": 0.0015,
    "extra_field": 0.0015,
    "stray_quote": 0.0005,
    "open_quote": 0.0005,
    "cp1252": 0.001,
    "invalid": 0.005,
    "duplicate": 0.002,
}
"""Kind of fault → share of the records, as in docs/performance.md. `cp1252` rows are good rows."""
REJECTED_AT_INTAKE = {
    "missing_field": "field_count",
    "extra_field": "field_count",
    "stray_quote": "stray_quote",
    "open_quote": "open_quote",
    "nul": "nul_byte|invalid_json",
    "broken_json": "invalid_json",
    "cut_json": "invalid_json|truncated",
}
"""Kind of fault → code; alternatives are separated by `|`."""


@dataclass
class Faults:
    """Deals faults to the records of one batch and remembers the good ids, which duplicates repeat."""

    rng: np.random.Generator
    good_ids: list[pa.Array] = field(default_factory=list)

    def deal(self, values: Values, shares: Mapping[str, float]) -> dict[str, np.ndarray[Any, Any]]:
        """Choose records for each kind of fault and change the values of those that need it; returns kind → records."""
        count = len(values.clean["order_id"])
        draw, start, chosen = self.rng.random(count), 0.0, {}
        for kind, share in shares.items():
            chosen[kind] = np.flatnonzero((draw >= start) & (draw < start + share))
            start += share
        good = np.flatnonzero(draw >= start)
        for kind, records in chosen.items():
            if kind == "invalid":
                self._invalidate(values, records)
            elif kind == "duplicate":
                chosen[kind] = self._repeat(values, records, good)
            else:
                # one physical line: the place of the fault is then beyond doubt
                _put(values.dirty, "note", records, ["plain"] * len(records))
                _put(values.clean, "note", records, ["plain"] * len(records))
        self.good_ids.append(values.clean["order_id"].take(pa.array(good)))
        return chosen

    def _invalidate(self, values: Values, records: np.ndarray[Any, Any]) -> None:
        kinds = self.rng.integers(0, len(INVALID_VALUES), len(records))
        for number, (column, text, code) in enumerate(INVALID_VALUES):
            found = records[kinds == number]
            _put(values.dirty, column, found, [text] * len(found))
            values.codes.update(dict.fromkeys(found.tolist(), (code, column)))

    def _repeat(
        self, values: Values, records: np.ndarray[Any, Any], good: np.ndarray[Any, Any]
    ) -> np.ndarray[Any, Any]:
        """Give records the id of an earlier good record, of this block or of one before."""
        own = values.clean["order_id"]
        ids, repeated = [], []
        for record in records.tolist():
            earlier = int(np.searchsorted(good, record))
            block = self.good_ids[int(self.rng.integers(len(self.good_ids)))] if self.good_ids else None
            if block is not None and len(block) and self.rng.random() < 0.5:
                ids.append(block[int(self.rng.integers(len(block)))].as_py())
            elif earlier:
                ids.append(own[int(good[self.rng.integers(earlier)])].as_py())
            else:
                continue
            repeated.append(record)
            values.codes[record] = ("not_unique", "order_id")
        found = np.array(repeated, np.int64)
        _put(values.dirty, "order_id", found, ids)
        return found


def _put(columns: dict[str, pa.Array], name: str, records: np.ndarray[Any, Any], texts: list[str]) -> None:
    """Replace values of one column, records in ascending order."""
    if len(records):
        mask = np.zeros(len(columns[name]), bool)
        mask[records] = True
        columns[name] = pc.replace_with_mask(columns[name], pa.array(mask), pa.array(texts, pa.string()))
