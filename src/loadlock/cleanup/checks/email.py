"""email: the text must look like an e-mail address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlock.cleanup._sql import SPACES, literal
from loadlock.cleanup.base import Example, Finding, RuleContext

_ATOM = f'[^@.{SPACES}\\x{{00}}-\\x{{1f}}\\x{{7f}}()<>\\[\\]:;,\\\\"]+'
_LABEL = "[\\p{L}\\p{N}](?:[\\p{L}\\p{N}\\p{M}_-]*[\\p{L}\\p{N}\\p{M}])?"
_TOP = "[\\p{L}\\p{M}][\\p{L}\\p{N}\\p{M}-]*[\\p{L}\\p{N}\\p{M}]"
PATTERN = f"{_ATOM}(?:\\.{_ATOM})*@{_LABEL}(?:\\.{_LABEL})*\\.{_TOP}"
_LONGEST = 254


class Email:
    """The text must look like an e-mail address: one `@`, no white space, a domain with a dot and sound labels, at most
    254 bytes. Letters of every script are allowed. Whether the mailbox exists is not asked."""

    name: ClassVar[str] = "email"
    summary: ClassVar[str] = "The text must look like an e-mail address."
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options=None, before="ann.o'neill+x@mail.example.co.uk", passes=True),
        Example(options=None, before="用户@例子.世界", passes=True),
        Example(options=None, before="ann@localhost", passes=False),
        Example(options=None, before="ann@@example.com", passes=False),
        Example(options=None, before="ann@example..com", passes=False),
        Example(options=None, before="ann @example.com", passes=False),
        Example(options=None, before="ann.@example.com", passes=False),
        Example(options=None, before="ann@-example.com", passes=False),
        Example(options=None, before="", passes=False),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        pass

    def __init__(self, options: Options) -> None:
        self.options = options

    def findings(self, value: str, text: str, context: RuleContext) -> list[Finding]:
        sql = f"strlen({text}) > {_LONGEST} or not regexp_full_match({text}, {literal(PATTERN)})"
        return [Finding(code="not_email", sql=sql, message="{value} is no e-mail address")]
