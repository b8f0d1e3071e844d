"""Options of workbooks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from loadlock.intake._options import option


@dataclass(frozen=True, kw_only=True)
class ExcelOptions:
    """Options beside the common ones: `sheet`, `header`, `preamble` (sheet rows above the header), `footer`."""

    serial_dates: tuple[str, ...] = option(
        "Columns whose plain numbers are dates (days since 1900, or 1904 where the workbook says so).", default=()
    )
    digits: int = option(
        "Significant digits of numbers: 17 gives each as stored, 15 as Excel shows it (0.1+0.2 is 0.3).", default=17
    )
    merged: Literal["first", "fill"] = option(
        "The value of merged cells stands in the first of them, or fills all of them.", default="first"
    )

    def __post_init__(self) -> None:
        if not 1 <= self.digits <= 17:
            raise ValueError(f"excel: digits must be 1 to 17, not {self.digits}")
