"""The maker's records as bytes: CSV and JSON, with the faults that are made of bytes."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loadlock.testing.maker_values import Values, Vocabulary, join

Chosen = Mapping[str, np.ndarray[Any, Any]]


@dataclass(frozen=True, kw_only=True)
class CsvShape:
    """How a CSV file is written: (column, name in the header) in order, delimiter, end of a record."""

    columns: Sequence[tuple[str, str]]
    delimiter: str = ","
    record_end: str = "\n"

    def header(self) -> str:
        return self.delimiter.join(name for _, name in self.columns) + self.record_end

    def render(self, rng: np.random.Generator, words: Vocabulary, values: Values, chosen: Chosen) -> pa.Array:
        """The records as a binary array, each with its end."""
        self._foreign(rng, words, values, chosen)
        fields = [self._quoted(values.dirty[column].fill_null("")) for column, _ in self.columns]
        lines = join(*(piece for field in fields for piece in (field, self.delimiter)))
        lines = join(pc.utf8_slice_codeunits(lines, 0, -1), self.record_end).cast(pa.binary())
        changed: dict[int, bytes] = {}
        note = [column for column, _ in self.columns].index("note")
        for kind, records in chosen.items():
            for record in records.tolist():
                row = [field[record].as_py() for field in fields]
                if (line := self._broken(rng, kind, row, note)) is not None:
                    changed[record] = line
        return replaced(lines, changed)

    def _foreign(self, rng: np.random.Generator, words: Vocabulary, values: Values, chosen: Chosen) -> None:
        """Rows that will be written in cp1252 get a name that is not ASCII."""
        records = chosen.get("cp1252", np.array([], np.int64))
        if len(records):
            names = [words.foreign_names[number] for number in rng.integers(0, len(words.foreign_names), len(records))]
            mask = np.zeros(len(values.dirty["customer"]), bool)
            mask[records] = True
            for columns in (values.dirty, values.clean):
                columns["customer"] = pc.replace_with_mask(columns["customer"], pa.array(mask), pa.array(names))

    def _broken(self, rng: np.random.Generator, kind: str, row: list[str], note: int) -> bytes | None:
        encoding = "utf-8"
        if kind == "missing_field":
            row = row[: int(rng.integers(3, len(row)))]
        elif kind == "extra_field":
            row = [*row, *["x"] * int(rng.integers(1, 4))]
        elif kind == "stray_quote":
            row[note] = ('say "hi" now', '"abc"def', '6" pipe')[int(rng.integers(3))]
        elif kind == "open_quote":
            row[note] = '"never closed'
        elif kind == "nul":
            row[note] = "a\0\0b"
        elif kind == "cp1252":
            encoding = "cp1252"
        else:
            return None
        return (self.delimiter.join(row) + self.record_end).encode(encoding)

    def _quoted(self, texts: pa.Array) -> pa.Array:
        special = pc.match_substring_regex(texts, f'[{re.escape(self.delimiter)}"\\n]')
        if not pc.any(special).as_py():
            return texts
        return pc.if_else(special, join('"', pc.replace_substring(texts, '"', '""'), '"'), texts)


@dataclass(frozen=True, kw_only=True)
class JsonShape:
    """How a JSON file is written: lines, or one array with some of its records over several lines."""

    is_array: bool

    def header(self) -> str:
        return "[\n" if self.is_array else ""

    def render(self, rng: np.random.Generator, words: Vocabulary, values: Values, chosen: Chosen) -> pa.Array:
        """The records as a binary array; each line of NDJSON has its end, records of an array have none."""
        count = len(values.dirty["order_id"])
        given = {column: _json_text(texts) for column, texts in values.dirty.items()}
        given["tags"] = values.dirty["tags"]
        quantity = values.dirty["quantity"]
        given["quantity"] = pc.if_else(pc.match_substring_regex(quantity, "^-?[0-9]+$"), quantity, given["quantity"])
        plain = pc.match_substring_regex(values.dirty["amount"], r"^[0-9]+\.[0-9]{2}$")
        given["amount"] = pc.if_else(plain, values.dirty["amount"], given["amount"])
        for word, written in (("TRUE", "true"), ("false", "false")):
            given["paid"] = pc.if_else(pc.equal(values.dirty["paid"], word), pa.scalar(written), given["paid"])
        unshipped = pc.equal(values.dirty["shipped_on"], "")
        given["shipped_on"] = pc.if_else(unshipped, pa.scalar("null"), given["shipped_on"])
        lines = _objects(given)
        if self.is_array:
            wide = pa.array(rng.random(count) < 0.02)
            spread = pc.replace_substring(lines, ',"amount"', ',\n  "amount"')
            lines = pc.if_else(wide, spread, lines)
        end = "" if self.is_array else "\n"
        changed = {
            record: self._broken(rng, kind, lines[record].as_py()) + end.encode()
            for kind, records in chosen.items()
            if kind in ("broken_json", "cut_json", "nul")
            for record in records.tolist()
        }
        return replaced(join(lines, end).cast(pa.binary()), changed)

    def _broken(self, rng: np.random.Generator, kind: str, text: str) -> bytes:
        if kind == "cut_json":
            return text[: int(rng.integers(20, len(text) - 20))].replace("\n", " ").encode()
        if kind == "nul":
            return text.replace('"status":"', '"status":"\0', 1).encode()
        old, new = (('"quantity":', '"quantity":NaN,"q":'), ("}", ",}"), ('"amount":', '"amount":tru,"a":'))[
            int(rng.integers(3))
        ]
        return text.replace(old, new, 1).encode()


def _json_text(texts: pa.Array) -> pa.Array:
    """JSON strings; null for null."""
    special = pc.fill_null(pc.match_substring_regex(texts, r'[\x00-\x1f"\\]'), False)
    if pc.any(special).as_py():
        escaped = [json.dumps(text, ensure_ascii=False)[1:-1] for text in texts.filter(special).to_pylist()]
        texts = pc.replace_with_mask(texts, special, pa.array(escaped, pa.string()))
    return join('"', texts, '"').fill_null("null")


def _objects(given: Mapping[str, pa.Array]) -> pa.Array:
    """Nested objects: customer, and its address in it."""
    return join(
        '{"order_id":', given["order_id"], ',"customer":{"name":', given["customer"], ',"email":', given["email"], ',"phone":',
        given["phone"], ',"address":{"city":', given["city"], ',"country":', given["country"], '}},"ordered_on":',
        given["ordered_on"], ',"shipped_on":', given["shipped_on"], ',"amount":', given["amount"], ',"quantity":',
        given["quantity"], ',"paid":', given["paid"], ',"status":', given["status"], ',"note":', given["note"], ',"tags":',
        given["tags"], "}",
    )  # fmt: skip


def replaced(lines: pa.Array, changed: Mapping[int, bytes]) -> pa.Array:
    """The binary array with some records replaced."""
    if not changed:
        return lines
    mask = np.zeros(len(lines), bool)
    order = sorted(changed)
    mask[order] = True
    return pc.replace_with_mask(lines, pa.array(mask), pa.array([changed[record] for record in order], pa.binary()))
