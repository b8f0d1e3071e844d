"""Whole random files through the CSV format: every byte in one class, every row and reject cut back from its place."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

import pyarrow as pa
import pytest

from loadlock.intake import _csv_stream
from loadlock.intake._csv_exact import FieldParser, Shape
from loadlock.intake.base import RawPart, SourceOptions
from loadlock.intake.formats.csv import CsvFormat
from loadlock.model import FileReport, SourceFile


@dataclass(frozen=True, kw_only=True)
class Bytes:
    """A source of bytes in memory, given in blocks of any size."""

    data: bytes
    block: int
    name: str = "random.csv"

    @property
    def file(self) -> SourceFile:
        return SourceFile(index=3, path=f"/{self.name}", name=self.name, size_bytes=len(self.data), sha256="")

    def open(self) -> Iterator[bytes]:
        return (self.data[at : at + self.block] for at in range(0, len(self.data), self.block))

    def head(self, size: int = 1 << 20) -> bytes:
        return self.data[:size]

    def sample(self, size: int = 4 << 20) -> list[bytes]:
        return [self.data[:size]]


PINNED = SourceOptions(delimiter=",", quote='"', escape="", header=1, preamble=0, encoding="utf-8")
CELLS = ["a", "", "é", "日本", '"q"', '"x,y"', '"two\nlines"', '"d""q"', "12", " p", ' "pad" ', '"', 'x"y', '"k"z']
WEIGHTS = [9, 4, 3, 3, 6, 4, 3, 3, 9, 2, 1, 0.5, 0.5, 0.5]


def random_text(rng: random.Random, ends: list[str]) -> str:
    lines = ["one,two,three"]
    for _ in range(rng.randint(0, 25)):
        width = 3 if rng.random() < 0.9 else rng.randint(1, 5)
        lines.append(",".join(rng.choices(CELLS, WEIGHTS, k=width)))
        lines += rng.choices(["", ",,", " ", "one,two,three"], k=int(rng.random() < 0.1))
    text = "".join(line + rng.choice(ends) for line in lines)
    return text if rng.random() < 0.8 else text.rstrip("\r\n")


def read(data: bytes, options: SourceOptions, block: int) -> tuple[pa.Table, pa.Table, FileReport]:
    result = CsvFormat().read(Bytes(data=data, block=block), options)
    parts: list[RawPart] = list(result.parts)
    report = result.report()
    if not parts:
        return pa.table({}), pa.table({}), report
    return pa.concat_tables(p.rows for p in parts), pa.concat_tables(p.rejects for p in parts), report


def either(cell: bytes) -> str:
    """A cell in UTF-8, or else in cp1252."""
    try:
        return cell.decode()
    except UnicodeDecodeError:
        return cell.decode("cp1252")


def check(data: bytes, options: SourceOptions, block: int, shape: Shape, encoding: str = "utf-8") -> None:
    rows, rejects, report = read(data, options, block)
    assert report.bytes.total == len(data)
    assert report.received == report.staged + report.rejected == rows.num_rows + rejects.num_rows
    parser = FieldParser(shape)
    numbers = []
    for row in rows.to_pylist():
        raw = data[row["_offset"] : row["_offset"] + row["_length"]]
        text = raw.decode(row["_encoding"] or encoding)
        values = [value.decode() for value in parser.parse(text.encode()).values]
        assert [row["one"], row["two"], row["three"]] == values[:3]
        assert not "".join(values[3:]).strip()
        numbers.append((row["_row"], row["_line"], row["_offset"], raw))
    for reject in rejects.to_pylist():
        raw = data[reject["_offset"] : reject["_offset"] + reject["_length"]]
        assert reject["raw"] == raw
        assert len(reject["problems"]) == 1
        numbers.append((reject["_row"], reject["_line"], reject["_offset"], raw))
    numbers.sort()
    assert [number for number, *_ in numbers] == list(range(1, report.received + 1))
    ends = shape.record_end.decode()
    for _, line, offset, raw in numbers:
        before = data[:offset].decode(encoding, "replace")
        passed = before.replace("\r\n", "\n")
        assert line == 1 + passed.count("\n") + (passed.count("\r") if ends == "\r" else 0)
        assert raw.strip()


@pytest.mark.parametrize("seed", range(4))
def test_every_row_and_reject_is_cut_back_from_its_place(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(seed)
    for _ in range(60):
        ends = rng.choice([["\n"], ["\r\n"], ["\r"], ["\n", "\r\n"]])
        record_end = "\r" if ends == ["\r"] else "\n"
        data = random_text(rng, ends).encode()
        monkeypatch.setattr(_csv_stream, "BLOCK_BYTES", rng.randint(5, 400))
        options = replace(PINNED, record_end=record_end, part_bytes=rng.choice([1, 100, 1 << 20]))
        check(data, options, rng.randint(5, 400), Shape(record_end=record_end.encode()))


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "shift_jis", "gb18030"])
def test_offsets_are_those_of_the_original_bytes_in_transcoded_files(encoding: str) -> None:
    rng = random.Random(encoding)
    for _ in range(40):
        text = random_text(rng, ["\n"]).replace("é", "ー")
        options = replace(PINNED, encoding=encoding, record_end="\n")
        check(text.encode(encoding), options, rng.randint(50, 400), Shape(), encoding)


def test_rows_in_another_encoding_are_decoded_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = random.Random(11)
    for _ in range(60):
        lines = random_text(rng, ["\n"]).split("\n")
        encodings = [rng.choice(["utf-8", "utf-8", "cp1252"]) if "日" not in line else "utf-8" for line in lines]
        data = b"\n".join(line.encode(name) for line, name in zip(lines, encodings, strict=True))
        monkeypatch.setattr(_csv_stream, "BLOCK_BYTES", rng.randint(5, 400))
        rows, _, report = read(data, replace(PINNED, record_end="\n"), 1000)
        assert report.bytes.total == len(data)
        marked = 0
        for row in rows.to_pylist():
            raw = data[row["_offset"] : row["_offset"] + row["_length"]]
            try:
                raw.decode()
                assert row["_encoding"] is None
            except UnicodeDecodeError:
                marked += 1
                assert row["_encoding"] == "cp1252"
            cells = FieldParser(Shape()).parse(raw).values
            assert [row["one"], row["two"], row["three"]] == [either(cell) for cell in cells[:3]]
        assert report.encoding["fallback_rows"] == marked
