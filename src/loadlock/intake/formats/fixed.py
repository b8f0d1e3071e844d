"""Fixed-width text: each value stands at the same place of every line."""

from __future__ import annotations

import re
from typing import ClassVar

from loadlock.intake._fixed_options import FixedOptions
from loadlock.intake.base import ByteSource, ReadResult, SourceOptions

_MARKS = re.compile(rb"[,;|\t{}<>\"]")
_RULER = re.compile(rb"\n *-{2,}(?: +-+)+ *(?:\n|\Z)")
"""Dashes below a header, as SQL clients print them."""
_GAPS = re.compile(rb"\S {2,}\S")


class FixedFormat:
    """Lines in which every value has its place, said by widths or positions, or found by columns of spaces.

    A line that goes on behind the last column, ends before it (where lines are padded), or has text between two columns that
    were found out is a reject: its values would be cut in the wrong places.
    """

    name: ClassVar[str] = "fixed"
    summary: ClassVar[str] = "Fixed-width text"
    extensions: ClassVar[tuple[str, ...]] = (".fwf", ".fixed", ".prn")
    Options = FixedOptions

    def sniff(self, head: bytes, name: str) -> float:
        """By the extension, else where lines without any delimiter hold gaps of spaces and are equally long."""
        lines = [line for line in re.split(rb"\r\n|\n|\r", head[:65536])[:50] if line.strip()]
        if len(head) > 65536:
            lines = lines[:-1]
        if name.lower().endswith(self.extensions):
            return 0.95 if lines and b"\0" not in head[:65536] else 0.0
        if _RULER.search(b"\n".join(lines[:3])) and b"\0" not in head[:65536]:
            return 0.97
        if len(lines) < 2 or any(_MARKS.search(line) for line in lines) or b"\0" in head[:65536]:
            return 0.0
        gaps = sum(bool(_GAPS.search(line)) for line in lines) / len(lines)
        return 0.85 if gaps > 0.9 and len({len(line) for line in lines}) == 1 else 0.0

    def read(self, source: ByteSource, options: SourceOptions) -> ReadResult:
        """Read one file; the columns are known before the first part is asked for."""
        from loadlock.intake._fixed_reader import FixedReader

        reader = FixedReader(source, options)
        return ReadResult(parts=reader.parts(), report=reader.report)
