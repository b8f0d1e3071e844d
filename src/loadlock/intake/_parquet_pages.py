"""What a Parquet file says of its pages, read before any of them is unpacked: a few bytes may claim to be gigabytes.

Only the sizes are read, from the footer and from the head of each page, in Thrift's compact protocol. Everything is held
against the file's own size and the limits below; who reads the file then unpacks no more than these.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Any

PAGE_BYTES = 64 << 20
"""Most bytes that a page may unpack to (writers make pages of 1 MiB, larger only where a value is)."""
GROUP_VALUES = 64 << 20
"""Most values of a nested column in one row group."""
_FOOTER_BYTES = 256 << 20
_HEAD_BYTES = 256
_DEPTH = 32
_BYTE_ARRAY = 6
_Struct = dict[int, Any]


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """One column of a row group."""

    path: tuple[str, ...]
    start: int
    size: int
    values: int
    is_text: bool
    """Whether its values are of any length."""
    has_dictionary: bool

    @property
    def is_short(self) -> bool:
        """Whether its texts may be written once and referred to many times."""
        return self.is_text and self.has_dictionary and len(self.path) == 1


def chunks_of(file: IO[bytes]) -> list[list[Chunk]]:
    """The columns of each row group, by the footer. ValueError where it can't be read."""
    length = file.seek(0, 2)
    file.seek(max(0, length - 8))
    size = int.from_bytes(file.read(4), "little")
    if size > min(length, _FOOTER_BYTES):
        raise ValueError(f"a footer of {size:,} bytes in a file of {length:,}")
    file.seek(max(0, length - 8 - size))
    try:
        groups = _struct(_Reader(file.read(size))).get(4, [])
        return [[_chunk(column) for column in group.get(1, [])] for group in groups]
    except (AttributeError, TypeError) as error:
        raise ValueError("its footer is damaged") from error


def _chunk(column: _Struct) -> Chunk:
    facts = column.get(3, {})
    dictionary, data = facts.get(11), facts.get(9, 0)
    # some writers leave the place of a dictionary at 0 where there is none
    start = min(dictionary, data) if dictionary else data
    return Chunk(
        path=tuple(name.decode("utf-8", "replace") for name in facts.get(3, [])),
        start=start,
        size=facts.get(7, 0),
        values=facts.get(5, 0),
        is_text=facts.get(1) == _BYTE_ARRAY,
        has_dictionary=bool(dictionary),
    )


def too_much(file: IO[bytes], chunks: list[Chunk]) -> str | None:
    """Why a row group must not be read, or None."""
    for chunk in chunks:
        name = ".".join(chunk.path)
        if chunk.values > GROUP_VALUES and len(chunk.path) > 1:
            return f"column {name!r} has {chunk.values:,} values in it; the limit is {GROUP_VALUES:,}"
        for size in _pages(file, chunk):
            if size > PAGE_BYTES:
                return f"a page of column {name!r} unpacks to {size:,} bytes; the limit is {PAGE_BYTES:,}"
    return None


def _pages(file: IO[bytes], chunk: Chunk) -> Iterator[int]:
    """The unpacked size of each page, as far as the column's pages can be followed."""
    at = chunk.start
    while 0 <= at < chunk.start + chunk.size:
        found = _page(file, at)
        if found is None:
            return
        head, unpacked, packed = found
        yield unpacked
        if packed < 0:
            return
        at += head + packed


def _page(file: IO[bytes], at: int) -> tuple[int, int, int] | None:
    """Size of the head of a page, and of the page unpacked and packed; None where there is none."""
    size = _HEAD_BYTES
    while size <= PAGE_BYTES:
        file.seek(at)
        data = file.read(size)
        reader = _Reader(data)
        try:
            head = _struct(reader)
        except ValueError:
            if len(data) < size:
                return None
            # statistics may be long
            size *= 16
            continue
        unpacked, packed = head.get(2), head.get(3)
        return (reader.at, unpacked, packed) if isinstance(unpacked, int) and isinstance(packed, int) else None
    return None


class _Reader:
    """Bytes and how far they were read."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def byte(self) -> int:
        if self.at >= len(self.data):
            raise ValueError("it ends too early")
        self.at += 1
        return self.data[self.at - 1]

    def number(self) -> int:
        """An unsigned number of variable length."""
        value = shift = 0
        while True:
            octet = self.byte()
            value |= (octet & 0x7F) << shift
            shift += 7
            if octet < 0x80:
                return value
            if shift > 63:
                raise ValueError("a number that never ends")

    def signed(self) -> int:
        value = self.number()
        return (value >> 1) ^ -(value & 1)

    def take(self, size: int) -> bytes:
        if size > len(self.data) - self.at:
            raise ValueError("it ends too early")
        self.at += size
        return self.data[self.at - size : self.at]


def _struct(reader: _Reader, depth: int = 0) -> _Struct:
    """The fields of a struct by their numbers."""
    found: _Struct = {}
    field = 0
    while (head := reader.byte()) != 0:
        field = field + (head >> 4) if head >> 4 else reader.signed()
        kind = head & 15
        found[field] = kind == 1 if kind in (1, 2) else _value(reader, kind, depth)
    return found


def _value(reader: _Reader, kind: int, depth: int) -> Any:
    if depth > _DEPTH:
        raise ValueError("nested too deep")
    match kind:
        case 1 | 2 | 3:
            return reader.byte()
        case 4 | 5 | 6:
            return reader.signed()
        case 7:
            return reader.take(8)
        case 8:
            return reader.take(reader.number())
        case 9 | 10:
            return _list(reader, depth)
        case 11:
            return _map(reader, depth)
        case 12:
            return _struct(reader, depth + 1)
    raise ValueError(f"an unknown type {kind}")


def _list(reader: _Reader, depth: int) -> list[Any]:
    head = reader.byte()
    size = reader.number() if head >> 4 == 15 else head >> 4
    return [_value(reader, head & 15, depth + 1) for _ in range(size)]


def _map(reader: _Reader, depth: int) -> dict[Any, Any]:
    size = reader.number()
    kinds = reader.byte() if size else 0
    pairs = ((_value(reader, kinds >> 4, depth + 1), _value(reader, kinds & 15, depth + 1)) for _ in range(size))
    return {str(key): value for key, value in pairs}
