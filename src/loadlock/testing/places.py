"""Proof of provenance: mixed records, read, and each cut back out of the source's bytes at its offset and length."""

from __future__ import annotations

import gzip
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from loadlock.intake.base import SourceOptions
from loadlock.intake.files import open_sources
from loadlock.intake.formats.csv import CsvFormat
from loadlock.rows import LENGTH, LINE, OFFSET, ROW

FORMS = ("utf-8", "gzip", "utf-16-le", "cp932")
"""How the file is written: as it is, compressed, or in an encoding that is transcoded before it is split."""
_CHUNK = 20_000


@dataclass(frozen=True, kw_only=True)
class Written:
    """One record as it was written. `line` is 1-based, `offset` in the decompressed bytes."""

    line: int
    offset: int
    raw: bytes


@dataclass(frozen=True, kw_only=True)
class Proof:
    """What a file's rows and rejects say of their places."""

    records: int
    """Written."""
    exact: int
    """Rows and rejects with the right number, line, offset and length, whose bytes at that place are the record's."""
    rejects: int


def prove(path: Path, *, records: int, form: str, seed: int) -> Proof:
    """Write `records` mixed records to `path`, read them, and compare every row and reject with what was written."""
    encoding = "utf-8" if form == "gzip" else form
    data = path.with_suffix(".data")
    _write(data, records, encoding, seed)
    content = data.read_bytes()
    source = data
    if form == "gzip":
        path.write_bytes(gzip.compress(content, 1))
        source = path
    options = SourceOptions(format="csv", delimiter=",", quote='"', header=1, encoding=encoding)
    result = CsvFormat().read(open_sources([source])[0], options)
    wanted = _mixed(records, encoding, seed)
    next(wanted)
    exact = rejects = 0
    for part in result.parts:
        tables = (part.rows, part.rejects)
        places = [
            zip(*(table[name].to_pylist() for name in (ROW, LINE, OFFSET, LENGTH)), strict=True) for table in tables
        ]
        found = sorted(place for table in places for place in table)
        rejects += part.rejects.num_rows
        exact += sum(
            (row, line, offset, length) == (number, one.line, one.offset, len(one.raw))
            and content[offset : offset + length] == one.raw
            for (row, line, offset, length), (number, one) in zip(found, islice(wanted, len(found)), strict=False)
        )
    return Proof(records=records, exact=exact, rejects=rejects)


def _write(path: Path, records: int, encoding: str, seed: int) -> None:
    with path.open("wb") as file:
        for piece in _pieces(records, encoding, seed):
            file.write(piece[0])


def _mixed(records: int, encoding: str, seed: int) -> Iterator[tuple[int, Written]]:
    """The header as number 0, then each record with its number."""
    line, offset, number = 1, 0, 0
    for data, raw, lines in _pieces(records, encoding, seed):
        if raw is not None:
            yield number, Written(line=line, offset=offset, raw=raw)
            number += 1
        line += lines
        offset += len(data)


def _pieces(records: int, encoding: str, seed: int) -> Iterator[tuple[bytes, bytes | None, int]]:
    """The file piece by piece: its bytes, the record's own among them (None for a blank line), and its lines."""
    rng = random.Random(seed)  # noqa: S311 (test data)
    text = "id,name,note,amount"
    yield (text + "\n").encode(encoding), text.encode(encoding), 1
    for number in range(records):
        end = rng.choice(("\n", "\n", "\n", "\r\n"))
        text = ",".join((str(number), *_cells(rng)))
        yield (text + end).encode(encoding), text.encode(encoding), 1 + text.count("\n")
        if rng.random() < 0.01:
            yield end.encode(encoding), None, 1


_NAMES = ("Ann", '"Bo, Jr."', "東京都", "表示", '"a ""b"" c"', "", "O'Neil")
_NOTES = ("", "plain", '"two\nlines"', '"three\r\n\r\nlines, 日本"', '"x, y"', ' "padded" ')
_FAULTS = ("1,2", '1"2', "")


def _cells(rng: random.Random) -> Sequence[str]:
    """Name, note and amount; sometimes one that makes the record a reject (of one line: else it is several)."""
    if rng.random() < 0.03:
        return rng.choice(_NAMES), "plain", rng.choice(_FAULTS)
    return rng.choice(_NAMES), rng.choice(_NOTES), f"{rng.randint(0, 99999) / 100:.2f}"
