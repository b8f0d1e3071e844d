"""The shape of a text: its digits as 9, its letters as a or A. Few shapes tell what many values can be."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pyarrow as pa

_DAY, _MONTH = "9{1,2}", "9{1,2}"
_SHORT, _LONG = "[Aa]{3}", "[Aa]{3,9}"

DATE_FORMATS = {
    "%Y-%m-%d": f"9999-{_MONTH}-{_DAY}",
    "%Y/%m/%d": f"9999/{_MONTH}/{_DAY}",
    "%Y.%m.%d": rf"9999\.{_MONTH}\.{_DAY}",
    "%Y%m%d": "9{8}",
    "%d/%m/%Y": f"{_DAY}/{_MONTH}/9999",
    "%m/%d/%Y": f"{_MONTH}/{_DAY}/9999",
    "%d-%m-%Y": f"{_DAY}-{_MONTH}-9999",
    "%m-%d-%Y": f"{_MONTH}-{_DAY}-9999",
    "%d.%m.%Y": rf"{_DAY}\.{_MONTH}\.9999",
    "%d/%m/%y": f"{_DAY}/{_MONTH}/99",
    "%m/%d/%y": f"{_MONTH}/{_DAY}/99",
    "%d-%m-%y": f"{_DAY}-{_MONTH}-99",
    "%m-%d-%y": f"{_MONTH}-{_DAY}-99",
    "%d.%m.%y": rf"{_DAY}\.{_MONTH}\.99",
    "%d %b %Y": f"{_DAY} {_SHORT} 9999",
    "%d-%b-%Y": f"{_DAY}-{_SHORT}-9999",
    "%d/%b/%Y": f"{_DAY}/{_SHORT}/9999",
    "%d %b %y": f"{_DAY} {_SHORT} 99",
    "%d-%b-%y": f"{_DAY}-{_SHORT}-99",
    "%b %d %Y": f"{_SHORT} {_DAY} 9999",
    "%b %d, %Y": f"{_SHORT} {_DAY}, 9999",
    "%Y-%b-%d": f"9999-{_SHORT}-{_DAY}",
    "%d %B %Y": f"{_DAY} {_LONG} 9999",
    "%B %d %Y": f"{_LONG} {_DAY} 9999",
    "%B %d, %Y": f"{_LONG} {_DAY}, 9999",
    "%a, %d %b %Y": f"{_SHORT}, {_DAY} {_SHORT} 9999",
}
"""Date formats that are looked for, each with the shape of its values."""
CLOCKS = {
    "%H:%M": "9{1,2}:99",
    "%H:%M:%S": "9{1,2}:99:99",
    "%H:%M:%S.%f": r"9{1,2}:99:99\.9{1,6}",
    "%I:%M %p": "9{1,2}:99 (?:AA|aa)",
    "%I:%M:%S %p": "9{1,2}:99:99 (?:AA|aa)",
}
_JOINTS = {" ": " ", "T": "A"}
_ZONED = re.compile(r"9999-99-99[ A]99:99(?::99(?:\.9{1,6})?)?(?:A|[+-]99(?::?99)?)")
_INTEGER = re.compile(r"[+-]?(9+)")
_DECIMAL = re.compile(r"[+-]?(9*)\.(9+)|[+-]?(9+)\.")
_FLOAT = re.compile(r"[+-]?(?:9+\.?9*|\.9+)[Aa][+-]?9{1,3}")
_PADDED = re.compile(r"9999-99-99(?:[ A]99:99(?::99(?:\.9{1,6})?)?)?")

_TABLE = np.arange(256, dtype=np.uint8)
_TABLE[ord("0") : ord("9") + 1] = ord("9")
_TABLE[ord("a") : ord("z") + 1] = ord("a")
_TABLE[ord("A") : ord("Z") + 1] = ord("A")


@dataclass(frozen=True, kw_only=True)
class Shape:
    """What values of one shape can be. `formats`: date or time formats that may fit (the value itself decides)."""

    kind: str
    """`integer`, `decimal`, `float`, `zoned`, `moment` (date or timestamp), `time`, `other`."""
    digits: int = 0
    """Of numbers: digits before the point."""
    scale: int = 0
    """Of numbers: digits behind the point."""
    formats: tuple[str, ...] = ()
    padded: bool = False
    """Of moments: written as ISO 8601 demands, so that no format need be named."""


def shapes(values: pa.Array) -> pa.Array:
    """The shapes of a string array without nulls: same bytes, but digits and ASCII letters replaced."""
    import pyarrow as pa

    _validity, offsets, data = values.buffers()
    mapped = _TABLE[np.frombuffer(data, dtype=np.uint8)] if data is not None else np.empty(0, np.uint8)
    buffers: list[Any] = [None, offsets, pa.py_buffer(np.ascontiguousarray(mapped))]
    return pa.Array.from_buffers(pa.string(), len(values), buffers, null_count=0, offset=values.offset)


@lru_cache(maxsize=100_000)
def classify(shape: str) -> Shape:
    """What a shape can be."""
    if "9" not in shape or len(shape) > 64:
        return _OTHER
    if match := _INTEGER.fullmatch(shape):
        return Shape(kind="integer", digits=len(match[1]), formats=_compact(shape))
    if match := _DECIMAL.fullmatch(shape):
        return Shape(kind="decimal", digits=len(match[1] or match[3] or ""), scale=len(match[2] or ""))
    if formats := moment_formats(shape):
        return Shape(kind="moment", formats=formats, padded=_PADDED.fullmatch(shape) is not None)
    if _ZONED.fullmatch(shape):
        return Shape(kind="zoned")
    if _FLOAT.fullmatch(shape):
        return Shape(kind="float")
    if clocks := tuple(clock for clock, pattern in _CLOCKS if pattern.fullmatch(shape)):
        return Shape(kind="time", formats=clocks)
    return _OTHER


_OTHER = Shape(kind="other")
_DATES = [(text, re.compile(pattern)) for text, pattern in DATE_FORMATS.items()]
_CLOCKS = [(text, re.compile(pattern)) for text, pattern in CLOCKS.items()]
_MOMENTS = _DATES + [
    (f"{date}{joint}{clock}", re.compile(f"{date_shape}{joint_shape}{clock_shape}"))
    for (date, date_shape), (joint, joint_shape), (clock, clock_shape) in product(
        DATE_FORMATS.items(), _JOINTS.items(), CLOCKS.items()
    )
]
_ANY_MOMENT = re.compile(f"(?:{'|'.join(DATE_FORMATS.values())})(?:[ A](?:{'|'.join(CLOCKS.values())}))?")
"""One look that most shapes don't pass."""


def moment_formats(shape: str) -> tuple[str, ...]:
    """The date and timestamp formats whose values have this shape."""
    if not _ANY_MOMENT.fullmatch(shape):
        return ()
    found = tuple(text for text, pattern in _MOMENTS if pattern.fullmatch(shape))
    # `May` fits both the short and the long name: the short one says it
    return tuple(text for text in found if "%B" not in text or text.replace("%B", "%b") not in found)


def _compact(shape: str) -> tuple[str, ...]:
    return ("%Y%m%d",) if len(shape) == 8 and shape[0] == "9" else ()
