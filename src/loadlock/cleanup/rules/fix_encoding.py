"""fix_encoding: repair text that was decoded by the wrong encoding (mojibake)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

from loadlock.cleanup.base import Example, RuleContext

if TYPE_CHECKING:
    import pyarrow as pa

# Mojibake of UTF-8 is two such characters or more in a row (a byte A0 may have become a space, a lost byte U+001A);
# a C1 control alone is a cp1252 character read as Latin-1.
_SUSPECT = r"[^\x00-\x7f][^\x00-\x7f \x1a]|[^\x00-\x7f] |[^\x00-\x7f]\x1a|[\x{80}-\x{9f}]"

_SHORT = 200


class FixEncoding:
    """Repairs mojibake such as `MÃ¼ller` (library ftfy); text that only looks odd is left as it is."""

    name: ClassVar[str] = "fix_encoding"
    summary: ClassVar[str] = "Repair text decoded by the wrong encoding."
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options=None, before="MÃ¼ller", after="Müller"),
        Example(options=None, before="donâ€™t", after="don’t"),
        Example(options=None, before="Müller", after="Müller"),
        Example(options=None, before="voilÃ  tout", after="voilà tout"),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        pass

    def __init__(self, options: Options) -> None:
        self.options = options

    def apply(self, values: pa.Array, context: RuleContext) -> pa.Array:
        """Only distinct values that can be mojibake are looked at one by one."""
        import pyarrow as pa
        import pyarrow.compute as pc

        plain = pc.string_is_ascii(values)
        if pc.all(plain, min_count=0).as_py():
            return values
        doubtful = pc.and_(pc.invert(plain), pc.match_substring_regex(values, _SUSPECT))
        chosen = pc.fill_null(doubtful, False)
        if not pc.any(chosen).as_py():
            return values
        found = values.filter(chosen).dictionary_encode()
        repaired = pa.array([_repair(text) for text in found.dictionary.to_pylist()], pa.string())
        return pc.replace_with_mask(values, chosen, repaired.take(found.indices))


def _repair(text: str) -> str:
    # names come again and again; long texts don't, and would fill the memory
    return _remembered(text) if len(text) <= _SHORT else _repaired(text)


def _repaired(text: str) -> str:
    import ftfy

    return str(ftfy.fix_encoding(text))


_remembered = lru_cache(maxsize=1 << 14)(_repaired)
