"""fill_down: the value of the row above where there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlock.cleanup.base import RowExample, option


class FillDown:
    """Fills a gap with the last value that stands above it in the same file: for files that name a group only in its first
    row. Must be the first of the column's rules: it works on the values as they were staged, rejected rows included. Text of
    white space alone is a gap too. Gaps above the first value of a file stay.

    The gaps are found over whole files before any row is cleaned, so the result does not depend on how files are cut; a
    replayed row gets the value that stood above it. A batch may have 200,000 values with gaps below them.
    """

    name: ClassVar[str] = "fill_down"
    summary: ClassVar[str] = "Fill gaps with the value of the row above."
    whole_file: ClassVar[bool] = True
    examples: ClassVar[tuple[RowExample, ...]] = (
        RowExample(
            options=None,
            before={"row 1": "North", "row 2": None, "row 3": "", "row 4": "South"},
            after={"row 1": "North", "row 2": "North", "row 3": "North", "row 4": "South"},
        ),
        RowExample(
            options={"empty": False},
            before={"row 1": "North", "row 2": None, "row 3": ""},
            after={"row 1": "North", "row 2": "North", "row 3": ""},
        ),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        empty: bool = option("Whether empty and blank text is a gap too, or only null.", default=True)

    def __init__(self, options: Options) -> None:
        self.options = options
