"""casefold: the form in which texts that differ only in case are equal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from loadlock.cleanup._each import where
from loadlock.cleanup.base import Example, RuleContext

if TYPE_CHECKING:
    import pyarrow as pa


class Casefold:
    """Writes text so that texts which differ only in case become equal, by Unicode's case folding: more than `lower`
    (`STRASSE` and `Straße` are equal)."""

    name: ClassVar[str] = "casefold"
    summary: ClassVar[str] = "Make texts equal that differ only in case."
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options=None, before="Straße", after="strasse"),
        Example(options=None, before="ΣΊΣΥΦΟΣ", after="σίσυφοσ"),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        pass

    def __init__(self, options: Options) -> None:
        self.options = options

    def apply(self, values: pa.Array, context: RuleContext) -> pa.Array:
        """ASCII in one go; other texts once each."""
        import pyarrow.compute as pc

        folded = where(values, pc.invert(pc.string_is_ascii(values)), str.casefold)
        return pc.ascii_lower(folded)
