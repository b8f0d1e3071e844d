"""unicode: one of Unicode's normal forms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

from loadlock.cleanup.base import Example, RuleContext, option

if TYPE_CHECKING:
    import pyarrow as pa


class Unicode:
    """Writes text in one of Unicode's normal forms, so that texts which look alike are alike: NFC joins letters and their
    accents, NFKC also replaces compatibility characters (full-width letters, ligatures, ½)."""

    name: ClassVar[str] = "unicode"
    summary: ClassVar[str] = "Write text in one of Unicode's normal forms."
    shorthand: ClassVar[str | None] = "form"
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options=None, before="e\u0301te\u0301", after="été"),
        Example(options="NFKC", before="Ｌｏａｄ ﬁle №5", after="Load file No5"),
        Example(options="NFD", before="é", after="e\u0301"),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        form: Literal["NFC", "NFKC", "NFD", "NFKD"] = option("The normal form.", default="NFC")

    def __init__(self, options: Options) -> None:
        self.options = options

    def apply(self, values: pa.Array, context: RuleContext) -> pa.Array:
        """ASCII is the same in all forms."""
        import pyarrow.compute as pc

        if pc.all(pc.string_is_ascii(values), min_count=0).as_py():
            return values
        return pc.utf8_normalize(values, self.options.form)
