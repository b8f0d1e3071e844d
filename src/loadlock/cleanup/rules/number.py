"""number: amounts as people write them become plain numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from loadlock.cleanup._sql import BLANK, literal
from loadlock.cleanup.base import Example, Finding, RuleContext, option
from loadlock.cleanup.rules import _number_patterns as patterns

_DOT = "\\."


class Number:
    """Reads a number as people write it (`$ 1,234.50`, `1.234,50 EUR`, `(1 234)`, `12-`) and writes it as `-1234.50`.

    Thousands marks (point or comma, space, apostrophe, underscore), signs and codes of currencies, accounting
    brackets and any minus sign are understood. With `decimal: auto` the value decides where it leaves no doubt (`1,234.50`,
    `72,3`), else what the rest of the column shows, else `1,234` is a problem. What is no number is left as it is, so
    that the column's type reports it.
    """

    name: ClassVar[str] = "number"
    summary: ClassVar[str] = "Read amounts as people write them into plain numbers."
    shorthand: ClassVar[str | None] = "decimal"
    idempotent: ClassVar[bool] = False  # with a decimal comma 1,234 becomes 1.234, which would then be 1234
    examples: ClassVar[tuple[Example, ...]] = (
        Example(options=None, before="1,234.50", after="1234.50"),
        Example(options=None, before="1.234,50 €", after="1234.50"),
        Example(options=None, before="72,3", after="72.3"),
        Example(options=None, before="(1,234,567)", after="-1234567"),
        Example(options={"decimal": ","}, before="EUR 1.234", after="1234"),
        Example(options={"decimal": "."}, before="$1,234", after="1234"),
        Example(options=None, before="12 %", after="12 %"),
        Example(options={"percent": "divide"}, before="12.5%", after="0.125"),
        Example(options={"percent": "strip"}, before="12.5 %", after="12.5"),
        Example(options=None, before="about 5", after="about 5"),
    )

    @dataclass(frozen=True, kw_only=True)
    class Options:
        decimal: Literal["auto", ".", ","] = option("The decimal mark, or auto.", default="auto")
        percent: Literal["refuse", "divide", "strip"] = option(
            "What `12 %` is: no number, 0.12 (divide) or 12 (strip).", default="refuse"
        )
        currencies: tuple[str, ...] = option("More words for currencies or units, as `pcs`.", default=())

    def __init__(self, options: Options) -> None:
        for word in options.currencies:
            if not word.strip() or any(char.isdigit() or char in "+-(),%'" for char in word):
                raise ValueError(f"the currency {word!r} must be a word without digits, signs and brackets")
        self.options = options

    def sql(self, value: str, context: RuleContext) -> str:
        """Plain numbers pass first; then one pattern for each decimal mark decides, and the marks are rewritten."""
        mark = self._mark(context)
        cases = [f"when regexp_full_match({value}, '{self._plain(mark)}') then {value}"]
        for core, decimal, grouped in self._cores(mark):
            cases.append(f"when {self._fits(value, core)} then {self._written(value, decimal, grouped=grouped)}")
        return f"case {' '.join(cases)} else {value} end"

    def findings(self, value: str, context: RuleContext) -> list[Finding]:
        """Values that can be read both ways, and plain numbers that are none with the decimal comma."""
        mark = self._mark(context)
        if mark is None:
            message = "{value} can be read with a decimal mark or with a thousands mark, and the column doesn't decide"
            plain = f"regexp_full_match({value}, '-?[0-9]+(?:\\.[0-9]{{1,2}})?')"
            sql = f"case when {plain} then false else {self._fits(value, patterns.EITHER)} end"
            return [Finding(code="ambiguous_number", sql=sql, message=message)]
        if self.options.decimal == ",":
            # left as it is, the type would read 12.50 as a number, though its mark is not the declared one
            sql = f"contains({value}, '.') and regexp_full_match({value}, '{BLANK}*[-+]?(?:{patterns.lone(_DOT)}){BLANK}*')"
            return [Finding(code="not_decimal", sql=sql, message="{value} is no number with the decimal mark `,`")]
        return []

    def survey(self, value: str, context: RuleContext) -> dict[str, str]:
        """Counts the values that leave no doubt, by their decimal mark."""
        if self.options.decimal != "auto":
            return {}
        point, comma = f"contains({value}, '.')", f"contains({value}, ',')"
        points = self._fits(value, f"{patterns.POINT}|{patterns.GROUPED_POINT}")
        commas = self._fits(value, f"{patterns.COMMA}|{patterns.GROUPED_COMMA}")
        either = f"{point} or {comma}"
        return {
            "point": f"case when {either} then {points} else false end",
            "comma": f"case when {either} then {commas} else false end",
        }

    def decide(self, counts: dict[str, int], context: RuleContext) -> tuple[Any, str]:
        """`.` or `,` where all values without doubt agree, else None."""
        point, comma = counts.get("point", 0), counts.get("comma", 0)
        if point and comma:
            return (
                None,
                f"{point:,} values have a decimal point and {comma:,} a decimal comma: the column doesn't decide",
            )
        if point:
            return ".", f"{point:,} values have a decimal point, none a decimal comma"
        if comma:
            return ",", f"{comma:,} values have a decimal comma, none a decimal point"
        return None, "no value shows which mark is the decimal mark"

    def _mark(self, context: RuleContext) -> str | None:
        if self.options.decimal != "auto":
            return self.options.decimal
        return context.decision if context.decision in (".", ",") else None

    def _plain(self, mark: str | None) -> str:
        if self.options.decimal == ",":
            return "-?[0-9]+"
        if mark == ",":
            return r"-?(?:[0-9]+|[0-9]{4,}\.[0-9]+|[0-9]+\.(?:[0-9]{1,2}|[0-9]{4,}))"
        return r"-?[0-9]+(?:\.[0-9]+)?"

    def _cores(self, mark: str | None) -> list[tuple[str, str, bool]]:
        """(pattern of cores, their decimal mark, whether with neutral thousands marks), the frequent ones first."""
        point, comma = [patterns.INTEGER, patterns.POINT], [patterns.COMMA]
        if mark is not None:
            (point if mark == "." else comma).append(patterns.EITHER)
        if self.options.decimal == ",":
            comma.append(patterns.INTEGER)
        pairs = [
            ("|".join(point), ".", False),
            ("|".join(comma), ",", False),
            (f"{patterns.GROUPED}|{patterns.GROUPED_POINT}", ".", True),
            (f"{patterns.GROUPED}|{patterns.GROUPED_COMMA}", ",", True),
        ]
        return [pair for pair in pairs if self.options.decimal in ("auto", pair[1])]

    def _fits(self, value: str, core: str) -> str:
        percent = self.options.percent != "refuse"
        pattern = patterns.whole(core, percent=percent, words=self.options.currencies)
        return f"regexp_full_match({value}, {literal(pattern)})"

    def _written(self, value: str, decimal: str, *, grouped: bool) -> str:
        """The plain number of a value that fits."""
        bare = f"{value} between '0' and ':' and {value}[-1] between '0' and '9'"
        signed = f"regexp_matches({value}, '{patterns.MINUS}|\\(')"
        framed = f"concat(case when {signed} then '-' end, {_marks(_core(value), decimal, grouped=grouped)})"
        if self.options.percent == "divide":
            framed = f"case when contains({value}, '%') then {_hundredth(framed)} else {framed} end"
        return f"case when {bare} then {_marks(value, decimal, grouped=grouped)} else {framed} end"


def _core(value: str) -> str:
    """From the first digit (or the mark before it) to the last; a point behind letters belongs to a currency (`Rs.500`)."""
    start = "[.,]?[0-9](?:.*[0-9])?"
    dotted = f"regexp_replace({value}, '(\\p{{L}})\\.', '\\1', 'g')"
    return f"regexp_extract(case when regexp_matches({value}, '\\p{{L}}\\.[0-9]') then {dotted} else {value} end, '{start}')"


def _marks(core: str, decimal: str, *, grouped: bool) -> str:
    """The core without thousands marks, with a decimal point, and a digit before it."""
    if grouped:
        core = f"regexp_replace({core}, '{patterns.NEUTRAL.replace(chr(39), chr(39) * 2)}', '', 'g')"
    return f"replace({core}, ',', '')" if decimal == "." else f"replace(replace({core}, '.', ''), ',', '.')"


def _hundredth(number: str) -> str:
    """A plain number divided by 100, digit by digit."""
    padded = f"regexp_replace({number}, '^-?', '\\0000')"
    moved = f"regexp_replace({padded}, '([0-9]{{2}})(?:\\.([0-9]*))?$', '.\\1\\2')"
    return f"regexp_replace({moved}, '^(-?)0+([0-9])', '\\1\\2')"
