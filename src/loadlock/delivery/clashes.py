"""Staged rows that a publish would be refused for: another unique index than the key's holds their value in a row that stays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from loadlock.errors import Refusal

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True, kw_only=True)
class Clash:
    """The rows that one index would refuse. `rows` = their values in the columns by which the staging table tells rows apart."""

    refusal: Refusal
    rows: pa.Table
