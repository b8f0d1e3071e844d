"""Are these texts valid JSON? Whole windows at once where all is well, so that only odd records are looked at closely.

Grammar only: whether the bytes are UTF-8 is another question, and how deep a text may nest a third one.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from operator import length_hint
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from loadlock.intake.decode import Positions, is_utf8, utf8_faults

if TYPE_CHECKING:
    import pyarrow as pa

_LINE_FEED = 10
_FAULTS = (msgspec.MsgspecError, RecursionError)
# nothing is built: a value that is not looked into is only checked
_value = msgspec.json.Decoder(msgspec.Raw).decode
_values = msgspec.json.Decoder(list[msgspec.Raw]).decode
_lines = msgspec.json.Decoder(msgspec.Raw).decode_lines


def are_values(data: bytes, sizes: Positions) -> bool:
    """Whether values of these sizes, with commas and white space between them, are all that `data` holds."""
    try:
        return _have_sizes(_values(b"".join((b"[", data, b"]"))), sizes)
    except _FAULTS:
        return False


def are_lines(data: bytes, sizes: Positions) -> bool:
    """Whether each line of `data` is one value of its size, without white space around it."""
    try:
        return _have_sizes(_lines(data), sizes)
    except _FAULTS:
        return False


def _have_sizes(values: list[msgspec.Raw], sizes: Positions) -> bool:
    # they stand one behind the other: where all sizes are those of the records, they are the records
    return len(values) == len(sizes) and np.array_equal(np.fromiter(map(len, values), np.int64, len(values)), sizes)


def refused(texts: Iterable[bytes]) -> list[int]:
    """The numbers of the texts that are not one JSON value, in order."""
    found = []
    texts = list(texts)
    remaining = iter(texts)
    while True:
        try:
            deque(map(_value, remaining), maxlen=0)
        except _FAULTS:
            found.append(len(texts) - length_hint(remaining) - 1)
        else:
            return found


def not_utf8(data: bytes, start: int, end: int) -> Positions:
    """Places from `start` to `end` that are no part of valid UTF-8."""
    piece = data if (start, end) == (0, len(data)) else data[start:end]
    if is_utf8(piece):
        return np.empty(0, dtype=np.int64)
    return utf8_faults(np.frombuffer(piece, dtype=np.uint8)) + start


def gather(
    data: bytes, starts: Positions, ends: Positions, others: Mapping[int, bytes], *, are_lines: bool = False
) -> tuple[pa.Buffer, Positions]:
    """The pieces of `data` one behind the other, and their sizes; `others`: number → text that stands for the piece.

    `are_lines`: no piece holds a line feed.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    if not others and _are_all(data, starts, ends) and (are_lines or data.count(b"\n") == len(starts)):
        return pa.py_buffer(data.replace(b"\n", b"")), ends - starts
    # pieces at the even places, what lies between them at the odd ones
    bounds = np.zeros(2 * len(starts) + 1, dtype=np.int32)
    bounds[0:-1:2], bounds[1::2] = starts, ends
    bounds[-1] = bounds[-2] if len(starts) else 0
    pieces = pa.Array.from_buffers(pa.binary(), 2 * len(starts), [None, pa.py_buffer(bounds), pa.py_buffer(data)])
    numbers = 2 * np.arange(len(starts), dtype=np.int64)
    if others:
        numbers[list(others)] = len(pieces) + np.arange(len(others))
        pieces = pa.concat_arrays([pieces, pa.array(others.values(), pa.binary())])
    taken = pieces.take(pa.array(numbers))
    sizes: Positions = pc.binary_length(taken).to_numpy().astype(np.int64)
    return taken.buffers()[2] or pa.py_buffer(b""), sizes


def _are_all(data: bytes, starts: Positions, ends: Positions) -> bool:
    """Whether the pieces and a line feed behind each are all that there is."""
    size = len(starts)
    if not size or ends[-1] >= len(data) or int((ends - starts).sum()) + size != len(data):
        return False
    return bool((np.frombuffer(data, dtype=np.uint8)[ends] == _LINE_FEED).all())
