"""url: the text must be a web address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlock.cleanup._sql import SPACES, ZERO_WIDTH, escaped, literal
from loadlock.cleanup.base import Example, Finding, RuleContext, option

_NO = f'{SPACES}{ZERO_WIDTH}\\x00-\\x1f\\x7f<>"{{}}|\\\\^`'
_LABEL = "[\\pL\\pN](?:[\\pL\\pM\\pN_-]*[\\pL\\pM\\pN])?"
_HOST = f"(?:{_LABEL}(?:\\.{_LABEL})*\\.?|\\[[0-9A-Fa-f:.]+\\])"
_LONGEST = 2_083


class Url:
    """The text must be a web address as `https://example.com/path?a=b`: a scheme of the list, a host, no blanks, at most 2,083
    characters. Whether there is something at the address is not asked."""

    name: ClassVar[str] = "url"
    summary: ClassVar[str] = "The text must be a web address."
    shorthand: ClassVar[str | None] = "schemes"
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options=None, before="https://example.com/a?b=c#d", passes=True),
        Example(options=None, before="http://192.0.2.1:8080", passes=True),
        Example(options=None, before="www.example.com", passes=False),
        Example(options=None, before="https://exa mple.com", passes=False),
        Example(options=None, before="ftp://example.com", passes=False),
        Example(options=["ftp"], before="ftp://example.com", passes=True),
        Example(options=None, before="http://", passes=False),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        schemes: tuple[str, ...] = option("Schemes that are allowed.", default=("http", "https"))
        tld: bool = option("Whether the host must have a dot.", default=False)

    def __init__(self, options: Options) -> None:
        if not options.schemes or not all(
            name.isascii() and name.replace("+", "").isalnum() for name in options.schemes
        ):
            raise ValueError("`schemes` must name schemes as http")
        self.options = options

    def findings(self, value: str, text: str, context: RuleContext) -> list[Finding]:
        schemes = "|".join(map(escaped, self.options.schemes))
        pattern = f"(?i:{schemes})://(?:[^/?#@{_NO}]*@)?{_HOST}(?::[0-9]{{1,5}})?(?:[/?#][^{_NO}]*)?"
        bad = [f"strlen({text}) > {_LONGEST}", f"not regexp_full_match({text}, {literal(pattern)})"]
        if self.options.tld:
            bad.append(f"not regexp_matches({text}, '://[^/?#]*[.\\[]')")
        return [Finding(code="not_url", sql=" or ".join(bad), message="{value} is no web address")]
