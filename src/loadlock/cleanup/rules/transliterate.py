"""transliterate: text of any script in ASCII letters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from loadlock.cleanup._each import module, need, where
from loadlock.cleanup.base import Example, RuleContext, option

if TYPE_CHECKING:
    import pyarrow as pa


class Transliterate:
    """Writes text of any script in ASCII letters (library anyascii), character by character: `Łódź` becomes `Lodz`.
    `values` are replaced before, where a language has a custom of its own (`ä: ae`)."""

    name: ClassVar[str] = "transliterate"
    summary: ClassVar[str] = "Write text of any script in ASCII letters."
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options=None, before="Łódź, Αθήνα", after="Lodz, Athina"),
        Example(options=None, before="Müller", after="Muller"),
        Example(options={"values": {"ü": "ue"}}, before="Müller", after="Mueller"),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        values: Mapping[str, str] | None = option("Replaced before: `ü: ue`.", default=None)

    def __init__(self, options: Options) -> None:
        if "" in (options.values or {}) or not "".join((options.values or {}).values()).isascii():
            raise ValueError("`values` must lead from some text to ASCII text")
        if (options.values or {}) and any(key.isascii() for key in options.values or {}):
            raise ValueError("`values` replaces characters beyond ASCII; use `replace` for others")
        need("anyascii", self.name)
        self.options = options

    def apply(self, values: pa.Array, context: RuleContext) -> pa.Array:
        """Only texts that are not ASCII, once each."""
        import pyarrow.compute as pc

        return where(values, pc.invert(pc.string_is_ascii(values)), self._plain)

    def _plain(self, text: str) -> str:
        for old, new in (self.options.values or {}).items():
            text = text.replace(old, new)
        return str(module("anyascii").anyascii(text))
