"""Which records of a slice are valid JSON beyond doubt; the others are read by themselves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from loadlock import rows
from loadlock.cleanup._flatten_scan import PAD, Positions

if TYPE_CHECKING:
    import pyarrow as pa

_value = msgspec.json.Decoder(msgspec.Raw).decode
_values = msgspec.json.Decoder(list[msgspec.Raw]).decode
_STRING_OR_CONSTANT = re.compile(rb'("(?:[^"\\]|\\.)*+")|NaN|-?Infinity', re.DOTALL)


def joined_text(texts: pa.Array) -> tuple[bytes, Positions]:
    """The records (none of them null) between brackets and commas, padded, and where each starts in it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    whole = pa.ListArray.from_arrays(pa.array([0, len(texts)], pa.int32()), texts)
    text = b"".join((b"[", pc.binary_join(whole, ",")[0].as_buffer(), b"]", PAD))
    return text, np.cumsum(_sizes(texts) + 1) - _sizes(texts)


def adjacent_text(texts: pa.Array) -> tuple[bytes, Positions, Positions]:
    """The records (none of them null) one right behind the other, padded, and where each starts and ends in it."""
    ends = np.cumsum(_sizes(texts))
    _, bounds, data = texts.buffers()
    first = int(np.frombuffer(bounds, dtype=np.int32)[texts.offset]) if len(texts) else 0
    size = int(ends[-1]) if len(texts) else 0
    text = b"".join((memoryview(data)[first : first + size], PAD)) if size else PAD
    return text, ends - _sizes(texts), ends


def are_sound(raw: pa.Table) -> bool:
    """Whether intake says so of the records of this raw part."""
    metadata = raw.schema.metadata or {}
    return rows.SOUND.items() <= metadata.items()


def all_sound(texts: pa.Array) -> bool:
    """Whether each of the records (none of them null) is one valid JSON value."""
    text, _ = joined_text(texts)
    try:
        found = _values(memoryview(text)[: -len(PAD)])
    except (msgspec.MsgspecError, RecursionError):
        return False
    # the values stand one behind the other: where all have the records' sizes they are the records
    return len(found) == len(texts) and np.array_equal(np.fromiter(map(len, found), int, len(found)), _sizes(texts))


def sound_records(texts: pa.Array) -> Positions:
    """The indexes of the records that are one valid JSON value each.

    NaN and Infinity are taken for values: only a source with `tolerate: nan` lets them in.
    """
    import pyarrow as pa

    records = texts.cast(pa.binary()).to_pylist()
    return np.array([index for index, record in enumerate(records) if record is not None and _is_sound(record)], int)


def _sizes(texts: pa.Array) -> Positions:
    import pyarrow.compute as pc

    sizes: Positions = pc.binary_length(texts).to_numpy().astype(np.int64)
    return sizes


def _is_sound(record: bytes) -> bool:
    if _is_valid(record):
        return True
    may_be_constant = b"NaN" in record or b"Infinity" in record
    return may_be_constant and _is_valid(_STRING_OR_CONSTANT.sub(_without_constant, record))


def _is_valid(record: bytes) -> bool:
    try:
        _value(record)
    except (msgspec.MsgspecError, RecursionError):
        return False
    return True


def _without_constant(match: re.Match[bytes]) -> bytes:
    return match[1] or b"null"
