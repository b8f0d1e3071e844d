"""strip_invisible: take out control and zero-width characters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlock.cleanup.base import Example, RuleContext, option

_CONTROLS = "\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x{9f}"
_ZERO_WIDTH = (
    "\\x{ad}\\x{180e}\\x{200b}\\x{200e}\\x{200f}\\x{202a}-\\x{202e}\\x{2060}-\\x{2064}\\x{2066}-\\x{206f}"
    "\\x{feff}\\x{fff9}-\\x{fffb}"
)
_JOINERS = "\\x{200c}\\x{200d}"


class StripInvisible:
    """Takes out control characters (tabs and line breaks stay) and characters without width: zero-width spaces, marks of
    the writing direction, soft hyphens, byte-order marks. Joiners, which scripts and emoji need, stay unless asked for."""

    name: ClassVar[str] = "strip_invisible"
    summary: ClassVar[str] = "Take out control and zero-width characters."
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options=None, before="4711\u200b", after="4711"),
        Example(options=None, before="a\x00b\x1bc\td", after="abc\td"),
        Example(options=None, before="👩\u200d👧", after="👩\u200d👧"),
        Example(options={"joiners": True}, before="a\u200db", after="ab"),
        Example(options={"zero_width": False}, before="\u200ba\x07", after="\u200ba"),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        controls: bool = option("Whether control characters go.", default=True)
        zero_width: bool = option("Whether characters without width go.", default=True)
        joiners: bool = option("Whether zero-width joiners and non-joiners go.", default=False)

    def __init__(self, options: Options) -> None:
        if not (options.controls or options.zero_width or options.joiners):
            raise ValueError("nothing is left to take out; leave one of the options true")
        self.options = options

    def sql(self, value: str, context: RuleContext) -> str:
        chosen = zip(
            (self.options.controls, self.options.zero_width, self.options.joiners),
            (_CONTROLS, _ZERO_WIDTH, _JOINERS),
            strict=True,
        )
        return f"regexp_replace({value}, '[{''.join(text for wanted, text in chosen if wanted)}]+', '', 'g')"
