"""email: the text must look like an e-mail address."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from loadlock.cleanup._sql import SPACES, literal
from loadlock.cleanup.base import Example, Finding, RuleContext

_ATOM = f'[^@.{SPACES}\\x{{00}}-\\x{{1f}}\\x{{7f}}()<>\\[\\]:;,\\\\"]+'
# what no label holds: ASCII but letters and digits, and the blocks of punctuation, spaces and symbols. Naming these is a
# hundredth of the work of naming the letters of all scripts, and the pattern is compiled anew for each part
_NO_LETTER = (
    "\\x{80}-\\x{a9}\\x{ab}-\\x{b4}\\x{b6}-\\x{b9}\\x{bb}-\\x{bf}\\x{d7}\\x{f7}\\x{2000}-\\x{206f}\\x{20a0}-\\x{20cf}"
    "\\x{2190}-\\x{2bff}\\x{2e00}-\\x{2e7f}\\x{3000}-\\x{3004}\\x{3008}-\\x{3020}\\x{fe10}-\\x{fe1f}\\x{fe30}-\\x{fe6f}"
    "\\x{feff}-\\x{ff0f}\\x{ff1a}-\\x{ff20}\\x{ff3b}-\\x{ff40}\\x{ff5b}-\\x{ff65}\\x{fff0}-\\x{ffff}\\x{1f000}-\\x{1faff}"
)
_END = f"[^\\x00-/:-@\\[-`{{-\\x7f{_NO_LETTER}]"
_INNER = f"[^\\x00-,./:-@\\[-^`{{-\\x7f{_NO_LETTER}]"
_LABEL = f"{_END}(?:{_INNER}*{_END})?"
_FIRST = f"[^\\x00-@\\[-`{{-\\x7f{_NO_LETTER}]"
_NO_UNDERSCORE = f"[^\\x00-,./:-@\\[-`{{-\\x7f{_NO_LETTER}]"
_TOP = f"{_FIRST}{_NO_UNDERSCORE}*{_END}"
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
