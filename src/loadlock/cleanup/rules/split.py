"""split: one column into several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Literal

from loadlock.cleanup._sql import check_pattern, literal
from loadlock.cleanup.base import Finding, RowExample, RuleContext, Touched, option

_MARK = "\x1f"


class Split:
    """Cuts the value of `column:` into pieces and puts them into columns, in order. White space around the pieces goes. The
    columns need not be declared; the one that is cut stays as it is (`drop` leaves it out)."""

    name: ClassVar[str] = "split"
    summary: ClassVar[str] = "Cut one column into several."
    code: ClassVar[str] = "bad_split"
    examples: ClassVar[tuple[RowExample, ...]] = (
        RowExample(
            options={"by": ",", "into": ["last_name", "first_name"]},
            column="name",
            before={"name": "Lee, Ann"},
            after={"last_name": "Lee", "first_name": "Ann"},
        ),
        RowExample(
            options={"by": " ", "into": ["first_name", "last_name"], "more": "last"},
            column="name",
            before={"name": "Ann van der Lee"},
            after={"first_name": "Ann", "last_name": "van der Lee"},
        ),
        RowExample(
            options={"by": " ", "into": ["street", "number"], "more": "first"},
            column="address",
            before={"address": "Am Alten Hof 3a"},
            after={"street": "Am Alten Hof", "number": "3a"},
        ),
        RowExample(
            options={"pattern": "(-?[0-9.]+)[ ,]+(-?[0-9.]+)", "into": ["lat", "lon"]},
            column="place",
            before={"place": "52.52, 13.40"},
            after={"lat": "52.52", "lon": "13.40"},
        ),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        into: tuple[str, ...] = option("The columns for the pieces, in order.")
        by: str | None = option("The text between the pieces.", default=None)
        pattern: str | None = option("Instead: a pattern (RE2) for the whole value with a group a piece.", default=None)
        fewer: Literal["null", "reject"] = option(
            "Fewer pieces than columns: the last columns stay empty (null), or the row is a reject.", default="null"
        )
        more: Literal["reject", "last", "first", "drop"] = option(
            "More pieces than columns: reject the row, leave the rest in the last or the first column, or drop it.",
            default="reject",
        )

    def __init__(self, options: Options) -> None:
        if len(options.into) < 2 or len(set(options.into)) < len(options.into):
            raise ValueError("`into` must name two columns or more, each once")
        if (options.by is None) == (options.pattern is None) or options.by == "":
            raise ValueError("give either `by` or `pattern`")
        if options.pattern is not None:
            check_pattern(options.pattern, f"\\{min(len(options.into), 9)}")
            if len(options.into) > 9 or options.more != "reject":
                raise ValueError("a `pattern` has at most 9 groups, and no pieces beyond them")
        self.options = options

    def touches(self, column: str) -> Touched:
        """From the column into the others."""
        if not column:
            raise ValueError("split names no column to cut; add `column:`")
        return Touched(reads=(column,), writes=self.options.into)

    def row_sql(self, values: Mapping[str, str], column: str, context: RuleContext) -> dict[str, str]:
        """Empty pieces are null; a value that is rejected gives none."""
        value = values[column]
        good = " and ".join(f"not ({found.sql})" for found in self.row_findings(values, column, context)) or "true"
        return {
            name: f"case when {good} then nullif(trim({self._piece(value, number)}), '') end"
            for number, name in enumerate(self.options.into, start=1)
        }

    def row_findings(self, values: Mapping[str, str], column: str, context: RuleContext) -> list[Finding]:
        """Too few or too many pieces, where that is not allowed."""
        value, wanted, found = values[column], len(self.options.into), []
        if self.options.pattern is not None:
            sql = f"{value} <> '' and not regexp_full_match({value}, {literal(self.options.pattern)})"
            message = "{value} does not match the pattern as a whole"
            return [Finding(code=self.code, sql=sql, message=message)] if self.options.fewer == "reject" else []
        count = f"len({self._pieces(value)})"
        if self.options.fewer == "reject":
            sql = f"{value} <> '' and {count} < {wanted}"
            found.append(Finding(code=self.code, sql=sql, message=f"{{value}} has fewer than {wanted} pieces"))
        if self.options.more == "reject":
            sql = f"{count} > {wanted}"
            found.append(Finding(code=self.code, sql=sql, message=f"{{value}} has more than {wanted} pieces"))
        return found

    def _pieces(self, value: str) -> str:
        by = self.options.by or ""
        if by.strip() == "":
            # several blanks are one, and none stands at the ends
            runs = f"regexp_replace(trim({value}, {literal(by + ' ')}), {literal(f'(?:{by})+')}, {literal(by)}, 'g')"
            return f"string_split({runs}, {literal(by)})"
        return f"string_split({value}, {literal(by)})"

    def _piece(self, value: str, number: int) -> str:
        if self.options.pattern is not None:
            pattern = literal(self.options.pattern)
            return (
                f"case when regexp_full_match({value}, {pattern}) then regexp_extract({value}, {pattern}, {number}) end"
            )
        wanted, pieces = len(self.options.into), self._pieces(value)
        by = literal(self.options.by or "")
        if self.options.more == "last" and number == wanted:
            return f"array_to_string({pieces}[{number}:], {by})"
        if self.options.more == "first":
            surplus = f"greatest(len({pieces}) - {wanted}, 0)"
            if number == 1:
                return f"array_to_string({pieces}[1:1 + {surplus}], {by})"
            return f"{pieces}[{number} + {surplus}]"
        return f"{pieces}[{number}]"
