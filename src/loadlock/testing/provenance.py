"""`python -m loadlock.testing.provenance`: is every row's place right? Mixed files are made, record by record, read, and cut.

For each row and reject the source, decompressed, is cut at offset and length: that must be the record as it was written, in the
source's own bytes, with the row number and line at which it was written.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import sys
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from loadlock import rows as names
from loadlock.intake.base import SourceOptions
from loadlock.intake.files import open_sources
from loadlock.intake.read import read_file

_HEADER = "id,name,city,note\n"
_NAMES = ("Zoë Grünwald", "Bob Weiß", "Iván", "O'Neil")


class Record(NamedTuple):
    """One record as written: its bytes, whether it should be a row, and what stands behind it."""

    raw: bytes
    is_row: bool
    end: bytes


@dataclass(frozen=True, kw_only=True)
class Made:
    """A file and its records."""

    name: str
    head: bytes
    records: list[Record]
    tail: bytes = b""

    @property
    def data(self) -> bytes:
        return b"".join([self.head, *(record.raw + record.end for record in self.records), self.tail])


@dataclass(frozen=True, kw_only=True)
class Found:
    """What reading a file gave: for each record, in order, its place; and what was wrong."""

    rows: int
    rejects: int
    wrong: list[str]


def _csv(number: int, chance: random.Random, encoding: str, ends: Sequence[str]) -> Record:
    name, end = chance.choice(_NAMES), chance.choice(ends)
    kind = chance.random()
    note = chance.choice(["", "plain", '"a, b"', '"two\nlines"', '"say ""hi""\r\nthree\n\nlines"'])
    text = f"{number},{name},Köln,{note}"
    if kind < 0.03:
        text = f"{number},{name},Köln,one,too many"
    elif kind < 0.05:
        # without a line break: where a record with a stray quote ends is anybody's guess then
        text = f'{number},{name},Kö"ln,plain'
    odd = encoding == "utf-8" and 0.05 <= kind < 0.07
    return Record(text.encode("cp1252" if odd else encoding), kind >= 0.05, end.encode(encoding))


def _json(number: int, chance: random.Random, end: bytes) -> Record:
    text = json.dumps({"id": number, "name": chance.choice(_NAMES), "note": ["x\n"] * (number % 4)}, ensure_ascii=False)
    is_row = chance.random() >= 0.03
    return Record((text if is_row else text.replace(":", ";", 1)).encode(), is_row, end)


def _csv_file(
    name: str, count: int, chance: random.Random, encoding: str, *, mark: bytes = b"", mixed: bool = False
) -> Made:
    ends = ("\n", "\r\n") if mixed else ("\n",)
    records = [_csv(number, chance, encoding, ends) for number in range(count)]
    return Made(name=name, head=mark + _HEADER.encode(encoding), records=records)


def _json_file(name: str, count: int, chance: random.Random) -> Made:
    if name.endswith(".ndjson"):
        return Made(name=name, head=b"", records=[_json(number, chance, b"\n") for number in range(count)])
    records = [_json(number, chance, b",\n" if number < count - 1 else b"\n") for number in range(count)]
    return Made(name=name, head=b"[\n", records=records, tail=b"]\n")


MAKERS: tuple[Callable[[int, random.Random], Made], ...] = (
    lambda count, chance: _csv_file("plain.csv", count, chance, "utf-8", mixed=True),
    lambda count, chance: _csv_file("marked.csv.gz", count, chance, "utf-8", mark=b"\xef\xbb\xbf"),
    lambda count, chance: _csv_file("western.csv", count, chance, "cp1252"),
    lambda count, chance: _csv_file("wide.csv", count, chance, "utf-16-le", mark=b"\xff\xfe"),
    lambda count, chance: _json_file("lines.ndjson", count, chance),
    lambda count, chance: _json_file("array.json", count, chance),
)


def examine(made: Made, folder: Path, *, keep: int = 5) -> Found:
    """Write a file, read it, and compare the place of each record with where it was written."""
    data, path = made.data, folder / made.name
    path.write_bytes(gzip.compress(data, 1) if made.name.endswith(".gz") else data)
    (source,) = open_sources([path])
    pieces: tuple[list[Any], list[Any]] = ([], [])
    for part in read_file(source, SourceOptions()).parts:
        for kind, table in enumerate((part.rows, part.rejects)):
            columns = (names.ROW, names.LINE, names.OFFSET, names.LENGTH)
            pieces[kind].append(np.stack([table[name].to_numpy() for name in columns], axis=1))
    path.unlink()
    rows, rejects = (np.concatenate(kind) for kind in pieces)
    wrong = _wrong(made, data, rows, rejects)
    return Found(rows=len(rows), rejects=len(rejects), wrong=wrong[:keep])


def _wrong(made: Made, data: bytes, rows: Any, rejects: Any) -> list[str]:
    """The records that were not found where they stand."""
    places = {int(row[0]): (True, *map(int, row[1:])) for row in rows}
    places |= {int(row[0]): (False, *map(int, row[1:])) for row in rejects}
    found, offset, line = [], len(made.head), _lines(made, made.head)
    for number, record in enumerate(made.records, 1):
        wanted = (record.is_row, 1 + line, offset, len(record.raw))
        place = places.pop(number, None)
        if place != wanted or data[offset : offset + len(record.raw)] != record.raw:
            found.append(f"{made.name}: record {number} stands at {wanted}, was found at {place}: {record.raw[:80]!r}")
        offset += len(record.raw) + len(record.end)
        line += _lines(made, record.raw + record.end)
    return found + [f"{made.name}: row {number} is no record: {place}" for number, place in places.items()]


def _lines(made: Made, raw: bytes) -> int:
    return raw.count(b"\n\0" if made.head.startswith(b"\xff\xfe") else b"\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Examine so many records; exit code 1 where one has a wrong place."""
    parser = argparse.ArgumentParser(prog="python -m loadlock.testing.provenance", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=None)
    asked = parser.parse_args(arguments)
    chance, failed = random.Random(asked.seed), False  # noqa: S311 - data, no secrets
    with tempfile.TemporaryDirectory(prefix="loadlock-") as folder:
        for make in MAKERS:
            made = make(asked.rows // len(MAKERS), chance)
            found = examine(made, Path(folder))
            failed = failed or bool(found.wrong)
            said = f"{made.name}: {found.rows:,} rows and {found.rejects:,} rejects, wrong places: {len(found.wrong)}"
            sys.stdout.write("\n  ".join([said, *found.wrong]) + "\n")
    return int(failed)


if __name__ == "__main__":
    raise SystemExit(main())
