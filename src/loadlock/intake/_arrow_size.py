"""How much text Arrow arrays stand for, told before it is made: dictionaries and lists may unfold to gigabytes."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

_RAW = {pa.string(): pa.binary(), pa.large_string(): pa.large_binary(), pa.binary(): pa.binary()}


def text_bytes(column: pa.Array) -> int:
    """Bytes of text that a column's dictionary stands for; 0 for a column without. Raises what PyArrow does for damage."""
    folded = _folded(column)
    if folded is None:
        return 0
    return int(pc.sum(pc.binary_length(folded.dictionary).take(folded.indices)).as_py() or 0)


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
    if pt.is_map(kind):
        first, last = column.offsets[0].as_py(), column.offsets[-1].as_py()
        inner = column.items.slice(first, last - first)
    elif pt.is_list(kind) or pt.is_large_list(kind) or pt.is_fixed_size_list(kind):
        inner = column.flatten()
    else:
        return 0
    return max(len(inner), leaves(inner))
