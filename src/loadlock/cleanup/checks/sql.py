"""sql: a condition over the value, as DuckDB SQL."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from loadlock.cleanup.base import Example, Finding, RuleContext, option

# strings, quoted names, comments and dollar quotes are passed over, so that a `value` in them stays
_TOKEN = re.compile(
    r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/|\$(\w*)\$.*?\$\1\$|(?<![\w.$])(?P<name>value)(?![\w$])""",
    re.IGNORECASE | re.DOTALL,
)


class Sql:
    """A condition in DuckDB SQL that must be true; `value` stands for the typed value. False, null and an error of the
    condition (for a value that is not null) are all bad."""

    name: ClassVar[str] = "sql"
    summary: ClassVar[str] = "A condition over the value, in DuckDB SQL."
    shorthand: ClassVar[str | None] = "sql"
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options="length(value) % 2 = 0", before="ab", passes=True),
        Example(options="length(value) % 2 = 0", before="abc", passes=False),
        Example(options="value::integer > 5", before="six", passes=False),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        sql: str = option("The condition; `value` stands for the value.")
        message: str | None = option("What to say of a bad value; `{value}` is filled in.", default=None)

    def __init__(self, options: Options) -> None:
        if not any(match["name"] for match in _TOKEN.finditer(options.sql)):
            raise ValueError(
                "the condition does not use `value`; a condition over other columns belongs under `checks:`"
            )
        self.options = options

    def findings(self, value: str, text: str, context: RuleContext) -> list[Finding]:
        condition = _TOKEN.sub(lambda match: value if match["name"] else match[0], self.options.sql)
        # a line break ends a comment at the condition's end
        sql = f"case when {value} is null then false else coalesce(not try(({condition}\n)), true) end"
        shown = self.options.sql.replace("{", "(").replace("}", ")")
        return [Finding(code="sql_check", sql=sql, message=self.options.message or f"{{value}} fails {shown}")]
