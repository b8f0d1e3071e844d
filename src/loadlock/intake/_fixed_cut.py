"""Cuts lines of fixed-width text into columns, all lines at once; finds those that don't fit the layout."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from loadlock.intake._fixed_layout import Layout
from loadlock.intake._fixed_options import FixedOptions
from loadlock.intake.base import SourceOptions
from loadlock.model import Problem


def faults_of(texts: pa.Array, layout: Layout, options: SourceOptions) -> dict[int, Problem]:
    """Lines that don't fit: index → why. Their values would be cut in the wrong places."""
    found: dict[int, Problem] = {}
    lengths = pc.utf8_length(texts).to_numpy(zero_copy_only=False)
    end = layout.spans[-1][1] if layout.spans else 0
    if not layout.found:
        beyond = pc.utf8_trim(pc.utf8_slice_codeunits(texts, end), " ")
        for number in np.flatnonzero(pc.not_equal(beyond, "").to_numpy(zero_copy_only=False)).tolist():
            message = f"the line goes on behind the last column, which ends at {end}"
            found[number] = Problem(code="field_count", value=beyond[number].as_py()[:100], message=message)
    for start, _ in layout.spans[1:] if layout.found else ():
        edge = pc.utf8_slice_codeunits(texts, start - 1, start)
        over = pc.and_(pc.not_equal(edge, " "), pc.not_equal(edge, ""))
        for number in np.flatnonzero(over.to_numpy(zero_copy_only=False)).tolist():
            message = f"text stands at place {start}, between two columns: they may be wider than was found"
            found.setdefault(number, Problem(code="field_count", message=message))
    if not layout.stripped and layout.spans and "pad_short" not in options.tolerate:
        least = layout.spans[-1][0] + 1 if layout.found else end
        for number in np.flatnonzero(lengths < least).tolist():
            message = f"the line ends at {int(lengths[number])}, and the last column goes from {layout.spans[-1][0] + 1} to {end}"
            found.setdefault(number, Problem(code="field_count", message=message))
    return found


def cut_columns(texts: pa.Array, layout: Layout, own: FixedOptions) -> tuple[list[pa.Array], dict[int, Problem]]:
    """The values of each column, null where there is none; lines that are cut within a character: index → why."""
    faults: dict[int, Problem] = {}
    spans: list[tuple[int, int | None]] = [*layout.spans]
    if layout.found and spans:
        spans[-1] = (spans[-1][0], None)
    by_bytes = own.unit == "bytes" and not pc.all(pc.string_is_ascii(texts), min_count=0).as_py()
    columns = [_by_bytes(texts, span, faults) if by_bytes else _slice(texts, span) for span in spans]
    trimmed = [pc.utf8_trim(column, " ") for column in columns]
    kept = trimmed if own.trim else columns
    return [pc.if_else(pc.equal(bare, ""), None, value) for bare, value in zip(trimmed, kept, strict=True)], faults


def _slice(texts: pa.Array, span: tuple[int, int | None]) -> pa.Array:
    return pc.utf8_slice_codeunits(texts, *span) if span[1] is not None else pc.utf8_slice_codeunits(texts, span[0])


def _by_bytes(texts: pa.Array, span: Sequence[int | None], faults: dict[int, Problem]) -> pa.Array:
    """Cut at bytes; what is no whole character then makes its line a fault."""
    start, end = span
    pieces = [text.encode()[start:end] for text in texts.to_pylist()]
    found = []
    for number, piece in enumerate(pieces):
        try:
            found.append(piece.decode())
        except UnicodeDecodeError:
            message = f"bytes {(start or 0) + 1} to {end} cut a character in two"
            faults[number] = Problem(code="field_count", message=message)
            found.append("")
    return pa.array(found, pa.string())
