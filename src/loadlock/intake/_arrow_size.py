"""How much text Arrow arrays stand for, told before it is made: dictionaries and lists may unfold to gigabytes."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

_MANY = 256 << 20
"""Values in lists, or bytes of their text, beyond which nobody needs to know more."""
_RAW = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary(), pa.binary(): pa.binary()}


def text_bytes(values: pa.Array) -> int:
    """Bytes of text that dictionaries, runs and views stand for, those within lists and structs too; 0 without such.

    Of a dictionary of nested values it is an upper bound. Raises what PyArrow does for damage.
    """
    kind = values.type
    if isinstance(kind, pa.BaseExtensionType):
        return text_bytes(values.storage)
    if pt.is_dictionary(kind):
        return _referred(values)
    if pt.is_nested(kind) or pt.is_run_end_encoded(kind):
        # offsets outside of what they point to must not be followed: that would end the process
        values.validate(full=True)
    if pt.is_run_end_encoded(kind):
        return _runs(values)
    if pt.is_string_view(kind) or pt.is_binary_view(kind):
        views = np.frombuffer(values.buffers()[1] or b"", dtype=np.int32)[::4]
        return int(views[values.offset : values.offset + len(values)].astype(np.int64).sum())
    if pt.is_struct(kind) or pt.is_union(kind):
        return sum(text_bytes(values.field(place)) for place in range(kind.num_fields))
    if not pt.is_nested(kind):
        return 0
    # what is in a list must not be taken out of it where it stands in too many
    size = 2 * leaves(values)
    return size if size > _MANY else max(map(text_bytes, _items(values)))


def _referred(values: pa.DictionaryArray) -> int:
    folded = _folded(values)
    if folded is not None:
        return int(pc.sum(pc.binary_length(folded.dictionary).take(folded.indices)).as_py() or 0)
    if not pt.is_nested(values.type.value_type) or not len(values):
        return 0
    values.indices.validate(full=True)
    values.dictionary.validate(full=True)
    own = values.dictionary if len(values) > 1 else values.dictionary.take(values.indices)
    return int(len(values) * max(own.nbytes, text_bytes(own)))


def _runs(values: pa.RunEndEncodedArray) -> int:
    ends = values.run_ends.to_numpy().astype(np.int64)
    within = np.clip(ends, values.offset, values.offset + len(values)) - values.offset
    numbers = np.repeat(np.arange(len(ends)), np.diff(within, prepend=0))
    return text_bytes(pa.DictionaryArray.from_arrays(pa.array(numbers), values.values))


def unfolded(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with its dictionaries of text made into columns of text, so that a damaged text costs its own row only."""
    columns = [
        column
        if (folded := _folded(column)) is None
        else folded.dictionary_decode().cast(column.type.value_type, safe=False)
        for column in batch.columns
    ]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _folded(column: pa.Array) -> pa.DictionaryArray | None:
    """A dictionary column of text as one of bytes, sound but for the bytes of its texts; None for any other column."""
    if not pt.is_dictionary(column.type) or column.type.value_type not in _RAW:
        return None
    indices, dictionary = column.indices, column.dictionary.view(_RAW[column.type.value_type])
    indices.validate(full=True)
    dictionary.validate(full=True)
    return pa.DictionaryArray.from_arrays(indices, dictionary)


def leaves(column: pa.Array) -> int:
    """Values within the lists of a column; 0 for a column without."""
    kind = column.type
    if pt.is_struct(kind):
        return sum(leaves(column.field(place)) for place in range(kind.num_fields))
    if pt.is_list_view(kind) or pt.is_large_list_view(kind):
        # they may overlap
        size = int(pc.sum(column.sizes).as_py() or 0)
        return size if size > _MANY else max(size, leaves(column.flatten()))
    inner = _items(column)
    return max(len(inner[0]), *map(leaves, inner)) if inner else 0


def _items(column: pa.Array) -> list[pa.Array]:
    """What the lists of a column hold: one array, of a map its keys and its items; none for a column without."""
    kind = column.type
    if pt.is_map(kind):
        first, last = column.offsets[0].as_py(), column.offsets[-1].as_py()
        return [part.slice(first, last - first) for part in (column.items, column.keys)]
    is_list = pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind)
    is_view = pt.is_list_view(kind) or pt.is_large_list_view(kind)
    return [column.flatten()] if is_list or is_view else []
