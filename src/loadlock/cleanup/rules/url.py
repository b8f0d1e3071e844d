"""url: web addresses in one spelling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from loadlock.cleanup._sql import BLANK, SPACES, ZERO_WIDTH, literal
from loadlock.cleanup.base import Example, RuleContext, option

_NAMES = ("scheme", "login", "host", "path", "query", "fragment")
_NO = f"{SPACES}{ZERO_WIDTH}"
_PARTS = f"^([A-Za-z][A-Za-z0-9+.-]*)://([^/?#@{_NO}]*@)?([^/?#@{_NO}]+)([^?#{_NO}]*)(\\?[^#{_NO}]*)?(#[^{_NO}]*)?$"
_BARE = "(?s)^(?:[\\pL\\pN](?:[\\pL\\pN-]*[\\pL\\pN])?\\.)+\\pL[\\pL\\pN-]*(?::[0-9]+)?(?:[/?#].*)?$"
_TRACKING = "(?:utm_[a-z_]+|gclid|fbclid|msclkid|mc_eid|mc_cid|igshid|yclid|_ga)"


class Url:
    """Writes web addresses in one spelling: without blanks around, scheme and host in lower case, the scheme's own port
    left out. What is no address with `scheme://host` stays as it is; the check `url` finds it."""

    name: ClassVar[str] = "url"
    summary: ClassVar[str] = "Write web addresses in one spelling."
    shorthand: ClassVar[str | None] = "scheme"
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options=None, before=" HTTP://Example.COM:80/Path?a=B ", after="http://example.com/Path?a=B"),
        Example(options="https", before="www.Example.com/shop", after="https://www.example.com/shop"),
        Example(options={"fragment": "drop"}, before="https://a.org/x#top", after="https://a.org/x"),
        Example(
            options={"tracking": "drop"},
            before="https://a.org/?id=1&utm_source=mail&x=2",
            after="https://a.org/?id=1&x=2",
        ),
        Example(options=None, before="see our site", after="see our site"),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        scheme: Literal["http", "https"] | None = option("Put before addresses without one.", default=None)
        fragment: Literal["keep", "drop"] = option("What becomes of `#top`.", default="keep")
        tracking: Literal["keep", "drop"] = option("What becomes of parameters as `utm_source`.", default="keep")

    def __init__(self, options: Options) -> None:
        self.options = options

    def sql(self, value: str, context: RuleContext) -> str:
        """Cut into its parts once, and put together again."""
        bare = f"regexp_replace({value}, '^{BLANK}+|{BLANK}+$', '', 'g')"
        names = ", ".join(f"'{name}'" for name in _NAMES)
        cut = f"regexp_extract({self._whole(bare)}, {literal(_PARTS)}, [{names}])"
        # lambdas, so that the text is cut once
        return f"list_transform([{cut}], lambda url: case when url.scheme <> '' then {self._address()} else {value} end)[1]"

    def _whole(self, bare: str) -> str:
        if self.options.scheme is None:
            return bare
        missing = f"regexp_matches({bare}, {literal(_BARE)})"
        return f"case when {missing} then concat('{self.options.scheme}://', {bare}) else {bare} end"

    def _address(self) -> str:
        host = "lower(url.host)"
        ports = " ".join(
            f"when lower(url.scheme) = '{scheme}' then regexp_replace({host}, '^([^:]*|\\[[^\\]]*\\])(?::{port})+$', '\\1')"
            for scheme, port in (("http", 80), ("https", 443))
        )
        parts = ["lower(url.scheme)", "'://'", "url.login", f"case {ports} else {host} end", "url.path", self._query()]
        if self.options.fragment == "keep":
            parts.append("url.fragment")
        return f"concat({', '.join(parts)})"

    def _query(self) -> str:
        if self.options.tracking == "keep":
            return "url.query"
        kept = f"regexp_replace(concat('&', url.query[2:]), '(?i)&{_TRACKING}=[^&]*', '', 'g')"
        return f"case when url.query = '' or {kept} = '' then '' else concat('?', ({kept})[2:]) end"
