"""Numbers as people write them, sorted by what their marks can mean; the patterns are those of the rule `number`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from loadlock.cleanup._sql import BLANK
from loadlock.cleanup.rules._number_patterns import (
    COMMA,
    CURRENCY,
    GROUPED,
    GROUPED_COMMA,
    GROUPED_POINT,
    INTEGER,
    MINUS,
    NEUTRAL,
    POINT,
)

if TYPE_CHECKING:
    import pyarrow as pa

EITHER_POINT = r"[1-9][0-9]{0,2}\.[0-9]{3}"
EITHER_COMMA = "[1-9][0-9]{0,2},[0-9]{3}"
CORES = {
    "integer": f"{INTEGER}|{GROUPED}",
    "point": f"{POINT}|{GROUPED_POINT}",
    "comma": f"{COMMA}|{GROUPED_COMMA}",
    "either_point": EITHER_POINT,
    "either_comma": EITHER_COMMA,
}
"""What a number is without sign, currency and percent → pattern; a core is of one kind at most."""

_SIGN = f"(?:{MINUS}|\\+)"
_PLAIN = f"[^{MINUS[1:-1]}()+]*"  # the minus must come first, or it makes a range
_ONE_SIGN = f"^{_PLAIN}(?:{_SIGN}{_PLAIN}|\\({_PLAIN}\\){_PLAIN})?$"
_END = f"(?:{BLANK}*(?:{MINUS}|\\)))?"
_FRAME = (
    f"^{BLANK}*(?:{_SIGN}{BLANK}*)?(?:\\({BLANK}*)?(?P<head>{CURRENCY}{BLANK}*)?(?:{_SIGN}{BLANK}*)?"
    f"(?P<core>[.,]?[0-9](?:[0-9.,{NEUTRAL[1:]}*[0-9])?)"
    f"{_END}(?P<tail>{BLANK}*{CURRENCY})?(?P<rate>{BLANK}*%)?{_END}{BLANK}*$"
)


@dataclass(frozen=True, kw_only=True)
class WrittenNumbers:
    """The values that are numbers of one kind (`mask` over all values given), and what is said of them."""

    kind: str
    mask: Any
    currency: Any
    percent: Any
    digits: int
    """Most digits before the decimal mark; all digits where the mark is in doubt."""
    scale: int
    """Most digits behind it; 0 where there is none or it is in doubt."""


def written_numbers(values: pa.Array) -> Iterator[WrittenNumbers]:
    """The numbers among the values, one answer a kind."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = pc.extract_regex(values, _FRAME)
    framed = pc.and_(found.is_valid(), pc.match_substring_regex(values, _ONE_SIGN))
    cores = pc.if_else(framed, _group(found, "core"), "")
    currency = _said(found, "head") | _said(found, "tail")
    percent = _said(found, "rate")
    for kind, pattern in CORES.items():
        mask = pc.match_substring_regex(cores, f"^(?:{pattern})$").to_numpy(zero_copy_only=False)
        if mask.any():
            digits, scale = _sizes(kind, cores.filter(pa.array(mask)))
            yield WrittenNumbers(
                kind=kind, mask=mask, currency=currency & mask, percent=percent & mask, digits=digits, scale=scale
            )


def _group(found: pa.Array, name: str) -> pa.Array:
    import pyarrow.compute as pc

    return pc.fill_null(pc.struct_field(found, name), "")


def _said(found: pa.Array, name: str) -> Any:
    import pyarrow.compute as pc

    return pc.not_equal(_group(found, name), "").to_numpy(zero_copy_only=False)


def _sizes(kind: str, cores: pa.Array) -> tuple[int, int]:
    import pyarrow.compute as pc

    whole, fraction = cores, None
    if kind in ("point", "comma"):
        mark = "." if kind == "point" else ","
        # 1,234,567 has no decimal mark at all
        whole = pc.replace_substring_regex(cores, rf"\{mark}[0-9]*$", "")
        fraction = pc.subtract(pc.binary_length(cores), pc.binary_length(whole))
    digits = pc.max(pc.binary_length(pc.replace_substring_regex(whole, "[^0-9]", ""))).as_py()
    return digits, 0 if fraction is None else max(pc.max(fraction).as_py() - 1, 0)
