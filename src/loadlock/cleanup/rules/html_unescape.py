"""html_unescape: characters in place of HTML's names for them."""

from __future__ import annotations

from dataclasses import dataclass
from html import unescape
from typing import TYPE_CHECKING, ClassVar

from loadlock.cleanup._each import where
from loadlock.cleanup.base import Example, RuleContext

if TYPE_CHECKING:
    import pyarrow as pa


class HtmlUnescape:
    """Puts characters in the place of HTML's names and numbers for them (`&amp;`, `&#252;`). Tags stay."""

    name: ClassVar[str] = "html_unescape"
    summary: ClassVar[str] = "Put characters in place of HTML's names for them."
    idempotent: ClassVar[bool] = False  # &amp;lt; is &lt;, which is <
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options=None, before="Tom &amp; Jerry", after="Tom & Jerry"),
        Example(options=None, before="M&#252;ller&nbsp;GmbH", after="Müller\u00a0GmbH"),
        Example(options=None, before="R&D", after="R&D"),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        pass

    def __init__(self, options: Options) -> None:
        self.options = options

    def apply(self, values: pa.Array, context: RuleContext) -> pa.Array:
        """Only texts with an ampersand, once each."""
        import pyarrow.compute as pc

        return where(values, pc.match_substring(values, "&"), unescape)
