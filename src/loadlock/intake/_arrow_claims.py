"""What the messages of an Arrow file say of their sizes, told before Arrow makes room for it: a few bytes may claim gigabytes.

Only what is needed is read of a message's head (a FlatBuffers table, see Message.fbs and File.fbs of Apache Arrow): how
many rows it has, and which buffers are compressed. Each of these begins with the size that it unpacks to.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import IO

from loadlock.intake.base import ExpansionLimits

FREE_BYTES = 256 << 20
"""What the buffers of any message may unpack to."""
FREE_ROWS = 16 << 20
"""Rows of any message, also where no byte stands for them (a column of nulls)."""
_CONTINUES = b"\xff\xff\xff\xff"
_RECORDS, _DICTIONARY = 3, 2
_HEAD_LIMIT = 256 << 20

Fetch = Callable[[int, int], bytes]
"""Bytes of a message's body: from, how many."""


class _Table:
    """One FlatBuffers table. Raises struct.error or ValueError where it goes beyond its bytes."""

    def __init__(self, data: bytes, at: int) -> None:
        self._data, self._at = data, at
        self._fields = at - struct.unpack_from("<i", data, at)[0]
        if not 0 <= self._fields <= len(data):
            raise ValueError("a table that stands nowhere")
        self._size = struct.unpack_from("<H", data, self._fields)[0]

    @classmethod
    def root(cls, data: bytes) -> _Table:
        return cls(data, struct.unpack_from("<I", data, 0)[0])

    def _place(self, field: int) -> int:
        """Where a field stands; 0 if it is left out."""
        if 4 + 2 * field + 2 > self._size:
            return 0
        offset = struct.unpack_from("<H", self._data, self._fields + 4 + 2 * field)[0]
        return self._at + offset if offset else 0

    def number(self, field: int, form: str) -> int:
        place = self._place(field)
        return int(struct.unpack_from(form, self._data, place)[0]) if place else 0

    def table(self, field: int) -> _Table | None:
        place = self._place(field)
        return _Table(self._data, place + struct.unpack_from("<I", self._data, place)[0]) if place else None

    def structs(self, field: int, form: str) -> list[tuple[int, ...]]:
        """A vector of structs."""
        place = self._place(field)
        if not place:
            return []
        start = place + struct.unpack_from("<I", self._data, place)[0]
        count, size = struct.unpack_from("<I", self._data, start)[0], struct.calcsize(form)
        if start + 4 + count * size > len(self._data):
            raise ValueError("a vector that goes beyond its message")
        return list(struct.iter_unpack(form, self._data[start + 4 : start + 4 + count * size]))


def body_bytes(head: bytes) -> int:
    """How many bytes follow the head of a message."""
    return _Table.root(head).number(3, "<q")


def too_much(head: bytes, fetch: Fetch) -> str | None:
    """Why a message must not be unpacked, or None. `head`: its FlatBuffers table."""
    message = _Table.root(head)
    kind, inner = message.number(1, "<B"), message.table(2)
    if kind == _DICTIONARY and inner is not None:
        inner = inner.table(1)
    if kind not in (_RECORDS, _DICTIONARY) or inner is None:
        return None
    body = message.number(3, "<q")
    buffers = inner.structs(2, "<qq")
    is_packed = inner.table(3) is not None
    size = sum(_unpacked(fetch, *buffer) for buffer in buffers) if is_packed else body
    limit = max(FREE_BYTES, body * ExpansionLimits().ratio // 10)
    if size > limit:
        return f"its buffers unpack {body:,} bytes to {size:,}; the limit is {limit:,}"
    rows = inner.number(0, "<q")
    # a row has a bit somewhere, if it is not all nulls
    limit = max(FREE_ROWS, 8 * size)
    return f"it claims {rows:,} rows in {size:,} bytes" if rows > limit else None


def _unpacked(fetch: Fetch, offset: int, length: int) -> int:
    if length < 8:
        return 0
    size = int(struct.unpack("<q", fetch(offset, 8).ljust(8, b"\0"))[0])
    # -1: left as it is
    return length - 8 if size == -1 else max(size, 0)


def file_blocks(file: IO[bytes]) -> tuple[list[tuple[int, int]], list[tuple[int, int]]]:
    """(place, size of the head) of the messages with dictionaries, and of those with rows, by the footer of a file."""
    length = file.seek(0, 2)
    file.seek(max(0, length - 10))
    size = int.from_bytes(file.read(4), "little")
    if size > min(length, _HEAD_LIMIT):
        raise ValueError(f"a footer of {size:,} bytes in a file of {length:,}")
    file.seek(max(0, length - 10 - size))
    footer = _Table.root(file.read(size))
    dictionaries, records = ([(at, head) for at, head, _, _ in footer.structs(field, "<qiiq")] for field in (2, 3))
    return dictionaries, records


def block_too_much(file: IO[bytes], at: int, head_bytes: int) -> str | None:
    """`too_much` for the message at a place of a file."""
    if at < 0 or not 0 < head_bytes < _HEAD_LIMIT:
        raise ValueError("a message that stands nowhere")
    file.seek(at)
    head = file.read(head_bytes)

    def fetch(start: int, size: int) -> bytes:
        if start < 0:
            raise ValueError("a buffer before its message")
        file.seek(at + head_bytes + start)
        return file.read(size)

    return too_much(head[8 if head.startswith(_CONTINUES) else 4 :], fetch)


class StreamWatch:
    """Follows a stream as it is read in order, and says of each message as soon as its body is there."""

    def __init__(self) -> None:
        self._held = b""
        self._head: bytes | None = None
        self._wanted = 4
        self._ended = False

    def feed(self, data: bytes) -> str | None:
        """Take what was read; why the message that ended in it must not be unpacked, or None."""
        self._held += data
        while not self._ended and len(self._held) >= self._wanted:
            if (found := self._step()) is not None:
                return found
        return None

    def _step(self) -> str | None:
        """Go on by one head or body that is there in full."""
        if self._head is None:
            start = 8 if self._held.startswith(_CONTINUES) else 4
            if len(self._held) < start:
                self._wanted = start
                return None
            size = int.from_bytes(self._held[start - 4 : start], "little")
            self._ended = not 0 < size < _HEAD_LIMIT
            self._wanted = start + size
            if self._ended or len(self._held) < self._wanted:
                return None
            self._head, self._held = self._held[start : start + size], self._held[start + size :]
            self._wanted = max(0, body_bytes(self._head))
            return None
        body, head = self._held[: self._wanted], self._head
        self._held, self._head, self._wanted = self._held[self._wanted :], None, 4
        return too_much(head, lambda start, size: body[max(0, start) : max(0, start) + size])
