"""Which rows and columns of an old binary workbook (.xls) are hidden: what python-calamine doesn't tell.

Reads the workbook's stream out of its compound file (MS-CFB), and of its records (MS-XLS) those of sheets, rows and columns.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

_FREE = 0xFFFFFFFA
"""Sector numbers from here on stand for no sector."""
_HEADER, _ENTRY, _MINI_SECTOR = 512, 128, 64
_STREAMS = ("Workbook", "Book")
_BOUND_SHEET, _ROW, _COLUMNS, _END = 0x85, 0x208, 0x7D, 0x0A
_ROW_HIDDEN, _COLUMN_HIDDEN = 0x20, 0x01
_WIDEST = 256


@dataclass(frozen=True, kw_only=True)
class Hidden:
    """`rows`: numbers of the rows from 1 on; `columns`: how many."""

    rows: frozenset[int] = field(default_factory=frozenset)
    columns: int = 0


def hidden_in(data: bytes, sheet: str) -> Hidden:
    """What is hidden in a sheet; nothing where the file can't be followed (who reads its cells says what is wrong)."""
    try:
        stream = _workbook(data)
        start = next((at for name, at in _sheets(stream) if name == sheet), None)
        return Hidden() if start is None else _hidden(stream, start)
    except (struct.error, IndexError, UnicodeDecodeError, ValueError):
        return Hidden()


def _hidden(stream: bytes, start: int) -> Hidden:
    rows, columns = set(), 0
    for kind, record in _records(stream, start):
        if kind == _END:
            break
        if kind == _ROW and record[12] & _ROW_HIDDEN:
            rows.add(struct.unpack_from("<H", record)[0] + 1)
        elif kind == _COLUMNS and record[8] & _COLUMN_HIDDEN:
            first, last = struct.unpack_from("<HH", record)
            columns += max(0, min(last, _WIDEST - 1) - first + 1)
    return Hidden(rows=frozenset(rows), columns=columns)


def _sheets(stream: bytes) -> Iterator[tuple[str, int]]:
    """Name of each sheet, and where its records begin."""
    for kind, record in _records(stream, 0):
        if kind == _END:
            return
        if kind == _BOUND_SHEET:
            size, wide = record[6], record[7] & 1
            name = record[8 : 8 + size * (1 + wide)].decode("utf-16-le" if wide else "latin-1")
            yield name, struct.unpack_from("<I", record)[0]


def _records(stream: bytes, at: int) -> Iterator[tuple[int, bytes]]:
    while at + 4 <= len(stream):
        kind, size = struct.unpack_from("<HH", stream, at)
        yield kind, stream[at + 4 : at + 4 + size]
        at += 4 + size


def _workbook(data: bytes) -> bytes:
    """The bytes of the stream that holds the workbook."""
    sector = 1 << struct.unpack_from("<H", data, 30)[0]
    directory, short, mini_first = (struct.unpack_from("<I", data, at)[0] for at in (48, 56, 60))
    table = _allocation(data, sector)
    entries = _chain(data, table, directory, sector, _HEADER)
    root_start, start, size = 0, 0, -1
    for at in range(0, len(entries), _ENTRY):
        name = entries[at : at + max(0, struct.unpack_from("<H", entries, at + 64)[0] - 2)].decode("utf-16-le")
        if at == 0:
            root_start = struct.unpack_from("<I", entries, at + 116)[0]
        elif name in _STREAMS and size < 0:
            start, size = struct.unpack_from("<II", entries, at + 116)
    if size < 0:
        raise ValueError("it holds no workbook")
    if size >= short:
        return _chain(data, table, start, sector, _HEADER)[:size]
    # short streams lie in small sectors of a stream of their own
    small = _chain(data, table, root_start, sector, _HEADER)
    numbers = _chain(data, table, mini_first, sector, _HEADER)
    return _chain(small, struct.unpack(f"<{len(numbers) // 4}I", numbers), start, _MINI_SECTOR, 0)[:size]


def _allocation(data: bytes, sector: int) -> tuple[int, ...]:
    """For each sector the one that follows it."""
    parts = [number for number in struct.unpack_from("<109I", data, 76) if number < _FREE]
    more, count = struct.unpack_from("<II", data, 68)
    for _ in range(min(count, len(data) // sector)):
        numbers = struct.unpack_from(f"<{sector // 4}I", data, _HEADER + more * sector)
        parts += [number for number in numbers[:-1] if number < _FREE]
        more = numbers[-1]
    table = b"".join(data[_HEADER + part * sector : _HEADER + (part + 1) * sector] for part in parts)
    return struct.unpack(f"<{len(table) // 4}I", table[: len(table) // 4 * 4])


def _chain(data: bytes, table: tuple[int, ...], start: int, sector: int, first: int) -> bytes:
    """The sectors from `start` on, one behind the other; they begin `first` bytes behind the data's start."""
    pieces: list[bytes] = []
    number = start
    while number < _FREE and len(pieces) <= len(table):
        pieces.append(data[first + number * sector : first + (number + 1) * sector])
        number = table[number]
    return b"".join(pieces)
