"""email: e-mail addresses in one spelling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from loadlock.cleanup._sql import BLANK, literal
from loadlock.cleanup.base import Example, RuleContext, option

_FRAME = (
    f"(?is)^{BLANK}*(?:[^<>@]*<)?{BLANK}*(?:mailto:{BLANK}*)*([^<>{{}}@]*@[^<>{{}}@]*[^<>{{}}@\\s]){BLANK}*>?{BLANK}*$"
)


class Email:
    """Writes e-mail addresses in one spelling: without blanks, `mailto:` and a name around (`Ann <ann@x.org>`), the domain
    in lower case. What has not exactly one `@` stays as it is; the check `email` says whether it is an address."""

    name: ClassVar[str] = "email"
    summary: ClassVar[str] = "Write e-mail addresses in one spelling."
    shorthand: ClassVar[str | None] = "lower"
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options=None, before=" Ann.Lee@Example.COM ", after="Ann.Lee@example.com"),
        Example(options="all", before="mailto:Ann.Lee@Example.COM", after="ann.lee@example.com"),
        Example(options=None, before="Ann Lee <ann@example.com>", after="ann@example.com"),
        Example(options={"tags": "drop"}, before="ann+shop@example.com", after="ann@example.com"),
        Example(options=None, before="ann at example.com", after="ann at example.com"),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        lower: Literal["domain", "all"] = option(
            "What is written in lower case: the domain, or the whole address.", default="domain"
        )
        tags: Literal["keep", "drop"] = option("What becomes of `+shop` in `ann+shop@example.com`.", default="keep")

    def __init__(self, options: Options) -> None:
        self.options = options

    def sql(self, value: str, context: RuleContext) -> str:
        """The address within the frame, cut at its only `@`."""
        frame = literal(_FRAME)
        bare = f"regexp_extract({value}, {frame}, 1)"
        local, domain = f"split_part({bare}, '@', 1)", f"lower(split_part({bare}, '@', 2))"
        if self.options.tags == "drop":
            local = f"regexp_replace({local}, '(?s)^([^+]+)\\+.*$', '\\1')"
        if self.options.lower == "all":
            local = f"lower({local})"
        return f"case when regexp_matches({value}, {frame}) then concat({local}, '@', {domain}) else {value} end"
