"""Options that Parquet and Arrow files share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from loadlock.intake._options import option


@dataclass(frozen=True, kw_only=True)
class BinaryOptions:
    """Options of Parquet and Arrow files."""

    binary: Literal["hex", "base64", "text"] = option(
        "How values of binary columns are staged: `\\x` and hexadecimal digits, Base64, or read as UTF-8 text.",
        default="hex",
    )
